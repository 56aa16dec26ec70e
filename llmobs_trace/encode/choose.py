"""Chooses the reader of a class's values, and remembers it. User's thread.

A program may teach how the values of its own classes are read.
"""

from __future__ import annotations

import enum
import weakref
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from llmobs_trace.encode.declared_fields import record_reader
from llmobs_trace.encode.numpy_pandas import table_reader
from llmobs_trace.encode.optional_types import loaded_reader
from llmobs_trace.encode.peek import lineage
from llmobs_trace.encode.reader import Reader, Shape
from llmobs_trace.encode.stdlib_types import BASES, EXACT, MARKER
from llmobs_trace.encode.typing_forms import form_reader

# Readers by the id of their class: hashing a class would run its metaclass's __hash__. A class that is
# collected takes its entry with it before its id can be another's. Written by any thread; each write is one
# step.
_KNOWN: Final = (*EXACT, *BASES)
_readers: Final[dict[int, Reader]] = {id(kind): reader for kind, reader in _KNOWN}
_watched: Final[dict[int, weakref.ref[type]]] = {}

# What the program taught: a class, which is kept so that its id stays its own, and how its values are read.
# Never changed but replaced, so that whoever found a reader can tell whether it is the latest.
_taught: dict[int, tuple[type, Reader]] = {}

# Classes whose values are written without a look at each: there is no place to ask what was taught.
PLAIN: Final = (str, int, float, bool, type(None), dict, list, tuple, Decimal, UUID, date)


def teach(cls: type, read: Callable[[Any], Any]) -> None:
    """Have a function read the values of a class and of those that derive from it: its answer is written in
    their place. Taught for `object` it reads those of classes that are not known otherwise.
    """
    global _taught
    _taught = {**_taught, id(cls): (cls, Reader(Shape.INSTEAD, read))}
    for kind, reader in _KNOWN:
        _readers[id(kind)] = _taught_reader(kind) or reader
    for key in list(_watched):
        _readers.pop(key, None)


def reader_of(cls: type) -> Reader:
    """A class in, the reader of its values out; for an unknown one, its name's marker. User's thread."""
    key = id(cls)
    reader = _readers.get(key)
    if reader is not None:
        return reader

    def forget(_: object, key: int = key) -> None:
        _readers.pop(key, None)
        _watched.pop(key, None)

    _watched[key] = weakref.ref(cls, forget)
    found_by: object = None
    while found_by is not _taught:  # another thread may teach meanwhile
        found_by = _taught
        reader = _readers[key] = _find(cls)
    return reader or MARKER


def _find(cls: type) -> Reader:
    bases = lineage(cls)
    taught = _taught_reader(cls)
    if taught is not None:
        return taught
    if any(base is enum.Enum for base in bases):
        return _readers[id(enum.Enum)]
    found = loaded_reader(cls) or table_reader(cls) or record_reader(cls) or form_reader(cls)
    if found is not None:
        return found
    for kind, reader in BASES:
        if any(base is kind for base in bases):
            return reader
    return _taught[id(object)][1] if id(object) in _taught else MARKER


def _taught_reader(cls: type) -> Reader | None:
    """The reader taught for a class or for its nearest base, `object` left out."""
    for base in lineage(cls)[:-1]:
        found = _taught.get(id(base))
        if found is not None:
            return found[1]
    return None
