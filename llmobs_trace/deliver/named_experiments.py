"""Finds or makes what a run's events are delivered to: a project, a dataset, an experiment. Sender's thread.

A program that gives names instead of ids has no experiment yet, and nobody may wait for one. So its events
have made-up ids that hold the run's mark, and whoever delivers them first asks here, one thing at a time:

    project     found by its name, or made
    dataset     found in it by its name, or made
    experiment  found by the run's mark, or made

What comes of it is kept beside the journals under a lock (`run_files`), so one process asks for a run at a
time and all have the same experiment. A kill between any two of these loses nothing: a project and a dataset
are found by their names, and an experiment that was made without anybody having kept its id by the mark.

Of a run that only a trace header names nothing is known but its mark: whoever has its names makes it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, closing, suppress
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import msgspec
from msgspec import structs

from llmobs_trace.catalog.catalog import (
    Catalog,
    CatalogError,
    CatalogExperiment,
    NewExperiment,
    experiment_metadata,
)
from llmobs_trace.deliver.answers import ACTIONS, Action, Answer, Verdict, verdict_of
from llmobs_trace.deliver.run_files import Busy, Ending, Found, RunFiles
from llmobs_trace.http_client.clock import Clock
from llmobs_trace.http_client.request import Key
from llmobs_trace.journal.ownership import NamedRun
from llmobs_trace.wire import made_up_id, mark_of

# What a refusal of something that is no batch means instead: no event is at fault.
_INSTEAD: Final = {Action.HALVE: Verdict.REFUSED, Action.SETTLE: Verdict.NOT_ACCEPTED}

# Of runs; three ids each. What is forgotten is looked for once more.
_MOST_REMEMBERED: Final = 1 << 14

# How to ask, within so many seconds a request.
Asking = Callable[[float], AbstractContextManager[Catalog]]


def asking_datadog(base_url: str, api_key: Key, app_key: Key) -> Asking:
    """Ask Datadog, or who answers as it does, with these keys."""

    def ask(timeout_seconds: float) -> AbstractContextManager[Catalog]:
        from llmobs_trace.catalog.http_catalog import HttpCatalog

        # Nothing is asked twice in a row: the experiment's own delays are those of delivery.
        return closing(HttpCatalog(base_url, api_key, app_key, seconds=timeout_seconds, again=False))

    return ask


def local_id(experiment_id: str) -> str:
    """What the local store knows an experiment by whose id may be made up."""
    mark = mark_of(experiment_id)
    return experiment_id if mark is None else str(UUID(mark))


class _Hindered(Exception):
    """What was asked for is not to be had now."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.detail)
        self.answer = answer


