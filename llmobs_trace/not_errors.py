"""Tells which exceptions end a span without failing it, as a program names them. Any thread.

A type is named by itself, or by its dotted name, so that a program need not import it: whoever raises it has
done so.
"""

from __future__ import annotations

import builtins
import sys
from collections.abc import Iterable
from typing import Any, Final, TypeGuard, cast

TAKES: Final = (
    'a list of exception types or of their names with their modules, such as [SystemExit, "typer.Exit"]'
)

# The started program under the name by which multiprocessing imports it in a child.
_PROGRAM_IN_A_CHILD: Final = "__mp_main__"


class Unfit(ValueError):
    """What was given names no exceptions; `given` is the part that doesn't."""

    def __init__(self, given: object) -> None:
        super().__init__(given)
        self.given = given


class NotErrors:
    """Exceptions that are no errors: how work ends that was interrupted, handed over or done."""

    __slots__ = ("_names", "_types")

    def __init__(self, types: Iterable[type[BaseException]] = (), names: Iterable[str] = ()) -> None:
        self._types = tuple(types)
        self._names = tuple(names)

    @classmethod
    def of(cls, given: object) -> NotErrors:
        """Check what a user gave; raises `Unfit`."""
        if isinstance(given, NotErrors):
            return given
        if not isinstance(given, (list, tuple, set, frozenset)):
            raise Unfit(given)
        for each in given:
            if not (_is_exception(each) or (isinstance(each, str) and _may_name_one(each))):
                raise Unfit(each)
        return cls(
            [each for each in given if not isinstance(each, str)],
            [str.__str__(each).removeprefix("builtins.") for each in given if isinstance(each, str)],
        )

    def __contains__(self, error: object) -> bool:
        if isinstance(error, self._types):
            return True
        if not self._names:
            return False
        if not {_name_of(kind) for kind in type(error).__mro__}.isdisjoint(self._names):
            return True
        # Under another name than its own, as a package's front has what its modules define.
        return any(_is_exception(found) and isinstance(error, found) for found in map(_found, self._names))

    def __bool__(self) -> bool:
        return bool(self._types or self._names)

    def __repr__(self) -> str:
        return repr((*map(_name_of, self._types), *self._names))

    def __reduce__(self) -> tuple[Any, ...]:
        """Travels as names alone: nothing has to be imported where it arrives."""
        return NotErrors, ((), (*map(_name_of, self._types), *self._names))


NONE: Final = NotErrors()


def named(name: str) -> BaseException | None:
    """An exception of the type of this name, to be looked for; None where its module is not loaded."""
    found = _found(name.removeprefix("builtins."))
    return BaseException.__new__(found) if _is_exception(found) else None


def _is_exception(value: object) -> TypeGuard[type[BaseException]]:
    return isinstance(value, type) and issubclass(value, BaseException)


def _name_of(kind: type) -> str:
    """A type's name with its module; builtins go without."""
    module = "__main__" if kind.__module__ == _PROGRAM_IN_A_CHILD else kind.__module__
    return kind.__qualname__ if module == "builtins" else f"{module}.{kind.__qualname__}"


def _may_name_one(name: str) -> bool:
    """Whether it has the form of a name, and names nothing else; its module need not be loaded yet."""
    found = _found(name)
    if found is not None:
        return _is_exception(found)
    return "." in name and all(part.isidentifier() or part == "<locals>" for part in name.split("."))


def _found(name: str) -> object:
    """What a dotted name leads to by what is loaded; None where to nothing. Runs no `__getattr__`, by which
    modules import what they are asked for.
    """
    parts = name.split(".")
    if len(parts) == 1:
        return vars(builtins).get(name)
    for count in range(len(parts) - 1, 0, -1):
        found: Any = sys.modules.get(".".join(parts[:count]))
        if found is None:
            continue
        for part in parts[count:]:
            found = getattr(found, "__dict__", {}).get(part)
        return cast(object, found)
    return None
