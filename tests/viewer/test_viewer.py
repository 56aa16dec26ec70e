from __future__ import annotations

import json
import math
import sqlite3
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from support.events import START_NS, metric, span

from llmobs_trace.store import search
from llmobs_trace.store.store import Store
from llmobs_trace.viewer import Response, respond
from llmobs_trace.viewer.histograms import bin_sql, counted, even_edges, growing_edges


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "x.db") as store:
        yield store


def ask(store: Store, path: str, **query: str) -> Response:
    response = respond(store, path, query, {})
    assert response is not None
    return response


def answer(store: Store, path: str, **query: str) -> dict[str, Any]:
    response = ask(store, path, **query)
    assert response.status == 200, response.body
    found: dict[str, Any] = json.loads(response.body)
    return found


# --- Files --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/", "/experiments", "/experiments/e%2F1/traces/t", "/compare"])
def test_every_link_into_the_pages_opens_them(store: Store, path: str) -> None:
    response = ask(store, path)
    assert (response.status, response.content_type) == (200, "text/html; charset=utf-8")
    assert b"<!doctype html>" in response.body.lower()


def test_a_file_is_sent_with_its_type_and_once(store: Store) -> None:
    first = ask(store, "/assets/app.js")
    assert (first.status, first.content_type) == (200, "text/javascript; charset=utf-8")
    tag = dict(first.headers)["ETag"]
    for given_tag in (tag, f'W/{tag}, "other"'):
        again = respond(store, "/assets/app.js", {}, {"if-none-match": given_tag})
        assert again is not None
        assert (again.status, again.body) == (304, b"")
    changed = respond(store, "/assets/app.js", {}, {"If-None-Match": '"other"'})
    assert changed is not None
    assert changed.status == 200


@pytest.mark.parametrize(
    "path",
    [
        "/assets/",
        "/assets/..",
        "/assets/../routes.py",
        "/assets/%2e%2e%2froutes.py",
        "/assets//app.js",
        "/x",
        "/assets/app.js/",
    ],
)
def test_nothing_else_is_a_file(store: Store, path: str) -> None:
    assert respond(store, path, {}, {}) is None


# --- Answers ------------------------------------------------------------------------------------------------


def test_experiments_are_listed_searched_and_paged(store: Store) -> None:
    for number in range(5):
        store.add(f"id-{number}", [span("a", start_ns=START_NS + number)], [], name=f"Run {number}")
    found = answer(store, "/api/experiments", limit="2", offset="1")
    assert ([each["id"] for each in found["experiments"]], found["total"]) == (["id-3", "id-2"], 5)
    assert [each["id"] for each in answer(store, "/api/experiments", q="rUN 4")["experiments"]] == ["id-4"]
    assert answer(store, "/api/experiments", q="%")["total"] == 0


def test_listed_experiments_are_sorted_by_any_column_those_without_it_last(store: Store) -> None:
    for name, (score, dataset) in {"a": (0.5, "x"), "b": (None, "y"), "c": (0.9, "x")}.items():
        row = span("r", dataset_id=dataset, say={"prompt": name}, start_ns=START_NS + ord(name))
        failed = {"error": {"message": "no"}} if score is None else {}
        store.add(name, [row], [metric("r", "f1", score, **failed)])

    def ids(**asked: str) -> list[str]:
        return [each["id"] for each in answer(store, "/api/experiments", **asked)["experiments"]]

    assert ids() == ["c", "b", "a"]
    assert ids(sort="score:f1", order="asc") == ["a", "c", "b"]
    assert ids(sort="score:f1", order="desc") == ["c", "a", "b"]
    assert ids(sort="name") == ["a", "b", "c"]
    assert ids(sort="dataset", order="desc") == ["b", "c", "a"]
    assert ids(dataset="x") == ["c", "a"]
    assert ask(store, "/api/experiments", sort="nothing").status == 400
    found = answer(store, "/api/experiments")
    assert found["datasets"] == ["x", "y"]
    assert [(each["before"], each["differences"]) for each in found["experiments"]] == [
        ("a", [{"name": "prompt", "before": "a", "now": "c"}]),
        (None, []),
        (None, []),
    ]