class NamedExperiments:
    """Of one destination. `asking` is None for the local store, whose names are ids. `real_ids` is filled:
    what is found or made, by the made-up id that stands for it.
    """

    def __init__(
        self,
        asking: Asking | None = None,
        *,
        destination: str = "",
        directory: Path | None = None,
        runs: Iterable[NamedRun] = (),
        real_ids: dict[str, str] | None = None,
    ) -> None:
        self._asking = asking
        self._destination = destination
        self._files = RunFiles(directory, destination)
        self._runs: dict[str, NamedRun] = {}
        self._found: dict[str, Found] = {}
        self._real_ids = {} if real_ids is None else real_ids
        self.learn(runs)

    def open(self) -> None:
        """Load what asking takes; called before each `ask`, cheap when it is there."""
        if self._asking is not None:
            import llmobs_trace.catalog.http_catalog  # noqa: F401

    def learn(self, runs: Iterable[NamedRun]) -> None:
        """The names that a journal's owner has of these runs."""
        for run in runs:
            self._runs[run.mark] = run
            _bound(self._runs)

    def after_fork_in_child(self) -> None:
        """What is known stays known."""
        self._files.after_fork_in_child()

    def called(self, mark: str) -> str:
        """What a run's experiment is called, as far as that is known."""
        run = self._runs.get(mark)
        return "" if run is None else run.experiment_name

    def real_id(self, some_id: str) -> str:
        """What was found or made for a made-up id; any other as it is."""
        return self._real_ids.get(some_id, some_id)

    def has(self, mark: str, *, experiment: bool) -> bool:
        """Whether all is known that a run's events need; its experiment as well, or project and dataset."""
        found = self._found.get(mark)
        return found is not None and _is_enough(found, experiment=experiment)

    def ask(self, mark: str, timeout_seconds: float, *, experiment: bool) -> Answer | None:
        """Take one step to what a run lacks, within so many seconds; what hinders, if anything does."""
        try:
            if self._asking is None:
                self._remember(self._local(mark))
                return None
            with self._files.locked(mark):
                found = self._files.read(mark) or self._found.get(mark) or self._begun(mark)
                if not _is_enough(found, experiment=experiment):
                    with self._asking(timeout_seconds) as catalog:
                        found = self._one_more(found, catalog)
            self._remember(found)
        except Busy:
            return Answer(verdict=Verdict.AWAITED, detail="another process finds or makes what it needs")
        except _Hindered as hindered:
            return hindered.answer
        return None

    def note_end(self, ending: Ending) -> None:
        """Have whoever comes next know how a run ended, should it not be said in time. Any thread."""
        if self._asking is not None:
            self._files.keep_ending(ending)

    def end(self, ending: Ending, timeout_seconds: float) -> None:
        """Say how a run ended, if its experiment is known by now and can be reached."""
        found = self._files.read(ending.mark) or self._found.get(ending.mark)
        if self._asking is not None and found is not None and found.experiment_id and timeout_seconds > 0:
            with self._asking(timeout_seconds) as catalog:
                self._tell(catalog, found, ending)

    def end_the_dead(self, timeout_seconds: float) -> None:
        """Say the same of runs of which no process is left, as far as that can be within so many seconds."""
        if self._asking is None or timeout_seconds <= 0:
            return
        give_up_at = Clock.now() + timeout_seconds
        for found, ending in self._files.untold():
            left_seconds = give_up_at - Clock.now()
            if left_seconds <= 0:
                return
            with self._asking(left_seconds) as catalog:
                if not self._tell(catalog, found, ending):
                    return

    def _tell(self, catalog: Catalog, found: Found, ending: Ending) -> bool:
        """Whether it was heard; nobody is told again of an experiment that is gone."""
        try:
            catalog.status(found.experiment_id, ending.status, ending.error)
        except CatalogError as error:
            if not error.is_final and error.status != 404:
                return False
        self._files.keep_ending(structs.replace(ending, is_told=True))
        return True

    def _local(self, mark: str) -> Found:
        run = self._runs.get(mark)
        if run is None:
            ids = (made_up_id(mark, "project"), made_up_id(mark, "dataset"))
        else:
            ids = (run.project_id or run.project_name, run.dataset_id or run.dataset_name)
        return Found(
            destination=self._destination,
            mark=mark,
            project_id=ids[0],
            dataset_id=ids[1],
            experiment_id=str(UUID(mark)),
        )

    def _begun(self, mark: str) -> Found:
        run = self._runs.get(mark)
        ids = ("", "") if run is None else (run.project_id, run.dataset_id)
        return Found(destination=self._destination, mark=mark, project_id=ids[0], dataset_id=ids[1])

    def _one_more(self, found: Found, catalog: Catalog) -> Found:
        """Ask for the next thing that is not known, and keep it; raises `_Hindered`."""
        run = self._runs.get(found.mark)
        try:
            if run is None:
                about = "run"
                return self._kept(_made_by_others(found, catalog))
            if not found.project_id:
                about = "project"
                return self._kept(structs.replace(found, project_id=catalog.project(run.project_name).id))
            if not found.dataset_id:
                about = "dataset"
                return self._kept(structs.replace(found, dataset_id=_dataset(run, found, catalog)))
            about = "experiment"
            made = _experiment(run, found, catalog)
        except CatalogError as error:
            if run is not None and error.status == 404:
                # Somebody deleted what was found before: what has a name is looked for by it once more.
                self._remember(self._kept(self._begun(found.mark)))
            raise _Hindered(_answer(about, error)) from error
        found = self._kept(structs.replace(found, experiment_id=made.id))
        if made.status is None:  # else somebody has said how it ended
            # No event waits for it, and nobody has to mend it: what is not to be had is left out.
            with suppress(CatalogError):
                catalog.status(made.id, "running")
        return found

    def _kept(self, found: Found) -> Found:
        self._files.keep(found)
        return found

    def _remember(self, found: Found) -> None:
        self._found[found.mark] = found
        real_ids = {
            made_up_id(found.mark, "project"): found.project_id,
            made_up_id(found.mark, "dataset"): found.dataset_id,
            made_up_id(found.mark): found.experiment_id,
        }
        known = {made_up: real for made_up, real in real_ids.items() if real}
        self._real_ids.update(known)
        _bound(self._found)
        _bound(self._real_ids)


def _bound(remembered: dict[str, Any]) -> None:
    """Headers and journals of other runs must not grow this for ever: past the bound the oldest half goes."""
    if len(remembered) > _MOST_REMEMBERED:
        for old in list(remembered)[: _MOST_REMEMBERED // 2]:
            remembered.pop(old, None)


def _is_enough(found: Found, *, experiment: bool) -> bool:
    return bool(found.project_id and found.dataset_id and (found.experiment_id or not experiment))


def _made_by_others(found: Found, catalog: Catalog) -> Found:
    """What whoever has this run's names has made for it."""
    made = next(iter(catalog.find(run=found.mark)), None)
    if made is None or not (made.project_id and made.dataset_id):
        detail = f"no experiment of the run {found.mark} is there yet, which a trace header names"
        raise _Hindered(Answer(verdict=Verdict.AWAITED, about="run", detail=detail))
    return structs.replace(
        found, project_id=made.project_id, dataset_id=made.dataset_id, experiment_id=made.id
    )


def _dataset(run: NamedRun, found: Found, catalog: Catalog) -> str:
    dataset = catalog.dataset(found.project_id, run.dataset_name, ())
    if dataset is None:
        raise CatalogError(f"making the dataset {run.dataset_name!r} at {catalog.name}: nothing was made")
    return dataset.id


def _experiment(run: NamedRun, found: Found, catalog: Catalog) -> CatalogExperiment:
    return catalog.experiment(
        NewExperiment(
            id=str(UUID(run.mark)),
            run=run.mark,
            name=run.experiment_name,
            project_id=found.project_id,
            dataset_id=found.dataset_id,
            metadata=_metadata(run),
        )
    )


def _metadata(run: NamedRun) -> msgspec.Raw:
    """The run's mark, by which the experiment is found again, and tags as other tracers have them."""
    names = {
        "project_name": run.project_name,
        "dataset_name": run.dataset_name,
        "experiment_name": run.experiment_name,
    }
    return experiment_metadata(names, {"run": run.mark})


def _answer(about: str, error: CatalogError) -> Answer:
    """What a catalog's error means for events: never that they are at fault."""
    verdict = verdict_of(Answer(status=error.status))
    verdict = _INSTEAD.get(ACTIONS[verdict], verdict)
    if error.is_final and ACTIONS[verdict] is Action.RETRY:
        verdict = Verdict.HINDERED if error.status is None else Verdict.REFUSED
    return Answer(verdict=verdict, about=about, detail=str(error), retry_after_seconds=error.asked_seconds)
