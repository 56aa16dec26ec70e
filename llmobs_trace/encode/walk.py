"""Walks any value into a copy of exact builtin types, and writes that as JSON bytes. User's thread.

The walker knows containers, cycles, depth and amount; what a type holds is told by a reader
(``choose`` finds it). Other threads may change what is being read: containers are copied in one step
first.
"""

from __future__ import annotations

from collections.abc import Container
from typing import Any, Final

import msgspec

from llmobs_trace.encode.choose import reader_of
from llmobs_trace.encode.media import (
    COUNTS,
    LARGEST_KEPT,
    Members,
    Place,
    cut_member,
    cut_text,
    place_of_items,
)
from llmobs_trace.encode.peek import type_name
from llmobs_trace.encode.plain import MAX_CHARACTERS, VALUE_CHARACTERS
from llmobs_trace.encode.reader import MAX_VALUES, Head, Shape
from llmobs_trace.encode.stdlib_types import integer

# Nesting past it is cut. msgspec itself stops at the interpreter's recursion limit; readers give up long
# before.
MAX_DEPTH: Final = 100
# So many items that are read, to be written or not, take as long as one that is written.
_READ_FOR_A_VALUE: Final = 6
_KEPT_OF_A_LONG_TEXT: Final = 4096
# By id: hashing a class would run its metaclass's __hash__.
_BYTES: Final = frozenset(map(id, (bytes, bytearray)))
_to_json: Final = msgspec.json.Encoder().encode


def encode_by_walking(value: object, written: int = 0) -> bytes:
    """Any value in, JSON bytes out, by way of a plain copy. Never raises an ``Exception``. User's thread.

    `written` is how many characters were written of the value already, in vain.
    """
    failure = "Exception"
    walk = _Walk(MAX_CHARACTERS - written)
    # Called near the recursion limit there may be room for a few levels only.
    for walk.max_depth in (MAX_DEPTH, 8, 2):
        try:
            return _to_json(walk.tree(value))
        except RecursionError:
            failure = "RecursionError"
        except MemoryError:
            return b'"<not encoded: MemoryError>"'
        except Exception as error:
            failure = type_name(type(error))
    try:
        return _to_json(f"<not encoded: {failure}>")
    except Exception:
        return b'"<not encoded>"'


