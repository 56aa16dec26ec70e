"""Keeps each step of a run on disk the moment it ends, and reads them back. Any thread.

    <state>/runs/<experiment id>/
        mark.json       the manifest before anything is made elsewhere for the run, which carries its mark
        run.json        the manifest: what runs; written before the first row, with the ids of what was made
        steps.jsonl     one line a step, each in one go: it survives the process; `sync`, once a second, has
                        it survive the machine
        blobs/<sha256>  outputs that are too long for a line
        status.json     what its catalog is to know of it
        lock            held by the process that runs

A process may be killed within a line, and leaves zeros behind the last one (`appending`): what follows the
last newline is cut off by whoever goes on. A line in the middle that can't be read is a step that did not
end.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import threading
import weakref
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import msgspec

from llmobs_trace import directories
from llmobs_trace.errors import ConfigurationError
from llmobs_trace.experiment.appending import ROOM_BYTES, Appending
from llmobs_trace.journal.lock import exclusive, is_possible

FORMAT = 1
_MARK, _MANIFEST = "mark.json", "run.json"
# Longer outputs stand in files of their own, named by their hash.
LONGEST_IN_A_LINE_BYTES = 1 << 20
# Which of these there are depends on the system.
_FLAGS = getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
_log = logging.getLogger("llmobs_trace")


class Code(msgspec.Struct, frozen=True):
    """A task or an evaluator as the manifest knows it."""

    name: str
    fingerprint: str
    version: str | None = None


class Manifest(msgspec.Struct, kw_only=True):
    """What runs. `selected` are the rows' ids in order."""

    format: int = FORMAT
    library: str
    run: str  # the run's own mark
    experiment_id: str
    project_id: str
    dataset_id: str
    name: str
    dataset_name: str
    project_name: str = ""
    dataset_version: int | None = None
    unique_name: str | None = None
    catalog: str = ""  # the name of the one that the ids are from; without one they are made up
    fingerprint: str
    selected: list[str]
    repeats: int
    config: msgspec.Raw
    task: Code
    evaluators: list[Code]
    summary_evaluators: list[Code] = []
    description: str | None = None
    tags: dict[str, str] = {}
    parent_experiment_id: str | None = None
    parent_catalog: str = ""  # which knows the parent; another one would refuse it
    git_commit: str | None = None
    host: str
    made_ns: int


class TaskError(msgspec.Struct, frozen=True):
    """Why a task has no output: the `type` and the `message` of what it raised.

    >>> numbers = Experiment("numbers", dataset=[("x", 1)], task=lambda text: int(text))
    >>> result = numbers.run(progress=False)
    >>> [(row.error.type, row.error.message) for row in result.rows]
    [('ValueError', "invalid literal for int() with base 10: 'x'")]
    """

    type: str
    message: str


class Started(msgspec.Struct, tag_field="step", tag="started"):
    """A process took the run up. `to` is where its events go: the store's file, or an address."""

    pid: int
    at_ns: int
    to: str


class Begin(msgspec.Struct, tag_field="step", tag="begin"):
    """An attempt at a row begins. Without an `ended` or `tried` of the same attempt the process died in
    it.
    """

    row: str
    repeat: int
    attempt: int
    at_ns: int


class Tried(msgspec.Struct, tag_field="step", tag="tried"):
    """An attempt failed, and there is another one. `record` is its span, below a row that is not known
    yet.
    """

    row: str
    repeat: int
    attempt: int
    record: msgspec.Raw


class Ended(msgspec.Struct, tag_field="step", tag="ended", omit_defaults=True):
    """A row's task came to its end: its output, or its error. `records` are its spans, the row's last."""

    row: str
    repeat: int
    attempt: int
    start_ns: int
    duration_ns: int
    span_id: str
    records: list[msgspec.Raw]
    output: msgspec.Raw = msgspec.Raw()
    blob: str | None = None
    error: TaskError | None = None
    retries: int = 0
    waited_ms: int = 0


class Kept(msgspec.Struct, omit_defaults=True):
    """A metric's members, for counting without its record."""

    label: str
    value: Any = None
    error: str | None = None
    assessment: str | None = None
    reasoning: str | None = None
    not_applicable: bool = False


class Evaluated(msgspec.Struct, tag_field="step", tag="evaluated", omit_defaults=True):
    """An evaluator came to its end: `metrics` says what it gave. `instead` of an earlier step of the same row
    and evaluator, whose records went nowhere.
    """

    row: str
    repeat: int
    evaluator: str
    metrics: list[Kept]
    records: list[msgspec.Raw]
    instead: bool = False

    @property
    def ended_in_order(self) -> bool:
        """Without any error: then the labels that it did not give do not apply."""
        # One, mostly: `all` over a generator would take five times as long.
        return not [kept for kept in self.metrics if kept.error is not None]


