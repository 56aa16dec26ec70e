"""Defines what a run raises after Ctrl-C or SIGTERM, and ends scripts that do not catch it. The thread that
called it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import TracebackType

from llmobs_trace.experiment.result import Result


class ExperimentInterrupted(KeyboardInterrupt, SystemExit):
    """Ctrl-C or SIGTERM ended a run: a script that does not catch it stops with exit code 130. `result` has
    what was done until then; the same command continues.

    >>> experiment = Experiment("sums", dataset=[("2+2?", "4")], task=str.upper)
    >>> try:
    ...     result = experiment.run(progress=False)
    ... except ExperimentInterrupted as interrupted:
    ...     result = interrupted.result
    >>> result.status
    'completed'
    """

    def __init__(self, message: str, result: Result) -> None:
        super().__init__(message)
        self.result: Result = result
        # In this order of bases SystemExit's own does not run.
        self.code: int = 130
        if not isinstance(sys.excepthook, _ExitsWithItsCode):
            sys.excepthook = _ExitsWithItsCode(sys.excepthook)


class _ExitsWithItsCode:
    """Stands before `sys.excepthook`, once a run was interrupted.

    Up to 3.13 CPython exits with the code of an exception that nobody caught if that is a `SystemExit`. From
    3.14 on it asks before whether it is a `KeyboardInterrupt` (`pythonrun.c`): that one it hands to the hook,
    which shows it with its traceback, and then it dies of SIGINT. A `SystemExit` of the hook's own it obeys.
    """

    def __init__(self, before: Callable[[type[BaseException], BaseException, TracebackType | None], object]):
        self._before = before

    def __call__(
        self, kind: type[BaseException], error: BaseException, traceback: TracebackType | None
    ) -> None:
        # A session that a person goes on in, as `python -i`, exits for none.
        if isinstance(error, ExperimentInterrupted) and not (sys.flags.interactive or hasattr(sys, "ps1")):
            raise SystemExit(error.code)
        self._before(kind, error, traceback)
