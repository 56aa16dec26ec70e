"""Compares two experiments of many rows in a process apart, and keeps the answer. Any thread.

The statistics of 100,000 rows take seconds, in which the interpreter has little time for anything else, and
hundreds of megabytes. So they are worked out in a process of their own, one at a time, which gives way to all
others and takes its memory with it. Who asks meanwhile is told to ask again, and gets what was last found: an
experiment that grows may never stand still for as long as it takes. What takes less, and will be asked for
soon, is done ahead on a thread.
"""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, Final

import msgspec
from msgspec import Raw, Struct

from llmobs_trace.errors import LLMObsTraceError
from llmobs_trace.store.queries import Experiment
from llmobs_trace.store.store import Store

# Rows and metrics of both: so many take a quarter of a second, hardly more than a process takes to start.
FEW: Final = 20_000
_KEPT: Final = 64
_NICENESS: Final = 10
# With this process's own way of finding modules: one that lies where the program was started is not ours.
_PROGRAM: Final = (
    "import sys; database, a, b, directions, *sys.path = sys.argv[1:];"
    " from llmobs_trace.viewer.compare_process import main; main(database, a, b, directions)"
)

# The ids of the two, and as JSON what is said of labels.
_Asked = tuple[str, str, str]
# What is the same as long as a comparison is.
_State = tuple[object, ...]


class Failed(Exception):
    """The process ended without an answer."""


class Known(Struct, frozen=True):
    """A `Comparison` as JSON, None where there is none yet; `is_current`: nothing was added since."""

    comparison: Raw | None
    is_current: bool


class _Running(Struct):
    asked: _Asked
    state: _State
    process: subprocess.Popen[bytes]
    said: IO[bytes]
    complained: IO[bytes]


class Apart:
    """The comparisons of one store. Close it, so that no process is left."""

    def __init__(self, database: Path) -> None:
        self._database = database
        self._lock = threading.Lock()  # guards the three below
        self._found: dict[_Asked, tuple[_State, Raw | Failed]] = {}
        self._running: _Running | None = None
        self._ahead: threading.Thread | None = None

    def ahead(self, work: Callable[[Store], object]) -> None:
        """Do on a thread, one at a time, what will be asked for soon; that finds it done, or waits for it."""
        with self._lock:
            if self._ahead is None or not self._ahead.is_alive():
                self._ahead = threading.Thread(target=self._work, args=(work,), daemon=True)
                self._ahead.start()

    def _work(self, work: Callable[[Store], object]) -> None:
        with (
            suppress(LLMObsTraceError),  # whoever asks for it is told
            Store(self._database, read_only=True) as store,
            store.snapshot(),
        ):
            work(store)

    def comparison(
        self, a: Experiment, b: Experiment, directions: Mapping[str, str], changes: _State = ()
    ) -> Known:
        """What is known of the two; where that isn't current, ask again. Raises `Failed`.

        `directions` are those of `Options`; `changes` tell of more than that events were added: costs that
        were worked out, marks by hand that others took the place of.
        """
        said = msgspec.json.encode(directions, order="sorted").decode()
        asked, state = (a.id, b.id, said), (*_state(a), *_state(b), *changes)
        with self._lock:
            if self._running is not None and self._running.process.poll() is not None:
                self._keep(self._running)
                self._running = None
            kept = self._found.get(asked)
            if kept is not None and kept[0] == state:
                if isinstance(kept[1], Failed):
                    raise kept[1]
                return Known(kept[1], True)
            if self._running is None:
                self._running = self._start(asked, state)
            return Known(kept[1] if kept is not None and isinstance(kept[1], Raw) else None, False)

    def close(self) -> None:
        """End what is being worked out."""
        with self._lock:
            if self._running is not None:
                self._running.process.kill()
                self._running.process.wait()
                self._keep(self._running)
                self._running = None
            ahead, self._ahead = self._ahead, None
        if ahead is not None:
            ahead.join()

    def _start(self, asked: _Asked, state: _State) -> _Running:
        # Files, which nobody need read for the process to go on; closed by `_keep`.
        said, complained = tempfile.TemporaryFile(), tempfile.TemporaryFile()  # noqa: SIM115
        process = subprocess.Popen(
            [sys.executable, "-c", _PROGRAM, str(self._database), *asked, *sys.path],
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=complained,
        )
        return _Running(asked, state, process, said, complained)

    def _keep(self, running: _Running) -> None:
        with running.said, running.complained:
            running.said.seek(0)
            running.complained.seek(0)
            if running.process.returncode == 0:
                found: Raw | Failed = Raw(running.said.read())
            else:
                lines = running.complained.read().decode(errors="replace").splitlines()
                found = Failed(f"the comparison could not be worked out: {lines[-1] if lines else 'killed'}")
        self._found.pop(running.asked, None)
        self._found[running.asked] = (running.state, found)
        while len(self._found) > _KEPT:
            del self._found[next(iter(self._found))]


def _state(experiment: Experiment) -> _State:
    """No event in a store is ever changed or removed: more of them is a change. A name may be another one.

    And the store: one that takes the place of another has seen its experiments at other times.
    """
    counts = (experiment.rows, experiment.spans, experiment.metrics)
    return (experiment.created_ns, experiment.name, *counts)


def main(database: str, a: str, b: str, directions: str) -> None:
    """In the process of its own: the comparison as JSON on stdout."""
    from llmobs_trace.compare import Options, compare
    from llmobs_trace.compare.direction import Told

    if hasattr(os, "nice"):
        os.nice(_NICENESS)
    # Millions of objects are made, and none in a circle: looking for those took a fifth of the time.
    gc.disable()
    try:
        with Store(Path(database), read_only=True) as store, store.snapshot():
            told = msgspec.json.decode(directions, type=dict[str, Told])
            options = Options(directions=told, passes_over=True)
            found = msgspec.json.encode(compare(store, a, b, options))
    except LLMObsTraceError as error:
        sys.exit(str(error))
    sys.stdout.buffer.write(found)
