from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmobs_trace.redactors.checksums import IBAN_LENGTHS, is_card, is_iban


# Numbers that the networks publish for tests.
@pytest.mark.parametrize(
    "digits",
    ["4111111111111111", "4222222222222", "5555555555554444", "2223003122003222", "378282246310005",
     "30569309025904", "38520000023237", "6011111111111117", "3530111333300000", "6205500000000000004"],
)  # fmt: skip
def test_a_networks_number_is_a_card(digits: str) -> None:
    assert is_card(digits)


@given(st.integers(0, 9), st.integers(0, 15))
def test_one_wrong_digit_is_noticed(digit: int, place: int) -> None:
    right = "4111111111111111"
    wrong = right[:place] + str(digit) + right[place + 1 :]
    # The range has digits of its own; the check digit notices any one that is wrong.
    assert is_card(wrong) == (wrong == right)


@pytest.mark.parametrize("digits", ["", "4", "0000000000000000", "1234567812345670", "41111111111111111"])
def test_of_no_networks_range_or_length_is_no_card(digits: str) -> None:
    assert not is_card(digits)


# The registry's own examples.
@pytest.mark.parametrize(
    "text",
    ["NO9386011117947", "BE68539007547034", "GB82WEST12345698765432", "DE89370400440532013000",
     "FR1420041010050500013M02606", "MT84MALT011000012345MTLCAST001S", "nl91abna0417164300"],
)  # fmt: skip
def test_the_registrys_examples_are_ibans(text: str) -> None:
    assert is_iban(text)


@given(st.text(max_size=40))
def test_any_text_has_an_answer(text: str) -> None:
    assert is_iban(text) in (True, False)
    assert is_iban("DE" + text) in (True, False)


def test_lengths_are_those_of_real_countries() -> None:
    assert IBAN_LENGTHS["NO"] == min(IBAN_LENGTHS.values()) == 15
    assert IBAN_LENGTHS["RU"] == max(IBAN_LENGTHS.values()) == 33
    assert not is_iban("DE8937040044053201300")
