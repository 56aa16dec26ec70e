"""A span's tags come in, what they say of its stream goes out; any thread."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from llmobs_trace.wire import KIND_TAG, PARENT_TAG, ROW_TAG

_FIRST_ITEM: Final = "time_to_first_item_ns:"
_EXHAUSTED: Final = "exhausted:"
_OURS: Final = tuple(f"{tag}:" for tag in (PARENT_TAG, KIND_TAG, ROW_TAG))


def first_item_ns(tags: Sequence[str]) -> int | None:
    """How long after its start a stream gave its first item."""
    for tag in tags:
        if tag.startswith(_FIRST_ITEM):
            digits = tag[len(_FIRST_ITEM) :]
            return int(digits) if digits.isascii() and digits.isdigit() and len(digits) < 19 else None
    return None


def exhausted(tags: Sequence[str]) -> bool | None:
    """Whether a stream was read to its end; None where the span is of no stream."""
    for tag in tags:
        if tag.startswith(_EXHAUSTED):
            return tag[len(_EXHAUSTED) :] == "true"
    return True if first_item_ns(tags) is not None else None


def users(tags: Sequence[str]) -> list[str]:
    """The tags that stand for no field."""
    return [tag for tag in tags if not tag.startswith((*_OURS, _FIRST_ITEM, _EXHAUSTED))]
