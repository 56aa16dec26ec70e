"""Marks recorded text so that a spreadsheet shows it and does not run it; pure.

A cell that begins as a formula is one, whoever wrote it: it may fetch an address with what stands in other
cells. Spreadsheets take full-width and small signs for the plain ones, and some pass over blanks and
invisible characters before them.
"""

from __future__ import annotations

import unicodedata
from typing import Final

# Once the signs of other scripts are made plain. The last is mathematicians' minus, which stays as it is.
_BEGINS_A_FORMULA: Final = frozenset("=+-@\N{MINUS SIGN}")
# Some programs drop what these are followed by, or take them for the end of the cell.
_BREAKS: Final = ("\t", "\r", "\n", "\0")


def shown(text: str) -> str:
    """The text, with a `'` before it where a spreadsheet would run it; what is a number stays one.

    >>> shown("=1+1"), shown("\N{FULLWIDTH EQUALS SIGN}1+1"), shown("-5")
    ("'=1+1", "'\N{FULLWIDTH EQUALS SIGN}1+1", '-5')
    """
    first = next((character for character in text if not _is_passed_over(character)), "")
    if unicodedata.normalize("NFKC", first)[:1] not in _BEGINS_A_FORMULA and not text.startswith(_BREAKS):
        return text
    try:
        float(text)
    except ValueError:
        return "'" + text
    return text


def _is_passed_over(character: str) -> bool:
    """Blanks, controls and what is invisible."""
    return unicodedata.category(character)[0] in "ZC"