def test_one_experiment_says_what_is_in_no_row_and_where_it_can_be_seen(store: Store) -> None:
    store.add(
        "e", [span("row"), span("child", parent="row"), span("orphan", trace_id="t2", parent="away")], []
    )
    store.add("e", [span("w", trace_id="t3", kind="workflow", name="flow", start_ns=1)], [])
    store.add("e", [span("below", trace_id="t3", parent="w", start_ns=2)], [])
    assert answer(store, "/api/experiments/e")["elsewhere"] == {
        "spans": 3,
        "traces": [
            {"trace_id": "t3", "spans": 2, "name": "flow"},
            {"trace_id": "t2", "spans": 1, "name": "step"},
        ],
    }
    store.add("e", [span("away", trace_id="t2")], [])  # the row has ended
    assert answer(store, "/api/experiments/e")["elsewhere"]["spans"] == 2


def test_one_experiment_says_how_its_rows_scored_and_how_long_they_took(store: Store) -> None:
    spans = [span(f"r{n}", trace_id=f"t{n}", duration_ns=n * 1000) for n in range(1, 101)]
    metrics = [metric(f"r{n}", "f1", n / 100) for n in range(1, 91)]
    store.add("e", spans, [*metrics, metric("r95", "f1", error={"message": "no"}), metric("away", "x", 1)])
    found = answer(store, "/api/experiments/e")
    f1, x = found["scores"]
    assert (f1["scored"], f1["failed"], f1["missing"]) == (90, 1, 9)
    assert sum(f1["histogram"]["counts"]) == 90
    assert (x["scored"], x["missing"], found["other_metrics"], found["labels"]) == (1, 100, 1, ["f1", "x"])
    latency = found["latency"]
    assert [latency[f"p{share}_ns"] for share in (50, 90, 99)] == [50_000, 90_000, 99_000]
    assert (latency["lowest_ns"], latency["highest_ns"], latency["mean_ns"]) == (1000, 100_000, 50_500)
    assert sum(latency["histogram"]["counts"]) == 100


def test_a_trace_comes_in_the_order_of_its_tree_with_what_was_measured(store: Store) -> None:
    spans = [
        span("leaf", parent="child", start_ns=START_NS + 5, error={"type": "E", "stack": "File"}),
        span("child", parent="root", start_ns=START_NS + 2, kind="llm", input={"q": 1}, output=2**60),
        span("root", row="r1", start_ns=START_NS, duration_ns=100),
    ]
    store.add("e", spans, [metric("child", "f1", 1, reasoning="because", metadata={"n": 1})])
    found = answer(store, "/api/experiments/e/traces/t1")
    assert [(each["span_id"], each["depth"], each["offset_ns"]) for each in found["spans"]] == [
        ("root", 0, 0),
        ("child", 1, 2),
        ("leaf", 2, 5),
    ]
    assert (found["total"], found["row_id"], found["began_ns"]) == (3, "r1", START_NS)
    child = found["spans"][1]
    assert (child["input"], child["output"], child["kind"]) == ('{"q": 1}', str(2**60), "llm")
    assert (child["metrics"][0]["reasoning"], child["metrics"][0]["metadata"]) == ("because", '{"n": 1}')
    assert found["spans"][2]["error_stack"] == "File"
    paged = answer(store, "/api/experiments/e/traces/t1", offset="1", limit="1")
    assert ([each["span_id"] for each in paged["spans"]], paged["total"]) == (["child"], 3)


def test_a_stream_says_when_its_first_item_came_and_whether_it_was_read_to_its_end(store: Store) -> None:
    event = json.loads(span("a"))
    for number, tags in enumerate(
        (["time_to_first_item_ns:5", "exhausted:false", "mine:1"], ["time_to_first_item_ns:7"], [])
    ):
        store.add("e", [json.dumps({**event, "span_id": f"s{number}", "tags": tags}).encode()], [])
    shown = answer(store, "/api/experiments/e/traces/t1")["spans"]
    assert [(each["first_item_ns"], each["exhausted"], each["tags"]) for each in shown] == [
        (5, False, ["mine:1"]),
        (7, True, []),
        (None, None, []),
    ]


