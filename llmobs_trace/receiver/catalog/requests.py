"""Lists what the bodies of catalog requests hold, as types, and reads them. Pure.

The same types say what is wrong with a body. Unlike events they are open: a member that is not known here is
passed over, since clients send more than is documented. Null is as good as nothing.
"""

from __future__ import annotations

from typing import Any, Generic, Literal, TypeVar

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from llmobs_trace.receiver import faults
from llmobs_trace.receiver.catalog.asked import Refused
from llmobs_trace.receiver.compact import NoJSON, compact
from llmobs_trace.receiver.problems import Fault, bad_body
from llmobs_trace.receiver.schema import RawObject, closed
from llmobs_trace.wire import Int32

ExperimentStatus = Literal["running", "completed", "failed", "interrupted"]
_Attributes = TypeVar("_Attributes", bound=Struct)


class _Open(Struct, frozen=True, kw_only=True):
    """A part of a request."""


# --- Projects -----------------------------------------------------------------------------------------------


class NewProject(_Open, frozen=True, kw_only=True):
    name: str
    description: str | None = None


class ChangedProject(_Open, frozen=True, kw_only=True):
    name: str | None = None
    description: str | None = None


class ProjectIds(_Open, frozen=True, kw_only=True):
    project_ids: list[str]


# --- Datasets and records -----------------------------------------------------------------------------------


class NewDataset(_Open, frozen=True, kw_only=True):
    name: str
    description: str | None = None
    metadata: RawObject | UnsetType = UNSET


class ChangedDataset(_Open, frozen=True, kw_only=True):
    name: str | None = None
    description: str | None = None
    metadata: RawObject | UnsetType = UNSET


class DatasetIds(_Open, frozen=True, kw_only=True):
    dataset_ids: list[str]


class TagOperations(_Open, frozen=True, kw_only=True):
    """What becomes of a record's tags: `remove`, then `add`, then `set`, which overrides both."""

    remove: list[str] | None = None
    add: list[str] | None = None
    set: list[str] | None = None

    def of(self, tags: tuple[str, ...]) -> tuple[str, ...]:
        if self.set is not None:
            return tuple(dict.fromkeys(self.set))
        kept = [tag for tag in tags if tag not in (self.remove or ())]
        return tuple(dict.fromkeys([*kept, *(self.add or ())]))


class GivenRecord(_Open, frozen=True, kw_only=True):
    """A record to be put in; its id is the client's, or drawn here."""

    input: Raw
    id: str | None = None
    expected_output: Raw | UnsetType = UNSET
    metadata: RawObject | UnsetType = UNSET
    tags: list[str] | None = None
    tag_operations: TagOperations | None = None


class ChangedRecord(_Open, frozen=True, kw_only=True):
    id: str
    input: Raw | UnsetType = UNSET
    expected_output: Raw | UnsetType = UNSET
    metadata: RawObject | UnsetType = UNSET
    tags: list[str] | None = None
    tag_operations: TagOperations | None = None


class NewRecords(_Open, frozen=True, kw_only=True):
    records: list[GivenRecord]
    deduplicate: bool | None = True


class ChangedRecords(_Open, frozen=True, kw_only=True):
    records: list[ChangedRecord]


class RecordIds(_Open, frozen=True, kw_only=True):
    record_ids: list[str]


class BatchOfRecords(_Open, frozen=True, kw_only=True):
    insert_records: list[GivenRecord] | None = None
    update_records: list[ChangedRecord] | None = None
    delete_records: list[str] | None = None
    tags: list[str] | None = None
    create_new_version: bool | None = True
    deduplicate: bool | None = False


# --- Experiments --------------------------------------------------------------------------------------------


class GivenExperiment(_Open, frozen=True, kw_only=True):
    name: str
    project_id: str
    dataset_id: str | None = None
    dataset_version: Int32 | None = None
    description: str | None = None
    config: RawObject | UnsetType = UNSET
    metadata: RawObject | UnsetType = UNSET
    ensure_unique: bool | None = True
    run_count: Int32 | None = 1
    parent_experiment_id: str | None = None


class ChangedExperiment(_Open, frozen=True, kw_only=True):
    status: ExperimentStatus | None = None
    error: str | None = None
    name: str | None = None
    description: str | None = None
    metadata: RawObject | UnsetType = UNSET
    dataset_id: str | None = None


class ExperimentIds(_Open, frozen=True, kw_only=True):
    experiment_ids: list[str]


# --- Around them --------------------------------------------------------------------------------------------


class RequestOf(Generic[_Attributes]):
    """A whole body: `{"data": {"type": …, "attributes": {…}}}`, and an id where the request names one."""

    def __init__(self, type: str, attributes: type[_Attributes], *, has_id: bool = False) -> None:
        members: list[Any] = [("type", Literal[type]), ("attributes", attributes)]
        if has_id:
            members.append(("id", str))
        data = msgspec.defstruct("Data", members)
        body = msgspec.defstruct("Body", [("data", data)])
        self._expected = closed(body)
        self._decoder = msgspec.json.Decoder(body)

    def read(self, body: bytes, *, id: str | None = None) -> _Attributes:
        """The attributes; raises `Refused` with all that is wrong. `id` is the one that it must name."""
        try:
            text = compact(body)
            found, more = faults.find(text, self._expected)
            if found:
                raise Refused(bad_body(found, more=more))
            data: Any = self._decoder.decode(text).data  # type: ignore[attr-defined]
        except NoJSON as error:
            raise refused(Fault("", f"the body is not JSON: {error}", "json")) from None
        except RecursionError:
            raise refused(Fault("", "the body is nested too deeply", "depth")) from None
        if id is not None and data.id != id:
            raise refused(Fault("/data/id", f"the path names {id!r}, and the body another", "id"))
        attributes: _Attributes = data.attributes
        return attributes


def refused(fault: Fault) -> Refused:
    return Refused(bad_body([fault], more=False))


def given(json: Raw | UnsetType) -> bytes | None:
    """A value's JSON; None where there is none, or null."""
    if json is UNSET or bytes(memoryview(json)[:4]) == b"null":
        return None
    return bytes(json)
