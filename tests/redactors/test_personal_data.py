from __future__ import annotations

import pytest

from llmobs_trace.redactors import personal_data

EMAIL, PHONE, CARD, IBAN = (
    "[redacted: email]",
    "[redacted: phone number]",
    "[redacted: card number]",
    "[redacted: IBAN]",
)
ADDRESS, SSN = "[redacted: IP address]", "[redacted: SSN]"


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("ann@example.com", EMAIL),
        ("Ann <ann.o'neil+x@mail.example.co.uk>.", f"Ann <{EMAIL}>."),
        ("jörg@müller.example", EMAIL),
        ("x@xn--bcher-kva.xn--p1ai", EMAIL),
        ("mailto:a@b.io?subject=x", f"mailto:{EMAIL}?subject=x"),
        ("+44 20 7946 0958", PHONE),
        ("+1 (555) 010-4567!", f"{PHONE}!"),
        ("+4915112345678", PHONE),
        ("tel:+1-201-555-0123", f"tel:{PHONE}"),
        ("call 415-555-2671 or (415) 555-2671", f"call {PHONE} or {PHONE}"),
        ("415.555.2671", PHONE),
        ("1-415-555-2671", PHONE),
        ("my phone number is 415 555 2671", f"my phone number is {PHONE}"),
        ("4111 1111 1111 1111", CARD),
        ("4111-1111-1111-1111 12/27 123", f"{CARD} 12/27 123"),
        ("ref 12 4111 1111 1111 1111 99", f"ref 12 {CARD} 99"),
        ("amex 3782 822463 10005.", f"amex {CARD}."),
        ("5555555555554444,6011111111111117", f"{CARD},{CARD}"),
        ("DE89 3704 0044 0532 0130 00", IBAN),
        ("DE89370400440532013000", IBAN),
        ("gb82 west 1234 5698 7654 32 IS MINE", f"{IBAN} IS MINE"),
        ("GB82WEST12345698765432 NL91ABNA0417164300", f"{IBAN} {IBAN}"),
        ("from 10.1.2.3.", f"from {ADDRESS}."),
        ("10.1.2.3:8080", f"{ADDRESS}:8080"),
        ("[2001:db8::1]:443", f"[{ADDRESS}]:443"),
        ("ip:2001:db8:85a3::8a2e:370:7334: refused", f"ip:{ADDRESS}: refused"),
        ("::ffff:10.1.2.3", ADDRESS),
        ("fe80::1%eth0", f"{ADDRESS}%eth0"),
        ("SSN 123-45-6789", f"SSN {SSN}"),
        ("123 45 6789", SSN),
    ],
)
def test_personal_data_is_replaced_by_what_it_was_and_the_rest_stays(text: str, seen: str) -> None:
    assert personal_data("output", text) == seen


@pytest.mark.parametrize(
    "text",
    [
        "a@b, @handle, user@localhost, x @ y.com",
        "git@github.com:owner/repo.git",
        "pkg@1.2.3 and @scope/pkg@latest",
        "4111 1111 1111 1112",  # its check digit is wrong
        "1700000000000000000 1234567890123456",
        "4 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1",
        "DE89 3704 0044 0532 0130 01",
        "GB82WEST123456987654321",
        "XX00123456789012",
        "v1.2.3.4 1.2.3.4.5 300.1.1.1",
        "127.0.0.1:8080 and ::1 and 0.0.0.0",
        "x[1::2], a::b, std::vector, 12:30:45, dead::beef",
        "aa:bb:cc:dd:ee:ff",
        "000-12-3456 666-12-3456 900-12-3456 123-00-4567 123-45-0000",
        "2024-01-15 12:30:45.123456789",
        "512 768 1024, 1536 3072",
        "grew by +12345678% to +1.23456789",
        "3fa85f64-5717-4562-b3fc-2c963f66afa6",
        "call 3 tools, tel 12",
        "phase 2.5555 of 0.4155552671",
        "order 415555267 costs 1,234,567.89",
    ],
)
def test_what_only_looks_like_personal_data_stays(text: str) -> None:
    assert personal_data("output", text) == text


def test_a_card_may_be_a_number() -> None:
    given = [
        4111111111111111,
        4111111111111111.0,
        4111111111111112,
        1700000000000000000,
        -1,
        True,
        float("inf"),
    ]
    assert personal_data("input", given) == [CARD, CARD, *given[2:]]


def test_a_name_tells_what_digits_are() -> None:
    given = {"phone": "415 555 2671", "Phone-Number": 4155552671, "ssn": "123456789"}
    assert personal_data("input", given) == {
        "phone": PHONE,
        "Phone-Number": PHONE,
        "ssn": SSN,
    }  # fmt: skip
    plain = {"phone": "iPhone 15", "mobile": True, "fax": None, "telephone": {"rings": 3}, "pan": "left"}
    assert personal_data("input", plain) == plain


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("2001:db8:1:2:3:4:5:6", ADDRESS),
        ("2001:db8:1:2:3:4:10.1.2.3", ADDRESS),
        ("2001:db8:: is a net", f"{ADDRESS} is a net"),
        ("2001:db8:1:2:3:4:5:6:7:8", "2001:db8:1:2:3:4:5:6:7:8"),
        ("2001::db8::1", "2001::db8::1"),
        ("2001:" * 12, "2001:" * 12),
    ],
)
def test_an_address_of_eight_groups_is_told_from_a_run_of_them(text: str, seen: str) -> None:
    assert personal_data("output", text) == seen
