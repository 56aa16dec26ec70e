"""Runs the rows of `@pytest.mark.experiment` as tests, and judges their gate; loaded where a test has the
mark. The test's thread.

Each row is a test. What came of it travels with its report, so that whoever runs the session counts all of
them: this process, or the controller of pytest-xdist, whose workers give one experiment the same id.
"""

from __future__ import annotations

import functools
import inspect
import os
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest

from llmobs_trace.capture import recorder as slot
from llmobs_trace.capture.row_root import MadeSpan
from llmobs_trace.capture.user_tags import plain_tags
from llmobs_trace.errors import ConfigurationError
from llmobs_trace.experiment import describing, gate, made_ids, shared
from llmobs_trace.experiment.calling import Caller
from llmobs_trace.experiment.counts import Counts
from llmobs_trace.experiment.dataset import Dataset
from llmobs_trace.experiment.evaluator_steps import EvaluatorSteps
from llmobs_trace.experiment.evaluators import Evaluator, kept, metric_records, prepared
from llmobs_trace.experiment.fingerprints import fingerprint_of
from llmobs_trace.experiment.gate import Bound
from llmobs_trace.experiment.routing import routed
from llmobs_trace.experiment.rows import Row
from llmobs_trace.experiment.score import Judged, Score
from llmobs_trace.experiment.states import State
from llmobs_trace.experiment.steps import Code, Ended, Evaluated, Kept, Manifest, Step, Steps, TaskError
from llmobs_trace.experiment.whereabouts import there
from llmobs_trace.experiment.work import Options, Work
from llmobs_trace.wire import ITERATION_TAG

PASSED = "passed"
PROPERTY = "llmobs_trace"
_ASSERTIONS = (AssertionError, pytest.fail.Exception)


class RowUnderTest:
    """A row as its test gets it: with its expected output, and a place for what came of it.

    - `input`, `expected_output`, `metadata`, `id`, `tags`: as in the dataset
    """

    def __init__(self, row: Row, repeat: int) -> None:
        self._row = row
        self.repeat = repeat
        self.input = row.input
        self.expected_output = row.expected_output
        self.metadata = row.metadata
        self.id = row.id or ""
        self.tags = row.tags
        self.output: Any = None

    def set_output(self, output: Any) -> None:
        """Say what the row's output is; a test may return it instead."""
        self.output = output

    def __repr__(self) -> str:
        return f"RowUnderTest({self.id!r})"


@dataclass
class Mark:
    """What `@pytest.mark.experiment(…)` says of one test function. `experiment_id` is what all processes of
    the session call its experiment before it is entered.
    """

    name: str
    dataset: Dataset
    evaluators: list[Evaluator]
    gates: Mapping[str, Bound]
    repeats: int
    experiment_id: str
    config: Any
    project: str | None
    function: Callable[..., Any]
    entered: shared.Entered | None = None
    refused: Exception | None = None  # why it can't be entered
    place: ExitStack | None = None  # where its events go while its rows run

    def open(self, selected: Callable[[], list[str]]) -> Manifest:
        """Have its events go where they should, and its catalog know it: before its first row that runs.
        `selected` tells the ids of all that do.
        """
        if self.refused is not None:
            raise self.refused
        try:
            if self.place is None:
                self.place = ExitStack()
                self.place.enter_context(there(self.project, self.dataset.name or self.name))
            if self.entered is None:
                known = _manifest(self, selected())
                self.entered = shared.enter(known, project=self.project, dataset=self.dataset)
        except Exception as error:
            self.refused = error
            raise
        return self.entered.manifest

    def leave(self) -> None:
        """After its last row in a row: what other tests record goes where it went before."""
        place, self.place = self.place, None
        if place is not None:
            place.close()

    def close(self) -> None:
        """At the end of the session: whoever says how it ended may have it."""
        self.leave()
        if self.entered is not None and self.entered.steps is not None:
            self.entered.steps.close()


def mark_of(definition: Any, name: str, repeats: int | None, session_id: str) -> Mark:
    """The mark's arguments, checked."""
    mark = definition.get_closest_marker("experiment")
    known = {"dataset", "evaluators", "gate", "name", "config", "project", "repeats"}
    if mark.args or set(mark.kwargs) - known or "dataset" not in mark.kwargs:
        raise ConfigurationError(
            "pytest.mark.experiment takes dataset=, and evaluators=, gate=, repeats=, config=, name=, "
            f"project=; given {', '.join(mark.kwargs) or 'none of them'}"
        )
    given = mark.kwargs
    dataset = given["dataset"] if isinstance(given["dataset"], Dataset) else Dataset(given["dataset"])
    return Mark(
        given.get("name", name),
        dataset,
        prepared(given.get("evaluators", ())),
        _gates(given.get("gate", {})),
        repeats or given.get("repeats", 1),
        str(uuid.uuid5(uuid.NAMESPACE_OID, f"{session_id} {definition.nodeid}")),
        given.get("config"),
        given.get("project"),
        definition.obj,
    )


