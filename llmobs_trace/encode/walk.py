"""Any value in, a copy of exact builtin types out, and that as JSON bytes. On the user's thread.

The walker knows containers, cycles, depth and amount; what a type holds is told by a reader (``known``,
``records``, ``tables``). Other threads may change what is being read: containers are copied in one step
first.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from llmobs_trace.encode.choose import reader_of
from llmobs_trace.encode.peek import type_name
from llmobs_trace.encode.plain import MAX_CHARACTERS
from llmobs_trace.encode.reader import Shape

# Nesting past it is cut. msgspec itself stops at the interpreter's recursion limit; readers give up long
# before.
MAX_DEPTH: Final = 100
# Values past it are counted, not written: at some 4 µs each they would hold the program up.
_MAX_NODES: Final = 200_000

_KEPT_OF_A_LONG_TEXT: Final = 4096
_to_json: Final = msgspec.json.Encoder().encode


def encode_by_walking(value: object) -> bytes:
    """Any value in, JSON bytes out, by way of a plain copy. Never raises an ``Exception``. User's thread."""
    failure = "Exception"
    # Called near the recursion limit there may be room for a few levels only.
    for depth in (MAX_DEPTH, 8, 2):
        try:
            try:
                return _to_json(_Walk(depth, escape=False).tree(value))
            except UnicodeEncodeError:
                return _to_json(_Walk(depth, escape=True).tree(value))
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


def escape_surrogates(text: str) -> str:
    """A text in, the same with each lone surrogate written as ``\\udc80`` out."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


class _Walk:
    """One value's walk: how deep, how much, and which containers are open around the current one."""

    __slots__ = ("_characters", "_depth", "_escape", "_max_depth", "_nodes", "_open")

    def __init__(self, max_depth: int, *, escape: bool) -> None:
        self._max_depth = max_depth
        self._escape = escape
        self._depth = 0
        self._nodes = _MAX_NODES
        self._characters = MAX_CHARACTERS
        self._open: set[int] = set()

    def tree(self, value: Any) -> Any:
        """Any value in, its plain copy out."""
        self._nodes -= 1
        cls = type(value)
        if cls is str:
            return self._text(value)
        if value is None or cls is bool:
            return value
        shape, read = reader_of(cls)
        if shape is Shape.LEAF:
            try:
                leaf = read(value)
            except Exception as error:
                return self._unreadable(cls, error)
            return self._text(leaf) if type(leaf) is str else leaf
        if id(value) in self._open:
            return f"<cycle: {self._text(type_name(cls))}>"
        if self._depth >= self._max_depth:
            return f"<too deep: {self._text(type_name(cls))}>"
        if self._nodes <= 0:
            return f"<cut: {self._text(type_name(cls))}, too many values>"
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
        if shape is Shape.PAIRS:
            return self._object(inside)
        if shape is Shape.INSTEAD:
            return self.tree(inside)
        items = self._array(inside)
        if shape is Shape.UNORDERED:
            items.sort(key=_to_json)
        return items

    def _array(self, inside: list[Any]) -> list[Any]:
        items: list[Any] = []
        for item in inside:
            if self._nodes <= 0:
                items.append(f"<cut: {len(inside) - len(items)} of {len(inside)} items>")
                break
            items.append(self.tree(item))
        return items

    def _object(self, inside: list[tuple[Any, Any]]) -> dict[str, Any]:
        members: dict[str, Any] = {}
        # A string that is a key keeps its name; what merely looks like it says its type, whichever came
        # first.
        taken = {key for key, _ in inside if type(key) is str}
        for key, item in inside:
            if self._nodes <= 0:
                rest = len(inside) - len(members)
                members[_free(members, "<cut>", "")] = f"{rest} of {len(inside)} keys"
                break
            if type(key) is str:
                name = self._text(key)
                if name in members or (name is not key and name in taken):
                    name = _free(members, name, " <str>")
            else:
                name = self._key(key)
                if name in taken or name in members:
                    name = _free(members, name, f" <{self._text(type_name(type(key)))}>", taken)
            members[name] = self.tree(item)
        return members

    def _key(self, key: Any) -> str:
        name = self.tree(key)
        return name if type(name) is str else _to_json(name).decode()

    def _text(self, text: str) -> str:
        if self._escape and not text.isascii():
            text = escape_surrogates(text)
        self._characters -= len(text)
        if self._characters < 0 and len(text) > 2 * _KEPT_OF_A_LONG_TEXT:
            cut = len(text) - 2 * _KEPT_OF_A_LONG_TEXT
            return f"{text[:_KEPT_OF_A_LONG_TEXT]}…[{cut} characters cut]…{text[-_KEPT_OF_A_LONG_TEXT:]}"
        return text

    def _unreadable(self, cls: type, error: Exception) -> str:
        return self._text(f"<{type_name(cls)}: not readable, {type_name(type(error))}>")


def _settled(read: Any, value: Any) -> Any:
    """A reader and its value in, what it reads out; again where a thread changed the value meanwhile."""
    for _ in range(20):
        try:
            return read(value)
        except RecursionError:
            raise
        except RuntimeError:  # changed size, mutated during iteration
            continue
    return read(value)


def _free(members: dict[str, Any], name: str, suffix: str, taken: set[str] | None = None) -> str:
    """A wished name in, one that no other member has out: ``1 <int>``, ``1 <int> 2``, …"""
    wished = name + suffix
    free, ordinal = wished, 1
    while free in members or (taken is not None and free in taken):
        ordinal += 1
        free = f"{wished} {ordinal}"
    return free