class _Walk:
    """One value's walk: how deep, how much, and which containers are open around the current one.

    Whatever is made of a value on the way to its JSON counts as what is written: the text of a number, a key
    that is an object's JSON, what sorts a set. So a value that refers to the same large part in a thousand
    places costs no more than another.
    """

    __slots__ = ("_characters", "_depth", "_open", "_place", "_reserved", "_values", "max_depth")

    def __init__(self, characters: int) -> None:
        self.max_depth = MAX_DEPTH
        self._depth = 0
        self._values = MAX_VALUES
        self._characters = characters - MAX_VALUES * VALUE_CHARACTERS
        # Long texts are whole while there is room beyond this: what remains is for the rest of the value.
        self._reserved = self._characters // 2
        self._open: set[int] = set()
        self._place: Place | None = None  # where the value stands that is looked at

    def tree(self, value: Any) -> Any:
        """Any value in, its plain copy out."""
        self._values -= 1
        cls = type(value)
        if cls is str:
            return self._text(value if len(value) <= LARGEST_KEPT else self._cut(value))
        if value is None or cls is bool:
            return value
        shape, read, counts = reader_of(cls)
        if shape is Shape.LEAF:
            if id(cls) in _BYTES and type(kept := self._cut(value)) is str:
                return self._text(kept)
            try:
                leaf = read(value)
            except Exception as error:
                return self._unreadable(cls, error)
            return self._made(leaf) if type(leaf) is str else leaf
        if shape is Shape.TEXT:
            if LARGEST_KEPT < str.__len__(value) < MAX_CHARACTERS:
                value = self._cut(str.__str__(value))
            return self._text(value)
        if id(value) in self._open:
            return f"<cycle: {self._text(type_name(cls))}>"
        if self._depth >= self.max_depth:
            return f"<too deep: {self._text(type_name(cls))}>"
        if self._values <= 0:
            return f"<cut: {self._text(type_name(cls))}, too many values>"
        self._values -= counts
        self._depth += 1
        self._open.add(id(value))
        try:
            return self._nest(cls, shape, read, value)
        finally:
            self._open.discard(id(value))
            self._depth -= 1

    def _nest(self, cls: type, shape: Shape, read: Any, value: Any) -> Any:
        try:
            inside = _settled(read, value)
        except RecursionError:
            raise
        except Exception as error:
            return self._unreadable(cls, error)
        if shape is Shape.INSTEAD:
            return self.tree(inside)
        self._values -= len(inside) // _READ_FOR_A_VALUE
        if shape is Shape.PAIRS:
            return self._object(inside)
        characters, values = self._characters, self._values
        items = self._array(inside)
        if shape is Shape.UNORDERED and len(items) > 1:
            # Sorting writes each once more; what has no room for that stays in the order it has.
            again = characters - self._characters + VALUE_CHARACTERS * (values - self._values)
            if again < self._characters:
                self._charge(again)
                items.sort(key=_to_json)
        return items

    def _array(self, inside: list[Any]) -> list[Any]:
        items: list[Any] = []
        place = place_of_items(self._place)
        for item in inside:
            if self._values <= 0:
                total = _total(inside)
                items.append(f"<cut: {total - len(items)} of {total} items>")
                break
            self._place = place
            items.append(self.tree(item))
        return items

    def _object(self, inside: list[tuple[Any, Any]]) -> dict[str, Any]:
        beside = Members(inside, self._place)
        members: dict[str, Any] = {}
        alike: dict[str, int] = {}
        # A string that is a key keeps its name; what merely looks like it says its type, whichever came
        # first.
        taken = {key for key, _ in inside if type(key) is str}
        for key, item in inside:
            if self._values <= 0:
                total = _total(inside)
                members[_free("<cut>", alike, members)] = f"{total - len(members)} of {total} keys"
                break
            if type(key) is str:
                name = self._text(key)
                if name in members or (name is not key and name in taken):
                    name = _free(f"{name} <str>", alike, members, taken)
            else:
                name = self._key(key)
                if name in taken or name in members:
                    name = _free(f"{name} <{self._text(type_name(type(key)))}>", alike, members, taken)
            self._place = (name, beside)
            members[name] = self.tree(item)
        return members

    def _cut(self, value: Any) -> Any:
        """A long text, or bytes, in; itself, or what is recorded of it where it is media, out."""
        place = self._place
        if place is not None:
            kept = cut_member(place, value)
        else:
            kept = cut_text(value) if type(value) is str else value
        if kept is not value:
            self._values -= COUNTS
        return kept

    def _key(self, key: Any) -> str:
        if type(key) is int:  # as many as there are members, and counted with them, like texts
            return self._made(str(integer(key)))
        name = self.tree(key)
        return name if type(name) is str else self._text(_to_json(name).decode())

    def _made(self, text: str) -> str:
        """A text that a reader made: that took its time, the digits of a large number most of all."""
        self._values -= len(text) // 16
        return self._text(text)

    def _text(self, text: Any) -> str:
        kept: str = text
        if type(text) is not str or len(text) > _KEPT_OF_A_LONG_TEXT or not text.isascii():
            kept = self._writable(text)
        self._charge(len(kept))
        return kept

    def _writable(self, text: Any) -> str:
        """A text, or what derives from one, in; as much as there is room for out, surrogates escaped."""
        room = self._characters - self._reserved
        kept = _shortened(text, room)
        try:
            kept.encode()
        except UnicodeEncodeError:
            self._charge(len(kept))
            # Each lone surrogate becomes six characters, ``\\udc80``.
            return _shortened(text, room // 6).encode("utf-8", "backslashreplace").decode("utf-8")
        return kept

    def _charge(self, characters: int) -> None:
        self._characters -= characters
        if self._characters <= 0:
            self._values = 0

    def _unreadable(self, cls: type, error: Exception) -> str:
        return self._text(f"<{type_name(cls)}: not readable, {type_name(type(error))}>")


def _shortened(text: Any, room: int) -> str:
    """A text, or what derives from one, in; itself, or its beginning and its end within the room, out."""
    length = str.__len__(text)
    half = max(room, _KEPT_OF_A_LONG_TEXT) // 2
    if length <= 2 * half:
        return str.__str__(text)
    first, last = (str.__getitem__(text, slice(*ends)) for ends in ((half,), (length - half, None)))
    return f"{first}…[{length - 2 * half} characters cut]…{last}"


def _total(inside: list[Any]) -> int:
    """How many items a container has whose items were read, all or the first of them."""
    return inside.of if type(inside) is Head else len(inside)


def _settled(read: Any, value: Any) -> Any:
    """A reader and its value in, what it reads out; again where a thread changed the value meanwhile."""
    for _ in range(20):
        try:
            return read(value)
        except RecursionError:
            raise
        except RuntimeError:  # changed size, mutated during iteration
            pass
    return read(value)


def _free(wished: str, alike: dict[str, int], members: dict[str, Any], taken: Container[str] = ()) -> str:
    """A wished name in, one that no other member has out: ``1 <int>``, ``1 <int> 2``, …

    `alike` knows how many of that name there are, or a thousand keys that look alike would take a million
    tries.
    """
    free = wished
    while free in members or free in taken:
        alike[wished] = alike.get(wished, 1) + 1
        free = f"{wished} {alike[wished]}"
    return free
