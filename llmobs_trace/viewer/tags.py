"""Reads from a span's tags what they say of its stream and model call, and which are the user's. Any thread.

What the store has columns for is read there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from llmobs_trace.store.columns import CALL_TAGS, call_columns
from llmobs_trace.wire import EXHAUSTED_TAG, FIRST_ITEM_TAG, TAGS

_FIRST_ITEM: Final = FIRST_ITEM_TAG + ":"
_EXHAUSTED: Final = EXHAUSTED_TAG + ":"
# Of a model call, beside those of columns.
_OF_CALLS: Final = ("total_tokens", "reasoning_tokens", "finish_reason", "retries")
# What nobody of us reads is shown as it is.
_OURS: Final = frozenset(
    name for name, tag in TAGS.items() if tag.on == "span" and tag.read_by and name not in CALL_TAGS.values()
)


class CallTags(Struct, frozen=True):
    """What tags say of a model call, as they say it."""

    finish_reason: str | None
    reasoning_tokens: str | None
    retries: str | None


def of_call(tags: Sequence[str]) -> CallTags:
    """The first of each name counts."""
    said: dict[str, str] = {}
    for tag in tags:
        name, _, value = tag.partition(":")
        if name in _OF_CALLS and value:
            said.setdefault(name, value)
    return CallTags(said.get("finish_reason"), said.get("reasoning_tokens"), said.get("retries"))


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
    """The tags that are shown nowhere else: what is said of a call is one of these where there is no call, or
    where it makes no sense.
    """
    call = call_columns(tags)
    shown = {CALL_TAGS[name] for name, value in call._asdict().items() if value is not None}
    if shown - {CALL_TAGS["provider"], CALL_TAGS["cached_tokens"]}:
        shown.update(_OF_CALLS)
    else:
        shown.clear()
    return [tag for tag in tags if (name := tag.partition(":")[0]) not in _OURS and name not in shown]
