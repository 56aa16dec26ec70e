"""Lists what tells who somebody is, as two tables: forms in a text, and names whose value goes. Data.

E-mail: RFC 5321 and 6531, without quoted local parts. Telephone: ITU-T E.164 after a `+`, the North American
plan's ten digits where they are written as such, and digits behind a word such as `phone`. US social security
numbers: the SSA's "SSN randomization" (which areas are never given out). Addresses: RFC 4291, section
2.2; loopback and unspecified ones are nobody's.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from .checksums import IBAN_LENGTHS, is_card, is_iban
from .rule import Found, Rule, pattern

_CARD, _IBAN, _PHONE, _SSN, _ADDRESS = "card number", "IBAN", "phone number", "SSN", "IP address"

# --- Names --------------------------------------------------------------------------------------------------

_NAMED: Final[dict[str, str]] = {
    "phone": _PHONE, "phonenumber": _PHONE, "telephone": _PHONE, "telephonenumber": _PHONE, "mobile": _PHONE,
    "mobilenumber": _PHONE, "mobilephone": _PHONE, "cellphone": _PHONE, "homephone": _PHONE,
    "workphone": _PHONE, "fax": _PHONE, "faxnumber": _PHONE, "whatsapp": _PHONE,
    "ssn": _SSN, "socialsecuritynumber": _SSN, "socialsecurity": _SSN,
    "cardnumber": _CARD, "creditcard": _CARD, "creditcardnumber": _CARD, "debitcard": _CARD, "pan": _CARD,
    "iban": _IBAN,
}  # fmt: skip
_OTHER: Final = re.compile(r"[^a-z0-9]+")


def named(name: str, value: object) -> str | None:
    """What a member's value is by its name, where the value has the digits for it."""
    label = _NAMED.get(_OTHER.sub("", name.lower()))
    if label is None or isinstance(value, (dict, list, bool)) or value is None:
        return None
    return label if sum(map(str.isdigit, str(value)[:100])) >= 7 else None


def card_in_number(number: int) -> str | None:
    """A card's number that is a number; None for any other."""
    return _CARD if 10**12 <= number < 10**19 and is_card(str(number)) else None


# --- Numbers with a check digit -----------------------------------------------------------------------------

_DIGITS: Final = re.compile(r"(?<![\w.])\d+(?:[ -]\d+)*(?!\w)", re.ASCII)
_GROUP: Final = re.compile(r"\d+", re.ASCII)
_IBAN_START: Final = re.compile(r"(?<![A-Za-z0-9])[A-Za-z]{2}\d\d(?=[ -]?[A-Za-z0-9])", re.ASCII)
# Written in groups of four, or at once.
_IBANS: Final = {
    length: re.compile(rf"(?:[ -]?[A-Za-z0-9]){{{length}}}(?![^\W_])")
    for length in set(IBAN_LENGTHS.values())
}
_GAPS: Final = re.compile(r"[ -]")
_SHORTEST_CARD, _LONGEST_CARD = 13, 19


def _cards(text: str) -> Iterator[Found]:
    """Among groups of digits, those that together are a card's: other numbers may stand beside it."""
    for run in _DIGITS.finditer(text):
        groups = [match.span() for match in _GROUP.finditer(text, *run.span())]
        first = 0
        while first < len(groups):
            last = _card_from(text, groups, first)
            if last is None:
                first += 1
            else:
                yield Found(groups[first][0], groups[last][1], _CARD)
                first = last + 1


def _card_from(text: str, groups: list[tuple[int, int]], first: int) -> int | None:
    digits = ""
    for last in range(first, len(groups)):
        begin, end = groups[last]
        # A card is written in groups of four to six digits, the last one shorter; single digits are a list.
        if len(digits) + end - begin > _LONGEST_CARD or (last == first and end - begin < 4):
            return None
        digits += text[begin:end]
        if len(digits) >= _SHORTEST_CARD and is_card(digits):
            return last
    return None


def _ibans(text: str) -> Iterator[Found]:
    at = 0
    while (start := _IBAN_START.search(text, at)) is not None:
        at = start.end()
        length = IBAN_LENGTHS.get(start[0][:2].upper(), 0)
        written = _IBANS[length].match(text, start.start()) if length else None
        if written is not None and is_iban(_GAPS.sub("", written[0])):
            yield Found(*written.span(), _IBAN)
            at = written.end()


# --- Addresses ----------------------------------------------------------------------------------------------

