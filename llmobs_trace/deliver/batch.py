"""Joins records into request bodies, as bytes: nothing is decoded or encoded again. Sender's thread.

A record is `{"experiment":<id>,"span":{…}}` or `{"experiment":<id>,"metric":{…}}`. Inside an encoded id
every quote is escaped, so the first `","` ends it, whatever the id and the event hold.

Thousands of events are on their way at a time, so each step is a few C calls over all of them. An object is
made of one only where it is refused.
"""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Container, Iterator, Sequence
from itertools import compress, repeat
from operator import and_, not_
from typing import Final

from msgspec import Struct

from llmobs_trace.journal.record import Position, Record
from llmobs_trace.journal.records import Records

_HEAD: Final = b'{"experiment":"'
SPAN: Final = b'"span":'
METRIC: Final = b'"metric":'
_END: Final = b"}}"
_NO_HEAD: Final = b"\n"  # no record begins so

# What is around the events of a body that holds both kinds.
ENVELOPE_BYTES: Final = len(b'{"data":{"attributes":{"metrics":[],"spans":[]},"type":"events"}}')


class Event(Struct, frozen=True, gc=False):
    """One record taken apart: which kind, and the event as on the wire."""

    is_span: bool
    json: bytes


class Entries:
    """Events of one experiment in their order, within their records, which all begin with `head`.

    An entry is one of them: its record, to be acknowledged, and its event, to be sent.
    """

    __slots__ = ("head", "records")

    def __init__(self, head: bytes, records: Records) -> None:
        self.head = head  # up to the event's kind
        self.records = records

    def __len__(self) -> int:
        return len(self.records)

    def __iter__(self) -> Iterator[tuple[Record, Event]]:
        for record in self.records:
            is_span = record.line.startswith(SPAN, len(self.head))
            begin = len(self.head) + len(SPAN if is_span else METRIC)
            yield record, Event(is_span, record.line[begin:-1])

    def __getitem__(self, part: slice) -> Entries:
        return Entries(self.head, self.records[part])

    def without(self, places: Container[Position]) -> Entries:
        """All but those whose records are there."""
        return Entries(self.head, self.records.chosen([record.at not in places for record in self.records]))

    def sizes(self) -> list[int]:
        """How many bytes each takes in a body, its comma included; of a metric, two more."""
        before = len(self.head) + len(SPAN)
        return [len(line) - before for line in self.records.lines]

    def replaced(self, event: Event) -> Entries:
        """Of a single entry: the same record, with another event in it."""
        line = self.head + (SPAN if event.is_span else METRIC) + event.json + b"}"
        return Entries(self.head, Records.of([Record(self.records[0].at, line)]))


class Batch(Struct, frozen=True, kw_only=True):
    """The events of one request; all of one experiment."""

    experiment_id: str
    spans: list[bytes]
    metrics: list[bytes]

    @classmethod
    def of(cls, experiment_id: str, entries: Entries) -> Batch:
        """These events, in their order."""
        lines, span, metric = entries.records.lines, entries.head + SPAN, entries.head + METRIC
        are_spans = list(map(bytes.startswith, lines, repeat(span)))
        return cls(
            experiment_id=experiment_id,
            spans=[line[len(span) : -1] for line in compress(lines, are_spans)],
            metrics=[line[len(metric) : -1] for line in compress(lines, map(not_, are_spans))],
        )

    @property
    def size_bytes(self) -> int:
        """The body's size, or a few bytes more."""
        events_bytes = sum(map(len, self.spans)) + sum(map(len, self.metrics))
        return ENVELOPE_BYTES + events_bytes + len(self.spans) + len(self.metrics)

    def body(self) -> bytes:
        """The request body."""
        parts = []
        if self.metrics:
            parts.append(b'"metrics":[%b]' % b",".join(self.metrics))
        if self.spans:
            parts.append(b'"spans":[%b]' % b",".join(self.spans))
        return b'{"data":{"attributes":{%b},"type":"events"}}' % b",".join(parts)


def by_experiment(records: Records) -> tuple[dict[bytes, Entries], Records]:
    """Each experiment's events by its encoded id, in their order; and what isn't a record of ours."""
    found: dict[bytes, Entries] = {}
    unreadable = Records([], [], [])
    for head, alike in _by_head(records).items():
        begin = map(bytes.startswith, alike.lines, repeat((head + SPAN, head + METRIC)))
        are_ours = list(map(and_, begin, map(bytes.endswith, alike.lines, repeat(_END))))
        ours = alike.chosen(are_ours)
        if len(ours) < len(alike):
            unreadable.extend(alike.chosen(list(map(not_, are_ours))))
        if ours:
            found[head[len(_HEAD) - 1 : -1]] = Entries(head, ours)
    return found, unreadable


def _by_head(records: Records) -> dict[bytes, Records]:
    """Records by what comes before the event's kind: an experiment's all begin alike."""
    lines = records.lines
    head = _head(lines[0]) if lines else _NO_HEAD
    if all(map(bytes.startswith, lines, repeat(head))):
        return {head: records}
    return records.grouped(list(map(_head, lines)))


def _head(line: bytes) -> bytes:
    end = line.find(b'","', len(_HEAD))
    return line[: end + 2] if end >= 0 and line.startswith(_HEAD) else _NO_HEAD


def read_id(encoded_id: bytes) -> str | None:
    """The experiment's id from its JSON; None where it isn't any."""
    try:
        experiment_id = json.loads(encoded_id)
    except ValueError:
        return None
    return experiment_id if isinstance(experiment_id, str) and experiment_id else None


def bodies(
    entries: Entries, max_bytes: int, max_events: int, cuts: Sequence[Position] = ()
) -> Iterator[Entries]:
    """Cut the events of one experiment into bodies of at most `max_bytes` and `max_events`, in their order.

    An event that alone is larger than `max_bytes` is a body of its own. No body goes on over one of `cuts`,
    which are in order.
    """
    sizes = entries.sizes()
    if not cuts and ENVELOPE_BYTES + sum(sizes) <= max_bytes:
        for begin in range(0, len(entries), max_events):
            yield entries[begin : begin + max_events]
        return
    begin = part = 0
    size_bytes = ENVELOPE_BYTES
    for index, event_bytes in enumerate(sizes):
        part_before, part = part, bisect_right(cuts, entries.records[index].at) if cuts else 0
        is_full = size_bytes + event_bytes > max_bytes or index - begin >= max_events
        if index > begin and (is_full or part != part_before):
            yield entries[begin:index]
            begin, size_bytes = index, ENVELOPE_BYTES
        size_bytes += event_bytes
    if sizes:
        yield entries[begin:]
