"""Lists which stores a process must leave alone: in a forked child those that were open when it was made,
and those whose descriptors the program has closed. Any thread.

Of a file that was open over a fork SQLite believes, in the child, that its process holds the locks on it,
while it is the parent who does. The parent, at its end, then takes the file to be nobody's and removes its
write-ahead log, and what the child writes is lost or spoils the file: see "How To Corrupt An SQLite Database
File", section 2.6. So a program closes its store before it forks; a child whose parent could not gets an
error here instead, and its events wait in its journal for another process.

Nor does SQLite learn that a program closed all descriptors that it found, as one that becomes a daemon does:
it would write to whatever has their numbers next. Whoever opens the file again in that process gets some of
them too.
"""

from __future__ import annotations

import atexit
import os
import weakref
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from llmobs_trace.errors import StoreError
from llmobs_trace.store.files import Files


class Open(Protocol):
    """An open store."""

    @property
    def path(self) -> Path:
        """Its file."""

    def after_fork_in_child(self) -> object:
        """Give its connection up, unclosed, and return it."""

    def let_go_unclosed(self) -> object:
        """The same where it goes on, to be told that it may not be opened."""

    def step_aside(self, opened: Files, deadline: float) -> bool:
        """Close its connection if it is to these files; whether it has none to them any more."""


# By id: unlike a set's members, its references can be had all at once while other threads change it.
_open: weakref.WeakValueDictionary[int, Open] = weakref.WeakValueDictionary()
_left_alone: dict[str, str] = {}  # and why


def opened(store: Open) -> None:
    """It has a connection from now on."""
    _open[id(store)] = store


def closed(store: Open) -> None:
    """It has none any more."""
    _open.pop(id(store), None)


def open_stores() -> list[Open]:
    """All that are open in this process."""
    return [store for reference in _open.valuerefs() if (store := reference()) is not None]


def check(path: Path) -> None:
    """Raise `StoreError` where this process must not open a file."""
    if _left_alone and (why := _left_alone.get(os.path.realpath(path))):
        raise StoreError(f"the store at {path} was open when {why}; only another process can write it")


def give_up(store: Open) -> None:
    """The program has closed its descriptors: it is neither used nor closed any more."""
    closed(store)
    _leave_alone(store, store.let_go_unclosed(), "this program closed all open files")


def _in_child() -> None:
    for store in open_stores():
        _leave_alone(store, store.after_fork_in_child(), "this process was forked")
    _open.clear()


def _leave_alone(store: Open, connection: object, why: str) -> None:
    _left_alone[os.path.realpath(store.path)] = why
    # Closing it would write to what others use, and so would freeing it as the interpreter ends.
    atexit.register(_keep, connection)


def _keep(connection: object) -> None:
    with suppress(ImportError, AttributeError):
        import ctypes

        ctypes.pythonapi.Py_IncRef(ctypes.py_object(connection))


if hasattr(os, "register_at_fork"):  # Windows has no fork
    os.register_at_fork(after_in_child=_in_child)
