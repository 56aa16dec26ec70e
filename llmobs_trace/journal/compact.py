"""Rewrites a segment that is mostly settled as its pending records alone. Sender's thread.

An experiment that is paused leaves a record here and there, and each keeps a whole segment: without this, a
few kilobytes of them would fill the journal to its bound, and everything else would be refused.

The new file takes the old one's name in one step, and begins with the counts of what it leaves out. To this
process its records stay where they were: positions are promises.
"""

from __future__ import annotations

from .record import Position, head
from .records import Records, split
from .segment import Segment
from .shelf import Shelf

# Rewritten where no more than one byte in so many is still wanted.
_SHARE = 4


def is_worth_it(segment: Segment) -> bool:
    """Whether most of a segment is for nothing, and it is where it stays: in a file, or in memory alone."""
    if not segment.is_sealed or segment.places is not None or segment.owed:
        return False
    if segment.is_in_memory == (segment.path is not None):
        return False
    return segment.remaining()[1] * _SHARE <= segment.size_bytes


def compact(segment: Segment, shelf: Shelf) -> None:
    """Rewrite a segment; raises OSError or SegmentDamaged, and then nothing has changed."""
    pending = split(segment.read(0, segment.stop()), Position(0, 0))
    content = bytearray(head(segment.settled))
    places = {}
    for offset, line in zip(pending.offsets, pending.lines, strict=True):
        places[offset] = len(content)
        content += line + b"\n"
    shelf.replace(segment, bytes(content))
    segment.places = places
    segment.size_bytes = len(content)


def records_from(
    segment: Segment, at: Position, stop: int, room_bytes: int, *, at_least_one: bool
) -> tuple[Records, int]:
    """As of any segment: the pending records from `at` on that fit, and how far from there they go."""
    data = segment.read(0, segment.size_bytes)
    found = Records([], [], [])
    for offset, place in (segment.places or {}).items():
        if offset < at.offset:
            continue
        end = data.find(b"\n", place)
        room_bytes -= end + 1 - place
        if room_bytes < 0 and (found or not at_least_one):
            return found, offset - at.offset
        if offset not in segment.owed:
            for line in split(data[place : end + 1], at).lines:
                found.extend(Records([at.segment], [offset], [line]))
    return found, stop - at.offset
