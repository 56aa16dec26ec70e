"""Puts a measured table where the manual keeps a place for it, so that it is never typed by hand."""

from __future__ import annotations

from collections.abc import Sequence

BEGIN = "<!-- cost: written by `python -m benchmarks --write-manual` -->"
END = "<!-- cost: its end -->"


def spliced(text: str, lines: Sequence[str], begins: str = BEGIN, ends: str = END) -> str:
    """The page with these lines between its two markers; raises `ValueError` where they aren't there."""
    before, begin, rest = text.partition(begins)
    _, end, after = rest.partition(ends)
    if not begin or not end:
        raise ValueError(f"cost.md has no place for the table: put {begins} and {ends} on lines of their own")
    return "\n".join([before + begins, "", *lines, "", ends + after])