def test_a_span_comes_whole_as_it_was_sent(store: Store) -> None:
    event = span("child", parent="root", input="x" * 100_000, output=10**30)
    store.add("e", [event, span("root", row="r1")], [metric("child", "f1", 1)])
    found = answer(store, "/api/experiments/e/spans/child")
    assert found["span"].encode() == event
    assert [each.encode() for each in found["metrics"]] == [metric("child", "f1", 1)]
    assert found["row"] == {"row_id": "r1", "span_id": "root", "trace_id": "t1"}
    listed = answer(store, "/api/experiments/e/traces/t1")["spans"]
    assert [each["input_cut"] for each in listed] == [True, False] or listed[0]["input_cut"] is False


def test_two_experiments_come_row_by_row(store: Store) -> None:
    for name, output, ok in (("a", "yes", True), ("b", "no", False)):
        spans = [
            span(f"r{n}", trace_id=f"t{n}", row=f"row{n}", output=output if n else "same") for n in range(3)
        ]
        store.add(name, spans, [metric(f"r{n}", "ok", ok if n == 1 else True) for n in range(3)])
    store.add("b", [span("more", trace_id="t9", row="more", start_ns=START_NS + 1)], [])
    found = answer(store, "/api/compare/rows", a="a", b="b")
    assert [(row["row_id"], row["changed"], row["flips"]) for row in found["rows"]] == [
        ("row0", False, []),
        ("row1", True, ["ok"]),
        ("row2", True, []),
        ("more", False, []),
    ]
    assert found["rows"][3]["a"] is None
    assert found["rows"][0]["b"]["row_id"] == "row0"
    assert answer(store, "/api/compare/rows", a="a", b="b", changed="1")["total"] == 2
    assert answer(store, "/api/compare/rows", a="a", b="b", flipped="ok")["total"] == 1
    assert answer(store, "/api/compare/rows", a="a", b="b", q="no")["total"] == 2
    assert answer(store, "/api/compare/rows", a="a", b="b", regressions="1")["total"] == 1
    told = {"direction.ok": "lower"}
    assert answer(store, "/api/compare/rows", a="a", b="b", regressions="1", **told)["total"] == 0
    assert answer(store, "/api/compare", a="a", b="b")["rows"]["paired"] == 3
    assert len(answer(store, "/api/compare", a="a", b="b", c="a")["comparisons"]) == 2


def test_a_span_is_shown_whole_up_to_a_megabyte_and_then_without_its_oldest_messages(store: Store) -> None:
    talk = [{"role": "user", "content": f"{number} " + "x" * 10_000} for number in range(90)]
    stack = "".join(f"line {number}\n" for number in range(2_000))
    store.add(
        "e",
        [
            span("small", input=talk[:2], output="y" * 20_000, error={"type": "E", "stack": stack}),
            span("large", parent="small", input={"model": "m", "messages": talk * 3}, output="y" * 100_000),
        ],
        [metric("small", "judged", True, reasoning="because " * 1_000)],
    )
    small, large = answer(store, "/api/experiments/e/traces/t1")["spans"]
    assert small["is_cut"]
    assert large["is_cut"]
    whole = answer(store, "/api/experiments/e/spans/small/shown")
    assert json.loads(whole["input"]) == talk[:2]
    assert (json.loads(whole["output"]), whole["error_stack"]) == ("y" * 20_000, stack)
    assert (whole["input_cut"], whole["metrics"][0]["reasoning"]) == (False, "because " * 1_000)
    part = answer(store, "/api/experiments/e/spans/large/shown")
    # What is small is there, and the conversation has the rest of the room.
    assert json.loads(part["output"]) == "y" * 100_000
    shown = json.loads(part["input"])
    assert (shown["model"], shown["messages"]) == ("m", (talk * 3)[part["input_left_out"] :])
    assert part["input_cut"]
    assert 900_000 < len(part["input"]) <= (1 << 20) - 100_000
    assert len(shown["messages"]) > 80


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ([{"role": "system", "content": "Be kind. " * 60}, {"role": "user", "content": "Why?"}], "Why?"),
        (
            {"messages": [{"role": "system", "content": "x" * 900}, {"role": "user", "content": "Why?"}]},
            "Why?",
        ),
        ([{"role": "user", "content": "Wh" + "y" * 50_000}], "Whyyyy"),
    ],
)
def test_a_list_shows_of_a_conversation_what_was_asked_last(store: Store, value: Any, shown: str) -> None:
    store.add("e", [span("r", row="r", input=value)], [])
    (row,) = answer(store, "/api/experiments/e/rows")["rows"]
    assert shown in row["input"]
    assert "kind" not in row["input"]
    assert row["input_cut"]
    assert len(row["input"]) <= 300


