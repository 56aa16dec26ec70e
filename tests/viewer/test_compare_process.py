from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.events import metric, span

from llmobs_trace.store.store import Store
from llmobs_trace.viewer import Apart, compared, respond

Ask = Callable[..., tuple[int, dict[str, Any]]]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "x.db") as store:
        for experiment in "abc":
            for number in range(3):
                _add(store, experiment, number)
        yield store


@pytest.fixture
def apart(store: Store, monkeypatch: pytest.MonkeyPatch) -> Iterator[Apart]:
    monkeypatch.setattr(compared, "FEW", 5)
    apart = Apart(store.path)
    yield apart
    apart.close()


@pytest.fixture
def ask(store: Store, apart: Apart) -> Ask:
    def ask(*, here: bool = False, **query: str) -> tuple[int, dict[str, Any]]:
        response = respond(store, "/api/compare", query, {}, None if here else apart)
        assert response is not None
        return response.status, json.loads(response.body)

    return ask


def _add(store: Store, experiment: str, number: int) -> None:
    store.add(
        experiment,
        [span(f"r{number}", trace_id=f"t{number}", row=f"row{number}")],
        [metric(f"r{number}", "right", experiment != "a")],
        name=experiment.upper(),
    )


def _finish(apart: Apart) -> int:
    assert apart._running is not None
    apart._running.process.wait(60)
    return apart._running.process.pid


def test_a_comparison_of_many_rows_is_pending_until_its_process_has_worked_it_out(
    ask: Ask, apart: Apart
) -> None:
    status, pending = ask(a="a", b="b")
    assert (status, pending["pending"], pending["comparisons"]) == (200, True, [])
    assert pending["experiments"] == [{"id": each, "name": each.upper(), "rows": 3} for each in "ab"]
    _finish(apart)
    assert ask(a="a", b="b") == ask(here=True, a="a", b="b")
    assert apart._running is None


def test_what_is_said_of_a_label_makes_another_comparison_which_is_kept_beside_the_first(
    ask: Ask, apart: Apart
) -> None:
    said = {"direction.right": "lower"}
    for query in ({}, said):
        assert ask(a="a", b="b", **query)[1]["pending"]
        _finish(apart)
        ask(a="a", b="b", **query)
    for query, direction in (({}, "higher"), (said, "lower")):
        found = ask(a="a", b="b", **query)
        assert found[1]["metrics"][0]["direction"] == direction
        assert found == ask(here=True, a="a", b="b", **query)


def test_what_was_worked_out_is_kept_until_one_of_the_two_changes(
    ask: Ask, apart: Apart, store: Store
) -> None:
    ask(a="a", b="b")
    _finish(apart)
    found = ask(a="a", b="b")
    _add(store, "c", 9)
    assert ask(a="a", b="b") == found
    _add(store, "b", 9)
    pending = ask(a="a", b="b")[1]
    assert (pending["pending"], pending["comparisons"]) == (True, [found[1]])
    _finish(apart)
    assert ask(a="a", b="b")[1]["rows"] == {
        "paired": 3,
        "only_a": 0,
        "only_b": 1,
        "runs_a": 3,
        "runs_b": 3,
        "other_expected": 0,
    }


def test_of_an_experiment_that_never_stands_still_there_is_what_was_last_found(
    ask: Ask, apart: Apart, store: Store
) -> None:
    ask(a="a", b="b")
    shown = []
    for number in range(3, 6):
        _add(store, "b", number)
        _finish(apart)
        pending = ask(a="a", b="b")[1]
        assert pending["pending"]
        shown += [each["rows"]["only_b"] for each in pending["comparisons"]]
    # Each was begun before the row was added that made it an old one, and may have seen it.
    assert len(shown) == 3
    assert shown[0] in (0, 1)
    assert shown[-1] in (2, 3)


def test_several_are_worked_out_one_after_the_other(ask: Ask, apart: Apart) -> None:
    pids = set()
    for _ in range(2):
        assert [each["id"] for each in ask(a="a", b="b", c="c")[1]["experiments"]] == ["a", "b", "c"]
        pids.add(_finish(apart))
    assert len(pids) == 2
    assert ask(a="a", b="b", c="c") == ask(here=True, a="a", b="b", c="c")


def test_a_process_that_ends_without_an_answer_is_told_of_and_not_tried_again(
    ask: Ask, apart: Apart, store: Store
) -> None:
    ask(a="a", b="b")
    assert apart._running is not None
    apart._running.process.kill()
    _finish(apart)
    for _ in range(2):
        assert ask(a="a", b="b") == (500, {"error": "the comparison could not be worked out: killed"})
    _add(store, "a", 9)
    assert ask(a="a", b="b")[1]["pending"]


def test_the_process_takes_no_modules_from_where_the_program_was_started(
    ask: Ask, apart: Apart, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("bisect", "statistics", "llmobs_trace", "msgspec", "math", "json"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('not ours')")
    monkeypatch.chdir(tmp_path)
    ask(a="a", b="b")
    _finish(apart)
    assert ask(a="a", b="b")[0] == 200


def test_closing_leaves_no_process(ask: Ask, apart: Apart) -> None:
    ask(a="a", b="b")
    assert apart._running is not None
    process = apart._running.process
    apart.close()
    assert process.returncode is not None