class Sent(msgspec.Struct, tag_field="step", tag="sent"):
    """All of a row's records are in the journal; `durably` where that outlives this process."""

    row: str
    repeat: int
    durably: bool


class Summarised(msgspec.Struct, tag_field="step", tag="summarised"):
    """The summary evaluators came to their end."""

    metrics: list[Kept]
    records: list[msgspec.Raw]


class Stopped(msgspec.Struct, tag_field="step", tag="stopped"):
    """The run stopped in order before its end: what was in flight did not die."""

    why: str


class Finished(msgspec.Struct, tag_field="step", tag="finished"):
    """The run is whole; nothing follows."""

    status: str
    rows: int
    failed: int


Step: TypeAlias = Started | Begin | Tried | Ended | Evaluated | Sent | Summarised | Stopped | Finished
# A forked child must not hold what its parent has locked: a pool's worker may outlive it.
_open: weakref.WeakSet[Steps] = weakref.WeakSet()


def _after_fork_in_child() -> None:
    for steps in list(_open):
        steps.after_fork_in_child()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Step).decode
_decode_manifest = msgspec.json.Decoder(Manifest).decode


class Steps:
    """One run's directory. Made by `make` or `open_existing`; `lock` is for who goes on with it."""

    def __init__(self, directory: Path, manifest: Manifest) -> None:
        self.directory = directory
        self.manifest = manifest
        self._lock = threading.Lock()  # guards all below, so that lines stand one after the other
        self._file = -1
        self._locked = -1
        self._end: Appending | None = None
        self._is_dirty = False
        self._later: list[bytes] = []  # lines that the next one takes with it

    @property
    def path(self) -> Path:
        return self.directory / "steps.jsonl"

    @property
    def has_begun(self) -> bool:
        """Whether all is known that is made elsewhere for the run, and rows may run."""
        return (self.directory / _MANIFEST).exists()

    @classmethod
    def make(cls, runs: Path, manifest: Manifest) -> Steps:
        """A new run's directory, locked, with its mark: whatever is made for the run from now on is found
        again by it.
        """
        steps = cls(runs / _as_file_name(manifest.experiment_id), manifest)
        directories.make(steps.directory)
        steps.lock()
        put(steps.directory / _MARK, _encode(manifest))
        return steps

    def begin(self, kept: Iterable[Step] = ()) -> None:
        """Put in what the run takes over, and then its manifest: before that no row may run."""
        with self._lock:
            os.ftruncate(self._file, 0)  # what another process had put in before it died
        for step in kept:
            self.write(step)
        self.sync()
        self.write_manifest()
        (self.directory / _MARK).unlink(missing_ok=True)

    @classmethod
    def open_existing(cls, directory: Path) -> Steps:
        """A run that was begun; raises `ConfigurationError` where the directory holds none."""
        try:
            try:
                manifest = _decode_manifest((directory / _MANIFEST).read_bytes())
            except FileNotFoundError:
                manifest = _decode_manifest((directory / _MARK).read_bytes())
        except (OSError, msgspec.MsgspecError) as error:
            raise ConfigurationError(f"{directory} holds no run: {error}") from None
        if manifest.format > FORMAT:
            raise ConfigurationError(f"{directory} was written by a newer version of the library")
        return cls(directory, manifest)

    def write_manifest(self) -> None:
        """Put the manifest in its place."""
        put(self.directory / _MANIFEST, _encode(self.manifest))

    def lock(self) -> None:
        """Take the run for this process alone; raises `ConfigurationError` where a living one has it."""
        file = os.open(self.directory / "lock", os.O_RDWR | os.O_CREAT | _FLAGS, 0o600)
        try:
            if is_possible():
                exclusive(file)
        except OSError:
            holder = os.read(file, 32).decode("ascii", "replace").strip()
            os.close(file)
            raise ConfigurationError(
                f"the run {self.manifest.experiment_id} of {self.manifest.name!r} is at work"
                f"{f' in process {holder}' if holder else ''}"
            ) from None
        os.ftruncate(file, 0)
        os.write(file, b"%d\n" % os.getpid())
        self._locked = file
        self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND | _FLAGS, 0o600)
        self._cut_torn_line()
        self._end = Appending(self._file)
        _open.add(self)

    def write(self, step: Step) -> None:
        """Append a step's line; it is there whatever becomes of the process. Raises OSError."""
        line = _encode(step) + b"\n"
        with self._lock:
            if self._later:
                line = b"".join((*self._later, line))
                self._later.clear()
            self._write(line)

    def write_later(self, step: Step) -> None:
        """Append a step's line with the next one, at the latest with the next `sync`: for what is done again
        where it is lost, and comes to the same. Of a row's five writes it saves one.
        """
        line = _encode(step) + b"\n"
        with self._lock:
            self._later.append(line)

    def _write(self, lines: bytes) -> None:
        if self._end is not None:
            self._end.write(lines)
            self._is_dirty = True

    def sync(self) -> None:
        """Have what was written survive the machine too."""
        with self._lock:
            if self._later and self._end is not None:
                self._end.write(b"".join(self._later))
                self._later.clear()
                self._is_dirty = True
            if self._is_dirty and self._file >= 0:
                self._is_dirty = False
                getattr(os, "fdatasync", os.fsync)(self._file)

    def read(self) -> Iterator[Step]:
        """All steps, in the order in which they ended."""
        unread = 0
        try:
            with open(self.path, "rb") as lines:
                for line in lines:
                    if not line.endswith(b"\n"):
                        break
                    try:
                        step = _decode(line)
                    except msgspec.MsgspecError:
                        unread += 1
                        continue
                    yield step
        except FileNotFoundError:
            return
        if unread:
            _log.warning("%d lines of %s can't be read: these steps are taken again", unread, self.path)

    def read_what_holds(self) -> Iterator[Step]:
        """The same without those in whose place another one came."""
        evaluated = (step for step in self.read() if isinstance(step, Evaluated) and step.instead)
        instead = {(step.row, step.repeat, step.evaluator) for step in evaluated}
        for step in self.read():
            if (
                not isinstance(step, Evaluated)
                or step.instead
                or (step.row, step.repeat, step.evaluator) not in instead
            ):
                yield step

    def keep_output(self, encoded: bytes) -> tuple[msgspec.Raw, str | None]:
        """An output as a line holds it: itself, or the name of the file that does."""
        if len(encoded) <= LONGEST_IN_A_LINE_BYTES:
            return msgspec.Raw(encoded), None
        name = hashlib.sha256(encoded).hexdigest()
        place = self.directory / "blobs" / name
        if not place.exists():
            directories.make(place.parent)
            put(place, encoded)
        return msgspec.Raw(b"null"), name

    def output_of(self, ended: Ended) -> Any:
        """The output as it was kept: plain JSON."""
        if ended.blob is not None:
            return msgspec.json.decode((self.directory / "blobs" / ended.blob).read_bytes())
        return msgspec.json.decode(ended.output) if bytes(ended.output) else None

    def finished(self) -> Finished | None:
        """The last line, where it says that the run is whole."""
        with contextlib.suppress(OSError), open(self.path, "rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(file.tell() - 4096 - ROOM_BYTES, 0))
            lines = file.read().rstrip(b"\0").splitlines()
            if lines:
                with contextlib.suppress(msgspec.MsgspecError):
                    last = _decode(lines[-1])
                    return last if isinstance(last, Finished) else None
        return None

    def is_at_work(self) -> bool:
        """Whether a living process holds the run."""
        try:
            file = os.open(self.directory / "lock", os.O_RDWR | _FLAGS)
        except OSError:
            return False
        try:
            exclusive(file)
        except OSError:
            return True
        finally:
            os.close(file)
        return False

    def close(self) -> None:
        """Let go of the run; another process may go on with it."""
        self.sync()
        self.let_go()

    def after_fork_in_child(self) -> None:
        """The lock may have been held by a thread that is not here."""
        self._lock = threading.Lock()
        self._later.clear()
        if self._end is not None:
            self._end.let_go()
            self._end = None
        self.let_go()

    def let_go(self) -> None:
        """Close what is open, without a word to the disk."""
        with self._lock:
            if self._end is not None:
                self._end.close()
                self._end = None
            for file in (self._file, self._locked):
                if file >= 0:
                    os.close(file)
            self._file = self._locked = -1

    def _cut_torn_line(self) -> None:
        size = os.fstat(self._file).st_size
        end = size
        while end > 0:
            begin = max(end - 65536, 0)
            os.lseek(self._file, begin, os.SEEK_SET)
            found = os.read(self._file, end - begin).rfind(b"\n")
            if found >= 0:
                end = begin + found + 1
                break
            end = begin
        if end < size:
            os.ftruncate(self._file, end)


def all_runs(runs: Path) -> Iterator[Steps]:
    """Every run that is kept, the newest first."""
    found: list[Steps] = []
    with contextlib.suppress(OSError):
        for directory in runs.iterdir():
            with contextlib.suppress(ConfigurationError):
                found.append(Steps.open_existing(directory))
    yield from sorted(found, key=lambda steps: steps.manifest.made_ns, reverse=True)


def put(place: Path, content: bytes) -> None:
    """Put a file in its place, whole or not at all; it survives the machine."""
    waiting = place.with_suffix(f".{threading.get_ident()}")
    with os.fdopen(os.open(waiting, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    waiting.replace(place)


def _as_file_name(experiment_id: str) -> str:
    """An id is a directory's name where it has only signs that any file system takes; else its hash."""
    if experiment_id.isascii() and experiment_id.replace("-", "").replace("_", "").isalnum():
        return experiment_id[:100]
    return hashlib.sha256(experiment_id.encode("utf-8", "surrogatepass")).hexdigest()[:32]
