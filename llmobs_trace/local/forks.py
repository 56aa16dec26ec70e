"""Which stores a forked child must leave alone: those that were open when it was made. Any thread.

Of a file that was open over a fork SQLite believes, in the child, that its process holds the locks on it,
while it is the parent who does. The parent, at its end, then takes the file to be nobody's and removes its
write-ahead log, and what the child writes is lost or spoils the file: see "How To Corrupt An SQLite Database
File", section 2.6. So a program closes its store before it forks; a child whose parent could not gets an
error here instead, and its events wait in its journal for another process.
"""

from __future__ import annotations

import atexit
import os
import weakref
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

from llmobs_trace.errors import StoreError


class Open(Protocol):
    """An open store."""

    @property
    def path(self) -> Path:
        """Its file."""

    def after_fork_in_child(self) -> object:
        """Give its connection up, unclosed, and return it."""


_open: weakref.WeakSet[Any] = weakref.WeakSet()
_inherited: set[str] = set()


def opened(store: Open) -> None:
    """It has a connection from now on."""
    _open.add(store)


def closed(store: Open) -> None:
    """It has none any more."""
    _open.discard(store)


def check(path: Path) -> None:
    """Raise `StoreError` where this process must not open a file."""
    if _inherited and os.path.realpath(path) in _inherited:
        raise StoreError(
            f"the store at {path} was in use when this process was forked; another has to write it"
        )


def _in_child() -> None:
    for store in list(_open):
        _inherited.add(os.path.realpath(store.path))
        # Closing it would write to what the parent uses, and so would freeing it as the interpreter ends.
        atexit.register(_keep, store.after_fork_in_child())
    _open.clear()


def _keep(connection: object) -> None:
    with suppress(ImportError, AttributeError):
        import ctypes

        ctypes.pythonapi.Py_IncRef(ctypes.py_object(connection))


os.register_at_fork(after_in_child=_in_child)
