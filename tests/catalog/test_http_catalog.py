"""The catalog over sockets: one of each, whatever a server makes of its documentation and whatever breaks."""

from __future__ import annotations

import json
import multiprocessing
import os
import tracemalloc
from collections.abc import Callable, Iterable, Iterator
from itertools import count, repeat
from pathlib import Path
from typing import Any

import msgspec
import pytest
from support.delivery import API_KEY, APP_KEY
from support.scripted_datadog import READINGS, Asked, Fault, Reading, ScriptedDatadog
from support.serving import Serving

from llmobs_trace.catalog.asking import Times
from llmobs_trace.catalog.catalog import (
    Catalog,
    CatalogDataset,
    CatalogError,
    CatalogExperiment,
    NewExperiment,
    Record,
)
from llmobs_trace.catalog.http_catalog import HttpCatalog
from llmobs_trace.settings.checks import Secret


class Clock:
    """Time goes on by waiting alone."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def now(self) -> float:
        return self.seconds

    def wait(self, seconds: float) -> None:
        self.seconds += seconds


def catalog_at(url: str, clock: Clock | None = None) -> HttpCatalog:
    clock = clock or Clock()
    return HttpCatalog(url, Secret(API_KEY), Secret(APP_KEY), times=Times(now=clock.now, wait=clock.wait))


def raw(value: Any) -> msgspec.Raw:
    return msgspec.Raw(json.dumps(value).encode())


def record(id: str, value: Any, expected: Any = None, metadata: Any = None, *tags: str) -> Record:
    return Record(id=id, input=raw(value), expected_output=raw(expected), metadata=raw(metadata), tags=tags)


ROWS = [
    record("a", {"n": 1.0, "t": "é"}, "x", {"lang": "en"}, "language:en"),
    record("b", [1.5, 2], {"k": None}),
    record("c/1", "text", None, {}),
    record("d", None),
]
NEW_ROWS = [ROWS[0], record("b", [1.5, 3], {"k": None}), *ROWS[2:], record("e", 5)]
METADATA = {"tags": ["a:b"], "llmobs_trace": {"run": "mark-1"}}


def made(catalog: Catalog, rows: list[Record] = ROWS, run: str = "mark-1") -> CatalogExperiment:
    """All six verbs, as a run asks them."""
    project = catalog.project("support-bot")
    dataset = catalog.dataset(project.id, "capitals", rows)
    assert dataset is not None
    new = NewExperiment(
        id="ours",
        run=run,
        name="prompt-v2",
        project_id=project.id,
        dataset_id=dataset.id,
        dataset_version=dataset.version,
        config=raw({"model": "m"}),
        metadata=raw({**METADATA, "llmobs_trace": {"run": run}}),
        repeats=2,
    )
    experiment = catalog.experiment(new)
    catalog.status(experiment.id, "running")
    whole = {**METADATA, "llmobs_trace": {"run": run}, "sum": 1}
    catalog.status(experiment.id, "completed", "1 of 4 rows raised", raw(whole))
    return experiment


def expected_state(rows: list[Record], version: int, experiments: int = 1) -> dict[str, Any]:
    metadata = {**METADATA, "sum": 1}
    return {
        "projects": ["support-bot"],
        "datasets": [("capitals", version)],
        "records": [
            {
                row.id: {
                    "input": json.loads(bytes(row.input)),
                    "expected_output": json.loads(bytes(row.expected_output)),
                    "metadata": json.loads(bytes(row.metadata)),
                    "tags": list(row.tags),
                }
                for row in rows
            }
        ],
        "experiments": [
            {
                "name": "prompt-v2",
                "experiment": "prompt-v2",
                "status": "completed",
                "error": "1 of 4 rows raised",
                "metadata": metadata,
                "config": {"model": "m"},
                "run_count": 2,
            }
        ]
        * experiments,
    }


def inputs(rows: Iterable[Record]) -> list[Any]:
    return [json.loads(bytes(row.input)) for row in rows]


@pytest.fixture(params=READINGS)
def reading(request: pytest.FixtureRequest) -> Reading:
    return READINGS[request.param]


@pytest.fixture
def datadog(reading: Reading) -> Iterator[ScriptedDatadog]:
    """Others' things of nearly the same names are there already."""
    with ScriptedDatadog(reading) as server:
        with_others(server)
        yield server


