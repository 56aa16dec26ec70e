"""Makes one short text of a function's code that changes where what it does may have changed. Any thread.

What counts: its instructions and constants, its defaults, the plain values (texts, numbers, containers of
them) that it names in its closure and its module, a prompt in a constant for one, and the functions and
classes of its module that it names, and so on. What does not: line numbers, comments, docstrings, the names
of files and modules. What it can't see: imported modules, files that are read, a model behind an alias;
`version=` is for these.
"""

from __future__ import annotations

import dis
import functools
from hashlib import blake2b
from types import CodeType, FunctionType, MethodType
from typing import Any

# Whatever an interpreter adds for its own sake.
_NOT_THE_PROGRAM = frozenset(
    {"CACHE", "RESUME", "NOP", "EXTENDED_ARG", "PRECALL", "COPY_FREE_VARS", "MAKE_CELL", "PUSH_NULL"}
)
# A module's function is called in the one way where its import was compiled with the caller, as in a script,
# and in the other where it was not, as in a notebook, whose cells are compiled statement by statement.
_SAME = {"LOAD_METHOD": "LOAD_ATTR", "CALL_METHOD": "CALL_FUNCTION"}
_PLAIN = (str, bytes, int, float, complex, bool, type(None), type(...))


def fingerprint_of(function: object, version: str | None = None) -> str:
    """16 hex digits of a function, a method, a partial or an object that can be called."""
    look = _Look(_module_of(function))
    look.at(function)
    look.say(b"version", version)
    return look.digest.hexdigest()


class _Look:
    """Walks through what a function names, each thing once."""

    def __init__(self, module: str | None) -> None:
        self.digest = blake2b(digest_size=8)
        self._module = module
        self._seen: set[int] = set()
        self._kept: list[object] = []  # what was seen lives on meanwhile, so that no id comes twice

    def say(self, what: bytes, value: object) -> None:
        text = _plain_text(value).encode("utf-8", "surrogatepass")
        self.digest.update(b"%b %d:%b;" % (what, len(text), text))

    def at(self, found: object) -> None:
        """A callable, or a class."""
        found = _unwrapped(found)
        if id(found) in self._seen:
            self.say(b"again", None)
            return
        self._seen.add(id(found))
        self._kept.append(found)
        if isinstance(found, functools.partial):
            self.say(b"partial", None)
            self.at(found.func)
            self.value(b"args", found.args)
            self.value(b"keywords", found.keywords)
        elif isinstance(found, MethodType):
            self.at(found.__func__)
            self._attributes(found.__self__)
        elif isinstance(found, FunctionType):
            self._function(found)
        elif isinstance(found, type):
            self._class(found)
        else:
            self._class(type(found))
            self._attributes(found)

    def value(self, what: bytes, value: object) -> None:
        """Something that a function names: a plain value counts, code of its module is gone into."""
        inner = _unwrapped(value)
        if _is_plain(value):
            self.say(what, value)
        elif isinstance(inner, (FunctionType, MethodType, functools.partial, type)):
            if _module_of(inner) == self._module:
                self.say(what, None)
                self.at(inner)
        elif type(inner).__module__ == self._module and callable(inner):
            self.say(what, None)
            self.at(inner)

    def _function(self, function: FunctionType) -> None:
        self.value(b"defaults", function.__defaults__)
        self.value(b"keyword defaults", function.__kwdefaults__)
        names = self._code(function.__code__)
        for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
            try:
                contents = cell.cell_contents
            except ValueError:
                continue  # not filled yet
            self.value(b"closure " + name.encode(), contents)
        for name in sorted(names):
            if name in function.__globals__:
                self.value(b"global " + name.encode(), function.__globals__[name])

    def _code(self, code: CodeType) -> set[str]:
        """The instructions, resolved: a constant by what it is, a jump by how many instructions it goes. The
        names that they look up are returned.
        """
        instructions = [one for one in dis.get_instructions(code) if one.opname not in _NOT_THE_PROGRAM]
        places = {one.offset: number for number, one in enumerate(instructions)}
        jumps = {*dis.hasjrel, *dis.hasjabs}
        names: set[str] = set()
        self.say(
            b"arguments", (code.co_argcount, code.co_kwonlyargcount, code.co_posonlyargcount, code.co_flags)
        )
        for number, one in enumerate(instructions):
            self.say(b"does", _SAME.get(one.opname, one.opname))
            if one.opcode in jumps:
                following = [place for offset, place in places.items() if offset >= (one.argval or 0)]
                self.say(b"to", min(following, default=len(places)) - number)
            elif isinstance(one.argval, CodeType):
                names |= self._code(one.argval)
            elif one.opname not in ("LOAD_CONST", "RETURN_CONST") or _is_plain(one.argval):
                self.say(b"with", one.argval if _is_plain(one.argval) else type(one.argval).__name__)
            if one.opcode in dis.hasname and isinstance(one.argval, str):
                names.add(one.argval)
        return names

    def _class(self, found: type) -> None:
        for base in found.__mro__:
            if base.__module__ != self._module:
                continue
            for name, value in sorted(vars(base).items()):
                if name in (
                    "__doc__",
                    "__module__",
                    "__qualname__",
                    "__firstlineno__",
                    "__static_attributes__",
                ):
                    continue
                inner = getattr(value, "__func__", getattr(value, "fget", value))
                self.value(b"member " + name.encode(), inner)

    def _attributes(self, found: object) -> None:
        if isinstance(found, type):
            return
        for name, value in sorted(getattr(found, "__dict__", {}).items()):
            if _is_plain(value):
                self.say(b"attribute " + name.encode(), value)


def _unwrapped(found: Any) -> Any:
    for _ in range(100):
        inner = getattr(found, "__wrapped__", None) if not isinstance(found, type) else None
        if inner is None or not callable(inner):
            break
        found = inner
    return found


def _module_of(found: object) -> str | None:
    found = _unwrapped(found)
    while isinstance(found, functools.partial):
        found = _unwrapped(found.func)
    if isinstance(found, (FunctionType, MethodType, type)):
        return found.__module__
    return type(found).__module__


def _is_plain(value: object, depth: int = 0) -> bool:
    kind = type(value)
    if kind in _PLAIN:
        return True
    if depth > 20:
        return False
    if kind in (tuple, list, set, frozenset):
        return all(_is_plain(each, depth + 1) for each in value)  # type: ignore[attr-defined]
    if kind is dict:
        return all(_is_plain(each, depth + 1) for pair in value.items() for each in pair)  # type: ignore[attr-defined]
    return False


def _plain_text(value: object) -> str:
    """A plain value's text; a set's order is another in each process, so it is sorted."""
    if type(value) in (set, frozenset):
        return "{" + ",".join(sorted(map(_plain_text, value))) + "}"  # type: ignore[call-overload]
    if type(value) in (tuple, list):
        return "[" + ",".join(map(_plain_text, value)) + "]"  # type: ignore[call-overload]
    if type(value) is dict:
        pairs = (f"{_plain_text(key)}:{_plain_text(item)}" for key, item in value.items())
        return "{" + ",".join(pairs) + "}"
    return f"{type(value).__name__} {value!r}"
