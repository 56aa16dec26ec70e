"""A class in, the reader of its values out, remembered for the next one. On the user's thread."""

from __future__ import annotations

import enum
import weakref
from typing import Final

from llmobs_trace.encode.known import BASES, EXACT, LOADED, MARKER, of_module
from llmobs_trace.encode.peek import lineage
from llmobs_trace.encode.reader import Reader
from llmobs_trace.encode.records import record_reader
from llmobs_trace.encode.tables import table_reader

# Readers by the id of their class: hashing a class would run its metaclass's __hash__. A class that is
# collected takes its entry with it before its id can be another's. Written by any thread; each write is one
# step.
_readers: Final[dict[int, Reader]] = {id(kind): reader for kind, reader in (*EXACT, *BASES)}
_watched: Final[dict[int, weakref.ref[type]]] = {}


def reader_of(cls: type) -> Reader:
    """A class in, the reader of its values out; for an unknown one, its name's marker. User's thread."""
    key = id(cls)
    reader = _readers.get(key)
    if reader is not None:
        return reader
    reader = _find(cls)

    def forget(_: object, key: int = key) -> None:
        _readers.pop(key, None)
        _watched.pop(key, None)

    _watched[key] = weakref.ref(cls, forget)
    _readers[key] = reader
    return reader


def _find(cls: type) -> Reader:
    bases = lineage(cls)
    if any(base is enum.Enum for base in bases):
        return _readers[id(enum.Enum)]
    found = table_reader(cls) or record_reader(cls)
    if found is not None:
        return found
    for kind, reader in BASES:
        if any(base is kind for base in bases):
            return reader
    for module, name, subclasses_too, reader in LOADED:
        known = of_module(module, name)
        if cls is known or (subclasses_too and any(base is known for base in bases)):
            return reader
    return MARKER
