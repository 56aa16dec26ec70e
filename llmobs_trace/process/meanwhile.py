"""Has what is recorded go elsewhere while a block runs, as runs of experiments do, and then back. Any thread.

A process delivers to one place at a time. Blocks that want the same place share it; one that wants another is
refused, since what the others record would go there too.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from llmobs_trace.pipeline import Pipeline
from llmobs_trace.process import life
from llmobs_trace.settings.config import Config

_lock = threading.Lock()  # guards the three below
_users = 0
_before: Config | None = None  # where it goes back to, if it is elsewhere
_started: Pipeline | None = None  # what delivers there


class Occupied(Exception):
    """Another block has what is recorded go to another place; the text says where."""


@contextmanager
def delivering(wanted: Config) -> Iterator[None]:
    """Have what is recorded within the block go where `wanted` says. Raises `Occupied`."""
    _enter(wanted)
    try:
        yield
    finally:
        _leave()


def _enter(wanted: Config) -> None:
    global _users, _before, _started
    with _lock:
        before = life.configured()
        if place_of(before) != place_of(wanted):
            if _users:
                raise Occupied(place_of(before))
            # What was at work has said what there is to be said of the environment.
            life.start(wanted, () if life.at_work() else wanted.notes)
            _before, _started = before, life.at_work()
        _users += 1


def _leave() -> None:
    global _users, _before, _started
    with _lock:
        _users -= 1
        if _users == 0 and _before is not None:
            # Unless somebody called `configure` meanwhile.
            if life.at_work() is _started:
                life.start(_before)
            _before = _started = None


def place_of(config: Config) -> str:
    """Where a configuration has its events go, in a word."""
    return config.base_url if config.destination == "datadog" else str(config.database)


def _after_fork_in_child() -> None:
    """What the parent's threads are at is none of the child's business; it stays where it was."""
    global _lock, _users, _before, _started
    _lock = threading.Lock()
    _users, _before, _started = 0, None, None


if hasattr(os, "register_at_fork"):  # Windows has no fork
    os.register_at_fork(after_in_child=_after_fork_in_child)