def with_others(server: ScriptedDatadog) -> None:
    catalog = catalog_at(server.url)
    other = catalog.project("support-bot-2")
    catalog.dataset(other.id, "capitals", [record("a", "theirs")])
    mine = catalog.project("support-bot")
    catalog.dataset(mine.id, "capitals-of-africa", [])
    catalog.close()
    server.asked.clear()
    server._counts.clear()


def own(server: ScriptedDatadog) -> dict[str, Any]:
    """What is kept, but for what was there before."""
    state = server.state()
    return {
        "projects": [name for name in state["projects"] if name != "support-bot-2"],
        "datasets": state["datasets"][2:],
        "records": state["records"][2:],
        "experiments": state["experiments"],
    }


# --- Whatever the reading -----------------------------------------------------------------------------------


def test_all_of_it_is_made_once_and_found_by_whoever_comes_next(datadog: ScriptedDatadog) -> None:
    first = made(catalog_at(datadog.url))
    assert own(datadog) == expected_state(ROWS, version=1)
    datadog.asked.clear()
    again = catalog_at(datadog.url)
    assert made(again).id == first.id
    assert own(datadog) == expected_state(ROWS, version=1)
    assert {"make project", "make dataset", "change records", "make experiment"} & {*datadog.steps()} == set()
    assert made(again, run="mark-2").id != first.id


def test_what_is_new_is_inserted_what_differs_updated_and_the_version_goes_up_once(
    datadog: ScriptedDatadog,
) -> None:
    catalog = catalog_at(datadog.url)
    made(catalog)
    datadog.asked.clear()
    project = catalog.project("support-bot")
    dataset = catalog.dataset(project.id, "capitals", NEW_ROWS[1:])
    assert dataset is not None
    assert dataset.version == 2
    assert own(datadog)["records"] == expected_state(NEW_ROWS, 2)["records"]
    [change] = [one for one in datadog.asked if one.step == "change records"]
    told = {
        name: [one["id"] for one in change.attributes[name]] for name in ("insert_records", "update_records")
    }
    assert told == {"insert_records": ["e"], "update_records": ["b"]}
    assert "delete_records" not in change.attributes
    assert change.attributes["deduplicate"] is False
    mirrored = catalog.dataset(project.id, "capitals", NEW_ROWS[1:], mirror=True)
    assert mirrored is not None
    assert mirrored.version == 3
    assert set(own(datadog)["records"][0]) == {"b", "c/1", "d", "e"}
    read = list(catalog.records(mirrored))
    assert [row.id for row in read] == ["b", "c/1", "d", "e"]
    assert inputs(read) == [[1.5, 3], "text", None, 5]


@pytest.mark.parametrize("server_of", [*READINGS, "the receiver"])
def test_a_record_that_has_no_tags_any_more_loses_those_it_had(tmp_path: Path, server_of: str) -> None:
    tagged = [record("a", 1, None, None, "language:en", "hard"), record("b", 2, None, None, "hard")]
    plain = [record("a", 1), record("b", 3)]
    is_ours = server_of == "the receiver"
    with Serving(tmp_path / "x.db") if is_ours else ScriptedDatadog(READINGS[server_of]) as server:
        catalog = catalog_at(server.url)
        project = catalog.project("p")
        catalog.dataset(project.id, "d", tagged)
        held = catalog.dataset(project.id, "d", plain)
        assert held is not None
        if server_of != "flat":  # where no tags are told of, nobody knows which there are
            assert [each.tags for each in catalog.records(held)] == [(), ()]
        assert inputs(catalog.records(held)) == [1, 3]


def test_a_dataset_is_looked_for_without_being_made(datadog: ScriptedDatadog) -> None:
    catalog = catalog_at(datadog.url)
    project = catalog.project("support-bot")
    assert catalog.dataset(project.id, "capitals") is None
    assert own(datadog)["datasets"] == []


