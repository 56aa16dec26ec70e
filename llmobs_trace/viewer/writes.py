"""Does what a page asks for that changes something: names, notes, deleting, marks. The writer's thread.

Whoever calls this has seen to it that a page of this server asks.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final
from urllib.parse import unquote

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from llmobs_trace.store import by_hand, marks, removal
from llmobs_trace.store.naming import UnknownId
from llmobs_trace.store.store import Store
from llmobs_trace.viewer.response import Response, as_json, refusal

MAX_BYTES: Final = 1 << 20
_MOST_CHARACTERS: Final = {"name": 500, "note": 20_000}


class Change(Struct, forbid_unknown_fields=True):
    """What a page may say, each as far as it is a path's."""

    name: str = ""
    note: str | UnsetType = UNSET
    verdict: bool | UnsetType | None = UNSET
    expected_output: Raw = Raw(b"")  # any JSON; null takes it away


class _Done(Struct):
    done: bool = True


def _rename(store: Store, change: Change, experiment_id: str) -> None:
    by_hand.rename(store, experiment_id, change.name)


def _note(store: Store, change: Change, experiment_id: str) -> None:
    by_hand.note(store, experiment_id, change.note or "")


def _delete(store: Store, change: Change, experiment_id: str) -> None:
    removal.hide(store, experiment_id)


def _restore(store: Store, change: Change, experiment_id: str) -> None:
    removal.restore(store, experiment_id)


def _mark(store: Store, change: Change, experiment_id: str, span_id: str) -> None:
    if not isinstance(change.verdict, UnsetType):
        marks.verdict(store, experiment_id, span_id, change.verdict)
    if not isinstance(change.note, UnsetType):
        marks.note(store, experiment_id, span_id, change.note)
    value = bytes(change.expected_output)
    if value:
        marks.expected_output(store, experiment_id, span_id, None if value == b"null" else value)


# A name in angle brackets stands for one segment of the path, which is handed on.
_PATHS: Final[tuple[tuple[str, Callable[..., None]], ...]] = (
    ("api/experiments/<id>/name", _rename),
    ("api/experiments/<id>/note", _note),
    ("api/experiments/<id>/delete", _delete),
    ("api/experiments/<id>/restore", _restore),
    ("api/experiments/<id>/marks/<id>", _mark),
)


def is_write(path: str) -> bool:
    """Whether something is changed by a POST to this path."""
    return _find(path) is not None


def write(store: Store, path: str, body: bytes) -> Response:
    """Do it, and answer. Raises `StoreError` where the store can't be written."""
    found = _find(path)
    if found is None:
        return refusal(404, f"there is nothing at {path[:200]}")
    try:
        change = msgspec.json.decode(body, type=Change)
    except (msgspec.DecodeError, UnicodeDecodeError) as unfit:
        return refusal(400, f"the body is not as expected: {unfit}")
    for name, most in _MOST_CHARACTERS.items():
        text = getattr(change, name)
        if isinstance(text, str) and len(text) > most:
            return refusal(400, f"the {name} is {len(text):,} characters long; at most {most:,} are kept")
    work, ids = found
    try:
        work(store, change, *ids)
    except UnknownId as unknown:
        return refusal(404, str(unknown))
    return as_json(_Done())


def _find(path: str) -> tuple[Callable[..., None], list[str]] | None:
    segments = path.removeprefix("/").split("/")
    for pattern, work in _PATHS:
        names = pattern.split("/")
        if len(names) == len(segments) and all(
            name.startswith("<") or name == given for name, given in zip(names, segments, strict=True)
        ):
            return work, [
                unquote(given) for name, given in zip(names, segments, strict=True) if name.startswith("<")
            ]
    return None
