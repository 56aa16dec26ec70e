"""Draws one row to be read whole: what was asked, answered and expected, its scores with their reasons, its
stacks; on the main thread.

Nothing is cut. Lines wrap at words; those of code and of tracebacks keep their beginning.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec
from msgspec import Raw, Struct

from llmobs_trace.cli.command_line.exits import MISUSE, NO, Refusal
from llmobs_trace.cli.show import tree as tree_lines
from llmobs_trace.cli.show.took import took
from llmobs_trace.cli.terminal import units
from llmobs_trace.cli.terminal.screen import Screen
from llmobs_trace.cli.terminal.text import harmless
from llmobs_trace.errors import did_you_mean
from llmobs_trace.store.forest import Tree
from llmobs_trace.store.queries import StoredMetric, StoredSpan
from llmobs_trace.store.store import Store

_INDENT: Final = "  "
_NAMED_AT_MOST: Final = 3
# How an id may be meant by a text, the closest first.
_READINGS: Final[tuple[Callable[[str, str], bool], ...]] = (
    lambda id, text: id == text,
    lambda id, text: id.startswith(text),
    lambda id, text: id.casefold().startswith(text.casefold()),
)


def find(store: Store, experiment_id: str, text: str) -> list[str]:
    """The traces of a row and its repeats, by its id, its span's id, or an unambiguous beginning of either.

    Where nothing begins as it is written, small and capital letters are the same. Raises `Refusal`.
    """
    query = (
        "SELECT row_id, span_id, trace_id FROM span WHERE experiment ="
        " (SELECT key FROM experiment WHERE id = ?) AND in_row = key ORDER BY start_ns, key"
    )
    rows: list[tuple[str | None, str, str]] = list(store.select(query, (experiment_id,)))
    for meant in _READINGS:
        # By what it is known by: all repeats of a row are one.
        found: dict[str, list[str]] = {}
        for row_id, span_id, trace_id in rows:
            if meant(row_id or "", text) or meant(span_id, text):
                found.setdefault(row_id or span_id, []).append(trace_id)
        if len(found) == 1:
            return next(iter(found.values()))
        if found:
            more = f" and {len(found) - _NAMED_AT_MOST:,} more" if len(found) > _NAMED_AT_MOST else ""
            listed = ", ".join(list(found)[:_NAMED_AT_MOST])
            raise Refusal(f'"{text}" may mean any of {len(found):,} rows: {listed}{more}', MISUSE)
    known = [row_id or span_id for row_id, span_id, _ in rows]
    raise Refusal(f'{experiment_id} has no row whose id begins with "{text}"{did_you_mean(text, known)}', NO)


def lines(
    tree: Tree,
    metrics: Mapping[str, Sequence[StoredMetric]],
    screen: Screen,
    *,
    has_repeats: bool = False,
) -> Iterator[str]:
    """The row, then its tree of spans where it has more than one."""
    first = tree.first
    yield tree_lines.row_title(tree, screen, has_repeats=has_repeats)
    failed = first.status == "error"
    parts = (first.status, units.moment(first.start_ns), units.duration(first.duration_ns), took(first))
    about = _INDENT + " · ".join(part for part in parts if part)
    yield from (screen.style(part, "red" if failed else "dim") for part in screen.fitted(about))
    meta = _event.decode(first.event).meta or _Meta()
    for title, value in (
        ("asked", meta.input),
        ("answered", meta.output),
        ("expected", meta.expected_output),
    ):
        if bytes(value) != b"null":
            yield ""
            yield screen.style(title, "bold")
            yield from _block(_spoken(msgspec.json.decode(value)), screen)
    for branch in tree.branches:
        yield from _failure(branch.span, screen, named=bool(branch.depth))
    measured = [
        (metric, "" if not branch.depth else f" of {harmless(branch.span.name)}")
        for branch in tree.branches
        for metric in metrics.get(branch.span.span_id, ())
    ]
    if measured:
        yield ""
        yield screen.style("scores", "bold")
    for metric, of in measured:
        yield from _score(metric, of, screen)
    if len(tree.branches) > 1:
        yield ""
        yield screen.style("spans", "bold")
        yield from tree_lines.lines(tree, {}, screen)


class _Error(Struct):
    stack: Raw = Raw(b"null")
    message: Raw = Raw(b"null")


class _Meta(Struct):
    input: Raw = Raw(b"null")
    output: Raw = Raw(b"null")
    expected_output: Raw = Raw(b"null")
    error: _Error | None = None


class _Event(Struct):
    meta: _Meta | None = None


class _Scored(Struct):
    reasoning: Raw = Raw(b"null")
    json_value: Raw = Raw(b"null")


_event = msgspec.json.Decoder(_Event)
_scored = msgspec.json.Decoder(_Scored)


def _failure(span: StoredSpan, screen: Screen, *, named: bool) -> Iterator[str]:
    if span.status != "error":
        return
    error = (_event.decode(span.event).meta or _Meta()).error or _Error()
    stack = _text(error.stack)
    yield ""
    yield screen.style(f"error{f' of {harmless(span.name)}' if named else ''}", "bold red")
    what = ": ".join(part for part in (span.error_type, span.error_message) if part)
    # Most tracebacks end with both.
    if what and what not in stack:
        yield from _block(what, screen)
    if stack:
        yield from _block(stack, screen, wraps=False)


def _score(metric: StoredMetric, of: str, screen: Screen) -> Iterator[str]:
    said = _scored.decode(metric.event)
    value, style = tree_lines.score_of(metric)
    has_json = metric.metric_type == "json" and bytes(said.json_value) != b"null"
    shown = (metric.assessment or "") if has_json else value
    yield f"{_INDENT}{harmless(metric.label)}{of}  {screen.style(harmless(shown), style)}"
    if has_json:
        yield from _block(_spoken(msgspec.json.decode(said.json_value)), screen, _INDENT * 2)
    if metric.failed:
        yield from _block(metric.error_message or "neither a value nor an error", screen, _INDENT * 2)
    if reasoning := _text(said.reasoning):
        yield from _block(reasoning, screen, _INDENT * 2)


def _block(text: str, screen: Screen, indent: str = _INDENT, *, wraps: bool = True) -> Iterator[str]:
    """A text of any number of lines; where carets point at what is above them, the terminal breaks it."""
    for line in text.splitlines() or [""]:
        shown = harmless(line.expandtabs(4))
        room = max(8, (screen.columns or 0) - len(indent))
        yield from (indent + part for part in (screen.fitted(shown, room) if wraps else [shown]))


# --- Values -------------------------------------------------------------------------------------------------


def _text(value: Raw) -> str:
    found = msgspec.json.decode(value)
    return found if isinstance(found, str) else ""


def _spoken(value: Any) -> str:
    """A text as it is, messages by who said them, all else as indented JSON."""
    if isinstance(value, str):
        return value or '""'
    if isinstance(value, dict):
        if value.keys() == {"value"}:
            return _spoken(value["value"])  # as what is no object is sent
        others = {name: each for name, each in value.items() if name != "messages"}
        if _are_messages(value.get("messages")):
            parts = [_message(each) for each in value["messages"]]
            return "\n\n".join([*parts, *([_json(others)] if others else [])])
        if _are_messages([value]):
            return _message(value)
    if _are_messages(value):
        return "\n\n".join(map(_message, value))
    return _json(value)


def _are_messages(value: Any) -> bool:
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(each, dict) and isinstance(each.get("role"), str) for each in value)
    )


def _message(message: dict[str, Any]) -> str:
    content = message.get("content")
    others = {name: each for name, each in message.items() if name not in ("role", "content")}
    parts = [] if content in (None, "") else [content if isinstance(content, str) else _json(content)]
    return "\n".join([f"[{message['role']}]", *parts, *([_json(others)] if others else [])])


def _json(value: Any) -> str:
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode()