def test_experiments_are_found_by_all_that_is_named(datadog: ScriptedDatadog) -> None:
    catalog = catalog_at(datadog.url)
    one, two = made(catalog), made(catalog, run="mark-2")
    found = list(catalog.find(project_id=one.project_id))
    assert [each.id for each in found] == [two.id, one.id]
    assert [each.id for each in catalog.find(project_id=one.project_id, run="mark-1")] == [one.id]
    assert [each.id for each in catalog.find(experiment_id=two.id)] == [two.id]
    assert list(catalog.find(project_id="another")) == []
    if not datadog.reading.sparse:
        assert {each.unique_name for each in catalog.find(project_id=one.project_id, name="prompt-v2")} == {
            "prompt-v2",
            "prompt-v2-2",
        }
        assert found[1].error == "1 of 4 rows raised"
        assert (found[1].status, found[1].repeats) == ("completed", 2)


def test_the_receiver_on_this_machine_is_asked_as_datadog_is(tmp_path: Path) -> None:
    with Serving(tmp_path / "x.db") as server:
        catalog = catalog_at(server.url)
        one, again, two = made(catalog), made(catalog), made(catalog, NEW_ROWS, run="mark-2")
        assert one.id == again.id != two.id
        assert (one.dataset_version, two.dataset_version) == (1, 2)
        dataset = catalog.dataset(one.project_id, "capitals")
        assert dataset is not None
        assert dataset.version == 2
        assert [row.id for row in catalog.records(dataset)] == [row.id for row in NEW_ROWS]
        assert [row.id for row in catalog.records(dataset, version=1)] == [row.id for row in ROWS]
        mirrored = catalog.dataset(one.project_id, "capitals", ROWS, mirror=True)
        assert mirrored is not None
        assert mirrored.version == 3
        assert inputs(catalog.records(mirrored)) == inputs(ROWS)
        found = list(catalog.find(project_id=one.project_id))
        assert [each.id for each in found] == [two.id, one.id]
        assert [each.id for each in catalog.find(project_id=one.project_id, run="mark-1")] == [one.id]
        assert (found[0].status, found[0].error) == ("completed", "1 of 4 rows raised")


# --- Whatever breaks ----------------------------------------------------------------------------------------

# What took effect all the same, and what did not.
HAVING_AN_EFFECT: dict[str, Callable[[str], list[Fault]]] = {
    "an answer lost": lambda step: [Fault(step, "lost")],
    "no answer, then one lost": lambda step: [Fault(step, "no answer"), Fault(step, "lost", nth=2)],
    "half an answer": lambda step: [Fault(step, "half")],
    "busy, and done all the same": lambda step: [Fault(step, 503, does=True)],
}
WITHOUT: dict[str, Callable[[str], list[Fault]]] = {
    "no answer": lambda step: [Fault(step, "no answer")],
    "no answer, three times": lambda step: [Fault(step, "no answer", times=3)],
    "another's page": lambda step: [Fault(step, "portal")],
    "too many, with a time": lambda step: [Fault(step, 429, headers={"X-RateLimit-Reset": "7"})],
    "too many, without": lambda step: [Fault(step, 429)],
    "timed out": lambda step: [Fault(step, 408)],
}
OF_A_RUN = (
    *("look project", "make project", "look dataset", "make dataset", "list records", "change records"),
    *("look experiment", "make experiment", "status"),
)


@pytest.mark.parametrize(
    ("outage", "known"),
    [
        *((one, reading) for one in HAVING_AN_EFFECT for reading in READINGS),
        *zip(WITHOUT, [*READINGS] * 2, strict=False),
    ],
)
def test_whatever_breaks_at_whatever_step_there_is_one_of_each_in_the_end(outage: str, known: str) -> None:
    reading = READINGS[known]
    with ScriptedDatadog(reading) as server:
        catalog = catalog_at(server.url)
        for step in OF_A_RUN:
            server.__init__(reading, *{**HAVING_AN_EFFECT, **WITHOUT}[outage](step))  # type: ignore[misc]
            made(catalog)
            assert server.state() == expected_state(ROWS, version=1), step
            assert server.struck == sum(fault.times for fault in server.faults), "it struck nothing"