def test_what_an_address_says_of_a_label_comes_before_what_its_records_say(store: Store) -> None:
    for name, value in (("a", 0.2), ("b", 0.5)):
        spans = [span(f"r{n}", trace_id=f"t{n}", row=f"row{n}") for n in range(40)]
        said = {"tags": ["lower_is_better:true"]}
        store.add(name, spans, [metric(f"r{n}", "to=xic & more", value, **said) for n in range(40)])

    def verdict(**query: str) -> tuple[str, str]:
        found = answer(store, "/api/compare", a="a", b="b", **query)["metrics"][0]
        return found["verdict"], found["direction_from"]

    label = "direction.to=xic & more"
    assert verdict() == ("worse", "recorded")
    assert verdict(**{label: "higher"}) == ("better", "said")
    assert verdict(**{label: "neither"}) == ("not judged", "said")
    # Of three, one may have a label that the others have not.
    assert verdict(**{label: "lower", "direction.another": "lower"}) == ("worse", "said")
    refused = ask(store, "/api/compare", a="a", b="b", **{label: "sideways"})
    assert (refused.status, b"higher, lower, neither" in refused.body) == (400, True)


@pytest.fixture(scope="module")
def listed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """A store of 700 rows in traces of their own, of which many are alike in what they are sorted by."""
    with Store(tmp_path_factory.mktemp("listed") / "x.db") as store:
        rows = [
            span(
                f"r{n}",
                trace_id=f"t{n}",
                row=f"row-{n % 50}" if n % 7 else None,
                start_ns=START_NS + n % 90,
                duration_ns=n % 11,
                error={"type": "E"} if n % 5 == 0 else None,
            )
            for n in range(700)
        ]
        metrics = [metric(f"r{n}", "f1", n % 3 / 2) for n in range(700) if n % 4]
        others = [span("o", trace_id="other", parent="gone")]
        store.add("e", rows + others, metrics)
        yield store


