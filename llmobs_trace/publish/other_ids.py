"""Writes an event of one experiment as the same event of another. Pure."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from msgspec import Raw

_members = msgspec.json.Decoder(dict[str, Raw]).decode
_tags = msgspec.json.Decoder(list[str]).decode
_encode = msgspec.json.Encoder().encode


class OtherIds:
    """`project_id`, `dataset_id` and `experiment_id` are those that events get. `tags` are those of them that
    name one of these, or a name, and what each says then; a tag that an event lacks is not added.
    """

    def __init__(self, project_id: str, dataset_id: str, experiment_id: str, tags: Mapping[str, str]) -> None:
        self._ids = {"dataset_id": Raw(_encode(dataset_id)), "project_id": Raw(_encode(project_id))}
        self._head = b'{"experiment":' + _encode(experiment_id) + b","
        self._tags = dict(tags)

    def span(self, event: bytes) -> bytes:
        """The record of a span, as queues have it."""
        members = _members(event) | self._ids
        return self._head + b'"span":' + self._event(members) + b"}\n"

    def metric(self, event: bytes) -> bytes:
        """The record of a metric."""
        return self._head + b'"metric":' + self._event(_members(event)) + b"}\n"

    def _event(self, members: dict[str, Raw]) -> bytes:
        if "tags" in members:
            members["tags"] = Raw(_encode([self._tag(tag) for tag in _tags(members["tags"])]))
        return _encode(members)

    def _tag(self, tag: str) -> str:
        name = tag.partition(":")[0]
        return f"{name}:{self._tags[name]}" if name in self._tags else tag