@pytest.mark.parametrize("step", ["make project", "make dataset", "change records", "make experiment"])
def test_a_process_that_died_at_a_step_is_followed_by_one_that_makes_nothing_twice(
    datadog: ScriptedDatadog, step: str
) -> None:
    if step == "make project":
        datadog.projects[:] = datadog.projects[:1]
        datadog.datasets[:] = datadog.datasets[:1]
        catalog_at(datadog.url).dataset(datadog.projects[0]["id"], "another", [])
    reached = multiprocessing.get_context("fork").Event()

    def die_there(asked: Any) -> None:
        if asked.step == step and not reached.is_set():
            reached.set()

    datadog.on_request = die_there
    datadog.faults = [Fault(step, "lost")]
    child = multiprocessing.get_context("fork").Process(target=_made_and_killed, args=(datadog.url,))
    child.start()
    child.join(20)
    assert child.exitcode == 9
    assert reached.is_set()
    made(catalog_at(datadog.url))
    assert own(datadog) == expected_state(ROWS, version=1)


def _made_and_killed(url: str) -> None:
    """It dies instead of trying again."""
    times = Times(wait=lambda seconds: os._exit(9))
    made(HttpCatalog(url, Secret(API_KEY), Secret(APP_KEY), times=times))


REFUSALS = {
    401: "check the keys (api_key or DD_API_KEY, app_key or DD_APP_KEY)",
    403: "the application key may {right} experiments",
    404: "check that {named} is there",
    400: "said the server",
    409: "said the server",
    422: "said the server",
    302: "redirects are never followed",
}


@pytest.mark.parametrize("status", REFUSALS)
@pytest.mark.parametrize(
    "step", ["look project", "make project", "make dataset", "make experiment", "status"]
)
def test_a_refusal_is_told_at_once_in_the_servers_words_and_what_helps(step: str, status: int) -> None:
    with ScriptedDatadog(Reading(), Fault(step, status, times=99)) as server:
        clock = Clock()
        with pytest.raises(CatalogError) as caught:
            made(catalog_at(server.url, clock))
    told = str(caught.value)
    right = "read" if step.startswith("look") else "write"
    named = {"make dataset": "the project", "make experiment": "the dataset", "status": "the experiment"}
    assert (
        REFUSALS[status].format(right=right, named=named.get(step, "the experiments API")).split(" is ")[0]
        in told
    )
    assert f"HTTP {status}: {status}: said the server to *** and ***" in told
    assert server.url in told
    assert API_KEY not in told
    assert APP_KEY not in told
    assert caught.value.status == status
    assert caught.value.is_final == (status in (400, 409, 422))
    assert clock.seconds == 0
    assert server.steps().count(step) <= 2


def test_an_outage_ends_with_the_time_that_there_is(reading: Reading) -> None:
    with ScriptedDatadog(reading, Fault("make experiment", 503, times=999)) as server:
        clock = Clock()
        with pytest.raises(CatalogError, match=r"making the experiment 'prompt-v2'.*HTTP 503") as caught:
            made(catalog_at(server.url, clock))
        assert 29 < clock.seconds <= 30
        assert not caught.value.is_final
        assert server.experiments == []


def test_a_server_that_asks_for_more_time_than_there_is_is_told_at_once() -> None:
    headers = {"X-RateLimit-Reset": "60", "X-RateLimit-Limit": "10"}
    with ScriptedDatadog(None, Fault("make dataset", 429, headers=headers)) as server:
        clock = Clock()
        with pytest.raises(CatalogError, match="HTTP 429"):
            made(catalog_at(server.url, clock))
        assert clock.seconds == 0


def test_what_another_answers_for_the_server_is_not_believed() -> None:
    with ScriptedDatadog(None, Fault("make experiment", "portal", times=99)) as server:
        with pytest.raises(
            CatalogError, match="a page titled 'Sign in to the guest network'; something else"
        ):
            made(catalog_at(server.url))
        assert server.steps().count("make experiment") == 3


def test_nobody_there_is_told_with_the_address() -> None:
    with ScriptedDatadog() as server:
        url = server.url
    with pytest.raises(CatalogError, match=f"looking for the project 'p' at {url}: ConnectError") as caught:
        catalog_at(url).project("p")
    assert caught.value.status is None


