"""Writes an experiment's rows as a Parquet file, which knows numbers from texts; on the main thread.

A file says of what type each column is, and only the last line tells: so the lines wait in a temporary file
until all are known. From there they go out a row group at a time, and memory holds no more than one.
"""

from __future__ import annotations

import io
import tempfile
from collections.abc import Callable, Iterator, Sequence
from typing import IO, Any, Final

import msgspec
from msgspec import Raw

from llmobs_trace.cli.command_line.exits import MISUSE, Refusal
from llmobs_trace.store import column_types, tabular
from llmobs_trace.store.column_types import Type
from llmobs_trace.store.store import Store

# Of a row group, whichever comes first.
_LINES: Final = 10_000
_GROUP_BYTES: Final = 16 << 20
_IN_MEMORY_BYTES: Final = 4 << 20


def parquet(store: Store, experiment_id: str) -> Iterator[bytes]:
    """The file, a piece at a time; an empty piece for each line that is read."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as missing:
        raise Refusal(
            "Parquet files are written by pyarrow: pip install 'llmobs-trace[parquet]', or use --format csv",
            MISUSE,
        ) from missing
    table = tabular.rows(store, experiment_id)
    found: list[Type | None] = [None] * len(table.columns)
    with tempfile.SpooledTemporaryFile(_IN_MEMORY_BYTES) as waiting:
        for cells in table.lines:
            line = msgspec.json.encode(cells)
            found = [_together(type_, cell) for type_, cell in zip(found, _cells(line), strict=True)]
            waiting.write(line + b"\n")
            yield b""
        types: list[Type] = [type_ or "text" for type_ in found]
        arrow = {
            "boolean": pyarrow.bool_(),
            "integer": pyarrow.int64(),
            "number": pyarrow.float64(),
            "text": pyarrow.string(),
        }
        schema = pyarrow.schema(
            [(name, arrow[type_]) for name, type_ in zip(table.columns, types, strict=True)]
        )
        waiting.seek(0)
        pieces = _Pieces()
        with pyarrow.parquet.ParquetWriter(pieces, schema) as writer:
            for lines in _groups(waiting):
                columns = [
                    [_AS[type_](cell) for cell in cells]
                    for type_, cells in zip(types, zip(*map(_cells, lines), strict=True), strict=True)
                ]
                arrays = [
                    pyarrow.array(column, field.type) for column, field in zip(columns, schema, strict=True)
                ]
                writer.write_table(pyarrow.Table.from_arrays(arrays, schema=schema))
                yield pieces.taken()
        yield pieces.taken()


class _Pieces(io.RawIOBase):
    """A file that hands on what is written to it."""

    def __init__(self) -> None:
        self._written = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._written += data
        return len(data)

    def taken(self) -> bytes:
        """What was written since it was last asked."""
        taken = bytes(self._written)
        self._written.clear()
        return taken


def _groups(waiting: IO[bytes]) -> Iterator[Sequence[bytes]]:
    lines: list[bytes] = []
    held_bytes = 0
    for line in waiting:
        lines.append(line)
        held_bytes += len(line)
        if len(lines) >= _LINES or held_bytes >= _GROUP_BYTES:
            yield lines
            lines, held_bytes = [], 0
    if lines:
        yield lines


# --- Cells, each as its JSON --------------------------------------------------------------------------------

_cells: Final = msgspec.json.Decoder(list[Raw]).decode
_NOTHING: Final = b"null"


def _together(found: Type | None, cell: Raw) -> Type | None:
    json = bytes(cell)
    if found == "text" or json == _NOTHING:
        return found
    # What begins a text, an object or an array tells without being read.
    is_text = json[:1] in b'"{['
    return column_types.together(found, "text" if is_text else column_types.of_one(_value(cell)))


def _value(cell: Raw) -> Any:
    return msgspec.json.decode(cell)


def _text(cell: Raw) -> str | None:
    """A text as it is, all else as its JSON; as in csv."""
    json = bytes(cell)
    if json == _NOTHING:
        return None
    return msgspec.json.decode(json, type=str) if json.startswith(b'"') else json.decode()


_AS: Final[dict[Type, Callable[[Raw], Any]]] = {
    "boolean": _value,
    "integer": _value,
    "number": _value,
    "text": _text,
}