# What an address that reaches anybody begins with: `1::2` is a slice in Python, `12:30` a time.
_ADDRESS_6: Final = re.compile(
    r"(?<![0-9a-z])(?:[23][0-9a-f]{3}|f[cd][0-9a-f]{2}|fe[89ab][0-9a-f]|::ffff):[0-9a-f:.]*",
    re.ASCII | re.IGNORECASE,
)
# With an IPv4 address in it and a colon behind it.
_LONGEST_ADDRESS: Final = 46


def _is_address_4(text: str) -> bool:
    return not text.startswith("127.") and text not in ("0.0.0.0", "255.255.255.255")


def _addresses_6(text: str) -> Iterator[Found]:
    at = 0
    while (match := _ADDRESS_6.search(text, at)) is not None:
        begin = match.start()
        at = begin + 4
        if match.end() - begin > _LONGEST_ADDRESS:
            at = match.end()
            continue
        # A port or the end of a sentence may follow.
        written = match[0].rstrip(".")
        for shorter in (written, written.rstrip(":"), written.rpartition(":")[0]):
            if _is_address_6(shorter):
                at = begin + len(shorter)
                yield Found(begin, at, _ADDRESS)
                break


# Eight groups, or fewer with `::` once among them; an IPv4 address stands for the last two. `ipaddress` says
# the same in ten times the time, which a text of nothing but beginnings makes seconds of.
_GROUPS: Final = re.compile(r"(?:[0-9a-f]{1,4}:){7}[0-9a-f]{1,4}", re.ASCII | re.IGNORECASE)
_SHORTENED: Final = re.compile(
    r"(?:[0-9a-f]{1,4}(?::[0-9a-f]{1,4}){0,6})?::(?:[0-9a-f]{1,4}(?::[0-9a-f]{1,4}){0,6})?",
    re.ASCII | re.IGNORECASE,
)
_LAST_AS_4: Final = re.compile(r"(?<=:)\d{1,3}(?:\.\d{1,3}){3}", re.ASCII)


def _is_address_6(text: str) -> bool:
    if "." in text:
        text = _LAST_AS_4.sub("0:0", text, count=1)
    if _GROUPS.fullmatch(text):
        return True
    # `::` stands for one group at least.
    return _SHORTENED.fullmatch(text) is not None and len(text.replace(":", " ").split()) <= 7


# --- Telephone ----------------------------------------------------------------------------------------------

_NUMBER: Final = r"(?:[ .()/-]{0,2}\d)"


def _is_international(text: str) -> bool:
    """A decimal fraction is no telephone number, for all its plus sign."""
    return re.fullmatch(r"\+\d+\.\d+", text) is None


RULES: Final[tuple[Rule, ...]] = (
    # Not of ASCII alone: RFC 6531. `git@host` is a place, and `name@1.2.3` a package's version.
    pattern(
        "email",
        r"(?<![\w.+%'-])(?!git@)[\w.+%'-]+@(?:[^\W_][\w-]*\.)+(?:xn--[a-z0-9-]+|[^\W\d_]{2,})",
        "@",
        flags=re.IGNORECASE,
    ),
    # Before cards, whose numbers are as long; with a `+` it is none of those.
    pattern(_PHONE, rf"(?<![\w+])\+[1-9]{_NUMBER}{{7,14}}(?![\d%])", "+", holds=_is_international),
    Rule(_ibans),
    Rule(_cards),
    pattern(_SSN, r"(?<![\w-])(?!000|666|9)\d{3}(?P<gap>[ -])(?!00)\d\d(?P=gap)(?!0000)\d{4}(?![\w-])"),
    pattern(
        _PHONE,
        r"(?<![\w.+-])(?:1[ .-])?"
        r"(?:\([2-9]\d\d\) ?[2-9]\d\d[ .-]|[2-9]\d\d(?P<gap>[.-])[2-9]\d\d(?P=gap))\d{4}(?![\w-])",
    ),
    pattern(
        _PHONE,
        r"\b(?:telephone|phone|tel|mobile|cell|fax|whatsapp|call|sms)[^\w\r\n]{0,3}"
        rf"(?:(?:me|us|at|on|is|no|nr|number)[^\w\r\n]{{1,3}}){{0,3}}(?P<it>[+(]?\d{_NUMBER}{{6,14}})(?![\d%])",
        "phone",
        "tel",
        "mobile",
        "cell",
        "fax",
        "whatsapp",
        "call",
        "sms",
        flags=re.ASCII | re.IGNORECASE,
    ),
    Rule(_addresses_6, (":",)),
    pattern(
        _ADDRESS,
        r"(?<![\w.])(?:(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)\.){3}(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)(?!\.?\w)",
        ".",
        holds=_is_address_4,
    ),
)
