"""Defines what a run raises after Ctrl-C or SIGTERM. The thread that called it."""

from __future__ import annotations

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
