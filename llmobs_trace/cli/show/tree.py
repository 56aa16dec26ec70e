"""Draws a tree of spans, with what was measured of each, as indented lines; on the main thread."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import msgspec

from llmobs_trace.cli.show.answer import answer, answers, thinking
from llmobs_trace.cli.show.took import took
from llmobs_trace.cli.terminal import units
from llmobs_trace.cli.terminal.screen import Screen
from llmobs_trace.cli.terminal.text import cut, harmless, pad, width
from llmobs_trace.store.forest import Branch, Tree
from llmobs_trace.store.queries import StoredMetric, StoredSpan

# Past this depth the lines are not indented any more: the depth is written instead.
_DEEPEST = 10
_KIND_COLUMNS = 10  # as wide as the longest kind, `experiment`
_DURATION_COLUMNS = 9
_BESIDE_THE_NAME = _KIND_COLUMNS + _DURATION_COLUMNS + 6
_LEAST_COLUMNS = 12  # for what stands below a span, however deep it is
_TEXT_COLUMNS = 60  # of a value or a message
_MOST_CALLS = 4  # of the tools that one answer calls
_TOOLS = ("tool", "retrieval")


def lines(
    tree: Tree, metrics: Mapping[str, Sequence[StoredMetric]], screen: Screen, most: int = sys.maxsize
) -> Iterator[str]:
    """A line a span: name, kind, duration, scores; below it one for its error and each failed metric.

    Of more than `most` spans, or metrics of one, the others are counted.
    """
    # What of the line's beginning the name may take, so that kinds and durations stand in columns over all
    # trees.
    name_columns = 44 if screen.columns is None else max(16, min(44, screen.columns * 2 // 5))
    bars: list[str] = []
    for branch in tree.branches[:most]:
        _draw_bars(bars, branch)
        span = branch.span
        failed = span.status == "error"
        indent = _indent(bars, branch)
        name = harmless(span.name) or "(no name)"
        if screen.columns is not None:
            name = cut(name, max(8, name_columns - width(indent)))
        style = "bold red" if failed else "" if branch.depth else "bold"
        blanks = " " * (name_columns - width(indent) - width(name))
        shown = [
            screen.style(indent, "dim") + screen.style(name, style) + blanks,
            screen.style(pad(cut(harmless(span.kind or "-"), _KIND_COLUMNS), _KIND_COLUMNS), "dim"),
            pad(units.duration(span.duration_ns), _DURATION_COLUMNS, right=True),
        ]
        every = metrics.get(span.span_id, ())
        own = every[:most]
        scores = [_score(metric, screen) for metric in own]
        room = None if screen.columns is None else screen.columns - name_columns - _BESIDE_THE_NAME
        yield "  ".join([*shown, *_fitting(scores, room)])
        below = "".join(bars[:_DEEPEST]) + ("│  " if branch.has_children else "   ")
        room = None if screen.columns is None else max(_LEAST_COLUMNS, screen.columns - width(below))
        while scores:
            yield screen.style(below, "dim") + "  ".join(_fitting(scores, room, at_least=1))
        if not (tree.is_row and not branch.depth):
            for text in _did(span, room, screen):
                yield screen.style(below, "dim") + text
        for trouble in _troubles(span, own):
            text = trouble if room is None else cut(trouble, room)
            yield screen.style(below, "dim") + screen.style(text, "red")
        if len(every) > most:
            yield screen.style(below, "dim") + left(len(every) - most, "more metric", "of this span", screen)
    if len(tree.branches) > most:
        yield left(len(tree.branches) - most, "more span", "in this tree", screen)


def left(count: int, what: str, of_what: str, screen: Screen) -> str:
    """What a terminal is not shown."""
    return screen.style(f"… {units.counted(count, what)} {of_what}: --limit all shows them", "yellow")


def preview(span: StoredSpan) -> str:
    """The beginning of a span's input, on one line; "" where it has none. Needs the span's event."""
    return _beginning(_values(span).input)


def _beginning(encoded: bytes, columns: int = _TEXT_COLUMNS) -> str:
    if encoded == b"null":
        return ""
    if encoded.startswith(b'"'):
        encoded = msgspec.json.decode(encoded, type=str).encode()
    return cut(harmless(encoded[: 4 * columns].decode(errors="ignore")), columns)


def row_title(tree: Tree, screen: Screen, *, has_repeats: bool = False) -> str:
    """Which row it is, and which repeat of it where there are several."""
    first = tree.first
    repeat = f" #{first.run_iteration}" if has_repeats and first.run_iteration is not None else ""
    return screen.style(f"row {harmless(first.row_id or '-')}{repeat}", "cyan")


def row_lines(tree: Tree, screen: Screen, *, has_repeats: bool = False) -> Iterator[str]:
    """What a row was asked, what it answered, and what its model calls took."""
    first = tree.first
    title = row_title(tree, screen, has_repeats=has_repeats)
    yield f"{title}  {screen.style(preview(first), 'dim')}"
    answered = _answer(first, None if screen.columns is None else screen.columns - 4)
    if answered:
        yield f"  → {answered}"
    if spent := took(first):
        yield "  " + screen.style(spent if screen.columns is None else cut(spent, screen.columns - 2), "dim")


def attempt_lines(cut_off: Sequence[Tree], screen: Screen) -> Iterator[str]:
    """What is left of earlier attempts at a row that were cut off, as by a kill: they are in no count."""
    counts = Counter(branch.span.attempt for tree in cut_off for branch in tree.branches)
    for attempt, count in sorted(counts.items(), key=lambda counted: counted[0] or 0):
        text = f"earlier attempt {attempt}, cut off: {units.counted(count, 'span')}, in no count"
        yield "  " + screen.style(text, "dim")


def _did(span: StoredSpan, room: int | None, screen: Screen) -> Iterator[str]:
    """What a model call took, thought and answered, or what a tool was given and gave: a line each."""
    if span.kind in _TOOLS:
        yield from _gave(span, room, screen)
        return
    values = _values(span)
    spent = ", ".join(part for part in (took(span), _retries(values)) if part)
    if not spent and span.kind not in ("llm", "embedding"):
        return
    most = _TEXT_COLUMNS if room is None else min(room - 2, _TEXT_COLUMNS)
    if thought := thinking(values.output, most):
        yield screen.style(f"thinks: {cut(harmless(thought), most - 6)}", "dim")
    said, *calls = [cut(harmless(each), most) for each in answers(values.output, most + 1)]
    told = [f"→ {each}" for each in (said, *calls[:_MOST_CALLS]) if each]
    if spent and (not told or (room is not None and width(spent) + 1 + width(told[0]) > room)):
        yield screen.style(spent if room is None else cut(spent, room), "dim")
    elif spent:
        told[0] = f"{screen.style(spent, 'dim')} {told[0]}"
    yield from told
    if len(calls) > _MOST_CALLS:
        yield f"→ {units.counted(len(calls) - _MOST_CALLS, 'more tool call')}"


def _gave(span: StoredSpan, room: int | None, screen: Screen) -> Iterator[str]:
    values = _values(span)
    columns = _TEXT_COLUMNS if room is None else max(8, min(_TEXT_COLUMNS, (room - 3) // 2))
    given, gave = _beginning(values.input, columns), _beginning(values.output, columns)
    if given or gave:
        yield screen.style(given, "dim") + (" " if given and gave else "") + (gave and f"→ {gave}")


def _retries(values: _Values) -> str:
    """How often the client tried again, where it says so."""
    for tag in values.tags:
        name, _, count = tag.partition(":")
        if name == "retries" and count.isascii() and count.isdecimal() and int(count):
            return "1 retry" if int(count) == 1 else f"{int(count):,} retries"
    return ""


def _answer(span: StoredSpan, room: int | None) -> str:
    most = _TEXT_COLUMNS if room is None else min(room, _TEXT_COLUMNS)
    encoded = _values(span).output
    return "" if encoded == b"null" else cut(harmless(answer(encoded, most + 1)), most)


class _Values(NamedTuple):
    input: bytes
    output: bytes
    tags: list[str]


def _values(span: StoredSpan) -> _Values:
    found = msgspec.json.decode(span.event, type=_Previewed) if span.event else _Previewed()
    meta = found.meta or _Meta()
    return _Values(bytes(meta.input), bytes(meta.output), found.tags or [])


class _Meta(msgspec.Struct):
    input: msgspec.Raw = msgspec.Raw(b"null")
    output: msgspec.Raw = msgspec.Raw(b"null")


class _Previewed(msgspec.Struct):
    meta: _Meta | None = None
    tags: list[str] | None = None


def _indent(bars: Sequence[str], branch: Branch) -> str:
    if not branch.depth:
        return ""
    if branch.depth > _DEEPEST:
        return "".join(bars[:_DEEPEST]) + f"({branch.depth}) "
    return "".join(bars[: branch.depth - 1]) + ("└─ " if branch.last else "├─ ")


def _draw_bars(bars: list[str], branch: Branch) -> None:
    """Bring the bars to this branch's depth: one for each span above that has siblings to come. In place."""
    del bars[max(branch.depth - 1, 0) :]
    if branch.depth:
        bars.append("   " if branch.last else "│  ")


