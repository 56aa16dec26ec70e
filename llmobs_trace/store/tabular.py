"""Turns an experiment into a table: its columns by name, and one line a row or one a span. Any thread.

Whatever writes tables takes its columns from here, so that all have the same ones. A metric's column is its
label and holds values alone, so that a column of numbers is one of numbers to whoever reads it; what went
wrong, whether it passed, and why, stand in columns beside it, which are there where any line has something in
them. Of several metrics of one label, a line has what a comparison takes them for: the mean of their numbers,
and no value at all where one of them failed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final

import msgspec
from msgspec import Raw, Struct

from llmobs_trace.store import queries
from llmobs_trace.store.forest import trees
from llmobs_trace.store.preview import text_of_string
from llmobs_trace.store.queries import StoredMetric, StoredSpan
from llmobs_trace.store.store import Store

# None for nothing; `Raw` for a recorded value, as its JSON.
Cell = str | int | float | bool | Raw | None

# What model calls took: those are there that some line has something in, of experiments without any none.
_OF_CALLS: Final[dict[str, Callable[[StoredSpan], Cell]]] = {
    "model_name": lambda span: span.model,
    "model_provider": lambda span: span.provider,
    "model_calls": lambda span: span.model_calls,
    "input_tokens": lambda span: span.input_tokens,
    "output_tokens": lambda span: span.output_tokens,
    "cost_usd": lambda span: span.cost_usd,
    # `stated`, or the price data that it was worked out with.
    "cost_from": lambda span: span.cost_from,
}
_ROW_COLUMNS: Final = (
    "row_id",
    "run_iteration",
    "span_id",
    "trace_id",
    "input",
    "output",
    "expected_output",
    "status",
    "error",
    "start_ns",
    "duration_ns",
    *_OF_CALLS,
    "tags",
)
_SPAN_COLUMNS: Final = (
    "row_id",
    "trace_id",
    "span_id",
    "parent_id",
    "kind",
    "name",
    "start_ns",
    "duration_ns",
    *_OF_CALLS,
    "status",
    "error_type",
    "error_message",
    "input",
    "output",
    "expected_output",
    "tags",
)
_TAKEN: Final = (
    "metric."  # begins the name of a metric's column where another column has its label for a name
)
_BETWEEN: Final = " | "  # several texts in one cell
_ABSENT: Final = Raw(b"null")


class Table(Struct, frozen=True):
    """Names of columns, all different, and lines with a cell for each; the lines can be gone through once."""

    columns: list[str]
    lines: Iterator[list[Cell]]
    # By label, the columns of its values and of what went wrong, if anything did.
    values: dict[str, str]
    errors: dict[str, str]


class Label(Struct):
    """One label's columns, by what each holds; those that no line would have anything in are not there."""

    label: str
    has_numbers: bool = False
    has_errors: bool = False
    has_assessments: bool = False
    has_reasons: bool = False
    has_not_applicable: bool = False

    def beside(self) -> Iterator[tuple[str, Callable[[Sequence[StoredMetric]], Cell]]]:
        """What stands beside the values, and where it is had from."""
        if self.has_errors:
            yield "error", _errors
        if self.has_assessments:
            yield "assessment", _assessments
        if self.has_reasons:
            yield "reasoning", _reasons
        if self.has_not_applicable:
            yield "not_applicable", _not_applicable


def rows(store: Store, experiment_id: str) -> Table:
    """A line for each row, with all that was measured in its tree."""
    labels = _labels(store, experiment_id, "AND in_row IS NOT NULL", "in_row")
    calls = _of_calls(store, experiment_id, "AND in_row = key")
    return _table(_ROW_COLUMNS, calls, labels, _row_lines(store, experiment_id, calls, labels))


def spans(store: Store, experiment_id: str) -> Table:
    """A line for each span, with what was measured of it, by trace and by start."""
    labels = _labels(store, experiment_id, "", "span_id")
    calls = _of_calls(store, experiment_id, "")
    return _table(_SPAN_COLUMNS, calls, labels, _span_lines(store, experiment_id, calls, labels))


