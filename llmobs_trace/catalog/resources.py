"""Reads what a server says of projects, datasets, records and experiments, in either of its shapes. Pure, any
thread.

Of a record the documentation shows one flat object, other clients read JSON:API's `attributes`; a server may
send both. So each field is taken from the attributes, or else from beside them. What is not known is ignored,
what is missing is empty, and `data` may be one thing or a list.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, TypeVar, cast, get_args
from zlib import crc32

import msgspec

from llmobs_trace.catalog.catalog import (
    NOTHING,
    OUR_METADATA,
    CatalogDataset,
    CatalogExperiment,
    CatalogProject,
    Status,
)

_EMPTY: Final = (msgspec.Raw(b""), NOTHING)
_STATUSES: Final = get_args(Status)


class Resource(msgspec.Struct):
    """What all have; small fields are of any type, since a server may have another idea of them."""

    id: Any = None
    created_at: Any = None


class NamedResource(Resource):
    """A project, or a dataset."""

    name: Any = None
    current_version: Any = None


class RecordResource(Resource):
    """A record; its values are not decoded."""

    input: msgspec.Raw = msgspec.Raw()
    expected_output: msgspec.Raw = msgspec.Raw()
    metadata: msgspec.Raw = msgspec.Raw()
    tags: Any = None

    @property
    def known_tags(self) -> tuple[str, ...] | None:
        """None where the server does not say."""
        return tuple(map(str, self.tags)) if isinstance(self.tags, list) else None


class ChangedResource(Resource):
    """What a change of records answers: the dataset's version since."""

    version: Any = None


class ExperimentResource(Resource):
    """An experiment: `experiment` is its name as it was given, `name` that of this one run."""

    name: Any = None
    experiment: Any = None
    project_id: Any = None
    dataset_id: Any = None
    dataset_version: Any = None
    description: Any = None
    config: msgspec.Raw = msgspec.Raw()
    metadata: msgspec.Raw = msgspec.Raw()
    status: Any = None
    error: Any = None
    run_count: Any = None
    parent_experiment_id: Any = None
    deleted_at: Any = None

    @property
    def run(self) -> str | None:
        """The mark of the run that it was made for."""
        try:
            ours = msgspec.json.decode(self.metadata or NOTHING)[OUR_METADATA]["run"]
        except (msgspec.DecodeError, TypeError, KeyError):
            return None
        return ours if isinstance(ours, str) else None


class _Body(msgspec.Struct):
    data: msgspec.Raw = msgspec.Raw(b"null")
    meta: Any = None


class _Head(msgspec.Struct):
    attributes: msgspec.Raw = msgspec.Raw(b"null")


Kind = TypeVar("Kind", bound=Resource)


def resources(body: bytes, kind: type[Kind]) -> list[Kind]:
    """The things that a body speaks of; raises `msgspec.DecodeError` where one can't be read."""
    if not body.strip():
        return []
    data = bytes(msgspec.json.decode(body, type=_Body).data)
    if data.startswith(b"["):
        items = msgspec.json.decode(data, type=list[msgspec.Raw])
    else:
        items = [msgspec.Raw(data)] if data.startswith(b"{") else []
    return [_whole(item, kind) for item in items]


def page_in(body: bytes) -> tuple[int, str | None]:
    """A checksum of what a page holds, and where the next one begins; None on the last one."""
    if not body.strip():
        return 0, None
    page = msgspec.json.decode(body, type=_Body)
    after = page.meta.get("after") if isinstance(page.meta, dict) else None
    return crc32(memoryview(page.data)), after if isinstance(after, str) and after else None


def oldest(found: Iterable[Kind]) -> Kind | None:
    """Which of several counts: all who look must choose the same one."""
    # Of equals the last one, as lists begin with the newest.
    return min(reversed(list(found)), key=lambda one: _text(one.created_at) or "~", default=None)


def _whole(item: msgspec.Raw, kind: type[Kind]) -> Kind:
    beside = msgspec.json.decode(item, type=kind)
    attributes = msgspec.json.decode(item, type=_Head).attributes
    if not bytes(attributes).startswith(b"{"):
        return beside
    within = msgspec.json.decode(attributes, type=kind)
    for name in kind.__struct_fields__:
        value = getattr(within, name)
        is_said = value not in _EMPTY if isinstance(value, msgspec.Raw) else value is not None
        if is_said and (name != "id" or beside.id is None):
            setattr(beside, name, value)
    return beside


# --- As a catalog says it -----------------------------------------------------------------------------------


def project(resource: NamedResource, name: str) -> CatalogProject | None:
    found = identity(resource)
    return None if found is None else CatalogProject(id=found, name=_text(resource.name) or name)


def dataset(resource: NamedResource, project_id: str, name: str) -> CatalogDataset | None:
    found = identity(resource)
    if found is None:
        return None
    return CatalogDataset(
        id=found,
        project_id=project_id,
        name=_text(resource.name) or name,
        version=number(resource.current_version) or 0,
    )


def experiment(resource: ExperimentResource, project_id: str = "") -> CatalogExperiment | None:
    found = identity(resource)
    if found is None:
        return None
    unique_name = _text(resource.name) or ""
    return CatalogExperiment(
        id=found,
        name=_text(resource.experiment) or unique_name,
        unique_name=unique_name,
        project_id=_text(resource.project_id) or project_id,
        dataset_id=_text(resource.dataset_id) or "",
        dataset_version=number(resource.dataset_version),
        description=_text(resource.description),
        config=resource.config or NOTHING,
        metadata=resource.metadata or NOTHING,
        status=cast("Status", resource.status) if resource.status in _STATUSES else None,
        error=_text(resource.error),
        repeats=number(resource.run_count) or 1,
        parent_id=_text(resource.parent_experiment_id),
    )


def identity(resource: Resource) -> str | None:
    """Its id, as text; None where the server says none."""
    if isinstance(resource.id, int):
        return str(resource.id)
    return _text(resource.id) or None


def number(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
