"""Builds trees of one trace's spans, each as a flat list in a reader's order; orphans become roots. Any
thread.

Flat and without recursion: a trace may be deeper than Python's stack.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from llmobs_trace.store.queries import StoredSpan


class Branch(Struct, frozen=True):
    """A span at its place in a tree."""

    span: StoredSpan
    depth: int  # 0 for the tree's first span
    last: bool  # no sibling comes after it
    has_children: bool


class Tree(Struct, frozen=True):
    """A span and all below it, parents before children, siblings by start."""

    branches: list[Branch]

    @property
    def first(self) -> StoredSpan:
        return self.branches[0].span

    @property
    def is_row(self) -> bool:
        """Whether it is a row: a root of kind `experiment`, which a root is unless it says otherwise."""
        return self.first.parent_id is None and (self.first.kind or "experiment") == "experiment"

    @property
    def is_cut_off(self) -> bool:
        """Whether it is of an attempt at a row that was cut off, or still runs: in no row, in no count."""
        return self.first.attempt is not None and self.first.parent_id is not None


def trees(spans: Iterable[StoredSpan]) -> list[Tree]:
    """Every span comes in exactly one tree. A span whose parent isn't among them begins a tree of its own."""
    ordered = sorted(spans, key=lambda span: (span.start_ns, -span.duration_ns, span.span_id))
    known = {span.span_id for span in ordered}
    children: dict[str, list[StoredSpan]] = {}
    firsts: list[StoredSpan] = []
    for span in ordered:
        if span.parent_id is None or span.parent_id not in known or span.parent_id == span.span_id:
            firsts.append(span)
        else:
            children.setdefault(span.parent_id, []).append(span)
    found: list[Tree] = []
    placed: set[str] = set()
    for first in firsts:
        found.append(_grow(first, children, placed))
    if len(placed) < len(ordered):
        # Parents that name each other in a circle, which no tracer makes and anybody can send: cut it open.
        for span in ordered:
            if span.span_id not in placed:
                found.append(_grow(span, children, placed))
    return found


def _grow(first: StoredSpan, children: dict[str, list[StoredSpan]], placed: set[str]) -> Tree:
    branches: list[Branch] = []
    waiting = [(first, 0, True)]
    placed.add(first.span_id)
    while waiting:
        span, depth, last = waiting.pop()
        below = [child for child in children.get(span.span_id, ()) if child.span_id not in placed]
        placed.update(child.span_id for child in below)
        branches.append(Branch(span, depth, last, bool(below)))
        for position in range(len(below) - 1, -1, -1):
            waiting.append((below[position], depth + 1, position == len(below) - 1))
    return Tree(branches)