def _gates(given: Any) -> dict[str, Bound]:
    if not isinstance(given, Mapping) or not all(isinstance(each, Bound) for each in given.values()):
        raise ConfigurationError(f"gate: given {given!r}; expected names with at_least(…) or at_most(…)")
    return dict(given)


def rows_under_test(mark: Mark) -> Iterator[tuple[RowUnderTest, str]]:
    """Each row and repeat, and what it is called among the tests."""
    for row in mark.dataset:
        for repeat in range(1, mark.repeats + 1):
            suffix = f"#{repeat}" if mark.repeats > 1 else ""
            yield RowUnderTest(row, repeat), f"{row.id}{suffix}"


def recording(
    function: Callable[..., Any],
    mark: Mark,
    row: RowUnderTest,
    selected: Callable[[], list[str]],
    properties: list[Any],
) -> Any:
    """The test's function, which records the row that it runs; `selected` tells the ids of all that do."""
    run = _RowRun(mark, row, selected, properties)
    if inspect.iscoroutinefunction(function):

        @functools.wraps(function)
        async def call_async(*args: Any, **kwargs: Any) -> None:
            with run as opened:
                run.came(opened, await function(*args, **kwargs))

        return call_async

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> None:
        with run as opened:
            run.came(opened, function(*args, **kwargs))

    return call


class _RowRun:
    """One row's root span about its test, and its metrics after that."""

    def __init__(
        self, mark: Mark, row: RowUnderTest, selected: Callable[[], list[str]], properties: list[Any]
    ) -> None:
        self._mark = mark
        self._row = row
        self._selected = selected
        self._properties = properties
        self._stack = ExitStack()

    def __enter__(self) -> Any:
        mark, row = self._mark, self._row
        known = mark.open(self._selected)
        recorder = self._recorder = slot.current or slot.get()
        self._scope = recorder.scope_for(known.experiment_id, known.project_id or None, known.dataset_id)
        self._span_id = made_ids.span_id(mark.experiment_id, row.id, row.repeat, 1)
        if not recorder.enabled:
            return None
        self._span = MadeSpan(
            recorder,
            self._scope,
            mark.name,
            made_ids.trace_id(mark.experiment_id, row.id, row.repeat),
            self._span_id,
            row_id=row.id,
            input=row.input,
            expected_output=row.expected_output,
            tags={**plain_tags(describing.row_tags(known)), ITERATION_TAG: row.repeat},
        )
        return self._span._enter(1)

    def came(self, opened: Any, returned: Any) -> None:
        """The test passed; what it returned is the output, where it did not say it otherwise."""
        if returned is not None:
            self._row.set_output(returned)

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if error is not None and isinstance(error, pytest.skip.Exception):
            if self._recorder.enabled:
                self._span._leave(None)
            return
        failed_assertion = isinstance(error, _ASSERTIONS)
        raised = None if failed_assertion or error is None else error
        if self._recorder.enabled:
            if self._row.output is not None:
                self._span.span.set_output(self._row.output)
            self._span._leave(raised)
            self._recorder.append(self._span.record)
        self._judge(raised, passed=error is None)

    def _judge(self, raised: BaseException | None, *, passed: bool) -> None:
        mark = self._mark
        told: dict[str, Any] = {
            "experiment": mark.experiment_id,
            "name": mark.name,
            "project": mark.project,
            "row": self._row.id,
            "repeat": self._row.repeat,
            "span_id": self._span_id,
            "ended_ns": time.time_ns(),
            "evaluated": {},
            "labels": [each.label for each in mark.evaluators],
            "gates": {name: [bound.limit, bound.is_least] for name, bound in mark.gates.items()},
        }
        told["error"] = None if raised is None else [type(raised).__name__, str(raised)]
        if raised is None:
            assessment = "pass" if passed else "fail"
            one = Judged(PASSED, Score(passed, assessment=assessment), "boolean")  # type: ignore[arg-type]
            if self._recorder.enabled:
                for record in metric_records(self._recorder, self._scope, self._span_id, [one]):
                    self._recorder.append(record)
            told["evaluated"][PASSED] = [_plain(kept(one))]
        for evaluator, metrics in self._evaluated(raised):
            told["evaluated"][evaluator] = [_plain(each) for each in metrics]
        self._properties.append((PROPERTY, told))

    def _evaluated(self, raised: BaseException | None) -> Iterator[tuple[str, Sequence[Kept]]]:
        """What each evaluator said; it records, and never fails a test."""
        mark, row = self._mark, self._row
        ended = Ended(
            row.id,
            row.repeat,
            1,
            0,
            0,
            self._span_id,
            [],
            error=None if raised is None else TaskError(type(raised).__name__, str(raised)),
        )
        assert mark.entered is not None
        steps = Steps(Path(os.devnull), mark.entered.manifest)  # nothing of a test is gone on with
        work = Work(
            steps, self._recorder, self._scope, mark.config, Options(jobs=1), Counts(), lambda text: None
        )
        caller, state = Caller(work), State(ended=ended)
        evaluations = EvaluatorSteps(work, caller, mark.evaluators)
        with ExitStack() as stack:
            if self._recorder.enabled:
                work.router = stack.enter_context(routed(self._recorder))
            if any(each.callee.is_async for each in mark.evaluators):
                caller.start_loop(stack)
            ids = made_ids.UnitIds(mark.experiment_id, row.id, row.repeat)
            evaluation = evaluations.of(row._row, row.repeat, ids, ended, row.output, raised, [], state)
            for evaluator in mark.evaluators:
                if raised is None or evaluator.asks_for_errors:
                    evaluation.evaluate(evaluator)
            evaluation.end()
        for label, evaluated in state.evaluated.items():
            yield label, evaluated.metrics


