"""A body that isn't as documented comes in, every fault of it goes out, in the order of the text. Pure.

The way is by the tables of `schema`, object by object, each member as bytes until its turn comes: what is
passed over stays bytes. The text is compact JSON (no blanks between its tokens), and is known to be JSON.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from typing import Any, Final

import msgspec
from msgspec import Raw

from llmobs_trace.local.receiver.problems import Fault
from llmobs_trace.local.receiver.schema import BODY, METRIC, PLACEHOLDER, Closed, ListOf, OneOf, Scalar
from llmobs_trace.wire import INT64_MAX, INT64_MIN

MAX_FAULTS: Final = 100
# An array is taken apart only where that makes at most so many pieces, of some 60 bytes each.
MAX_ITEMS: Final = 400_000

_LONGEST_NAME: Final = 500
_INTEGER: Final = re.compile(rb"-?[0-9]{1,19}")
_object = msgspec.json.Decoder(dict[str, Raw])
_array = msgspec.json.Decoder(list[Raw])
_string = msgspec.json.Decoder(str)


class _Enough(Exception):
    pass


def find(text: bytes) -> tuple[list[Fault], bool]:
    """The faults, at most `MAX_FAULTS`, and whether there are more."""
    walk = _Walk()
    try:
        walk.value(text, BODY, "")
    except _Enough:
        return walk.faults, True
    return walk.faults, False


def unfit_item(text: bytes | memoryview) -> tuple[int, str] | None:
    """The first item of an array that may not be in a value: its index and what it is; None for none.

    The documentation's arrays hold strings, numbers, booleans and objects: no null, and no array directly.
    """
    inner = bytes(text[1:-1])
    if b"[" not in inner and b"null" not in inner:
        return None
    if inner.count(b",") > MAX_ITEMS:
        return None  # taken as it is
    for index, item in enumerate(_array.decode(text)):
        first = bytes(memoryview(item)[:1])
        if first in (b"[", b"n"):
            return index, _kind(first)
    return None


class _Walk:
    def __init__(self) -> None:
        self.faults: list[Fault] = []

    def value(self, text: bytes, kind: Any, pointer: str) -> None:
        match kind:
            case Closed():
                self._closed(text, kind, pointer)
            case ListOf(item):
                self._list(text, item, pointer)
            case OneOf(allowed):
                if text[:1] != b'"' or _string.decode(text) not in allowed:
                    expected = f"one of: {', '.join(allowed)}"
                    self._add(
                        pointer, f"{_subject(pointer)} is to be {expected}; given {_shown(text)}", "enum"
                    )
            case _:
                self._scalar(text, kind, pointer)

    def _closed(self, text: bytes, closed: Closed, pointer: str) -> None:
        if text[:1] != b"{":
            self._add(pointer, f"{_subject(pointer)} is to be an object, given {_kind(text)}", "type")
            return
        members = closed.members
        found = _object.decode(text)
        for name, raw in found.items():
            below = _below(pointer, name)
            if name not in members:
                self._add(
                    below if len(name) <= _LONGEST_NAME else pointer,
                    f"{_quoted(name)} is not in the schema, which has here: {', '.join(members)}",
                    "unknown",
                )
            elif not (closed is METRIC and name == "score_value" and bytes(raw) == PLACEHOLDER):
                self.value(bytes(raw), members[name], below)
        for name in _repeated(text, found):
            self._add(_below(pointer, name), f"{_quoted(name)} comes more than once", "duplicate")
        for name in closed.required:
            if name not in found:
                self._add(_below(pointer, name), f"Missing required attribute in body: {name}", "required")

    def _list(self, text: bytes, item: Closed, pointer: str) -> None:
        if text[:1] != b"[":
            self._add(pointer, f"{_subject(pointer)} is to be an array, given {_kind(text)}", "type")
        elif text.count(b",") > MAX_ITEMS:
            self._first_fault(text, item, pointer)
        else:
            for index, raw in enumerate(_array.decode(text)):
                self.value(bytes(raw), item, f"{pointer}/{index}")

    def _first_fault(self, text: bytes, item: Closed, pointer: str) -> None:
        """Of an array that is too large to be taken apart: what a reader of its type says first."""
        try:
            msgspec.json.decode(text, type=list[item.typed])  # type: ignore[name-defined]
        except msgspec.ValidationError as error:
            said, _, path = str(error).partition(" - at `$")
            self._add(pointer + _as_pointer(path.rstrip("`")), said, "first")
            raise _Enough from None

    def _scalar(self, text: bytes, kind: Scalar, pointer: str) -> None:
        first = text[:1]
        expected = f"{_subject(pointer)} is to be {kind.value}, given"
        if first not in _FIRST_BYTES[kind]:
            self._add(pointer, f"{expected} {_kind(text)}", "type")
        elif kind is Scalar.INT64:
            if not _INTEGER.fullmatch(text) or not INT64_MIN <= int(text) <= INT64_MAX:
                self._add(pointer, f"{expected} {_shown(text)}", "range")
        elif kind is Scalar.DOUBLE:
            if not math.isfinite(float(text)):
                self._add(pointer, f"{expected} one that 64 bits don't hold: {_shown(text)}", "range")
        elif kind is Scalar.STRINGS:
            self._strings(text, pointer)
        elif kind is Scalar.VALUE and first == b"[":
            unfit = unfit_item(text)
            if unfit is not None:
                index, what = unfit
                self._add(
                    f"{pointer}/{index}",
                    f"an array's items are strings, numbers, booleans and objects; given {what}",
                    "type",
                )

    def _strings(self, text: bytes, pointer: str) -> None:
        if text.count(b",") > MAX_ITEMS:
            return
        for index, raw in enumerate(_array.decode(text)):
            if bytes(memoryview(raw)[:1]) != b'"':
                self._add(
                    f"{pointer}/{index}", f"an item is to be a string, given {_kind(bytes(raw))}", "type"
                )

    def _add(self, pointer: str, detail: str, code: str) -> None:
        if len(self.faults) == MAX_FAULTS:
            raise _Enough
        self.faults.append(Fault(pointer, detail, code))


_KINDS: Final = {
    b"{": "an object",
    b"[": "an array",
    b'"': "a string",
    b"t": "true",
    b"f": "false",
    b"n": "null",
}
_NUMBER: Final = frozenset(bytes((byte,)) for byte in b"-0123456789")
_FIRST_BYTES: Final = {
    Scalar.STRING: frozenset({b'"'}),
    Scalar.INT64: _NUMBER,
    Scalar.DOUBLE: _NUMBER,
    Scalar.BOOLEAN: frozenset({b"t", b"f"}),
    Scalar.OBJECT: frozenset({b"{"}),
    Scalar.STRINGS: frozenset({b"["}),
    Scalar.VALUE: _NUMBER | frozenset(_KINDS),
}


def _kind(text: bytes) -> str:
    return _KINDS.get(text[:1], "a number")


def _shown(text: bytes) -> str:
    """A value in an error: itself if it is short, what it is otherwise."""
    return text.decode() if len(text) <= 60 and text[:1] not in b"[{" else _kind(text)


def _subject(pointer: str) -> str:
    name = pointer.rpartition("/")[2]
    return "the body" if not pointer else f"item {name}" if name.isdecimal() else _quoted(name)


def _quoted(name: str) -> str:
    return json.dumps(name if len(name) <= 60 else name[:60] + "…", ensure_ascii=False)


def _below(pointer: str, name: str) -> str:
    return f"{pointer}/{name.replace('~', '~0').replace('/', '~1')}"


def _as_pointer(path: str) -> str:
    """`[3].meta.error` → `/3/meta/error`."""
    return re.sub(r"\[(\d+)\]|\.([^.\[]+)", lambda part: f"/{part[1] or part[2]}", path)


def _repeated(text: bytes, found: dict[str, Raw]) -> list[str]:
    """The names that come more than once in an object, of which a reader keeps the last."""
    shortest = 1 + sum(len(msgspec.json.encode(name)) + 2 + len(bytes(raw)) for name, raw in found.items())
    if len(text) <= max(2, shortest):
        return []
    # Or they are written in a longer way: only a reader of names can tell. The outermost object comes last.
    names: list[str] = []

    def keep(pairs: list[tuple[str, object]]) -> None:
        names[:] = [name for name, _ in pairs]

    json.loads(text, object_pairs_hook=keep)
    return [name for name, count in Counter(names).items() if count > 1]