@pytest.mark.parametrize("cursors", ["the same", "always another"])
def test_pages_that_go_round_in_a_circle_are_left(cursors: str) -> None:
    numbers = count() if cursors == "always another" else repeat(7)
    with ScriptedDatadog() as server:
        catalog = catalog_at(server.url)
        server._page = lambda *_: (200, [], {"after": f"after {next(numbers)}"})  # type: ignore[method-assign]
        with pytest.raises(CatalogError, match="pages go round in a circle"):
            catalog.project("z")


def test_pages_without_an_end_are_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("llmobs_trace.catalog.asking._MOST_PAGES", 50)
    numbers = count()

    def endless(*_: object) -> tuple[int, Any, dict[str, Any]]:
        return 200, [{"id": next(numbers)}], {"after": str(next(numbers))}

    with ScriptedDatadog() as server:
        server._page = endless  # type: ignore[method-assign]
        with pytest.raises(CatalogError, match="its pages have no end: 50 were read"):
            catalog_at(server.url).project("z")


@pytest.mark.parametrize("known", READINGS)
def test_a_proxy_that_sends_everything_twice_leaves_one_experiment_and_dataset_in_use(known: str) -> None:
    with ScriptedDatadog(READINGS[known]) as server:
        server.sends_twice = True
        first = made(catalog_at(server.url))
        again = made(catalog_at(server.url))
        assert again.id == first.id
        in_use = [one for one in server.datasets if one["records"]]
        assert [one["id"] for one in in_use] == [first.dataset_id]


def test_two_machines_that_make_a_dataset_at_once_use_the_same(reading: Reading) -> None:
    with ScriptedDatadog(reading) as server:
        project = catalog_at(server.url).project("p")
        other: list[CatalogDataset | None] = []

        def meanwhile(asked: Asked) -> None:
            if asked.step == "make dataset" and not other:
                other.append(None)
                other[0] = catalog_at(server.url).dataset(project.id, "d", [record("a", 1)])

        server.on_request = meanwhile
        mine = catalog_at(server.url).dataset(project.id, "d", [record("a", 1), record("b", 2)])
        assert mine is not None
        assert other[0] is not None
        assert mine.id == other[0].id
        assert inputs(catalog_at(server.url).records(mine)) == [1, 2]


def test_all_verbs_of_one_creation_lose_no_more_than_half_a_minute_together() -> None:
    faults = [Fault(step, 429, headers={"X-RateLimit-Reset": "7"}) for step in OF_A_RUN]
    with ScriptedDatadog(None, *faults) as server:
        clock = Clock()
        times = Times(now=clock.now, wait=clock.wait)
        catalog = HttpCatalog(server.url, Secret(API_KEY), Secret(APP_KEY), times=times, in_all=True)
        with pytest.raises(CatalogError, match="HTTP 429"):
            made(catalog)
        assert 21 < clock.seconds <= 30
        assert server.experiments == []


HOSTILE_NAMES = (
    *(
        "a/b?c#d&e=f%2F",
        "quote\"'`",
        "ünïcödé 東京 🧪",
        "x" * 300,
        " spaces ",
        "tab\tand\nline",
        "[filter]",
        "{}",
    ),
    *("..", "Capitals", "capitals", "null", "0"),
)


def test_any_name_is_a_name_of_its_own(tmp_path: Path) -> None:
    with Serving(tmp_path / "x.db") as serving, ScriptedDatadog(READINGS["flat"]) as scripted:
        for server in (serving, scripted):
            catalog = catalog_at(server.url)
            ids = set()
            for name in HOSTILE_NAMES:
                project = catalog.project(name)
                dataset = catalog.dataset(project.id, name, [record(name, name)])
                assert dataset is not None
                assert catalog.project(name) == project
                assert catalog.dataset(project.id, name) == dataset
                assert [each.id for each in catalog.records(dataset)] == [name]
                ids.add((project.id, dataset.id))
            assert len(ids) == len(HOSTILE_NAMES)


# --- Records ------------------------------------------------------------------------------------------------