@pytest.mark.parametrize("order", ["asc", "desc"])
@pytest.mark.parametrize(
    "query",
    [
        *({"sort": sort} for sort in ("start", "latency", "row_id", "status", "f1")),
        {"where": "error=any"},
        {"where": "f1=missing", "sort": "latency"},
        {"where": "f1>=0.5\nlatency>0", "sort": "-f1"},
    ],
    ids=str,
)
def test_the_rows_before_and_after_are_those_of_the_list_however_far_down_it(
    listed: Store, query: dict[str, str], order: str
) -> None:
    query = {**query, "order": order}
    pages = [
        answer(listed, "/api/experiments/e/rows", limit="500", offset=offset, **query)["rows"]
        for offset in ("0", "500")
    ]
    traces = [row["trace_id"] for page in pages for row in page]
    for position in {0, 1, len(traces) // 2, len(traces) - 1, min(501, len(traces) - 1)}:
        found = answer(listed, "/api/experiments/e/neighbours", trace=traces[position], **query)
        assert (found["position"], found["total"]) == (position, len(traces))
        beside = [each and each["trace_id"] for each in (found["previous"], found["next"])]
        assert beside == [
            traces[position - 1] if position else None,
            traces[position + 1] if position + 1 < len(traces) else None,
        ]
        assert len(json.dumps(found)) < 500


def test_what_is_not_in_the_list_has_no_neighbours_in_it(listed: Store) -> None:
    of = "/api/experiments/e/neighbours"
    for query in ({"trace": "other"}, {"trace": "t1", "where": "status = error"}, {"trace": "nowhere"}):
        found = answer(listed, of, **query)
        assert (found["position"], found["previous"], found["next"]) == (None, None, None)
    assert ask(listed, of).status == 400


def test_a_trace_counts_the_errors_of_all_its_spans_and_not_of_a_page_of_them(store: Store) -> None:
    spans = [span("root", row="r")]
    spans += [
        span(f"s{n}", parent="root", start_ns=START_NS + n, error={"type": "E"} if n > 600 else None)
        for n in range(1, 700)
    ]
    store.add("e", spans, [])
    found = answer(store, "/api/experiments/e/traces/t1")
    assert (len(found["spans"]), found["errors"]) == (500, 99)


def test_another_revision_means_a_change(store: Store) -> None:
    first = answer(store, "/api/revision")
    assert answer(store, "/api/revision") == first
    store.add("e", [span("a")], [])
    assert answer(store, "/api/revision") != first


# --- What can't be answered ---------------------------------------------------------------------------------


def test_a_page_that_is_not_there_says_so_to_a_person_and_a_program_is_told_by_its_status(
    store: Store,
) -> None:
    shown = respond(store, "/experimentss", {}, {"accept": "text/html,*/*;q=0.8"})
    assert shown is not None
    assert (shown.status, shown.body) == (404, ask(store, "/experiments").body)
    for path in ("/experimentss", "/assets/none.js"):
        assert respond(store, path, {}, {"accept": "*/*"}) is None


@pytest.mark.parametrize(
    ("path", "query", "says"),
    [
        ("/api/nothing", {}, "nothing at /api/nothing"),
        ("/api/experiments/latest", {}, 'no experiment of the id "latest"'),
        ("/api/experiments/%00%ff", {}, "no experiment"),
        ("/api/experiments/e/traces/x", {}, 'no trace of the id "x"'),
        ("/api/experiments/e/spans/x", {}, 'no span of the id "x"'),
        ("/api/compare", {"a": "e", "b": "y"}, 'no experiment of the id "y"'),
    ],
)
def test_what_is_not_there_is_said(store: Store, path: str, query: dict[str, str], says: str) -> None:
    store.add("e", [span("a")], [])
    response = ask(store, path, **query)
    assert response.status == 404
    assert says in json.loads(response.body)["error"]


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ({"sort": "text"}, "give a field"),
        ({"where": "latency>1s\nf1>high"}, "condition 'f1>high': > takes a number"),
        ({"where": "status=fine"}, "status=ok, status=error"),
        ({"limit": "-1"}, "expected a whole number"),
        ({"offset": "1e3"}, "expected a whole number"),
        ({"order": "up"}, "expected one of: asc, desc"),
        ({"where": "text=" + "x" * 1001}, "at most 1,000"),
        ({"where": "text=\ud800"}, "no Unicode text"),
    ],
)
def test_a_parameter_that_will_not_do_is_refused_with_what_would(
    store: Store, query: dict[str, str], says: str
) -> None:
    store.add("e", [span("a")], [])
    response = ask(store, "/api/experiments/e/rows", **query)
    assert response.status == 400
    assert says in json.loads(response.body)["error"]


@pytest.fixture(scope="module")
def busy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    with Store(tmp_path_factory.mktemp("busy") / "x.db") as store:
        store.add("e", [span("a", row="r")], [metric("a", "f1", 1)])
        yield store


_names = [
    "q",
    "where",
    "by",
    "sort",
    "order",
    "limit",
    "offset",
]


