"""Puts the ids of what was found or made in the place of made-up ones, as bytes. Sender's thread.

A span's record begins `{"experiment":<id>,"span":{"project_id":<id>,"dataset_id":<id>,"name":`. Within an
encoded text every quote is escaped, so the first `,"name":` ends the ids, whatever they hold: what stands
before it is looked at and replaced, and nothing that comes after. A metric has no ids but its experiment's,
which is no part of the event.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import repeat
from typing import Final, NamedTuple

import msgspec

from llmobs_trace.deliver.batch import METRIC, SPAN, Entries
from llmobs_trace.journal.records import Records
from llmobs_trace.wire import MADE_UP

_AFTER_THE_IDS: Final = b',"name":'
_MADE_UP: Final = MADE_UP.encode()


class _Ids(msgspec.Struct):
    project_id: str
    dataset_id: str


class Spot(NamedTuple):
    """How records of some spans begin, up to the end of their ids, and those ids."""

    begin: bytes
    project_id: str
    dataset_id: str


def made_up_spots(entries: Entries) -> list[Spot]:
    """Where made-up ids stand in the spans among these; in most cases all spans begin alike, or none has
    any.
    """
    spots = []
    for begin in _begins(entries):
        members = begin[len(entries.head) + len(SPAN) :]
        if _MADE_UP in members and (ids := _ids(members)) is not None:
            spots.append(Spot(begin, ids.project_id, ids.dataset_id))
    return spots


def replaced(entries: Entries, spots: list[Spot], real_id: Callable[[str], str]) -> Entries:
    """The same records, with real ids in their spots; their places in the journal stay."""
    new_begins = {spot.begin: _begin(entries.head, spot, real_id) for spot in spots}
    lines = entries.records.lines
    if len(new_begins) == 1:
        [(old, new)] = new_begins.items()
        lines = [new + line[len(old) :] if line.startswith(old) else line for line in lines]
    elif new_begins:
        lines = [_replaced(line, new_begins) for line in lines]
    return Entries(entries.head, Records(entries.records.segments, entries.records.offsets, lines))


def _replaced(line: bytes, new_begins: dict[bytes, bytes]) -> bytes:
    old = _begin_of(line)
    return new_begins.get(old, old) + line[len(old) :]


def _begins(entries: Entries) -> set[bytes]:
    """How the records of the spans begin, each way once."""
    lines, span, metric = entries.records.lines, entries.head + SPAN, entries.head + METRIC
    first = next((line for line in lines if line.startswith(span)), None)
    if first is None:
        return set()
    begin = _begin_of(first)
    if all(map(bytes.startswith, lines, repeat((begin + _AFTER_THE_IDS, metric)))):
        return {begin}
    return {_begin_of(line) for line in lines if line.startswith(span)}


def _begin_of(line: bytes) -> bytes:
    end = line.find(_AFTER_THE_IDS)
    return line[: max(end, 0)]


def _ids(members: bytes) -> _Ids | None:
    try:
        return msgspec.json.decode(members + b"}", type=_Ids)
    except (msgspec.DecodeError, UnicodeError):
        return None


def _begin(head: bytes, spot: Spot, real_id: Callable[[str], str]) -> bytes:
    ids = _Ids(real_id(spot.project_id), real_id(spot.dataset_id))
    return head + SPAN + msgspec.json.encode(ids)[:-1]
