"""Finds what a dataset lacks of the rows it should hold, and packs it into batches. Pure, any thread."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final, Literal

import msgspec

from llmobs_trace.catalog.catalog import NOTHING, Record
from llmobs_trace.catalog.digests import are_tags_alone, digest_of, is_same
from llmobs_trace.catalog.resources import RecordResource, identity

MAX_RECORDS: Final = 1_000
MAX_BYTES: Final = 4 << 20
# Around the records of a batch.
_ENVELOPE_BYTES: Final = 1_000

_LIST_OF: Final = {"insert": "insert_records", "update": "update_records", "delete": "delete_records"}


class Change(msgspec.Struct, frozen=True):
    """What is to become of one record; `row` is None where it is to go."""

    what: Literal["insert", "update", "delete"]
    id: str
    digest: bytes = b""
    row: Record | None = None
    encoded: bytes = b""


class Held(msgspec.Struct):
    """What a dataset holds: of each record its id, a digest and, where it has any, its tags."""

    digests: dict[str, bytes] = {}
    tags: dict[str, tuple[str, ...]] = {}
    # Most records have the same few tags.
    _alike: dict[tuple[str, ...], tuple[str, ...]] = {}

    def note(self, resource: RecordResource) -> None:
        known = identity(resource)
        if known is not None:
            values = (resource.input, resource.expected_output)
            self.digests[known] = digest_of(values, resource.metadata, resource.known_tags)
            if tags := resource.known_tags:
                self.tags[known] = self._alike.setdefault(tags, tags)

    def change_for(self, row: Record) -> Change | None:
        """What it takes to hold this row."""
        digest = digest_of((row.input, row.expected_output), row.metadata, row.tags)
        there = self.digests.get(row.id)
        if there is None:
            return Change("insert", row.id, digest, row, _inserted(row))
        if is_same(there, digest):
            return None
        return Change("update", row.id, digest, row, _updated(row, there, digest, self.tags.get(row.id, ())))

    def changes_for(self, rows: Iterable[Record], *, mirror: bool) -> Iterator[Change]:
        """What it takes to hold these rows, and no others if it is to be their `mirror`."""
        others = set(self.digests) if mirror else set()
        for row in rows:
            others.discard(row.id)
            change = self.change_for(row)
            if change is not None:
                self.digests[row.id] = change.digest  # the same row again changes nothing
                yield change
        for record_id in sorted(others):
            yield Change("delete", record_id, encoded=msgspec.json.encode(record_id))

    def left_of(self, batch: Iterable[Change]) -> list[Change]:
        """What of a batch has not taken effect."""
        left = []
        for change in batch:
            if change.row is not None:
                again = self.change_for(change.row)
                if again is not None:
                    left.append(again)
            elif change.id in self.digests:
                left.append(change)
        return left


def batches(changes: Iterable[Change]) -> Iterator[list[Change]]:
    """Batches that are no larger than a server takes; what is larger by itself is alone."""
    batch: list[Change] = []
    size = _ENVELOPE_BYTES
    ids: set[str] = set()
    for change in changes:
        more = len(change.encoded) + 1
        if batch and (len(batch) == MAX_RECORDS or size + more > MAX_BYTES or change.id in ids):
            yield batch
            batch, size, ids = [], _ENVELOPE_BYTES, set()
        batch.append(change)
        ids.add(change.id)
        size += more
    if batch:
        yield batch


def body_of(batch: Iterable[Change], dataset_id: str, *, is_first: bool) -> bytes:
    """The request: of all batches the first alone makes a new version of the dataset."""
    attributes: dict[str, Any] = {"deduplicate": False, "create_new_version": is_first}
    for change in batch:
        attributes.setdefault(_LIST_OF[change.what], []).append(msgspec.Raw(change.encoded))
    return msgspec.json.encode({"data": {"type": "datasets", "id": dataset_id, "attributes": attributes}})


def _inserted(row: Record) -> bytes:
    record: dict[str, Any] = {"id": row.id, "input": row.input}
    for name, value in (("expected_output", row.expected_output), ("metadata", row.metadata)):
        if bytes(value) != bytes(NOTHING):
            record[name] = value
    if row.tags:
        record["tags"] = row.tags
    return msgspec.json.encode(record)


def _updated(row: Record, there: bytes, digest: bytes, old_tags: tuple[str, ...]) -> bytes:
    record: dict[str, Any] = {"id": row.id}
    if not are_tags_alone(there, digest):
        # All of them, null too: what is left out stays as it was.
        record.update(input=row.input, expected_output=row.expected_output, metadata=row.metadata)
    if not is_same(there[16:], digest[16:]):
        # To set no tags may be read as to set none of them.
        record["tag_operations"] = {"set": row.tags} if row.tags else {"remove": old_tags}
    return msgspec.json.encode(record)
