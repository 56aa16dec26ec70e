"""Answers for the records of a dataset. The service's threads.

In a change null leaves a member as it is; ddtrace's SDK, which has no other way to say so, erases an expected
output by an empty text and metadata by an empty object.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator
from email import message_from_bytes, policy

import msgspec
from msgspec import UNSET, Raw, UnsetType, structs

from llmobs_trace.receiver.catalog import answers, requests
from llmobs_trace.receiver.catalog.asked import Asked, Refused, page
from llmobs_trace.receiver.catalog.datasets import named
from llmobs_trace.receiver.catalog.requests import ChangedRecord, GivenRecord
from llmobs_trace.receiver.http import Reply
from llmobs_trace.receiver.problems import problem
from llmobs_trace.store import records
from llmobs_trace.store.records import Mutation, NewRecord, StoredRecord
from llmobs_trace.store.store import Store

_NEW = requests.RequestOf("records", requests.NewRecords)
_CHANGED = requests.RequestOf("records", requests.ChangedRecords)
_IDS = requests.RequestOf("records", requests.RecordIds)
_BATCH = requests.RequestOf("datasets", requests.BatchOfRecords, has_id=True)
_NULL = b"null"
_ERASES = {b'""', b"{}"}


def listed(store: Store, asked: Asked) -> Reply:
    of = named(store, asked)
    version = asked.one("filter[version]")
    if version is not None and not (version.isdecimal() and int(version) <= of.version):
        told = f"the dataset has the versions 0 to {of.version}"
        raise Refused(problem(400, told, parameter="filter[version]"))
    wanted = {*asked.filters.get("filter[tags]", ())} | {*asked.filters.get("filter[tags][]", ())}
    found = records.records(
        store, of, None if version is None else int(version), beyond=asked.after, newest_first=True
    )
    shown, meta = page(asked, ((each.place, each) for each in found if wanted <= {*each.tags}))
    return answers.several((answers.record(of, each) for each in shown), meta)


def append(store: Store, asked: Asked) -> Reply:
    of, given = named(store, asked), _NEW.read(asked.body)
    insert = [_new(each) for each in given.records]
    return _changed(records.mutate(store, of.id, insert=insert, deduplicate=given.deduplicate is not False))


def change(store: Store, asked: Asked) -> Reply:
    of, given = named(store, asked), _CHANGED.read(asked.body)
    return _changed(records.mutate(store, of.id, update={each.id: _change(each) for each in given.records}))


def delete(store: Store, asked: Asked) -> Reply:
    of, given = named(store, asked), _IDS.read(asked.body)
    records.mutate(store, of.id, delete=given.record_ids)
    return answers.nothing()


def batch(store: Store, asked: Asked) -> Reply:
    of = named(store, asked)
    given = _BATCH.read(asked.body, id=of.id)
    more = tuple(given.tags or ())
    insert = [_new(each) for each in given.insert_records or ()]
    changed = records.mutate(
        store,
        of.id,
        insert=[structs.replace(each, tags=tuple(dict.fromkeys([*each.tags, *more]))) for each in insert],
        update={each.id: _change(each) for each in given.update_records or ()},
        delete=given.delete_records or (),
        deduplicate=given.deduplicate is True,
        new_version=given.create_new_version is not False,
    )
    return _changed(changed)


def upload(store: Store, asked: Asked) -> Reply:
    """Take a CSV file, as clients send many records; cells hold JSON, or else text."""
    of = named(store, asked)
    try:
        insert = list(_of_csv(_file(asked)))
    except (ValueError, csv.Error) as error:
        raise Refused(problem(400, f"the file can't be read: {error}")) from None
    given = {*asked.filters.get("tags", ())}
    changed = records.mutate(
        store,
        of.id,
        insert=[structs.replace(each, tags=(*each.tags, *given)) for each in insert],
        deduplicate=(asked.one("deduplicate") or "false").lower() == "true",
    )
    told = {"progress": {"percent": 100}, "completed": {"records_created": len(changed.inserted)}}
    lines = "".join(f"event: {name}\ndata: {json.dumps(data)}\n\n" for name, data in told.items())
    return Reply(200, lines.encode(), "text/event-stream")


def _changed(changed: Mutation) -> Reply:
    resources = [
        answers.changed_record(changed.dataset, each) for each in (*changed.inserted, *changed.updated)
    ]
    return answers.several(resources, {})


def _new(given: GivenRecord) -> NewRecord:
    tags = tuple(given.tags or ())
    return NewRecord(
        id=given.id or None,
        input=bytes(given.input),
        expected_output=requests.given(given.expected_output) or _NULL,
        metadata=requests.given(given.metadata) or _NULL,
        tags=tags if given.tag_operations is None else given.tag_operations.of(tags),
    )


def _change(given: ChangedRecord) -> Callable[[StoredRecord], NewRecord]:
    def changed(known: StoredRecord) -> NewRecord:
        tags = known.tags if given.tags is None else tuple(given.tags)
        return NewRecord(
            id=known.id,
            input=_instead(given.input, known.input),
            expected_output=_instead(given.expected_output, known.expected_output, may_erase=True),
            metadata=_instead(given.metadata, known.metadata, may_erase=True),
            tags=tags if given.tag_operations is None else given.tag_operations.of(tags),
            canonical_id=known.canonical_id,
        )

    return changed


def _instead(given: Raw | UnsetType, known: bytes, *, may_erase: bool = False) -> bytes:
    json = None if given is UNSET else requests.given(given)
    if json is None:
        return known
    return _NULL if may_erase and json in _ERASES else json


# --- Files --------------------------------------------------------------------------------------------------


def _file(asked: Asked) -> str:
    """The text of the one file in a multipart body; raises ValueError."""
    head = f"Content-Type: {asked.content_type}\r\n\r\n".encode("latin-1", "replace")
    message = message_from_bytes(head + asked.body, policy=policy.HTTP)
    if not message.is_multipart():
        raise ValueError("the body is to be multipart/form-data with a part `file`")
    for part in message.iter_parts():
        if part.get_param("name", header="content-disposition") == "file":
            content = part.get_payload(decode=True)
            return content.decode("utf-8-sig") if isinstance(content, bytes) else ""
    raise ValueError("the body has no part `file`")


def _of_csv(text: str) -> Iterator[NewRecord]:
    csv.field_size_limit(1 << 27)
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    columns: Iterable[str] = reader.fieldnames or ()
    if "input" not in columns:
        raise ValueError("there is no column `input`")
    for line in reader:
        yield NewRecord(
            id=line.get("id") or None,
            input=_cell(line["input"]),
            expected_output=_erased(_cell(line.get("expected_output") or "null")),
            metadata=_erased(_cell(line.get("metadata") or "null")),
            tags=tuple(tag for tag in (line.get("tags") or "").split(",") if tag),
        )


def _cell(text: str) -> bytes:
    try:
        return bytes(msgspec.json.format(text.encode(), indent=-1)) if text else b'""'
    except msgspec.DecodeError:
        return json.dumps(text, ensure_ascii=False).encode()


def _erased(cell: bytes) -> bytes:
    return _NULL if cell in _ERASES else cell
