"""`llmobs-trace export`: an experiment's id in, its events out as a file or on stdout; the main thread.

Written as it is read, a line at a time. A file appears under its name when it is whole, not before.
"""

from __future__ import annotations

import argparse
import csv
import io
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from llmobs_trace.cli import DONE, NO, Refusal, units
from llmobs_trace.cli.arguments import add_database, add_experiment, add_format, examples, reading
from llmobs_trace.cli.screen import Screen

if TYPE_CHECKING:
    from llmobs_trace.local.queries import StoredMetric, StoredSpan
    from llmobs_trace.local.store import Store

# Of a request body, as delivery's by default. An event that alone is larger has a body of its own.
_BODY_BYTES: Final = 4 << 20
_CHUNK_BYTES: Final = 1 << 16


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_experiment(parser)
    add_format(parser, tuple(_WRITERS), default=None)
    parser.add_argument("--output", metavar="FILE", help="where to write (default: stdout, as `-` is)")
    add_database(parser)
    examples(
        parser,
        (
            "llmobs-trace export latest --format jsonl",
            "every span, then every metric, as on the wire, one a line",
        ),
        (
            "llmobs-trace export latest --format events --output bodies.jsonl",
            "request bodies as the endpoint takes them, one a line",
        ),
        (
            "llmobs-trace export latest --format csv --output spans.csv",
            "a line a span, a column a label; text that a spreadsheet would run gets a ' before it",
        ),
        (
            "llmobs-trace export latest --format html --output experiment.html",
            "the viewer's pages of it as one file, to open or to send; it holds all that was recorded",
        ),
    )


def run(arguments: argparse.Namespace, screen: Screen) -> int:
    from llmobs_trace.local import queries

    with reading(arguments, screen) as store:
        experiment = queries.find_experiment(store, arguments.experiment)
        pieces = _WRITERS[arguments.format](store, experiment.id)
        if arguments.output in (None, "-"):
            for chunk in _chunks(pieces):
                screen.data(chunk)
        else:
            total = {"jsonl": experiment.spans + experiment.metrics, "csv": experiment.spans + 1}
            watched = screen.progress(pieces, total.get(arguments.format), "written")
            _write_file(Path(arguments.output), watched)
            screen.say(
                f"wrote {units.counted(experiment.spans, 'span')} and"
                f" {units.counted(experiment.metrics, 'metric')} of {experiment.id} to {arguments.output}"
            )
    return DONE


# --- Formats: each a function from an experiment to bytes ---------------------------------------------------


def _jsonl(store: Store, experiment_id: str) -> Iterator[bytes]:
    from llmobs_trace.local import queries

    for span in queries.spans(store, experiment_id):
        yield span.event + b"\n"
    for metric in queries.metrics(store, experiment_id):
        yield metric.event + b"\n"


def _events(store: Store, experiment_id: str) -> Iterator[bytes]:
    from llmobs_trace.deliver.batch import ENVELOPE_BYTES, Batch
    from llmobs_trace.deliver.lane import MAX_BATCH_EVENTS
    from llmobs_trace.local import queries

    spans: list[bytes] = []
    metrics: list[bytes] = []

    def body() -> bytes:
        made = Batch(experiment_id=experiment_id, spans=spans, metrics=metrics).body()
        spans.clear()
        metrics.clear()
        return made + b"\n"

    size_bytes = ENVELOPE_BYTES
    for stored, events in ((queries.spans, spans), (queries.metrics, metrics)):
        for event in (found.event for found in stored(store, experiment_id)):
            more_bytes = len(event) + 1
            count = len(spans) + len(metrics)
            if count and (size_bytes + more_bytes > _BODY_BYTES or count >= MAX_BATCH_EVENTS):
                yield body()
                size_bytes = ENVELOPE_BYTES
            events.append(event)
            size_bytes += more_bytes
    if spans or metrics:
        yield body()


_CSV_COLUMNS: Final = (
    "row_id",
    "trace_id",
    "span_id",
    "parent_id",
    "kind",
    "name",
    "start_ns",
    "duration_ns",
    "status",
    "error_type",
    "error_message",
    "input",
    "output",
    "expected_output",
    "tags",
)


class _Meta(msgspec.Struct):
    input: msgspec.Raw = msgspec.Raw(b"null")
    output: msgspec.Raw = msgspec.Raw(b"null")
    expected_output: msgspec.Raw = msgspec.Raw(b"null")


class _Event(msgspec.Struct):
    meta: _Meta | None = None
    tags: list[str] | None = None


