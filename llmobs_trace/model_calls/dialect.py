"""Defines the seam between a client's shapes and a call's span: what was asked and answered. Any thread.

A dialect is pure: it reads attributes or mapping items by name, and never imports the client. What it raises
never reaches the caller; what it does not know, it says by `Unread`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple, Protocol

Operation = Literal["chat", "text_completion", "embeddings"]


class Asked(NamedTuple):
    """What the caller gave. `model` is as it was asked for, without a router's prefix; `input` is
    `{"messages": […], "tools": […], …}` with the parameters as they were given.
    """

    model: str | None
    provider: str | None
    input: dict[str, Any]


class Answered(NamedTuple):
    """What came back, so far. `output` is a message, a list of them, or `{"embeddings": n, "dimensions": d}`;
    `tags` are `model_name`, `input_tokens` and so on: one that is None is left out. `failure` is what the
    provider says went wrong, a type and a message, where the client raises nothing.
    """

    output: Any
    tags: dict[str, Any]
    failure: tuple[str, str] | None = None


class Fold(Protocol):
    """A stream's chunks, put together as they come: it grows with their text, not with their number."""

    def add(self, chunk: Any, /) -> None:
        """Take in one chunk."""

    def answered(self) -> Answered:
        """What the chunks so far come to; at any moment."""
        ...


class Dialect(Protocol):
    """One kind of call: chat completions, responses, messages, generate_content, embeddings."""

    @property
    def operation(self) -> Operation:
        """What the span's name begins with; its kind follows from it."""
        ...

    def asked(self, arguments: Mapping[str, Any], /) -> Asked:
        """What a call's arguments ask for."""
        ...

    def answered(self, response: Any, /) -> Answered:
        """What a whole response says: an object of the client's, or the same as plain mappings."""
        ...

    def fold(self) -> Fold:
        """What a stream's chunks are added to."""
        ...


class Unread(Exception):
    """Something has a shape that the dialect does not know: it is recorded as it is."""


_WITHOUT_MEMBERS = frozenset((bool, bytes, float, int, list, str, tuple))


def read(thing: Any, name: str) -> Any:
    """A member of a client's object or of a mapping, by its name; None where there is none. Raises `Unread`
    of a text, a list or a number, which would be lost in a member's place.
    """
    if type(thing) is dict:
        return thing.get(name)
    try:
        # A pydantic model's fields, and what its class does not know: to ask it for what is not there takes
        # ten times as long.
        found = thing.__dict__.get(name)
        extra = thing.__pydantic_extra__
    except AttributeError:
        if type(thing) in _WITHOUT_MEMBERS:
            raise Unread(f"no members: {type(thing).__name__}") from None
        return thing.get(name) if isinstance(thing, Mapping) else getattr(thing, name, None)
    return extra.get(name) if found is None and extra else found


def said(thing: Any) -> Mapping[str, Any]:
    """The same of all members at once: to look at, not to change."""
    if type(thing) in _WITHOUT_MEMBERS:
        raise Unread(f"no members: {type(thing).__name__}")
    return members(thing)


def members(thing: Any) -> Mapping[str, Any]:
    """All members of a client's object or of a mapping, by name: to look at, not to change."""
    if thing is None:
        return {}
    if isinstance(thing, dict):
        return thing
    try:
        fields: dict[str, Any] = thing.__dict__
        extra = thing.__pydantic_extra__
    except AttributeError:
        return thing if isinstance(thing, Mapping) else getattr(thing, "__dict__", {})
    return {**fields, **extra} if extra else fields