def in_no_row(store: Store, experiment_id: str) -> tuple[int, int]:
    """How many spans and metrics a table of rows has no place for; those of cut-off attempts are none."""
    ((spans, metrics),) = store.select(
        "SELECT (SELECT count(*) FROM span WHERE experiment = e.key AND in_row IS NULL AND attempt IS NULL),"
        " (SELECT count(*) FROM metric m WHERE experiment = e.key AND in_row IS NULL AND NOT EXISTS ("
        "SELECT 1 FROM span s WHERE s.experiment = m.experiment AND s.span_id = m.span_id"
        " AND s.attempt IS NOT NULL)) FROM experiment e WHERE id = ?",
        (experiment_id,),
    )
    return spans, metrics


# --- Columns ------------------------------------------------------------------------------------------------


class _Reason(Struct):
    reasoning: Raw = _ABSENT  # whatever it is: only who refuses events asks for a string


_reason = msgspec.json.Decoder(_Reason)


def _reason_of(event: bytes) -> str | None:
    return text_of_string(_reason.decode(event).reasoning)


def _labels(store: Store, experiment_id: str, which: str, line: str) -> list[Label]:
    """Those of the metrics that have a line; the column `line` says which."""
    found: dict[str, Label] = {}
    query = (
        "SELECT label, score_value IS NOT NULL, failed, assessment IS NOT NULL, not_applicable,"
        " CAST(event AS BLOB)"
        f" FROM metric WHERE experiment = (SELECT key FROM experiment WHERE id = ?) {which}"
    )
    for label, has_number, failed, assessed, not_applicable, event in store.select(query, (experiment_id,)):
        each = found.setdefault(label, Label(label))
        each.has_numbers |= bool(has_number)
        each.has_errors |= bool(failed)
        each.has_assessments |= bool(assessed)
        each.has_not_applicable |= bool(not_applicable)
        each.has_reasons = each.has_reasons or bool(_reason_of(event))
    disagreeing = (
        "SELECT DISTINCT label FROM (SELECT label FROM metric WHERE experiment ="
        f" (SELECT key FROM experiment WHERE id = ?) {which} GROUP BY label, {line}"
        " HAVING min(boolean_value) < max(boolean_value))"
    )
    for (label,) in store.select(disagreeing, (experiment_id,)):
        found[label].has_numbers = True  # the mean of truth values is a number, and so is all in its column
    return [found[label] for label in sorted(found)]


def _of_calls(store: Store, experiment_id: str, which: str) -> list[str]:
    ((*there, cost),) = store.select(
        "SELECT count(model), count(provider), count(model_calls), count(input_tokens), count(output_tokens),"
        f" count(cost_usd) FROM span WHERE experiment = (SELECT key FROM experiment WHERE id = ?) {which}",
        (experiment_id,),
    )
    return [name for name, is_there in zip(_OF_CALLS, [*there, cost, cost], strict=True) if is_there]


def _table(
    columns: Sequence[str], calls: Sequence[str], labels: Sequence[Label], lines: Iterator[list[Cell]]
) -> Table:
    """Labels' own names first: what stands beside one gives way to a label of the same name."""
    names = [name for name in columns if name not in _OF_CALLS or name in calls]
    taken = set(names)

    def name(wanted: str) -> str:
        while wanted in taken:
            wanted = _TAKEN + wanted
        taken.add(wanted)
        return wanted

    values = {each.label: name(each.label) for each in labels}
    errors: dict[str, str] = {}
    for each in labels:
        value = values[each.label]
        beside = {what: name(f"{value}.{what}") for what, _ in each.beside()}
        names += [value, *beside.values()]
        if each.has_errors:
            errors[each.label] = beside["error"]
    return Table(names, lines, values, errors)


# --- Lines --------------------------------------------------------------------------------------------------


class _Meta(Struct):
    input: Raw = _ABSENT
    output: Raw = _ABSENT
    expected_output: Raw = _ABSENT


class _Event(Struct):
    meta: _Meta | None = None
    tags: list[str] | None = None


_event = msgspec.json.Decoder(_Event)
_NO_META: Final = _Meta()


def _row_lines(
    store: Store, experiment_id: str, calls: Sequence[str], labels: Sequence[Label]
) -> Iterator[list[Cell]]:
    for trace_id in queries.trace_ids(store, experiment_id):
        metrics = queries.trace_metrics(store, experiment_id, trace_id)
        for tree in trees(queries.trace(store, experiment_id, trace_id, events=True)):
            if not tree.is_row:
                continue
            first = tree.first
            event = _event.decode(first.event)
            meta, tags = event.meta or _NO_META, event.tags or []
            measured = [each for branch in tree.branches for each in metrics.get(branch.span.span_id, ())]
            yield [
                first.row_id,
                first.run_iteration,
                first.span_id,
                first.trace_id,
                *_values(meta),
                first.status,
                ": ".join(part for part in (first.error_type, first.error_message) if part) or None,
                first.start_ns,
                first.duration_ns,
                *(_OF_CALLS[name](first) for name in calls),
                Raw(msgspec.json.encode(tags)),
                *_measured(labels, measured),
            ]