def _csv(store: Store, experiment_id: str) -> Iterator[bytes]:
    from llmobs_trace.local import queries

    labels = queries.labels(store, experiment_id)
    yield _csv_line([*_CSV_COLUMNS, *(_text(label) for label in labels)])
    for trace_id in queries.trace_ids(store, experiment_id):
        metrics = queries.trace_metrics(store, experiment_id, trace_id)
        spans = queries.trace(store, experiment_id, trace_id, events=True)
        for span in sorted(spans, key=lambda span: (span.start_ns, -span.duration_ns, span.span_id)):
            yield _csv_line([*_span_cells(span), *_metric_cells(labels, metrics.get(span.span_id, []))])


def _span_cells(span: StoredSpan) -> list[str]:
    event = msgspec.json.decode(span.event, type=_Event)
    meta = event.meta or _Meta()
    return [
        _text(span.row_id or ""),
        _text(span.trace_id),
        _text(span.span_id),
        _text(span.parent_id or ""),
        _text(span.kind or ""),
        _text(span.name),
        str(span.start_ns),
        str(span.duration_ns),
        span.status,
        _text(span.error_type or ""),
        _text(span.error_message or ""),
        _json_cell(meta.input),
        _json_cell(meta.output),
        _json_cell(meta.expected_output),
        _text(" ".join(event.tags or ())),
    ]


def _metric_cells(labels: list[str], metrics: list[StoredMetric]) -> Iterator[str]:
    by_label: dict[str, list[str]] = {}
    for metric in metrics:
        by_label.setdefault(metric.label, []).append(_metric_cell(metric))
    for label in labels:
        # Rarely more than one; a failure is written out, where a blank would read as "not measured".
        yield " | ".join(by_label.get(label, ()))


class _JsonValue(msgspec.Struct):
    json_value: msgspec.Raw = msgspec.Raw(b"null")


def _metric_cell(metric: StoredMetric) -> str:
    if metric.failed:
        return _text(f"failed: {metric.error_message}" if metric.error_message else "failed")
    if metric.score_value is not None:
        return repr(metric.score_value)
    if metric.boolean_value is not None:
        return "true" if metric.boolean_value else "false"
    if metric.categorical_value is not None:
        return _text(metric.categorical_value)
    encoded = msgspec.json.decode(metric.event, type=_JsonValue).json_value
    return _json_cell(encoded) or metric.assessment or ""


def _json_cell(encoded: msgspec.Raw) -> str:
    """A string as its text, null as nothing, everything else as its JSON."""
    plain = bytes(encoded)
    if plain == b"null":
        return ""
    return _text(msgspec.json.decode(plain, type=str)) if plain.startswith(b'"') else plain.decode()


def _text(text: str) -> str:
    """Recorded text must not be run by the spreadsheet that opens it; what is a number stays one."""
    if not text.startswith(("=", "+", "-", "@", "\t", "\r")):
        return text
    try:
        float(text)
    except ValueError:
        return "'" + text
    return text


def _csv_line(cells: list[str]) -> bytes:
    line = io.StringIO()
    csv.writer(line).writerow(cells)
    return line.getvalue().encode()


def _html(store: Store, experiment_id: str) -> Iterator[bytes]:
    from llmobs_trace.cli.page import page

    return page(store, experiment_id)


_WRITERS: Final[dict[str, Callable[[Store, str], Iterator[bytes]]]] = {
    "jsonl": _jsonl,
    "events": _events,
    "csv": _csv,
    "html": _html,
}


# --- Files --------------------------------------------------------------------------------------------------


def _chunks(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The same bytes in fewer writes."""
    waiting = bytearray()
    for piece in pieces:
        waiting += piece
        if len(waiting) >= _CHUNK_BYTES:
            yield bytes(waiting)
            waiting.clear()
    yield bytes(waiting)


def _write_file(path: Path, pieces: Iterable[bytes]) -> None:
    if path.is_dir():
        raise Refusal(f"can't write {path}: it is a directory; name a file in it", NO)
    if path.exists() and not path.is_file():
        # A device or a named pipe is written to, not replaced.
        with path.open("wb") as file:
            for chunk in _chunks(pieces):
                file.write(chunk)
        return
    target = path.resolve()  # through a symbolic link rather than in its place
    unfinished = target.with_name(f".{target.name[:100]}.{os.getpid()}-{os.urandom(4).hex()}")
    try:
        with unfinished.open("xb") as file:
            for chunk in _chunks(pieces):
                file.write(chunk)
        unfinished.replace(target)
    except BaseException as error:
        with suppress(OSError):
            unfinished.unlink()
        if isinstance(error, OSError) and error.filename is not None:
            raise Refusal(f"can't write {path}: {error.strerror}", NO) from error
        raise