def brought(server: ScriptedDatadog, rows: Any, **options: Any) -> CatalogDataset:
    catalog = catalog_at(server.url)
    dataset = catalog.dataset(catalog.project("p").id, "d", rows, **options)
    assert dataset is not None
    return dataset


@pytest.mark.parametrize(
    ("fault", "nth"), [(None, 1), ("lost", 1), ("lost", 2), ("half", 3), ("no answer", 2), (503, 1), (409, 2)]
)
def test_many_records_go_in_batches_of_which_the_first_alone_makes_a_version(
    monkeypatch: pytest.MonkeyPatch, fault: Any, nth: int
) -> None:
    monkeypatch.setattr("llmobs_trace.catalog.changes.MAX_RECORDS", 500)
    rows = [record(f"r{number}", {"text": "x" * 10, "n": number}) for number in range(1_100)]
    faults = [] if fault is None else [Fault("change records", fault, nth=nth, does=fault == 409)]
    with ScriptedDatadog(Reading(page=1_000), *faults) as server:
        dataset = brought(server, iter(rows))
        assert list(server.records()) == [row.id for row in rows]
        assert dataset.version == server.datasets[0]["version"] == 1
        changes = [one.attributes for one in server.asked if one.step == "change records"]
        assert {len(change["insert_records"]) for change in changes} == {500, 100}
        assert [row.id for row in catalog_at(server.url).records(dataset)] == [row.id for row in rows]


def test_batches_are_bounded_and_what_is_too_large_goes_alone() -> None:
    rows = [
        record("small", 1),
        record("huge", "x" * (5 << 20)),
        *(record(f"m{n}", "y" * (1 << 20)) for n in range(6)),
    ]
    with ScriptedDatadog() as server:
        brought(server, rows)
        changes = [one.attributes["insert_records"] for one in server.asked if one.step == "change records"]
        assert [[each["id"] for each in one] for one in changes] == [
            ["small"],
            ["huge"],
            ["m0", "m1", "m2"],
            ["m3", "m4", "m5"],
        ]


def test_what_is_larger_than_a_proxy_lets_through_is_halved_and_told_where_one_record_is() -> None:
    rows = [record(f"m{n}", "y" * 1000) for n in range(8)]
    with ScriptedDatadog() as server:
        server.largest_bytes = 3_000
        assert brought(server, rows).version == 1
        assert list(server.records()) == [row.id for row in rows]
        with pytest.raises(CatalogError, match=r"the record 'huge' \(5,0\d\d bytes\).*HTTP 413") as caught:
            brought(server, [record("huge", "x" * 5_000)])
        assert caught.value.is_final


def test_of_what_a_dataset_holds_ids_and_digests_are_kept_alone() -> None:
    size, length = 1_000, 4_000
    with ScriptedDatadog(Reading(page=50)) as server:
        brought(server, [])
        empty = {"expected_output": None, "metadata": None, "tags": [], "at": ""}
        records = [{**empty, "id": str(n), "input": "x" * length} for n in range(size)]
        server.datasets[0]["records"] = records
        context = multiprocessing.get_context("fork")
        peak_bytes = context.Value("q")
        child = context.Process(target=_brought_again, args=(server, size, length, peak_bytes))
        child.start()
        child.join(20)
        assert "change records" not in server.steps()
    assert 0 < peak_bytes.value < size * length / 2


def _brought_again(server: ScriptedDatadog, size: int, length: int, peak_bytes: Any) -> None:
    tracemalloc.start()
    brought(server, (record(str(n), "x" * length) for n in range(size)))
    peak_bytes.value = tracemalloc.get_traced_memory()[1]


def test_a_catalog_is_used_on_by_a_forked_child_and_its_parent() -> None:
    with ScriptedDatadog() as server:
        catalog = catalog_at(server.url)
        project = catalog.project("p")
        child = multiprocessing.get_context("fork").Process(target=catalog.project, args=("q",))
        child.start()
        child.join(20)
        assert child.exitcode == 0
        assert catalog.project("p") == project
        catalog.close()
        assert catalog.project("q").name == "q"
        assert [one["name"] for one in server.projects] == ["p", "q"]