def _span_lines(
    store: Store, experiment_id: str, calls: Sequence[str], labels: Sequence[Label]
) -> Iterator[list[Cell]]:
    for trace_id in queries.trace_ids(store, experiment_id):
        metrics = queries.trace_metrics(store, experiment_id, trace_id)
        found = queries.trace(store, experiment_id, trace_id, events=True)
        row_ids = {
            branch.span.span_id: tree.first.row_id
            for tree in trees(found)
            if tree.is_row
            for branch in tree.branches
        }
        for span in sorted(found, key=lambda span: (span.start_ns, -span.duration_ns, span.span_id)):
            yield _span_line(span, row_ids.get(span.span_id), calls, labels, metrics.get(span.span_id, ()))


def _span_line(
    span: StoredSpan,
    row_id: str | None,
    calls: Sequence[str],
    labels: Sequence[Label],
    metrics: Sequence[StoredMetric],
) -> list[Cell]:
    event = _event.decode(span.event)
    return [
        row_id,
        span.trace_id,
        span.span_id,
        span.parent_id,
        span.kind,
        span.name,
        span.start_ns,
        span.duration_ns,
        *(_OF_CALLS[name](span) for name in calls),
        span.status,
        span.error_type,
        span.error_message,
        *_values(event.meta or _NO_META),
        Raw(msgspec.json.encode(event.tags or [])),
        *_measured(labels, metrics),
    ]


def _values(meta: _Meta) -> Iterator[Cell]:
    return (
        None if bytes(value) == b"null" else value
        for value in (meta.input, meta.output, meta.expected_output)
    )


# --- What was measured --------------------------------------------------------------------------------------


class _JsonValue(Struct):
    json_value: Raw = _ABSENT


_json_value = msgspec.json.Decoder(_JsonValue)


def _measured(labels: Sequence[Label], metrics: Sequence[StoredMetric]) -> Iterator[Cell]:
    by_label: Mapping[str, list[StoredMetric]] = {each.label: [] for each in labels}
    for metric in metrics:
        by_label[metric.label].append(metric)
    for each in labels:
        found = by_label[each.label]
        yield _value(found, each)
        for _, of in each.beside():
            yield of(found)


def _value(metrics: Sequence[StoredMetric], label: Label) -> Cell:
    if not metrics or any(metric.failed for metric in metrics):
        return None
    numbers = [metric.score_value for metric in metrics if metric.score_value is not None]
    booleans = [metric.boolean_value for metric in metrics if metric.boolean_value is not None]
    if label.has_numbers or len(set(booleans)) > 1:
        numbers += map(float, booleans)
    if numbers:
        # In shares, so that the sum of large numbers is not infinite where their mean is a number.
        return sum(number / len(numbers) for number in numbers)
    if booleans:
        return booleans[0]
    if categories := _joined(metric.categorical_value for metric in metrics):
        return categories
    return _json([_json_value.decode(metric.event).json_value for metric in metrics])


def _json(values: Sequence[Raw]) -> Raw | None:
    there = [value for value in values if bytes(value) != b"null"]
    if len(there) < 2:
        return there[0] if there else None
    return Raw(b"[" + b",".join(bytes(value) for value in there) + b"]")


def _errors(metrics: Sequence[StoredMetric]) -> Cell:
    return _joined(
        (metric.error_message or "neither a value nor an error") if metric.failed else None
        for metric in metrics
    )


def _assessments(metrics: Sequence[StoredMetric]) -> Cell:
    return _joined(metric.assessment for metric in metrics)


def _not_applicable(metrics: Sequence[StoredMetric]) -> Cell:
    return any(metric.not_applicable for metric in metrics) if metrics else None


def _reasons(metrics: Sequence[StoredMetric]) -> Cell:
    return _joined(_reason_of(metric.event) for metric in metrics)


def _joined(texts: Iterable[str | None]) -> str | None:
    """Those that are there, each once."""
    return _BETWEEN.join(dict.fromkeys(text for text in texts if text)) or None
