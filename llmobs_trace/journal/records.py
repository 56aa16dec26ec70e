"""Holds many records at once, as columns: an object for each takes longer than sending them. Any thread.

Whoever needs one has it made: `records[3]` is a Record, `records[3:]` are columns again.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Sequence
from itertools import accumulate, compress, count, repeat
from operator import add
from typing import TypeVar, overload

from .record import Position, Record

K = TypeVar("K", bound=Hashable)


class Records(Sequence[Record]):
    """Records in some order; `segments`, `offsets` and `lines` have one item for each."""

    __slots__ = ("lines", "offsets", "segments")

    def __init__(self, segments: list[int], offsets: list[int], lines: list[bytes]) -> None:
        self.segments = segments
        self.offsets = offsets
        self.lines = lines

    @classmethod
    def of(cls, records: Iterable[Record]) -> Records:
        """These as columns, which they may be already."""
        if isinstance(records, Records):
            return records
        made = cls([], [], [])
        for record in records:
            made.segments.append(record.at.segment)
            made.offsets.append(record.at.offset)
            made.lines.append(record.line)
        return made

    def __len__(self) -> int:
        return len(self.lines)

    def __iter__(self) -> Iterator[Record]:
        return map(Record, map(Position, self.segments, self.offsets), self.lines)

    @overload
    def __getitem__(self, index: int) -> Record: ...
    @overload
    def __getitem__(self, index: slice) -> Records: ...
    def __getitem__(self, index: int | slice) -> Record | Records:
        if isinstance(index, slice):
            return Records(self.segments[index], self.offsets[index], self.lines[index])
        return Record(Position(self.segments[index], self.offsets[index]), self.lines[index])

    def extend(self, more: Records) -> None:
        """Put more at the end; only of columns that nobody else has."""
        self.segments += more.segments
        self.offsets += more.offsets
        self.lines += more.lines

    def chosen(self, chosen: Sequence[object]) -> Records:
        """Those for which this says something true; these very columns, where it does for all."""
        if all(chosen):
            return self
        return Records(
            list(compress(self.segments, chosen)),
            list(compress(self.offsets, chosen)),
            list(compress(self.lines, chosen)),
        )

    def grouped(self, keys: Sequence[K]) -> dict[K, Records]:
        """Those of each key, in their order; `keys` has one for each record."""
        if len(set(keys)) == 1:
            return {keys[0]: self}
        indices: dict[K, list[int]] = {}
        for index, key in enumerate(keys):
            indices.setdefault(key, []).append(index)
        return {key: self._picked(found) for key, found in indices.items()}

    def _picked(self, indices: list[int]) -> Records:
        segments, offsets, lines = self.segments, self.offsets, self.lines
        return Records(
            [segments[index] for index in indices],
            [offsets[index] for index in indices],
            [lines[index] for index in indices],
        )


def split(chunk: bytes, at: Position) -> Records:
    """The pending records in a stretch of a segment that begins at `at`, at a line's beginning."""
    lines = chunk.split(b"\n")
    del lines[-1]  # what comes after the last newline
    offsets = list(map(add, accumulate(map(len, lines), initial=at.offset), count()))  # a newline each
    del offsets[-1]  # where the next would be
    records = Records([at.segment] * len(lines), offsets, lines)
    return records.chosen(list(map(bytes.startswith, lines, repeat(b"{"))))
