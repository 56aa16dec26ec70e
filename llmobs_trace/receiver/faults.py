"""Lists every fault of a body that isn't as documented, in the order of the text: its validation. Pure.

The way is by the tables of `schema`, object by object, each member as bytes until its turn comes: what is
passed over stays bytes. The text is compact JSON (no blanks between its tokens), and is known to be JSON.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any, Final

import msgspec
from msgspec import Raw

from llmobs_trace.receiver.problems import Fault
from llmobs_trace.receiver.schema import BODY, METRIC, PLACEHOLDER, ClosedObject, ListOf, OneOf, Scalar
from llmobs_trace.wire import INT32_MAX, INT64_MAX, INT64_MIN

MAX_FAULTS: Final = 100
# An array is taken apart only where that makes at most so many pieces, of some 60 bytes each.
MAX_ITEMS: Final = 400_000

# Of one event; whoever reads it has them all as objects.
MAX_TAGS: Final = 10_000

_LONGEST_NAME: Final = 500
_INTEGER: Final = re.compile(rb"-?[0-9]{1,19}")
_object = msgspec.json.Decoder(dict[str, Raw])
_array = msgspec.json.Decoder(list[Raw])
_string = msgspec.json.Decoder(str)


class _Enough(Exception):
    pass


def find(text: bytes, expected: ClosedObject = BODY) -> tuple[list[Fault], bool]:
    """The faults, at most `MAX_FAULTS`, and whether there are more."""
    walk = _Walk()
    try:
        walk.value(memoryview(text), expected, "")
    except _Enough:
        return walk.faults, True
    return walk.faults, False


def unfit_items(text: memoryview) -> Iterator[tuple[int, str]]:
    """The items of an array that may not be in a value: their indexes and what they are.

    The documentation's arrays hold strings, numbers, booleans and objects: no null, and no array directly.
    """
    inner = bytes(text[1:-1])
    # An array that is too large to be taken apart is taken as it is.
    if (b"[" in inner or b"null" in inner) and inner.count(b",") <= MAX_ITEMS:
        for index, item in enumerate(_array.decode(text)):
            first = memoryview(item)[0]
            if first in _UNFIT_ITEMS:
                yield index, _KINDS[first]


def strings(text: memoryview) -> list[Raw] | None:
    """The items of an array of tags; None where they are too many."""
    if _is_large(text):
        return None
    items = _array.decode(text)
    return None if len(items) > MAX_TAGS else items


class _Walk:
    """Values are views of the one text: a copy at each level would be many times its size."""

    def __init__(self) -> None:
        self.faults: list[Fault] = []

    def value(self, text: memoryview, kind: Any, pointer: str) -> None:
        match kind:
            case ClosedObject():
                self._closed(text, kind, pointer)
            case ListOf(item):
                self._list(text, item, pointer)
            case OneOf(allowed):
                if text[0] != _QUOTE or _string.decode(text) not in allowed:
                    self._unfit(pointer, f"one of: {', '.join(allowed)};", _shown(text), "enum")
            case _:
                self._scalar(text, kind, pointer)

    def _closed(self, text: memoryview, closed: ClosedObject, pointer: str) -> None:
        if text[0] != _BRACE:
            self._unfit(pointer, "an object,", _kind(text), "type")
            return
        if _is_large(text):
            self._first_fault(text, closed.flat, pointer)
        members = closed.members
        found = _object.decode(text)
        for name, raw in found.items():
            below = _below(pointer, name)
            if name not in members:
                if closed.is_open:
                    continue
                self._add(
                    below if len(name) <= _LONGEST_NAME else pointer,
                    f"{_quoted(name)} is not in the schema, which has here: {', '.join(members)}",
                    "unknown",
                )
            elif closed.is_open and name in closed.optional and bytes(memoryview(raw)[:4]) == b"null":
                continue  # as if it were left out
            elif not (
                closed is METRIC and name == "score_value" and bytes(memoryview(raw)[:9]) == PLACEHOLDER
            ):
                self.value(memoryview(raw), members[name], below)
        for name in _repeated(text, found):
            self._add(_below(pointer, name), f"{_quoted(name)} comes more than once", "duplicate")
        for name in closed.required:
            if name not in found:
                self._add(_below(pointer, name), f"Missing required attribute in body: {name}", "required")

    def _list(self, text: memoryview, item: ClosedObject, pointer: str) -> None:
        if text[0] != _BRACKET:
            self._unfit(pointer, "an array,", _kind(text), "type")
            return
        if _is_large(text):
            self._first_fault(text, list[item.typed], pointer)  # type: ignore[name-defined]
        for index, raw in enumerate(_array.decode(text)):
            self.value(memoryview(raw), item, f"{pointer}/{index}")

    def _first_fault(self, text: memoryview, kind: Any, pointer: str) -> None:
        """Of what may have too many parts to be taken apart: what a reader of a type says first.

        Where that says nothing, all members are known, or no item is a small one: then they are not too many.
        """
        try:
            msgspec.json.decode(text, type=kind)
        except msgspec.ValidationError as error:
            said, _, path = str(error).partition(" - at `$")
            self._add(pointer + _as_pointer(path.rstrip("`")), said, "first")
            raise _Enough from None

    def _scalar(self, text: memoryview, kind: Scalar, pointer: str) -> None:
        if text[0] not in _FIRST_BYTES[kind]:
            self._unfit(pointer, f"{kind.value},", _kind(text), "type")
        elif kind in _INTEGERS:
            low, high = _INTEGERS[kind]
            if not _INTEGER.fullmatch(text) or not low <= int(bytes(text)) <= high:
                self._unfit(pointer, f"{kind.value},", _shown(text), "range")
        elif kind is Scalar.DOUBLE:
            if not math.isfinite(float(bytes(text))):
                self._unfit(pointer, f"{kind.value} of 64 bits,", _shown(text), "range")
        elif kind is Scalar.STRINGS:
            items = strings(text)
            if items is None:
                self._unfit(pointer, f"{kind.value}, at most {MAX_TAGS:,} of them;", "more", "size")
            for index, raw in enumerate(items or ()):
                if memoryview(raw)[0] != _QUOTE:
                    self._unfit(f"{pointer}/{index}", "a string,", _kind(memoryview(raw)), "type")
        elif kind is Scalar.VALUE and text[0] == _BRACKET:
            for index, what in unfit_items(text):
                self._unfit(f"{pointer}/{index}", f"{Scalar.ITEM.value};", what, "type")

    def _unfit(self, pointer: str, expected: str, given: str, code: str) -> None:
        name = pointer.rpartition("/")[2]
        subject = "the body" if not pointer else f"item {name}" if name.isdecimal() else _quoted(name)
        self._add(pointer, f"{subject} is to be {expected} given {given}", code)

    def _add(self, pointer: str, detail: str, code: str) -> None:
        if len(self.faults) == MAX_FAULTS:
            raise _Enough
        self.faults.append(Fault(pointer, detail, code))


# --- A value by its first byte ------------------------------------------------------------------------------

_QUOTE, _BRACE, _BRACKET = b'"{['
_KINDS: Final = {
    _BRACE: "an object",
    _BRACKET: "an array",
    _QUOTE: "a string",
    ord("t"): "true",
    ord("f"): "false",
    ord("n"): "null",
}
_UNFIT_ITEMS: Final = frozenset(b"[n")
_NUMBER: Final = frozenset(b"-0123456789")
_FIRST_BYTES: Final = {
    Scalar.STRING: frozenset({_QUOTE}),
    Scalar.INT64: _NUMBER,
    Scalar.INT32: _NUMBER,
    Scalar.DOUBLE: _NUMBER,
    Scalar.BOOLEAN: frozenset(b"tf"),
    Scalar.OBJECT: frozenset({_BRACE}),
    Scalar.STRINGS: frozenset({_BRACKET}),
    Scalar.VALUE: _NUMBER | frozenset(_KINDS),
    Scalar.ANY: _NUMBER | frozenset(_KINDS),
}
_INTEGERS: Final = {Scalar.INT64: (INT64_MIN, INT64_MAX), Scalar.INT32: (-INT32_MAX - 1, INT32_MAX)}


def _kind(text: memoryview) -> str:
    return _KINDS.get(text[0], "a number")


def _shown(text: memoryview) -> str:
    """A value in an error: itself if it is short, what it is otherwise."""
    return bytes(text).decode() if len(text) <= 60 and text[0] not in b"[{" else _kind(text)


def _quoted(name: str) -> str:
    return json.dumps(name if len(name) <= 60 else name[:60] + "…", ensure_ascii=False)


# --- Places -------------------------------------------------------------------------------------------------


def _below(pointer: str, name: str) -> str:
    return f"{pointer}/{name.replace('~', '~0').replace('/', '~1')}"


def _as_pointer(path: str) -> str:
    """`[3].meta.error` → `/3/meta/error`."""
    return re.sub(r"\[(\d+)\]|\.([^.\[]+)", lambda part: f"/{part[1] or part[2]}", path)


# --- Sizes --------------------------------------------------------------------------------------------------


def _is_large(text: memoryview) -> bool:
    # Two bytes an item are the least.
    return len(text) > 2 * MAX_ITEMS and bytes(text).count(b",") > MAX_ITEMS


def _repeated(text: memoryview, found: dict[str, Raw]) -> list[str]:
    """The names that come more than once in an object, of which a reader keeps the last."""
    shortest = 1 + sum(
        len(msgspec.json.encode(name)) + 2 + len(memoryview(raw)) for name, raw in found.items()
    )
    if len(text) <= max(2, shortest):
        return []
    # Or they are written in a longer way: only a reader of names can tell. The outermost object comes last.
    names: list[str] = []

    def keep(pairs: list[tuple[str, object]]) -> None:
        names[:] = [name for name, _ in pairs]

    json.loads(bytes(text), object_pairs_hook=keep)
    return [name for name, count in Counter(names).items() if count > 1]
