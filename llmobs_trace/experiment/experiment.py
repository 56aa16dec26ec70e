"""Provides `Experiment`: a dataset, a task and evaluators, checked when they are given, and run. The thread
that calls it.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Executor
from copy import copy
from dataclasses import replace
from typing import Any

from llmobs_trace.errors import ConfigurationError
from llmobs_trace.experiment import parameters
from llmobs_trace.experiment.dataset import Dataset
from llmobs_trace.experiment.definition import Definition, prepared_summaries, selection
from llmobs_trace.experiment.evaluators import prepared
from llmobs_trace.experiment.fingerprints import fingerprint_of
from llmobs_trace.experiment.limits import RetryOn
from llmobs_trace.experiment.plan import Plan
from llmobs_trace.experiment.rerun import Rerun, finished_run
from llmobs_trace.experiment.result import Result
from llmobs_trace.experiment.session import Session
from llmobs_trace.experiment.steps import Code
from llmobs_trace.experiment.taking_up import Resume
from llmobs_trace.experiment.whereabouts import runs
from llmobs_trace.experiment.work import Options, options


class Experiment:
    """A function over a dataset, scored by evaluators.

    >>> from llmobs_trace import Dataset, Experiment
    >>> from llmobs_trace.evaluators import exact_match
    >>> def answer(question: str) -> str:
    ...     return "Paris"  # here a model would be called
    >>> experiment = Experiment(
    ...     "capitals",
    ...     dataset=Dataset([("What is the capital of France?", "Paris")]),
    ...     task=answer,
    ...     evaluators=[exact_match],
    ... )
    >>> experiment.run(progress=False).scores["exact_match"].mean
    1.0

    - `name`: what it is called wherever it is looked at; runs of one name are runs of one experiment
    - `dataset`: a `Dataset`, or rows as it takes them
    - `task`: a function, sync or async; it gets what its parameters are named after: `input`, `config`,
      `metadata`, `row`; one of another name gets the input. It never gets the expected output
    - `evaluators`: functions of `input`, `output`, `expected_output`, `metadata`, `config`, `row`, `tags`,
      `error`, `spans`, by name; one parameter of another name gets all of these as attributes
    - `summary_evaluators`: functions of all `rows`, run at the end
    - `repeats`: how often each row is run
    - `config`: a mapping of parameters, handed to whoever asks for it, and kept with the run
    - `description`, `tags` (a mapping), `project`: for whoever looks at it
    - `version`: change it where the task changes in a way that its code does not show
    - `baseline`: what to compare with: a name, an id, `latest~1`
    - `decode`: makes of an output as it is recorded what evaluators get, also after a resume

    Raises `ConfigurationError` where an argument makes no sense, before anything is run.
    """

    def __init__(
        self,
        name: str,
        *,
        dataset: Dataset | Iterable[Any],
        task: Callable[..., Any],
        evaluators: Sequence[Any] = (),
        summary_evaluators: Sequence[Any] = (),
        repeats: int = 1,
        config: Mapping[str, Any] | None = None,
        project: str | None = None,
        description: str | None = None,
        tags: Mapping[str, str] | None = None,
        version: str | None = None,
        baseline: str | None = None,
        decode: Callable[[Any], Any] | None = None,
    ) -> None:
        if not isinstance(name, str) or not name.strip():
            raise ConfigurationError(f"name: given {name!r}; expected a text")
        _check_repeats(repeats)
        for argument, value in (("config", config), ("tags", tags)):
            if value is not None and not isinstance(value, Mapping):
                kind = type(value).__name__
                raise ConfigurationError(f"{argument}: given a {kind}; expected a mapping of names to values")
        if decode is not None and not callable(decode):
            raise ConfigurationError(f"decode: given {decode!r}; expected a function")
        self.name = name
        self.dataset: Dataset = dataset if isinstance(dataset, Dataset) else Dataset(dataset)
        self.task = task
        self.baseline = baseline
        callee = parameters.task(task)
        self._definition = Definition(
            name,
            self.dataset,
            callee,
            Code(callee.name, fingerprint_of(task, version), version),
            prepared(evaluators),
            prepared_summaries(summary_evaluators),
            repeats,
            dict(config) if config is not None else None,
            project or (self.dataset.source.project if self.dataset.source else None),
            description,
            dict(tags or {}),
            decode,
        )

    def __repr__(self) -> str:
        return f"Experiment({self.name!r})"

    # --- Running --------------------------------------------------------------------------------------------

    def run(
        self,
        *,
        jobs: int = 8,
        executor: Executor | Callable[[], Executor] | None = None,
        timeout: float | None = None,
        retries: int = 5,
        retry_on: RetryOn | None = None,
        max_wait: float = 600,
        limit: int | None = None,
        row_ids: Iterable[str] | None = None,
        resume: Resume = "auto",
        raise_errors: bool = False,
        max_failures: float | None = None,
        progress: bool | None = None,
    ) -> Result:
        """Run all rows, or those that are left of a run that was begun, and say what they came to.

        - `jobs`: how many rows at once
        - `executor`: where tasks run instead of in threads here: a `concurrent.futures.Executor`, or a
          function that makes one, and is asked again where one breaks
        - `timeout`: seconds for each attempt of a task or an evaluator
        - `retries`: how often a call is tried again that failed in passing: a connection, a status of 408,
          409, 425, 429 or 5xx; `retry_on`, exception types or a function of the exception, says of more that
          they pass. A 429 has all calls of the function wait, and uses up none
        - `max_wait`: seconds to wait for a provider without any success before the run is interrupted
        - `limit`, `row_ids`: only the first rows, only these
        - `resume`: `auto` goes on with the unfinished run of this name where nothing differs; an id with that
          one; False begins anew
        - `raise_errors`: end at the first error of a task, and raise it
        - `max_failures`: end where more rows than these raised: a count, or below 1 a share, from 20 rows on
        - `progress`: False says nothing on stderr

        Raises `ConfigurationError` and `ExperimentError` before the first row; `ExperimentInterrupted` after
        Ctrl-C or SIGTERM; else nothing: failed rows are rows of the result.
        """
        chosen = options(jobs, executor, timeout, retries, retry_on, max_wait, raise_errors, max_failures)
        return Session(self._definition, chosen, selection(limit, row_ids), resume, progress).run()

    async def run_async(self, **given: Any) -> Result:
        """The same for callers inside an event loop, which goes on meanwhile. Takes the arguments of
        `run`.
        """
        loop = asyncio.get_running_loop()
        done: asyncio.Future[Result] = loop.create_future()
        arguments = dict(given)
        resume, progress = arguments.pop("resume", "auto"), arguments.pop("progress", None)
        chosen = selection(arguments.pop("limit", None), arguments.pop("row_ids", None))
        session = Session(self._definition, options(**{**_DEFAULTS, **arguments}), chosen, resume, progress)

        def run() -> None:
            try:
                result = session.run()
            except BaseException as error:
                loop.call_soon_threadsafe(_settle, done, None, error)
            else:
                loop.call_soon_threadsafe(_settle, done, result, None)

        threading.Thread(target=run, name="llmobs-run", daemon=True).start()
        try:
            return await asyncio.shield(done)
        except asyncio.CancelledError:
            session.interrupt("cancelled")
            await asyncio.wait([done])
            raise

    def repeated(self, repeats: int) -> Experiment:
        """The same experiment with another number of repeats. Raises `ConfigurationError` below 1."""
        _check_repeats(repeats)
        other = copy(self)
        other._definition = replace(self._definition, repeats=repeats)
        return other

    def rerun_evaluators(
        self,
        *,
        evaluators: Sequence[Any] | None = None,
        of: str = "latest",
        jobs: int = 8,
        timeout: float | None = None,
        retries: int = 5,
        retry_on: RetryOn | None = None,
        max_wait: float = 600,
        progress: bool | None = None,
    ) -> Result:
        """Evaluate the outputs of a finished run again, as a new experiment whose parent it is: no task runs.

        - `evaluators`: which; by default this experiment's own
        - `of`: the id of the run, or `latest`: the latest finished one of this name that is no rerun itself

        Rows whose task had raised are in it as such. The other arguments are those of `run`. Raises
        `ConfigurationError` where there is no such run.
        """
        definition = self._definition
        if evaluators is not None:
            definition = replace(definition, evaluators=prepared(evaluators))
        chosen = options(jobs, None, timeout, retries, retry_on, max_wait, False, None)
        rerun = Rerun(finished_run(runs(), self.name, of), lambda ended: True, with_metrics=False)
        return self._rerun(definition, chosen, rerun, progress)

    def rerun_failed(
        self,
        of: str = "latest",
        *,
        jobs: int = 8,
        executor: Executor | Callable[[], Executor] | None = None,
        timeout: float | None = None,
        retries: int = 5,
        retry_on: RetryOn | None = None,
        max_wait: float = 600,
        progress: bool | None = None,
    ) -> Result:
        """Run the rows of a finished run again whose task had raised, as a new experiment whose parent it is;
        the others are kept, with what their evaluators said. The arguments are those of `run` and
        `rerun_evaluators`.
        """
        chosen = options(jobs, executor, timeout, retries, retry_on, max_wait, False, None)
        source = finished_run(runs(), self.name, of)
        rerun = Rerun(source, lambda ended: ended.error is None, with_metrics=True)
        return self._rerun(self._definition, chosen, rerun, progress)

    def _rerun(self, definition: Definition, chosen: Options, rerun: Rerun, progress: bool | None) -> Result:
        known = rerun.source.manifest
        definition = replace(definition, repeats=known.repeats)
        which = selection(None, known.selected)
        return Session(definition, chosen, which, "auto", progress, rerun).run()

    def plan(
        self,
        *,
        limit: int | None = None,
        row_ids: Iterable[str] | None = None,
        resume: Resume = "auto",
    ) -> Plan:
        """What `run()` with these arguments would do; touches nothing."""
        session = Session(self._definition, Options(), selection(limit, row_ids), resume, False)
        return session.plan()


def _check_repeats(repeats: object) -> None:
    if isinstance(repeats, bool) or not isinstance(repeats, int) or repeats < 1:
        raise ConfigurationError(f"repeats: given {repeats!r}; expected a number from 1")


_DEFAULTS: dict[str, Any] = {
    "jobs": 8,
    "executor": None,
    "timeout": None,
    "retries": 5,
    "retry_on": None,
    "max_wait": 600,
    "raise_errors": False,
    "max_failures": None,
}


def _settle(done: asyncio.Future[Result], result: Result | None, error: BaseException | None) -> None:
    if done.cancelled():
        return
    if error is not None:
        done.set_exception(error)
    elif result is not None:
        done.set_result(result)
