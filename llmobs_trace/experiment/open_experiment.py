"""Provides `open_experiment`: a loop of the user's own as an experiment, found or made by name. User's
thread.
"""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
import sys
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from types import FrameType, TracebackType
from typing import Any

from llmobs_trace.capture import recorder as slot
from llmobs_trace.capture.entry import Active
from llmobs_trace.capture.recorder import Scope
from llmobs_trace.capture.roots import begin_roots, end_roots
from llmobs_trace.capture.user_tags import encoded_tags, plain_tags
from llmobs_trace.catalog.catalog import Status
from llmobs_trace.errors import ConfigurationError
from llmobs_trace.experiment import describing, entering
from llmobs_trace.experiment.dataset import Dataset
from llmobs_trace.experiment.passing_on import has_been_told
from llmobs_trace.experiment.steps import Manifest, Steps
from llmobs_trace.experiment.whereabouts import loops, there, url_of
from llmobs_trace.process import life

_log = logging.getLogger("llmobs_trace")
_INTERRUPTS = (KeyboardInterrupt, SystemExit, GeneratorExit, asyncio.CancelledError)


class open_experiment:
    """`with open_experiment(name) as experiment:` root spans in the block are rows of a new experiment, whose
    project and dataset are found by their names, or made.

    >>> from llmobs_trace import experiment_span, open_experiment, record_metric
    >>> with open_experiment("prompt-v2", project="support-bot", dataset="tickets") as experiment:
    ...     for ticket, queue in [("I paid twice", "billing")]:
    ...         with experiment_span("row", input=ticket, expected_output=queue) as span:
    ...             span.set_output(answer := "billing")  # here a model would be called
    ...             record_metric("right", answer == queue)
    >>> experiment.name
    'prompt-v2'

    - `name`: experiments of one name are runs of one experiment
    - `project`: its name; by default as `configure` says, else that of the directory
    - `dataset`: its name, or a `Dataset`, whose rows it is to hold; by default the experiment's name
    - `config`: a mapping of parameters; `description`, `tags` (a mapping), `version`: for whoever looks at it

    Threads, tasks and jobs that are started in the block belong to it too; spans outside it do not, whichever
    thread they are in. `async with` does the same. Its status is `running`, and at the end of the block
    `completed`, `failed` where an exception leaves it, or `interrupted` where that is an interrupt.

    - `experiment_id`, `project_id`, `dataset_id`, `name`: known from the block's beginning on
    - `url`: where to look at it at Datadog, or None

    Raises `ConfigurationError` for arguments that make no sense, and on entering `ExperimentError` where it
    can't be made: before anything was paid for.
    """

    def __init__(
        self,
        name: str,
        *,
        project: str | None = None,
        dataset: Dataset | str | None = None,
        config: Mapping[str, Any] | None = None,
        description: str | None = None,
        tags: Mapping[str, str] | None = None,
        version: str | None = None,
    ) -> None:
        for argument, text in (("name", name), ("project", project)):
            if text is not None and (not isinstance(text, str) or not text.strip()):
                raise ConfigurationError(f"{argument}: given {text!r}; expected a text")
        if dataset is not None and not isinstance(dataset, (Dataset, str)):
            kind = type(dataset).__name__
            raise ConfigurationError(f"dataset: given a {kind}; expected a Dataset, or the name of one")
        for argument, value in (("config", config), ("tags", tags)):
            if value is not None and not isinstance(value, Mapping):
                kind = type(value).__name__
                raise ConfigurationError(f"{argument}: given a {kind}; expected a mapping of names to values")
        self.name: str = name
        self.experiment_id: str = ""
        self.project_id: str = ""
        self.dataset_id: str = ""
        self.url: str | None = None
        self._dataset = dataset if isinstance(dataset, Dataset) else None
        source = self._dataset.source if self._dataset is not None else None
        self._project = project or (source.project if source is not None else None)
        dataset_name = dataset.name if isinstance(dataset, Dataset) else dataset
        self._dataset_name: str = dataset_name or name
        self._about: dict[str, Any] = {
            "config": None if config is None else dict(config),
            "description": description,
            "tags": dict(tags or {}),
            "version": version,
        }
        self._pid = os.getpid()
        self._place = ExitStack()  # where its events go meanwhile
        self._steps: Steps | None = None
        self._scope: Scope | None = None
        self._roots: Active | None = None

    def __enter__(self) -> open_experiment:
        self._check_unopened()
        self._make()
        return self._opened(sys._getframe(1))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        self._close(error)

    async def __aenter__(self) -> open_experiment:
        frame = sys._getframe(1)
        self._check_unopened()
        await _beside_the_loop(self._make)
        return self._opened(frame)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        self._end_roots()
        await _beside_the_loop(lambda: self._close(error))

    def __repr__(self) -> str:
        return f"open_experiment({self.name!r})"

    # --- The experiment -------------------------------------------------------------------------------------

    def _check_unopened(self) -> None:
        if self.experiment_id:
            raise ConfigurationError(f"{self!r} was opened already: each run is an experiment of its own")

    def _make(self) -> None:
        self._pid = os.getpid()
        self._place.enter_context(there(self._project, self._dataset_name))
        try:
            self._make_there()
        except BaseException:
            self._place.close()
            raise

    def _make_there(self) -> None:
        recorder = slot.current or slot.get()
        known = describing.opened(self.name, self._dataset_name, recorder.scope, **self._about)
        pipeline = life.at_work()
        if pipeline is not None:
            self._steps = _kept_in_mind(known)
            try:
                entering.enter(pipeline, known, recorder, project=self._project, dataset=self._dataset)
            except BaseException:
                self._forget()
                raise
            if self._steps is not None:
                self._steps.begin()
            self._say("running")
        scope = recorder.scope_for(known.experiment_id, known.project_id, known.dataset_id)
        tags = plain_tags(describing.row_tags(known))
        scope.row_tags = tuple(encoded_tags(tags, recorder.redactor))
        self._scope = scope
        self.experiment_id, self.project_id = known.experiment_id, known.project_id
        self.dataset_id, self.url = known.dataset_id, url_of(known.experiment_id)

    def _opened(self, frame: FrameType) -> open_experiment:
        recorder = slot.current or slot.get()
        if recorder.enabled and self._scope is not None:
            self._roots = begin_roots(self._scope, frame)
        return self

    def _end_roots(self) -> None:
        roots, self._roots = self._roots, None
        if roots is not None:
            end_roots(roots)

    def _close(self, error: BaseException | None) -> None:
        self._end_roots()
        if self._pid != os.getpid():
            return  # a forked child leaves the block, too; the experiment is its parent's
        with self._place:
            life.flush()
            if error is None:
                self._say("completed")
            else:
                text = f"{type(error).__name__}: {error}"
                self._say("interrupted" if isinstance(error, _INTERRUPTS) else "failed", text)
            self._forget()

    def _say(self, status: Status, error: str | None = None) -> None:
        """Nothing of this may raise into the user's code, which has begun."""
        try:
            if self._steps is not None:
                entering.say(self._steps, life.at_work(), status, error)
        except Exception as fault:
            slot.fault(fault)

    def _forget(self) -> None:
        """Nobody needs to keep it in mind any more, unless its catalog does not know how it ended."""
        steps, self._steps = self._steps, None
        if steps is not None:
            if not steps.has_begun or has_been_told(steps):
                shutil.rmtree(steps.directory, ignore_errors=True)
            steps.close()


def _kept_in_mind(known: Manifest) -> Steps | None:
    """A directory by which others see that it was not ended, where its process dies."""
    directory = loops()
    try:
        return None if directory is None else Steps.make(directory, known)
    except OSError as error:
        _log.warning("how %s ends will not be known where its process dies: %s", known.name, error)
        return None


async def _beside_the_loop(work: Callable[[], None]) -> None:
    """What asks others is done in another thread, where there is a loop that would have to wait."""
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:  # another library's, which has no thread for it
        work()
    else:
        await loop.run_in_executor(None, work)
