"""Checks by their check digits whether digits are what they look like. Pure, any thread.

Card numbers: ISO/IEC 7812-1, with the ranges that the networks publish; IBAN: ISO 13616, lengths as in the
registry that SWIFT keeps.
"""

from __future__ import annotations

from typing import Final

# First and last prefix of a range → lengths of its numbers.
_CARDS: Final[tuple[tuple[str, str, tuple[int, ...]], ...]] = (
    ("4", "4", (13, 16, 19)),  # Visa
    ("51", "55", (16,)),  # Mastercard
    ("2221", "2720", (16,)),
    ("34", "34", (15,)),  # American Express
    ("37", "37", (15,)),
    ("300", "305", (14,)),  # Diners Club
    ("36", "36", (14,)),
    ("38", "39", (14,)),
    ("6011", "6011", (16, 19)),  # Discover
    ("644", "659", (16, 19)),
    ("3528", "3589", (16,)),  # JCB
    ("62", "62", (16, 17, 18, 19)),  # UnionPay
    ("5018", "5018", (16, 19)),  # Maestro
    ("5020", "5020", (16, 19)),
    ("5038", "5038", (16, 19)),
    ("6304", "6304", (16, 19)),
    ("6759", "6763", (16, 19)),
)

IBAN_LENGTHS: Final = {
    country: length
    for length, countries in {
        15: "NO", 16: "BE", 18: "DK FI FO GL NL SD FK", 19: "MK SI", 20: "AT BA EE KZ LT LU XK MN",
        21: "CH HR LI LV", 22: "BG BH CR DE GB GE IE ME RS VA", 23: "AE GI IL IQ SO TL OM",
        24: "AD CZ ES MD PK RO SA SE SK TN VG", 25: "LY PT ST", 26: "IS TR", 27: "BI DJ FR GR IT MC MR SM",
        28: "AL AZ BY CY DO GT HN HU LB NI PL SV", 29: "BR EG PS QA UA", 30: "JO KW MU YE", 31: "MT SC",
        32: "LC", 33: "RU",
    }.items()
    for country in countries.split()
}  # fmt: skip


def is_card(digits: str) -> bool:
    """Whether these are a payment card's: a network's range, its length, and the check digit."""
    return any(
        len(digits) in lengths and first <= digits[: len(first)] <= last for first, last, lengths in _CARDS
    ) and _luhn(digits)


def is_iban(text: str) -> bool:
    """Whether this is an IBAN, written without blanks: the country's length, and the check digits."""
    if not text.isascii() or not text.isalnum() or IBAN_LENGTHS.get(text[:2].upper()) != len(text):
        return False
    # A letter counts as 10 to 35, which is what a digit of base 36 is worth.
    return int("".join(str(int(character, 36)) for character in text[4:] + text[:4])) % 97 == 1


def _luhn(digits: str) -> bool:
    doubled = (sum(divmod(2 * int(digit), 10)) for digit in digits[-2::-2])
    return (sum(doubled) + sum(map(int, digits[-1::-2]))) % 10 == 0
