"""Runs `llmobs-trace export`, which writes an experiment to a file or stdout; on the main thread.

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
from typing import Final

import msgspec

from llmobs_trace.cli.command_line.arguments import add_database, add_experiment, add_format, examples
from llmobs_trace.cli.command_line.exits import DONE, MISUSE, NO, Refusal
from llmobs_trace.cli.command_line.stores import reading
from llmobs_trace.cli.export.cells import shown
from llmobs_trace.cli.export.page import page
from llmobs_trace.cli.export.parquet import parquet
from llmobs_trace.cli.terminal import units
from llmobs_trace.cli.terminal.screen import Screen
from llmobs_trace.deliver.batch import ENVELOPE_BYTES, Batch
from llmobs_trace.deliver.lane import MAX_BATCH_EVENTS
from llmobs_trace.store import queries, tabular
from llmobs_trace.store.queries import Experiment
from llmobs_trace.store.store import Store
from llmobs_trace.store.tabular import Cell, Table

# Of a request body, as delivery's by default. An event that alone is larger has a body of its own.
_BODY_BYTES: Final = 4 << 20
_CHUNK_BYTES: Final = 1 << 16
# The formats of a line a row.
_OF_ROWS: Final = ("csv", "parquet")


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
            "llmobs-trace export latest --format csv --output rows.csv",
            "a line a row (csv-spans: a line a span), a column a metric;"
            " text that a spreadsheet would run gets a ' before it",
        ),
        (
            "llmobs-trace export latest --format parquet --output rows.parquet",
            "the same lines and columns, numbers as numbers; needs llmobs-trace[parquet]",
        ),
        (
            "llmobs-trace export latest --format html --output experiment.html",
            "the viewer's pages of it as one file, to open or to send; it holds all that was recorded",
        ),
    )


def run(arguments: argparse.Namespace, screen: Screen) -> int:
    with reading(arguments, screen, arguments.experiment) as store:
        experiment = queries.find_experiment(store, arguments.experiment)
        pieces = _WRITERS[arguments.format](store, experiment.id)
        if arguments.output in (None, "-"):
            if arguments.format == "parquet" and screen.columns is not None:
                raise Refusal("a terminal can't show Parquet: name a file with --output", MISUSE)
            for chunk in _chunks(pieces):
                screen.data(chunk)
        else:
            size = _write_file(Path(arguments.output), _watched(pieces, experiment, arguments.format, screen))
            rows = units.counted(experiment.rows, "row")
            all_of_it = (
                f"{units.counted(experiment.spans, 'span')} and {units.counted(experiment.metrics, 'metric')}"
            )
            written = rows if arguments.format in _OF_ROWS else all_of_it
            screen.say(f"wrote {written} of {experiment.id} to {arguments.output}, {units.size(size)}")
        if arguments.format in (*_OF_ROWS, "csv-spans"):
            _say_what_is_left_out(store, experiment.id, arguments.format, screen)
    return DONE


def _watched(pieces: Iterable[bytes], experiment: Experiment, form: str, screen: Screen) -> Iterable[bytes]:
    """The pieces, while a terminal is shown how many and how large they are."""
    total = {
        "jsonl": experiment.spans + experiment.metrics,
        "csv": experiment.rows + 1,
        "parquet": experiment.rows,
        "csv-spans": experiment.spans + 1,
    }.get(form)
    size_bytes = 0

    def measured() -> Iterator[bytes]:
        nonlocal size_bytes
        for piece in pieces:
            size_bytes += len(piece)
            yield piece

    return screen.progress(measured(), total, lambda: f"{units.size(size_bytes)} written")


def _say_what_is_left_out(store: Store, experiment_id: str, form: str, screen: Screen) -> None:
    """A table has no line for some of what was recorded; `jsonl` has everything."""
    if form in _OF_ROWS:
        spans, metrics = tabular.in_no_row(store, experiment_id)
        if spans or metrics:
            screen.say(
                f"left out, since they are in no row: {units.counted(spans, 'span')} and"
                f" {units.counted(metrics, 'metric')}; csv-spans has every span"
            )
    elif homeless := sum(1 for _ in queries.homeless_metrics(store, experiment_id)):
        screen.say(f"left out, since their spans are not here: {units.counted(homeless, 'metric')}")


# --- Formats: each a function from an experiment to bytes ---------------------------------------------------


def _jsonl(store: Store, experiment_id: str) -> Iterator[bytes]:
    for span in queries.spans(store, experiment_id):
        yield span.event + b"\n"
    for metric in queries.metrics(store, experiment_id):
        yield metric.event + b"\n"


def _events(store: Store, experiment_id: str) -> Iterator[bytes]:
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


def _table(table: Table) -> Iterator[bytes]:
    yield _csv_line([shown(name) for name in table.columns])
    for cells in table.lines:
        yield _csv_line([_cell(cell) for cell in cells])


def _cell(cell: Cell) -> str:
    """Nothing where there is nothing, which a table's reader takes for no value, as it is."""
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, msgspec.Raw):
        return _json_cell(cell)
    return shown(cell) if isinstance(cell, str) else repr(cell)


def _json_cell(encoded: msgspec.Raw) -> str:
    """A string as its text, null as nothing, everything else as its JSON."""
    plain = bytes(encoded)
    if plain == b"null":
        return ""
    return shown(msgspec.json.decode(plain, type=str)) if plain.startswith(b'"') else plain.decode()


def _csv_line(cells: list[str]) -> bytes:
    line = io.StringIO()
    csv.writer(line).writerow(cells)
    return line.getvalue().encode()


_WRITERS: Final[dict[str, Callable[[Store, str], Iterator[bytes]]]] = {
    "jsonl": _jsonl,
    "events": _events,
    "csv": lambda store, experiment_id: _table(tabular.rows(store, experiment_id)),
    "csv-spans": lambda store, experiment_id: _table(tabular.spans(store, experiment_id)),
    "parquet": parquet,
    "html": page,
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


def _write_file(path: Path, pieces: Iterable[bytes]) -> int:
    """How many bytes it is."""
    if path.is_dir():
        raise Refusal(f"can't write {path}: it is a directory; name a file in it", NO)
    if path.exists() and not path.is_file():
        # A device or a named pipe is written to, not replaced.
        with path.open("wb") as file:
            return sum(file.write(chunk) for chunk in _chunks(pieces))
    target = path.resolve()  # through a symbolic link rather than in its place
    unfinished = target.with_name(f".{target.name[:100]}.{os.getpid()}-{os.urandom(4).hex()}")
    try:
        with unfinished.open("xb") as file:
            size_bytes = sum(file.write(chunk) for chunk in _chunks(pieces))
        unfinished.replace(target)
        return size_bytes
    except BaseException as error:
        with suppress(OSError):
            unfinished.unlink()
        if isinstance(error, OSError) and error.filename is not None:
            raise Refusal(f"can't write {path}: {error.strerror}", NO) from error
        raise
