"""Records in, request bodies out, as bytes: nothing is decoded or encoded again. Sender's thread.

A record is `{"experiment":<id>,"span":{…}}` or `{"experiment":<id>,"metric":{…}}`. Inside an encoded id
every quote is escaped, so the first `","` ends it, whatever the id and the event hold.
"""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence

from msgspec import Struct

from llmobs_trace.journal.record import Position, Record

_HEAD = b'{"experiment":"'
_SPAN = b'"span":'
_METRIC = b'"metric":'

# What is around the events of a body that holds both kinds.
ENVELOPE_BYTES = len(b'{"data":{"attributes":{"metrics":[],"spans":[]},"type":"events"}}')


class Event(Struct, frozen=True, gc=False):
    """One record taken apart: the encoded id with its quotes, which kind, and the event as on the wire."""

    encoded_id: bytes
    is_span: bool
    json: bytes


# An event on its way: what to acknowledge, and what to send.
Entry = tuple[Record, Event]


class Batch(Struct, frozen=True, kw_only=True):
    """The events of one request; all of one experiment. `records` are what to acknowledge."""

    experiment_id: str
    spans: list[bytes]
    metrics: list[bytes]
    records: list[Record]

    @classmethod
    def of(cls, experiment_id: str, entries: Sequence[Entry]) -> Batch:
        """These events, in their order."""
        return cls(
            experiment_id=experiment_id,
            spans=[event.json for _, event in entries if event.is_span],
            metrics=[event.json for _, event in entries if not event.is_span],
            records=[record for record, _ in entries],
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


def take_apart(line: bytes) -> Event | None:
    """Find the event in a record's line; None where it isn't a record of ours."""
    if not line.startswith(_HEAD):
        return None
    end = line.find(b'","', len(_HEAD))
    if end < 0 or not line.endswith(b"}}"):
        return None
    kind = end + 2
    encoded_id = line[len(_HEAD) - 1 : end + 1]
    if line.startswith(_SPAN, kind):
        return Event(encoded_id, True, line[kind + len(_SPAN) : -1])
    if line.startswith(_METRIC, kind):
        return Event(encoded_id, False, line[kind + len(_METRIC) : -1])
    return None


def by_experiment(records: Iterable[Record]) -> tuple[dict[bytes, list[Entry]], list[Record]]:
    """Each experiment's events by its encoded id, in their order; and what isn't a record of ours.

    Neighbours mostly begin alike, up to the event, which is then found without a search.
    """
    found: dict[bytes, list[Entry]] = {}
    unreadable: list[Record] = []
    head, encoded_id, is_span = b"\n", b"", False  # no line begins so
    entries: list[Entry] = []
    for record in records:
        line = record.line
        event: Event | None
        if line.startswith(head) and line.endswith(b"}}"):
            event = Event(encoded_id, is_span, line[len(head) : -1])
        elif (event := take_apart(line)) is None:
            unreadable.append(record)
            continue
        else:
            encoded_id, is_span = event.encoded_id, event.is_span
            head = line[: -len(event.json) - 1]
            entries = found.setdefault(encoded_id, [])
        entries.append((record, event))
    return found, unreadable


def read_id(encoded_id: bytes) -> str | None:
    """The experiment's id from its JSON; None where it isn't any."""
    try:
        experiment_id = json.loads(encoded_id)
    except ValueError:
        return None
    return experiment_id if isinstance(experiment_id, str) and experiment_id else None


def bodies(
    events: Sequence[Entry], max_bytes: int, max_events: int, cuts: Sequence[Position] = ()
) -> Iterator[list[Entry]]:
    """Cut the events of one experiment into bodies of at most `max_bytes` and `max_events`, in their order.

    An event that alone is larger than `max_bytes` is a body of its own. No body goes on over one of `cuts`,
    which are in order.
    """
    sizes = [len(event.json) for _, event in events]
    if not cuts and ENVELOPE_BYTES + sum(sizes) + len(sizes) <= max_bytes:
        for begin in range(0, len(events), max_events):
            yield list(events[begin : begin + max_events])
        return
    body: list[Entry] = []
    size_bytes = ENVELOPE_BYTES
    part = 0
    for record, event in events:
        event_bytes = len(event.json) + 1
        part_before, part = part, bisect_right(cuts, record.at) if cuts else 0
        if body and (size_bytes + event_bytes > max_bytes or len(body) >= max_events or part != part_before):
            yield body
            body, size_bytes = [], ENVELOPE_BYTES
        body.append((record, event))
        size_bytes += event_bytes
    if body:
        yield body
