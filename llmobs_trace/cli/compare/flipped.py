"""Finds which rows say something else in B than in A, by label, and lists the first few; on the main thread.

Scores are left out: most of them differ. What is listed are truth values, categories and assessments.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from llmobs_trace.cli.terminal import units
from llmobs_trace.cli.terminal.screen import Screen
from llmobs_trace.cli.terminal.text import cut, harmless
from llmobs_trace.compare import Comparison
from llmobs_trace.compare.results import Kind
from llmobs_trace.store.store import Store
from llmobs_trace.viewer import flips, regressions

_KINDS: Final[dict[Kind, tuple[str, str]]] = {
    "boolean": ("true", "false"),
    "assessment": ("pass", "fail"),
    "category": ("", ""),
}
_NAMED: Final = 5
_MOST_WAYS: Final = 6
_VALUE_COLUMNS: Final = 24

# From what to what, and the ids of the rows.
Way = tuple[str, str, list[str]]


def flipped(store: Store, comparison: Comparison) -> dict[str, list[Way]]:
    """By label, the ways in which rows flipped, the most frequent first."""
    keys = dict(
        store.select("SELECT id, key FROM experiment WHERE id IN (?, ?)", (comparison.a.id, comparison.b.id))
    )
    a, b = (regressions.rows(store, keys[each.id], each.id) for each in (comparison.a, comparison.b))
    found: dict[str, list[Way]] = {}
    for metric in comparison.metrics:
        if metric.builtin or metric.kind not in _KINDS:
            continue
        words = _KINDS[metric.kind]
        before, after = (flips.said_of(store, each.experiment, metric.label) for each in (a, b))
        ways: dict[tuple[str, str], list[str]] = {}
        for key, row in a.rows.items():
            other = b.rows.get(key)
            if other is None or row.key not in before or other.key not in after:
                continue
            was, became = _word(before[row.key], words), _word(after[other.key], words)
            if was != became:
                ways.setdefault((was, became), []).append(key[0])
        if ways:
            found[metric.label] = sorted(
                ((was, became, ids) for (was, became), ids in ways.items()), key=lambda way: -len(way[2])
            )
    return found


def lines(found: dict[str, list[Way]], comparison: Comparison, screen: Screen) -> Iterator[str]:
    """Which rows flipped, the first few of each way by their ids, and how to see one whole."""
    if not found:
        return
    yield screen.style("rows that flipped, A → B", "bold")
    for label, ways in found.items():
        for was, became, ids in ways[:_MOST_WAYS]:
            named = ", ".join(harmless(each) for each in ids[:_NAMED])
            more = f" and {len(ids) - _NAMED:,} more" if len(ids) > _NAMED else ""
            way = f"{_short(was)} → {_short(became)}"
            text = f"  {harmless(label)}  {way}  {units.counted(len(ids), 'row')}: {named}{more}"
            yield from screen.fitted(text)
        if len(ways) > _MOST_WAYS:
            yield f"  {harmless(label)}  {units.counted(len(ways) - _MOST_WAYS, 'more way')}"
    row = next(iter(found.values()))[0][2][0]
    text = (
        f"one of them whole: llmobs-trace show {harmless(comparison.b.id)[:8]} --row {harmless(row)} --full;"
        " all of them: on the pages of llmobs-trace serve"
    )
    yield from (screen.style(part, "dim") for part in screen.fitted(text))


def _word(said: flips.Said, words: tuple[str, str]) -> str:
    if isinstance(said, str):
        return said
    return words[0] if said == 1 else words[1] if said == 0 else units.number(said)


def _short(text: str) -> str:
    return cut(harmless(text), _VALUE_COLUMNS)
