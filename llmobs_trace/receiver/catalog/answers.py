"""Writes the answers of the catalog: each attribute that a client requires is there, null where it is empty.
Pure.

Two readings of a record are about: flat, as the documentation's client has it, and JSON:API's. One object is
both, and an answer to a change holds it once more, as the documentation's client wants it there.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timezone
from typing import Any, Final

import msgspec
from msgspec import Raw

from llmobs_trace.receiver.http import Reply
from llmobs_trace.store.datasets import DatasetVersion, StoredDataset
from llmobs_trace.store.made_experiments import MadeExperiment
from llmobs_trace.store.projects import StoredProject
from llmobs_trace.store.records import StoredRecord
from llmobs_trace.wire import CONTENT_TYPE

Resource = dict[str, Any]
_encode: Final = msgspec.json.Encoder().encode


def one(resource: Resource) -> Reply:
    return _json({"data": resource})


def several(resources: Iterable[Resource], meta: Resource) -> Reply:
    return _json({"data": list(resources), "meta": meta})


def nothing() -> Reply:
    """What there is to say of a deletion: ddtrace's SDK takes no other status than 200."""
    return Reply(200)


def _json(value: object) -> Reply:
    return Reply(200, _encode(value), CONTENT_TYPE)


def project(found: StoredProject) -> Resource:
    attributes = {"name": found.name, "description": found.description}
    return _resource("projects", found.id, attributes, found.created_ns, found.updated_ns)


def dataset(found: StoredDataset) -> Resource:
    attributes = {
        "name": found.name,
        "description": found.description,
        "metadata": _raw(found.metadata),
        "current_version": found.version,
    }
    return _resource("datasets", found.id, attributes, found.created_ns, found.updated_ns)


def version(of: StoredDataset, found: DatasetVersion) -> Resource:
    attributes = {
        "dataset_id": of.id,
        "version_number": found.number,
        "last_used": None if found.used_ns is None else rfc3339(found.used_ns),
    }
    return {"id": f"{of.id}/{found.number}", "type": "dataset_version", "attributes": attributes}


def record(of: StoredDataset, found: StoredRecord) -> Resource:
    flat = {
        "dataset_id": of.id,
        "input": Raw(found.input),
        "expected_output": Raw(found.expected_output),
        "metadata": Raw(found.metadata),
        "created_at": rfc3339(found.created_ns),
        "updated_at": rfc3339(found.updated_ns),
    }
    more = {"tags": found.tags, "canonical_id": found.canonical_id, "version": of.version}
    return {"id": found.id, "type": "records", "attributes": {**flat, **more}, **flat}


def changed_record(of: StoredDataset, found: StoredRecord) -> Resource:
    resource = record(of, found)
    return {**resource, "records": [resource]}


def experiment(found: MadeExperiment) -> Resource:
    attributes: Resource = {
        "name": found.unique_name,
        "experiment": found.name,
        "project_id": found.project_id,
        "dataset_id": found.dataset_id or "",
        "dataset_name": found.dataset_name,
        "dataset_version": found.dataset_version or 0,
        "description": found.description,
        "config": _raw(found.config),
        "metadata": _raw(found.metadata) or {},
        "run_count": found.run_count,
        "parent_experiment_id": found.parent_id,
        "error": found.error,
        "deleted_at": None if found.deleted_ns is None else rfc3339(found.deleted_ns),
    }
    if found.status is not None:
        attributes["status"] = found.status
    return _resource("experiments", found.id, attributes, found.created_ns, found.updated_ns)


def unmade_experiment(experiment_id: str) -> Resource:
    """An experiment that nobody made, to which events can be posted all the same."""
    attributes: Resource = {"name": experiment_id, "experiment": experiment_id, "description": None}
    attributes |= {"project_id": "", "dataset_id": "", "dataset_version": 0, "run_count": 1}
    attributes |= {"config": None, "metadata": {}}
    return _resource("experiments", experiment_id, attributes, 0, 0)


def rfc3339(time_ns: int) -> str:
    """A time since the Unix epoch, to the microsecond."""
    seconds, rest_ns = divmod(time_ns, 1_000_000_000)
    whole = datetime.fromtimestamp(seconds, timezone.utc)
    return f"{whole:%Y-%m-%dT%H:%M:%S}.{rest_ns // 1000:06d}Z"


def _resource(type: str, id: str, attributes: Resource, created_ns: int, updated_ns: int) -> Resource:
    times = {"created_at": rfc3339(created_ns), "updated_at": rfc3339(updated_ns)}
    return {"id": id, "type": type, "attributes": {**attributes, **times}}


def _raw(json: bytes | None) -> Raw | None:
    return None if json is None else Raw(json)
