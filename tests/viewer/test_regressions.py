from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.events import metric, span

from llmobs_trace.store.store import Store
from llmobs_trace.viewer import Apart, regressions, side_by_side


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "x.db") as store:
        for name in "ab":
            store.add(name, [span(f"r{n}", trace_id=f"t{n}", row=f"row{n}") for n in range(4)], [])
        yield store


def changed(store: Store, **told: Any) -> dict[str, tuple[bool, bool]]:
    """By row: whether it is worse in any way, and whether better."""
    sides = side_by_side._sides(store, {"a": "a", "b": "b"})
    found = regressions.changes(store, *sides, told)
    return {key[0]: (change.worse > 0, change.better > 0) for key, change in found.items()}


def test_a_row_is_worse_by_one_metric_and_better_by_another(store: Store) -> None:
    store.add("a", [], [metric("r0", "f1", 0.5), metric("r1", "f1", 0.5), metric("r0", "toxicity", 0.5)])
    store.add("b", [], [metric("r0", "f1", 0.7), metric("r1", "f1", 0.2), metric("r0", "toxicity", 0.9)])
    # Nobody said which toxicity is better.
    assert changed(store) == {"row0": (False, True), "row1": (True, False)}
    assert changed(store, toxicity="lower") == {"row0": (True, True), "row1": (True, False)}
    assert changed(store, f1="lower", toxicity="neither") == {"row0": (True, False), "row1": (False, True)}


def test_several_metrics_of_a_label_are_their_mean_and_what_failed_says_nothing(store: Store) -> None:
    store.add("a", [], [metric("r0", "f1", 0.5), metric("r1", "f1", 0.5), metric("r2", "f1", 0.5)])
    store.add("b", [], [metric("r0", "f1", 0.2), metric("r0", "f1", 0.8, at_ms=2), metric("r1", "f1", 0.1)])
    assert changed(store) == {"row1": (True, False)}
    store.add("b", [], [metric("r1", "f1", error={"message": "no"}), metric("r2", "f1", 0.1)])
    assert changed(store) == {"row2": (True, False)}


def test_an_assessment_alone_is_judged_by_what_passes(store: Store) -> None:
    store.add("a", [], [metric("r0", "tone", "warm", assessment="pass")])
    store.add("b", [], [metric("r0", "tone", "cold", assessment="fail")])
    assert changed(store) == {"row0": (True, False)}


def test_what_is_found_is_kept_until_something_is_added(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.add("a", [], [metric("r0", "f1", 0.5)])
    store.add("b", [], [metric("r0", "f1", 0.2)])
    assert changed(store) == {"row0": (True, False)}
    found: list[object] = []
    plainly = regressions._changed
    monkeypatch.setattr(regressions, "_changed", lambda *given: found.append(given) or plainly(*given))
    assert (changed(store), len(found)) == ({"row0": (True, False)}, 0)
    store.add("a", [], [metric("r1", "f1", 0.5)])
    store.add("b", [], [metric("r1", "f1", 0.9)])
    assert (changed(store), len(found)) == ({"row0": (True, False), "row1": (False, True)}, 1)


def test_a_page_of_many_rows_has_them_looked_for_before_they_are_asked_for(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(side_by_side, "_MANY", 1)
    store.add("a", [], [metric("r0", "f1", 0.5)])
    store.add("b", [], [metric("r0", "f1", 0.2)])
    apart = Apart(store.path)
    side_by_side.rows(store, {"a": "a", "b": "b"}, apart)
    apart.close()
    monkeypatch.setattr(regressions, "_changed", None)
    assert changed(store) == {"row0": (True, False)}
