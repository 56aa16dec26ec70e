"""Hands this process's configuration and run to the children that it starts without forking. Any thread.

What `multiprocessing` starts by spawn or forkserver, and with it `concurrent.futures`, joblib's and Dask's
workers, reads its preparation data first: what we add there acts when it is read, before the child imports
the program. Keys and redactor go through the pipe to that child alone, and not into the environment. For any
other program there is `child_environment`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any, Final

import wrapt
from msgspec import structs

from llmobs_trace.capture import recorder as slot
from llmobs_trace.settings import inherited
from llmobs_trace.settings.checks import Secret
from llmobs_trace.settings.config import Config, hand_over
from llmobs_trace.settings.inherited import Handed, Pickled, pickled
from llmobs_trace.settings.options import BY_NAME

# The standard library's and its forks: celery's, pathos's, joblib's.
_SPAWNERS: Final = (
    "multiprocessing.spawn",
    "billiard.spawn",
    "multiprocess.spawn",
    "loky.backend.spawn",
    "joblib.externals.loky.backend.spawn",
)

# Runs in the child, which has its parent's `sys.path` a moment later only. Where we are not to be found, the
# child can't record, and must start all the same.
_RECEIVE: Final = """
import sys
before, sys.path = sys.path, path
try:
    from llmobs_trace.process.children import receive
    receive(values)
except Exception:
    pass
finally:
    sys.path = before
"""

# Linux takes 128 KiB in all; as text a form is a third longer.
_LARGEST_IN_A_VARIABLE_BYTES: Final = 48 << 10

configured: Config | None = None  # as this process was last
instead: Handed | None = None  # what children get in the place of that, as while a test records
_on_receive: Callable[[], None] | None = None


def install(on_receive: Callable[[], None]) -> None:
    """Wrap what is loaded, and wait for the rest. `on_receive` is called where something was handed here."""
    global _on_receive
    _on_receive = on_receive
    for spawner in _SPAWNERS:
        wrapt.register_post_import_hook(_wrap, spawner)


def _wrap(spawner: ModuleType) -> None:
    try:
        wrapt.wrap_function_wrapper(spawner, "get_preparation_data", _with_ours)
    except Exception as fault:
        slot.fault(fault)


def _with_ours(wrapped: Callable[..., Any], _: object, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    data = wrapped(*args, **kwargs)
    try:
        data["llmobs_trace"] = _ForTheChild(handed_over(), list(data.get("sys_path", sys.path)))
    except Exception as fault:
        slot.fault(fault)
    return data


def handed_over() -> Handed:
    """What children are to know, as it can be handed to another process."""
    known = instead or hand_over(configured, os.environ)
    options = {
        # Without a variable of its own, an option has no plain value.
        name: value if BY_NAME[name].environment else pickled(value)
        for name, value in known.options.items()
    }
    return structs.replace(known, options=options)


class _ForTheChild:
    """Is pickled as a call, which hands it over where it is unpickled; no name of ours could be missing."""

    def __init__(self, what: Handed, path: list[str]) -> None:
        self._what = what
        self._path = path

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[str, dict[str, Any]]]:
        return exec, (_RECEIVE, {"path": self._path, "values": _packed(self._what)})


def _packed(what: Handed) -> tuple[Any, ...]:
    """As values of built-in types. Keys are in it as they are: it goes to the child, and nowhere else."""
    options: dict[str, object] = {}
    for name, value in what.options.items():
        if isinstance(value, Pickled):
            options[name] = (value.forms, value.problem)
        elif isinstance(value, Secret):
            options[name] = value.reveal()
        else:
            options[name] = value if value is None or isinstance(value, (bool, int, float)) else str(value)
    return (what.run, options, dict(what.made), what.records)


def receive(values: tuple[Any, ...]) -> None:
    """In the child: what was handed over replaces what this process may have made up before. Never raises."""
    global configured
    try:
        run, options, made, records = values
        read = {
            name: Pickled(*value) if isinstance(value, tuple) else BY_NAME[name].check(value)
            for name, value in options.items()
        }
        inherited.receive(Handed(run=run, options=read, made=made, records=records))
        configured = None
        if _on_receive is not None:
            _on_receive()
    except Exception as fault:
        slot.fault(fault)


def forked() -> None:
    """In a forked child, which has all of it in its memory: what `configure` doesn't name stays as it was."""
    if instead is not None or configured is not None:
        inherited.receive(instead or hand_over(configured, os.environ))


def stay_as_they_are() -> tuple[str, ...]:
    """A line about workers that were started before `configure`, if there are any: none can reach them."""
    process = sys.modules.get("multiprocessing.process")
    if process is None:
        return ()
    # After a plain fork the parent's are still listed.
    own = [one for one in process.active_children() if getattr(one, "_parent_pid", 0) == os.getpid()]
    if not own:
        return ()
    return (f"workers that run already ({len(own)}) record as before; configure first, then start them",)


def is_importing_the_program() -> bool:
    """Whether this is a child that is not ready yet: its redactor's module may be there in a moment."""
    process = sys.modules.get("multiprocessing.process")
    return process is not None and getattr(process.current_process(), "_inheriting", False)


class AppendTo:
    """The `append` of a test's child: one write a record, so that those of several processes don't mix."""

    def __init__(self, file: str) -> None:
        self._file = file

    def __call__(self, record: bytes) -> None:
        descriptor = os.open(self._file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(descriptor, record)
        finally:
            os.close(descriptor)


def child_environment() -> dict[str, str]:
    """The environment variables that hand a program which this one starts its configuration: the options as
    they are here, keys included, the redactor, and the run, so that what both record is one experiment.

    >>> import os, subprocess, sys
    >>> worker = "from llmobs_trace import experiment_span; experiment_span(len)('abc')"
    >>> subprocess.run([sys.executable, "-c", worker], env={**os.environ, **child_environment()}).returncode
    0

    For `subprocess` and its like; `multiprocessing` and `concurrent.futures` hand it over by themselves. A
    redactor arrives where the program can import it by its module and name; where it can't, that program says
    so and records nothing. Raises nothing.
    """
    what = _small_enough(handed_over())
    variables = {
        BY_NAME[name].environment[0]: _as_text(value)
        for name, value in what.options.items()
        if not isinstance(value, Pickled)
    }
    return {**variables, inherited.VARIABLE: inherited.as_text(what)}


def _small_enough(what: Handed) -> Handed:
    """Without what the system takes in no variable: it would refuse to start the program."""
    options = dict(what.options)
    for name, value in options.items():
        if isinstance(value, Pickled) and not value.problem:
            forms = tuple(form for form in value.forms if len(form) <= _LARGEST_IN_A_VARIABLE_BYTES)
            options[name] = Pickled(forms, "" if forms else "it is too large for an environment variable")
    return structs.replace(what, options=options)


def _as_text(value: object) -> str:
    if value is None or isinstance(value, bool):
        return "1" if value else "off"
    return value.reveal() if isinstance(value, Secret) else str(value)
