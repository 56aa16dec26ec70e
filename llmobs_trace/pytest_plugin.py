"""Provides pytest with the fixture `llmobs_spans`, which hands a test what it recorded, and the mark
`experiment`, which runs a test for each row of a dataset. The test's thread.

While the fixture is in use nothing is delivered: no journal, no store, no network, whatever was
configured. What the test's child processes record comes to it as well, through a temporary file. A test that
calls `configure` itself has what it asked for from there on.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from llmobs_trace.recorded import RecordedMetric, RecordedSpan, RecordedSpans

if TYPE_CHECKING:
    from llmobs_trace.capture.recorder import Recorder
    from llmobs_trace.pytest_experiments import Mark
    from llmobs_trace.settings.inherited import Handed

__all__ = ["RecordedMetric", "RecordedSpan", "RecordedSpans", "llmobs_spans"]

# What of a configuration is capture's, beside the redactor.
_CAPTURED = ("capture_input", "capture_output", "keep_media", "not_errors", "max_event_bytes", "strict")


def _recorder(spans: RecordedSpans) -> Recorder:
    """Captures as the program is configured to, else as the environment and the process that started this one
    have it: redaction can be tested.
    """
    from llmobs_trace.capture import recorder as slot
    from llmobs_trace.capture.recorder import Recorder, Scope
    from llmobs_trace.encode import Redactor
    from llmobs_trace.settings.config import find_options

    scope = Scope("test-experiment", "test-project", "test-dataset")
    recorder = Recorder(spans.append_record, scope)
    configured = slot.current
    if configured is not None and configured.redactor is not None:
        recorder.redactor = configured.redactor
    elif (redact := find_options(os.environ, "redact")["redact"]) is not None:
        recorder.redactor = Redactor(redact, slot.say)
    if configured is None:
        captured = find_options(os.environ, *_CAPTURED)
    else:
        captured = {name: getattr(configured, name) for name in _CAPTURED}
    for name, value in captured.items():
        setattr(recorder, name, value)
    return recorder


def _for_children(recorder: Recorder, file: Path) -> Handed:
    """The same for the processes that a test starts."""
    from msgspec import structs

    from llmobs_trace.process import children
    from llmobs_trace.settings.config import hand_over

    known = hand_over(children.configured, os.environ)
    options: dict[str, object] = {name: getattr(recorder, name) for name in _CAPTURED}
    for name in ("experiment_id", "project_id", "dataset_id"):
        options[name] = getattr(recorder.scope, name)
    if "redact" in known.options:
        options["redact"] = known.options["redact"]
    # Neither is opened; a child that had to find its own would make directories.
    made = {**known.made, "database": os.devnull, "journal": None}
    return structs.replace(known, options=options, made=made, records=str(file))


@pytest.fixture
def llmobs_spans() -> Iterator[RecordedSpans]:
    """What the test records: a sequence of finished spans with `.metrics`, `.named(name)`, `.tree()` and
    `.clear()`.

    >>> def test_a_failure_is_recorded(llmobs_spans):
    ...     with pytest.raises(ZeroDivisionError), experiment_span("answer"):
    ...         1 / 0
    ...     assert llmobs_spans.named("answer").error["type"] == "ZeroDivisionError"

    It records whatever the environment says, also under `LLMOBS_TRACE_ENABLED=0`, and as `configure` or the
    environment said before: with that `redact`, `capture_input`, `capture_output`, `keep_media`,
    `not_errors`, `max_event_bytes` and `strict`. What was configured before is back afterwards, unless the
    test called `configure`.
    """
    import secrets
    import tempfile

    from llmobs_trace.process.life import recording_to

    of_children = Path(tempfile.gettempdir(), f"llmobs-spans-{secrets.token_hex(8)}")
    spans = RecordedSpans(of_children)
    recorder = _recorder(spans)
    try:
        with recording_to(recorder, _for_children(recorder, of_children)):
            yield spans
    finally:
        of_children.unlink(missing_ok=True)


# --- The mark -----------------------------------------------------------------------------------------------

_MARK = (
    "experiment(dataset, evaluators=(), gate={}, repeats=1, config=None, name=None, project=None): run the "
    "test for each row of a dataset, record and score it, and judge all rows by a gate"
)
# Under this name a test's report carries what came of its row.
PROPERTY = "llmobs_trace"


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("llmobs_trace")
    repeats = "run each row of an experiment N times"
    group.addoption("--experiment-repeats", metavar="N", type=int, default=None, help=repeats)
    plain = "run rows of experiments as plain tests, and record nothing"
    group.addoption("--no-experiment", action="store_true", help=plain)


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", _MARK)
    config.pluginmanager.register(_Experiments(config), "llmobs_trace_experiments")


class _Experiments:
    """The experiments of one session, in whichever process: what needs more is imported where a test has the
    mark.
    """

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._is_worker = hasattr(config, "workerinput")
        workerinput: dict[str, str] = getattr(config, "workerinput", {})
        # The same for all workers of one session.
        self._session_id = workerinput.get("testrunuid") or os.urandom(16).hex()
        self._marks: dict[str, Mark] = {}
        # What the rows of an experiment came to, by its id.
        self.came: dict[str, list[dict[str, Any]]] = {}
        self._verdicts: list[str] = []

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        definition = metafunc.definition
        if definition.get_closest_marker("experiment") is None:
            return
        from llmobs_trace.pytest_experiments import mark_of, rows_under_test

        repeats = self._config.getoption("experiment_repeats")
        mark = mark_of(definition, metafunc.function.__name__, repeats, self._session_id)
        self._marks[definition.nodeid] = mark
        rows = list(rows_under_test(mark))
        metafunc.parametrize("row", [row for row, _ in rows], ids=[name for _, name in rows])

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """After each experiment's rows comes its gate; of workers the controller judges what they ran."""
        if not self._marks or self._is_worker or self._config.getoption("no_experiment"):
            return
        from llmobs_trace.pytest_experiments import GateItem

        last = {mark.experiment_id: item for item in items if (mark := self._mark_at(item)) is not None}
        for row in last.values():
            mark = self._mark_at(row)
            if mark is None or not mark.gates or row.parent is None:
                continue
            judge = GateItem.from_parent(row.parent, name=f"{getattr(row, 'originalname', mark.name)}[gate]")
            judge.came = self.came.setdefault(mark.experiment_id, [])
            judge.count = functools.partial(self._count, mark, row.session)
            items.insert(items.index(row) + 1, judge)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, object, object]:
        mark = self._mark_at(item)
        if mark is not None and not self._config.getoption("no_experiment"):
            from llmobs_trace.pytest_experiments import recording

            row = item.callspec.params["row"]  # type: ignore[attr-defined]
            selected = functools.partial(self._selected, mark, item.session)
            properties = item.user_properties
            item.obj = recording(item.obj, mark, row, selected, properties)  # type: ignore[attr-defined]
        return (yield)

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_teardown(self, item: pytest.Item, nextitem: pytest.Item | None) -> None:
        mark = self._mark_at(item)
        if mark is not None and (nextitem is None or self._mark_at(nextitem) is not mark):
            mark.leave()

    def _count(self, mark: Mark, session: pytest.Session) -> int:
        return sum(self._mark_at(item) is mark for item in session.items)

    def _selected(self, mark: Mark, session: pytest.Session) -> list[str]:
        items = (item for item in session.items if self._mark_at(item) is mark)
        rows = (item.callspec.params["row"] for item in items)  # type: ignore[attr-defined]
        return list(dict.fromkeys(row.id for row in rows))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call":
            for name, told in report.user_properties:
                if name == PROPERTY and isinstance(told, dict):
                    self.came.setdefault(told["experiment"], []).append(told)

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if self._marks:
            from llmobs_trace.process.life import flush

            flush()
            for mark in self._marks.values():
                mark.close()
        if self._is_worker or not any(self.came.values()):
            return
        from llmobs_trace.pytest_experiments import end, verdict

        for came in filter(None, self.came.values()):
            end(came, is_interrupted=session.exitstatus == pytest.ExitCode.INTERRUPTED)
            # Under pytest-xdist the workers had the tests.
            if not self._marks:
                judged = verdict(came, len(came))
                self._verdicts += [f"{came[0]['name']}: {line}" for line in judged.lines]
                if judged.outcome == "fail" and session.exitstatus == 0:
                    session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        if self._verdicts:
            terminalreporter.section("gates of experiments")
            for line in self._verdicts:
                terminalreporter.line(line)

    def _mark_at(self, item: pytest.Item) -> Mark | None:
        if not isinstance(item, pytest.Function):
            return None
        return self._marks.get(item.nodeid.partition("[")[0])
