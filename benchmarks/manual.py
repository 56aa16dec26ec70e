"""Puts a measured table where the manual keeps a place for it, so that it is never typed by hand."""

from __future__ import annotations

from collections.abc import Sequence

BEGIN = "<!-- cost: written by `python -m benchmarks --write-manual` -->"
END = "<!-- cost: its end -->"


def spliced(text: str, lines: Sequence[str]) -> str:
    """The page with these lines between its two markers; raises `ValueError` where they aren't there."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"cost.md has no place for the table: put {BEGIN} and {END} on lines of their own")
    return "\n".join([before + BEGIN, "", *lines, "", END + after])
