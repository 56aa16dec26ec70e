"""Holds what a process was handed by the one that started it; set-up only.

A forked child has its parent's memory. Any other is handed what the parent was given as options, what it made
up in the place of others, and the run: whatever the way, a child records as its parent does, to the same
experiment, and its own `configure` changes what it names.

What is no plain value, the redactor above all, travels pickled, and is loaded when it is needed: by then the
module that holds it may be there.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import Any, Final
from uuid import uuid4

from msgspec import Struct, json

from llmobs_trace.settings.checks import Unfit

# What `child_environment` hands over beside the options that have variables of their own.
VARIABLE: Final = "LLMOBS_TRACE_PARENT"

# They pickle by value what pickle itself looks up by its name: a lambda, a function of a notebook.
_BY_VALUE: Final = ("cloudpickle", "joblib.externals.cloudpickle")


class Pickled(Struct, frozen=True):
    """A value in the forms in which it may arrive, the best first; `problem` says why there is none."""

    forms: tuple[bytes, ...]
    problem: str = ""

    def load(self) -> object:
        """The value; raises `Unfit`, which says why it is not to be had here."""
        problem = self.problem
        for form in self.forms:
            try:
                return _loaded(form)
            except Exception as error:
                problem = problem or _said(error)
        raise Unfit(problem)


def _said(error: Exception) -> str:
    return str(error) if isinstance(error, Unfit) else f"{type(error).__name__}: {error}"


def _loaded(form: bytes) -> object:
    import io
    import pickle  # when there is something to load: it takes as long as a tenth of our own import

    class Reader(pickle.Unpickler):
        def find_class(self, module: str, name: str) -> Any:
            if module == "__main__":
                # The parent's program, under the name by which multiprocessing imports it in a child.
                # Elsewhere another program has this name, and may have a function of that name.
                module = "__mp_main__"
                if module not in sys.modules:
                    raise Unfit(
                        f"{name} is defined in the program that was started, which is not imported here"
                    )
            return super().find_class(module, name)

    return Reader(io.BytesIO(form)).load()


def pickled(value: object) -> Pickled:
    """A value as it can be handed over."""
    if isinstance(value, Pickled):
        return value
    import pickle

    forms = []
    problem = ""
    by_value = [sys.modules[name] for name in _BY_VALUE if name in sys.modules]
    for pickler in (pickle, *by_value[:1]):
        try:
            forms.append(pickler.dumps(value))
        except Exception as error:
            problem = problem or _said(error)
    return Pickled(tuple(forms), "" if forms else problem)


class Handed(Struct, frozen=True, kw_only=True):
    """What a child is to know. `options` are as the parent was given them, `made` what it made up for those
    that nobody gave; experiments without an id are made from `run` and their name. Where a test records,
    `records` is the file to which its children append their records, whatever they are configured to.
    """

    run: str
    options: Mapping[str, object] = {}
    made: Mapping[str, str | None] = {}
    records: str = ""


class _AsText(Struct):
    """The variable's value, as JSON. The options are not in it: they have variables of their own."""

    run: str
    made: dict[str, str | None]
    pickled: dict[str, Pickled]
    records: str = ""


# Nobody started this process, or nobody handed it anything. On loading, so that forked processes share it.
OWN: Final = Handed(run=uuid4().hex)
_MADE_IN: Final = os.getpid()
_received: Handed | None = None


def receive(handed: Handed) -> None:
    """From now on this is what the process that started this one has handed over."""
    global _received
    _received = handed


def begins_its_run(environ: Mapping[str, str]) -> bool:
    """Whether this process began the run that it records, and is no worker of another's."""
    return received(environ) is OWN and os.getpid() == _MADE_IN


def received(environ: Mapping[str, str]) -> Handed:
    """What was handed to this process. Where the variable for it can't be read there may have been a redactor
    in it: then there is one, which can't be loaded.
    """
    if _received is not None:
        return _received
    text = environ.get(VARIABLE, "").strip()
    if not text:
        return OWN
    try:
        read = json.decode(text, type=_AsText)
    except Exception:
        lost = Pickled((), f"{VARIABLE} is not what child_environment() gives")
        return Handed(run=OWN.run, options={"redact": lost})
    return Handed(run=read.run, options=read.pickled, made=read.made, records=read.records)


def as_text(handed: Handed) -> str:
    """What has no variable of its own, as one line: for `VARIABLE`."""
    values = {name: value for name, value in handed.options.items() if isinstance(value, Pickled)}
    return json.encode(_AsText(handed.run, dict(handed.made), values, handed.records)).decode()
