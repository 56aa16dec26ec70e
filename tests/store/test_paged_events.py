"""An experiment's events, page by page, in a store that has others' in between."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.events import metric, span

from llmobs_trace.store.paged_events import metric_pages, span_pages
from llmobs_trace.store.store import Store


def filled(path: Path, count: int) -> Store:
    """A store with an experiment of so many spans and metrics, among those of another."""
    store = Store(path)
    for begin in range(0, count, 100):
        numbers = range(begin, begin + 100)
        for experiment in ("one", "another"):
            store.add(
                experiment, [span(f"s{n}") for n in numbers], [metric(f"s{n}", "m", n) for n in numbers]
            )
    return store


def test_every_event_is_in_one_page_whatever_others_recorded_in_between(tmp_path: Path) -> None:
    with filled(tmp_path / "x.db", 300) as store:
        pages = list(span_pages(store, "one", 0, 70))
        assert [len(page) for page in pages] == [70, 70, 70, 70, 20]
        assert [each.span_id for page in pages for each in page] == [f"s{n}" for n in range(300)]
        rest = span_pages(store, "one", pages[2][-1].place, 70)
        assert [each.span_id for page in rest for each in page] == [f"s{n}" for n in range(210, 300)]
        assert sum(map(len, metric_pages(store, "one", 0, 70))) == 300
        assert list(metric_pages(store, "nobody's", 0, 70)) == []


@pytest.mark.parametrize("pages", [span_pages, metric_pages])
def test_what_reading_takes_grows_as_the_events_do(tmp_path: Path, pages: object) -> None:
    """Not as the square of their number, as it does where each page is sorted out of all that is left."""

    def steps(count: int) -> int:
        done = [0]

        def count_on() -> int:
            done[0] += 1
            return 0

        with filled(tmp_path / f"{count}.db", count) as store:
            store._connection.set_progress_handler(count_on, 100)
            assert sum(map(len, pages(store, "one", 0, 50))) == count  # type: ignore[operator]
        return done[0]

    assert steps(4_000) < 5 * steps(1_000)