@given(
    path=st.sampled_from(
        ["experiments", "experiments/e", "experiments/e/rows", "experiments/e/groups", "compare/rows"]
    )
    | st.text(),
    query=st.dictionaries(
        st.sampled_from([*_names, "a", "b", "changed", "flipped"]), st.text() | st.just("e")
    ),
)
def test_whatever_is_asked_there_is_an_answer(busy: Store, path: str, query: dict[str, str]) -> None:
    response = respond(busy, f"/api/{path}", query, {})
    assert response is not None
    assert response.status in (200, 400, 404)
    json.loads(response.body)


# --- Searching without an index -----------------------------------------------------------------------------


def test_spans_that_the_index_lacks_are_found_by_reading_them(
    store: Store, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def totals() -> list[int]:
        return [
            answer(store, "/api/experiments/e/rows", where=f"text={q}")["total"]
            for q in ("capital", "of", "peru", "x")
        ]

    store.add("e", [span("a", input="The capital of France")], [])
    with monkeypatch.context() as without:
        without.setattr(search, "has_fts5", lambda connection: False)
        store.add("e", [span("b", input="capital of Peru")], [])
        store.has_fts5 = False
        assert totals() == [2, 2, 1, 0]
        store.has_fts5 = True
    assert totals() == [2, 2, 1, 0]
    # Whoever can, catches up when the file is opened next.
    with Store(tmp_path / "x.db") as again:
        assert list(again.select("SELECT searched FROM state")) == [(2,)]
    assert totals() == [2, 2, 1, 0]


def test_a_store_that_was_made_without_an_index_gets_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def index(store: Store) -> list[tuple[str]]:
        return list(store.select("SELECT name FROM sqlite_master WHERE name = 'search'"))

    for name, spans in (("empty.db", []), ("full.db", [span("a", input="capital")])):
        with monkeypatch.context() as without:
            without.setattr(search, "has_fts5", lambda connection: False)
            with Store(tmp_path / name) as store:
                store.add("e", spans, [])
                assert index(store) == []
        with Store(tmp_path / name) as store:
            assert index(store) == [("search",)]
            store.add("e", [span("b", input="capital")], [])
            assert answer(store, "/api/experiments/e/rows", where="text=capital")["total"] == len(spans) + 1


# --- Histograms ---------------------------------------------------------------------------------------------

_numbers = st.floats(allow_nan=False, allow_infinity=False) | st.sampled_from(
    [0.0, 1.0, 0.1, 0.30000000000000004]
)


@given(numbers=st.lists(_numbers, min_size=1, max_size=30), grows=st.booleans())
@example(numbers=[5e-324, 1.0], grows=True)
@example(numbers=[0.0, 5e-324], grows=False)
@example(numbers=[1e-300, 1.7976931348623157e308], grows=True)
@example(numbers=[0.0, 1.7976931348623157e308], grows=False)
@example(numbers=[-1.7976931348623157e308, 0.0], grows=False)
def test_every_number_is_counted_once_between_edges_that_hold_it(numbers: list[float], grows: bool) -> None:
    lowest, highest = min(numbers), max(numbers)
    edges = (growing_edges if grows else even_edges)(lowest, highest)
    assert edges[0] <= lowest
    assert edges[-1] >= highest
    assert edges == sorted(edges)
    assert all(map(math.isfinite, edges))
    # About twenty that are even; of those that grow, six for each power of ten, its ends included.
    powers = math.log10(highest) - math.log10(lowest) if grows and lowest > 0 else 0
    assert 2 <= len(edges) <= max(24, 6 * (powers + 2))
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE TABLE n (v REAL)")
    connection.executemany("INSERT INTO n VALUES (?)", [(number,) for number in numbers])
    sql, parameters = bin_sql("v", edges)
    found = counted(
        edges, connection.execute(f"SELECT {sql}, count(*) FROM n GROUP BY 1", parameters).fetchall()
    )
    connection.close()
    expected = [
        sum(low <= number and (number < high or at == len(edges) - 2) for number in numbers)
        for at, (low, high) in enumerate(pairwise(edges))
    ]
    assert found.counts == expected
    assert sum(found.counts) == len(numbers)
