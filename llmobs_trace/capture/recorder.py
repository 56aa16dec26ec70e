"""Gives capture its settings and takes its finished events: the slot between it and the rest. Any thread.

Capture knows no pipeline. `process.life` fills the slot with a `Recorder`; where nobody has yet, the first
span asks `first_filler`, which configures from the environment.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

import msgspec

from llmobs_trace.capture.ids import new_span_id
from llmobs_trace.encode import Redactor, encode, encode_text, keep_media_if
from llmobs_trace.errors import UsageError
from llmobs_trace.not_errors import NONE, NotErrors

log = logging.getLogger("llmobs_trace")


_REMEMBERED_NAMES, _REMEMBERED_NAME_CHARACTERS = 1024, 256
# Of the experiments that a program names, and of those that headers do.
_REMEMBERED_EXPERIMENTS = 1 << 14


class Scope:
    """The experiment, project and dataset an event belongs to, and the bytes that begin its record.

    The ids travel with a trace's root, not with the process, so that one program can run two experiments side
    by side.
    """

    __slots__ = (
        "_span_head",
        "dataset_id",
        "experiment_id",
        "metric_head",
        "project_id",
        "row_tags",
        "span_heads",
    )

    def __init__(
        self, experiment_id: str, project_id: str, dataset_id: str, row_tags: tuple[bytes, ...] = ()
    ) -> None:
        self.experiment_id = experiment_id
        self.project_id = project_id
        self.dataset_id = dataset_id
        # What each of its rows says, as JSON, beside what it was told itself.
        self.row_tags = row_tags
        head = b'{"experiment":' + encode_text(experiment_id)
        self._span_head = b'%b,"span":{"project_id":%b,"dataset_id":%b,"name":' % (
            head,
            encode_text(project_id),
            encode_text(dataset_id),
        )
        self.span_heads: dict[str, bytes] = {}
        self.metric_head = head + b',"metric":'

    @property
    def ids(self) -> tuple[str, str, str]:
        """Experiment, project and dataset."""
        return self.experiment_id, self.project_id, self.dataset_id

    def span_head(self, name: str) -> bytes:
        """How the record of a span of this name begins, up to its values. Remembered in `span_heads`: most
        names come again, and to look one up costs a tenth of encoding it.
        """
        head = self.span_head_of(encode_text(name))
        # A program that makes up a name for each span must not grow this for ever.
        if len(self.span_heads) < _REMEMBERED_NAMES and len(name) <= _REMEMBERED_NAME_CHARACTERS:
            self.span_heads[name] = head
        return head

    def span_head_of(self, encoded_name: bytes) -> bytes:
        """The same for a name that is JSON already."""
        return b'%b%b,"meta":{' % (self._span_head, encoded_name)

    def __reduce__(self) -> tuple[object, ...]:
        return Scope, (*self.ids, self.row_tags)

    def __repr__(self) -> str:
        return f"Scope({self.experiment_id!r}, {self.project_id!r}, {self.dataset_id!r})"


@dataclass(eq=False)
class Recorder:
    """Where events go and what capture does on the way. `append` takes one record: a line of JSON and its
    newline.
    """

    append: Callable[[bytes], None]
    scope: Scope
    enabled: bool = True
    capture_input: bool = True
    capture_output: bool = True
    redactor: Redactor | None = None
    sample_rate: float = 1.0
    max_event_bytes: int = 1 << 20
    strict: bool = False
    keep_media: bool = False
    not_errors: NotErrors = NONE
    scopes: dict[tuple[str | None, str | None, str | None], Scope] = field(default_factory=dict)
    # Experiments that the program named itself, beside the configured one; and those of trusted headers.
    named: dict[str, Scope] = field(default_factory=dict)
    hearsay: dict[str, Scope] = field(default_factory=dict)
    # What was found or made for ids that are made up. The sender's thread fills it; headers have these.
    real_ids: dict[str, str] = field(default_factory=dict)

    def scope_for(
        self,
        experiment_id: str | None,
        project_id: str | None,
        dataset_id: str | None,
        default: Scope | None = None,
    ) -> Scope:
        """The scope a root span names; what it leaves open is the default, by default the configured one."""
        if default is not None and default is not self.scope:
            experiment_id = experiment_id or default.experiment_id
            project_id = project_id or default.project_id
            dataset_id = dataset_id or default.dataset_id
        key = (experiment_id, project_id, dataset_id)
        found = self.scopes.get(key)
        if found is None:
            default = self.scope
            found = Scope(
                experiment_id or default.experiment_id,
                project_id or default.project_id,
                dataset_id or default.dataset_id,
            )
            # A program that names a new experiment for each root must not grow this for ever.
            if len(self.scopes) < 1024:
                self.scopes[key] = found
            _remember(self.named, found)
        return found

    def scope_from_headers(
        self, experiment_id: str, project_id: str, dataset_id: str, *, trust: bool
    ) -> Scope | None:
        """The scope that headers name, where the program named that experiment itself, or trusts them; else
        None. Without trust, project and dataset are what the program says they are.
        """
        ids = (experiment_id, project_id, dataset_id)
        named = self.scope if experiment_id == self.scope.experiment_id else self.named.get(experiment_id)
        if named is not None and named.ids == ids:
            return named
        if not trust:
            return named and self.scopes.get(ids, named)
        found = self.scopes.get(ids) or self.hearsay.get(experiment_id)
        if found is None or found.ids != ids:
            found = Scope(*ids)
            _remember(self.hearsay, found)
        return found

    def is_hearsay(self, experiment_id: str) -> bool:
        """Whether an experiment is known from headers alone."""
        return (
            experiment_id in self.hearsay
            and experiment_id not in self.named
            and experiment_id != self.scope.experiment_id
        )


def _remember(scopes: dict[str, Scope], scope: Scope) -> None:
    """Keep a scope by its experiment; past the bound the oldest half is forgotten."""
    scopes[scope.experiment_id] = scope
    if len(scopes) > _REMEMBERED_EXPERIMENTS:
        for old in list(scopes)[: _REMEMBERED_EXPERIMENTS // 2]:
            scopes.pop(old, None)


# Which scope the spans outside the default one belong to, for metrics that name a span by its id alone.
_scopes_by_span: dict[str, Scope] = {}
_REMEMBERED_SPANS = 1 << 16


def remember_scope(span_id: str, scope: Scope) -> None:
    """Keep a span's scope for `scope_of`; past the bound the oldest half is forgotten."""
    _scopes_by_span[span_id] = scope
    if len(_scopes_by_span) > _REMEMBERED_SPANS:
        for old in list(_scopes_by_span)[: _REMEMBERED_SPANS // 2]:
            _scopes_by_span.pop(old, None)


def forget_scope(span_id: str) -> None:
    """Of a span that nobody will name any more."""
    _scopes_by_span.pop(span_id, None)


def scope_of(span_id: str) -> Scope | None:
    """The scope of a span outside the default one; None for the default."""
    return _scopes_by_span.get(span_id)


def discard(record: bytes) -> None:
    """The `append` of a recorder that outlived its process: a forked child never sends its parent's spans."""


# Filled by `process.life`. Read on the hot path as a module attribute: one dictionary look-up.
current: Recorder | None = None
first_filler: Callable[[], Recorder] | None = None


def get() -> Recorder:
    """The recorder in the slot, asking `first_filler` where there is none."""
    if current is not None:
        return current
    if first_filler is None:
        raise RuntimeError("nothing fills the recorder's slot: import llmobs_trace first")
    return first_filler()


keep_media_if(lambda: current is not None and current.keep_media)

_decode = msgspec.json.Decoder().decode


def sampled(rate: float) -> bool:
    """Decide for a whole trace, at its root.

    An id's digits are the draw: the system's randomness, so that the user's `random` is left alone.
    """
    return rate >= 1.0 or int(new_span_id(), 16) < rate * 2.0**64


# --- what goes wrong ----------------------------------------------------------------------------------------

_said_lock = threading.Lock()  # guards _said_at
_said_at: dict[str, float] = {}
_SAY_AGAIN_SECONDS = 60.0
_MOST_SAID = 64  # different words, in any minute


def misuse(what: str, about: str = "") -> None:
    """The user's call makes no sense: raise in strict mode, else log it, at most once a minute for each
    kind. `about` tells one call from another.
    """
    recorder = current
    if recorder is not None and recorder.strict:
        raise UsageError(f"{what} ({about})" if about else what)
    say(what, about)


def shown(field: str, value: object) -> str:
    """A value of the user's for a log line: as the redactor leaves it as that field, and short."""
    if not isinstance(value, (str, int, float)):
        return f"a {type(value).__name__}"
    recorder, encoded = current, encode(value)
    if recorder is not None and recorder.redactor is not None:
        encoded = recorder.redactor.apply(field, encoded)
    text = repr(_decode(encoded))
    return text if len(text) <= 100 else f"{text[:80]}… ({len(text)} characters)"


def say(what: str, about: str = "") -> None:
    """Log a warning, once a minute for the same words, whatever it is about."""
    now = time.monotonic()
    # A signal handler may come in while this thread holds the lock: then it stays silent rather than wait.
    if not _said_lock.acquire(blocking=False):
        return
    try:
        if now - _said_at.get(what, float("-inf")) < _SAY_AGAIN_SECONDS:
            return
        if what not in _said_at and len(_said_at) >= _MOST_SAID:
            # A program may make up words without end, such as the names of its types.
            for old in [old for old, said_at in _said_at.items() if now - said_at >= _SAY_AGAIN_SECONDS]:
                del _said_at[old]
            if len(_said_at) >= _MOST_SAID:
                return
        _said_at[what] = now
    finally:
        _said_lock.release()
    with suppress(Exception):  # a handler of the user's may raise, and not out of a traced call
        log.warning("%s", f"{what} ({about})" if about else what)


def forget_what_was_said() -> None:
    """For tests: the next misuse is logged, whatever was before."""
    with _said_lock:
        _said_at.clear()


class _Faults(msgspec.Struct):
    """How often our own code failed inside a user's call, where it is swallowed: the user's call goes on."""

    count: int = 0
    last: str | None = None


faults = _Faults()


def fault(error: BaseException) -> None:
    """Count a failure of our own and log it once a minute; never raises, at the recursion limit either.

    Misuse under `strict` is no failure of ours: it goes on to the user.
    """
    if isinstance(error, UsageError):
        raise error
    try:
        faults.count += 1
        kind = type(error).__name__
        faults.last = f"{kind}: {error}"
        # What an exception says may hold what it failed over.
        said = shown("error.message", str(error))
        say(f"a fault inside llmobs_trace was swallowed, the traced call went on: {kind}", said)
    except Exception:
        return


def after_fork_in_child() -> None:
    """The lock may have been held by a thread that is not here."""
    global _said_lock
    _said_lock = threading.Lock()