def score_of(metric: StoredMetric) -> tuple[str, str]:
    """What a metric says, in a few words, and the style for them."""
    said = "failed" if metric.failed else "does not apply" if metric.not_applicable else _value(metric)
    return said, _score_style(metric)


def _score(metric: StoredMetric, screen: Screen) -> tuple[str, int]:
    """A score as it is shown, and how many columns it takes."""
    said, style = score_of(metric)
    text = f"{cut(harmless(metric.label), _TEXT_COLUMNS)} {said}"
    return screen.style(text, style), width(text)


def _fitting(scores: list[tuple[str, int]], room: int | None, *, at_least: int = 0) -> list[str]:
    """As many of the scores as fit in `room` columns; they are taken out of the list."""
    taken = 0
    while taken < len(scores) and (room is None or taken < at_least or scores[taken][1] <= room):
        if room is not None:
            room -= scores[taken][1] + 2
        taken += 1
    fit = [text for text, _ in scores[:taken]]
    del scores[:taken]
    return fit


def _score_style(metric: StoredMetric) -> str:
    if metric.failed:
        return "red"
    if metric.not_applicable:
        return "dim"
    return {"pass": "green", "fail": "yellow"}.get(metric.assessment or "", "cyan")


def _value(metric: StoredMetric) -> str:
    if metric.score_value is not None:
        value = units.number(metric.score_value)
    elif metric.boolean_value is not None:
        value = "true" if metric.boolean_value else "false"
    elif metric.categorical_value is not None:
        value = cut(harmless(metric.categorical_value), 24)
    elif metric.metric_type == "json":
        value = "{…}"
    else:
        value = ""
    return " ".join(part for part in (value, metric.assessment) if part)


def _troubles(span: StoredSpan, metrics: Sequence[StoredMetric]) -> Iterator[str]:
    if span.status == "error":
        what = ": ".join(part for part in (span.error_type, _first_line(span.error_message)) if part)
        yield harmless(what or "error")
    for metric in metrics:
        if metric.failed:
            why = _first_line(metric.error_message) or "neither a value nor an error"
            yield harmless(f"{metric.label} failed: {why}")


def _first_line(text: str | None) -> str:
    lines = (text or "").strip().splitlines()
    return "" if not lines else cut(lines[0], 4 * _TEXT_COLUMNS)