def _plain(one: Kept) -> dict[str, Any]:
    """As a report carries it, between processes too."""
    plain: dict[str, Any] = msgspec.to_builtins(one)
    return plain


def _manifest(mark: Mark, selected: list[str]) -> Manifest:
    recorder = slot.current or slot.get()
    known = describing.opened(
        mark.name,
        mark.dataset.name or mark.name,
        recorder.scope,
        config=mark.config,
        description=None,
        tags={},
        version=None,
    )
    known.run = known.experiment_id = mark.experiment_id
    known.fingerprint, known.selected, known.repeats = mark.dataset.fingerprint, selected, mark.repeats
    known.task = Code(mark.name, fingerprint_of(mark.function))
    known.evaluators = [each.code for each in mark.evaluators]
    return known


# --- What all rows came to ----------------------------------------------------------------------------------


def verdict(came: Sequence[Mapping[str, Any]], units: int) -> gate.GateVerdict:
    """What the gate says of the rows that were selected, from what their reports say. Raises
    `ConfigurationError` for a name that it does not know.
    """
    counts = _counted(came)
    first = came[0] if came else {"labels": [], "gates": {}}
    gates = {name: Bound(*bound) for name, bound in first["gates"].items()}
    scores = counts.scores(units, [PASSED, *first["labels"]])
    return gate.judge(gates, scores, units=units, failed=counts.raised, left=units - counts.ended)


def _steps(came: Sequence[Mapping[str, Any]]) -> Iterator[Step]:
    """The same as the steps of a run would say it."""
    for told in came:
        error = None if told["error"] is None else TaskError(*told["error"])
        row, repeat = told["row"], told["repeat"]
        yield Ended(row, repeat, 1, told["ended_ns"], 0, told["span_id"], [], error=error)
        for evaluator, metrics in told["evaluated"].items():
            keeps = [msgspec.convert(each, Kept) for each in metrics]
            yield Evaluated(row, repeat, evaluator, keeps, [])


def _counted(came: Sequence[Mapping[str, Any]]) -> Counts:
    counts = Counts()
    for step in _steps(came):
        if isinstance(step, Ended):
            counts.task(step)
        elif isinstance(step, Evaluated):
            counts.evaluator(step)
    return counts


def end(came: Sequence[Mapping[str, Any]], *, is_interrupted: bool) -> None:
    """Say what became of the experiment that these rows are of, once all processes are done with it."""
    mark, project = came[0]["experiment"], came[0]["project"]
    counts = _counted(came)
    shared.end(mark, project, len(came), counts, lambda: _steps(came), is_interrupted=is_interrupted)


class GateItem(pytest.Item):
    """The gate as a test of its own, after its rows."""

    came: Sequence[Mapping[str, Any]]
    count: Callable[[], int]  # of the rows that were selected: known when all plugins have had their say

    def runtest(self) -> None:
        if not self.came:
            pytest.skip("cannot tell: no row ran")
        judged = verdict(self.came, self.count())
        if judged.outcome == "fail":
            pytest.fail(str(judged), pytrace=False)
        if judged.outcome == "cannot tell":
            pytest.skip(f"cannot tell: {judged}")

    def reportinfo(self) -> tuple[Any, int | None, str]:
        return self.path, None, self.name
