"""What `serve` answers for projects, datasets, records and experiments, over a socket.

`python tests/receiver/test_catalog.py` prints the table of requests and what comes back.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import pytest

if __name__ == "__main__":
    sys.path[:0] = [str(Path(__file__).parents[2]), str(Path(__file__).parents[1])]

from support.serving import JSON, KEYS, METRIC, SPAN, Reply, Serving, body

from llmobs_trace.store import made_experiments
from llmobs_trace.store.store import Store

V1 = "/api/v2/llm-obs/v1"
UNSTABLE = "/api/unstable/llm-obs/v1"
GONE: Any = object()


def of(type: str, id: str | None = None, /, **attributes: Any) -> dict[str, Any]:
    named = {} if id is None else {"id": id}
    return {"data": {"type": type, **named, "attributes": attributes}}


def ask(server: Serving, method: str, path: str, given: Any = None, **headers: str) -> Reply:
    data = None if given is None else given if isinstance(given, bytes) else json.dumps(given).encode()
    return server.ask(method, path, data, **{**JSON, **KEYS, **headers})


def answered(server: Serving, method: str, path: str, given: Any = None) -> Any:
    reply = ask(server, method, path, given)
    assert reply.status == 200, reply.body
    return json.loads(reply.body)["data"] if reply.body else None


def project(server: Serving, name: str) -> str:
    return str(answered(server, "POST", f"{V1}/projects", of("projects", name=name))["id"])


def dataset(server: Serving, name: str) -> str:
    """The path of a new dataset in a project of the same name."""
    project_id = project(server, name)
    made = answered(server, "POST", f"{V1}/{project_id}/datasets", of("datasets", name=name))
    return f"{V1}/{project_id}/datasets/{made['id']}"


def inserted(server: Serving, path: str, *records: dict[str, Any], **more: Any) -> Any:
    id = path.rpartition("/")[2]
    given = of("datasets", id, insert_records=list(records), **more)
    return answered(server, "POST", f"{path}/batch_update", given)


def held(server: Serving, path: str, **filters: Any) -> dict[str, Any]:
    query = "&".join(f"filter[{name}]={value}" for name, value in filters.items())
    return {each["id"]: each["input"] for each in answered(server, "GET", f"{path}/records?{query}")}


# --- Every path, and every kind of fault --------------------------------------------------------------------


class Row(NamedTuple):
    """A request, the status that comes back, and the places at fault. `P`, `D` and `E` in a path are ids."""

    method: str
    path: str
    given: Any
    status: int
    places: tuple[str, ...] = ()


ATTRIBUTES = "/data/attributes"
NEW = {"name": "e", "project_id": "p"}
TABLE = [
    Row("POST", f"{V1}/projects", of("projects", name="p"), 200),
    Row("POST", f"{UNSTABLE}/projects", of("projects", name="p", description=""), 200),
    Row("POST", f"{V1}/projects", of("projects", name="p", description=None, later="x"), 200),
    Row("POST", f"{V1}/projects", of("project", name="p"), 400, ("/data/type",)),
    Row("POST", f"{V1}/projects", of("projects"), 400, (f"{ATTRIBUTES}/name",)),
    Row(
        "POST",
        f"{V1}/projects",
        of("projects", name=1, description=2),
        400,
        tuple(f"{ATTRIBUTES}/{n}" for n in ("name", "description")),
    ),
    Row("POST", f"{V1}/projects", {"data": []}, 400, ("/data",)),
    Row("POST", f"{V1}/projects", b"{", 400, ("",)),
    Row("POST", f"{V1}/projects", b"", 400, ("",)),
    Row("GET", f"{V1}/projects?filter[name]=p", None, 200),
    Row("GET", f"{V1}/projects?page[limit]=0", None, 400, ("page[limit]",)),
    Row("GET", f"{V1}/projects?page[cursor]=nonsense", None, 400, ("page[cursor]",)),
    Row("PATCH", f"{V1}/projects/P", of("projects", description="ours"), 200),
    Row("PATCH", f"{V1}/projects/nobody", of("projects", name="x"), 404),
    Row("PATCH", f"{V1}/projects/P", of("projects", name="taken"), 409),
    Row("PUT", f"{V1}/projects", None, 405),
    Row("POST", f"{V1}/projects/delete", of("projects", project_ids=["nobody"]), 200),
    Row(
        "POST",
        f"{V1}/projects/delete",
        of("projects", project_ids=[1]),
        400,
        (f"{ATTRIBUTES}/project_ids/0",),
    ),
    Row("POST", f"{V1}/P/datasets", of("datasets", name="d", metadata={"a": 1}), 200),
    Row("POST", f"{V1}/nobody/datasets", of("datasets", name="d"), 404),
    Row("POST", f"{V1}/P/datasets", of("datasets", name="d", metadata=[1]), 400, (f"{ATTRIBUTES}/metadata",)),
    Row("GET", f"{V1}/P/datasets?filter[name]=d", None, 200),
    Row("PATCH", f"{V1}/P/datasets/D", of("datasets", description="ours"), 200),
    Row("PATCH", f"{V1}/other/datasets/D", of("datasets", description="ours"), 404),
    Row("GET", f"{V1}/P/datasets/D/versions", None, 200),
    Row("POST", f"{UNSTABLE}/datasets/delete", of("datasets", type="soft", dataset_ids=["nobody"]), 200),
    Row("POST", f"{V1}/P/datasets/D/records", of("records", records=[{"input": [1, [2]]}]), 200),
    Row(
        "POST",
        f"{V1}/P/datasets/D/records",
        of("records", records=[{}, {"input": 1, "id": 2}]),
        400,
        (f"{ATTRIBUTES}/records/0/input", f"{ATTRIBUTES}/records/1/id"),
    ),
    Row("PATCH", f"{V1}/P/datasets/D/records", of("records", records=[{"id": "nobody"}]), 404),
    Row("GET", f"{V1}/P/datasets/D/records?filter[version]=99", None, 400, ("filter[version]",)),
    Row("POST", f"{V1}/P/datasets/D/batch_update", of("datasets", "D", delete_records=["nobody"]), 200),
    Row("POST", f"{V1}/P/datasets/D/batch_update", of("datasets", "another"), 400, ("/data/id",)),
    Row("POST", f"{V1}/P/datasets/D/batch_update", of("datasets"), 400, ("/data/id",)),
    Row("POST", f"{V1}/P/datasets/D/clone", of("datasets", "D", name="x"), 501),
    Row("GET", f"{V1}/P/datasets/D/export?format=csv", None, 501),
    Row("POST", f"{V1}/experimentation/search", {}, 501),
    Row("POST", f"{V1}/experiments", of("experiments", **NEW), 200),
    Row(
        "POST",
        f"{V1}/experiments",
        of("experiments", **NEW, run_count=2**31),
        400,
        (f"{ATTRIBUTES}/run_count",),
    ),
    Row("POST", f"{V1}/experiments", of("experiments", name="e", project_id="nobody"), 404),
    Row("POST", f"{V1}/experiments", of("experiments", **NEW, dataset_id="nobody"), 404),
    Row("GET", f"{V1}/experiments?filter[metadata]=[]", None, 400, ("filter[metadata]",)),
    Row("PATCH", f"{V1}/experiments/E", of("experiments", status="completed"), 200),
    Row("PATCH", f"{V1}/experiments/E", of("experiments", status="done"), 400, (f"{ATTRIBUTES}/status",)),
    Row("PATCH", f"{V1}/experiments/nobody", of("experiments", status="failed"), 404),
    Row("POST", f"{V1}/experiments/delete", of("experiments", experiment_ids=["nobody"]), 200),
    Row("GET", "/api/v2/llm-obs/v3/experiments/E/events", None, 200),
    Row(
        "GET",
        f"{UNSTABLE}/experiments/events?filter[project_name]=p",
        None,
        400,
        ("filter[experiment_name]",),
    ),
    Row("POST", f"{UNSTABLE}/experiments/E/events", of("experiments", metrics=[{}]), 400, ("",)),
    Row("GET", f"{V1}/later", None, 404),
]


class Ids(NamedTuple):
    P: str
    D: str
    E: str


@pytest.fixture(scope="module")
def ids(server: Serving) -> Ids:
    return prepared(server)


def prepared(server: Serving) -> Ids:
    project(server, "taken")
    path = dataset(server, "p")
    made = answered(server, "POST", f"{V1}/experiments", of("experiments", **NEW))
    return Ids("p", path.rpartition("/")[2], made["id"])


def sent(server: Serving, ids: Ids, row: Row) -> Reply:
    path, given = row.path, row.given
    for name, id in ids._asdict().items():
        path = path.replace(f"/{name}/", f"/{id}/")
        path = f"{path[: -len(name)]}{id}" if path.endswith(f"/{name}") else path
    if isinstance(given, dict) and isinstance(given.get("data"), dict) and given["data"].get("id") == "D":
        given = {"data": {**given["data"], "id": ids.D}}
    return ask(server, row.method, path, given)


@pytest.mark.parametrize("row", TABLE, ids=lambda row: f"{row.method} {row.path} {row.status}")
def test_each_request_is_answered_as_documented(server: Serving, ids: Ids, row: Row) -> None:
    reply = sent(server, ids, row)
    assert (reply.status, places(reply)) == (row.status, row.places)


def places(reply: Reply) -> tuple[str, ...]:
    if reply.status < 400:
        return ()
    assert all(error["detail"] for error in reply.errors)
    sources = [error.get("source") for error in reply.errors]
    return tuple(place for source in sources if source is not None for place in source.values())


@pytest.mark.parametrize("missing", KEYS)
def test_without_either_key_nothing_is_answered_but_the_intake_needs_one_alone(
    server: Serving, missing: str
) -> None:
    headers = {name.replace("-", "_"): key for name, key in KEYS.items() if name != missing}
    assert server.ask("GET", f"{V1}/projects", **headers).status == 401
    status = server.ask("POST", "/api/v2/llmobs", b"[]", **headers, **JSON).status
    assert status == (202 if missing == "DD-APPLICATION-KEY" else 401)


# --- Records ------------------------------------------------------------------------------------------------


def test_a_version_keeps_what_it_held_whatever_comes_after_it(server: Serving) -> None:
    path = dataset(server, "versions")
    assert [each["attributes"]["version"] for each in inserted(server, path, {"id": "a", "input": 1})] == [1]
    more = inserted(server, path, {"id": "b", "input": 2}, {"id": "c", "input": 3})
    assert [each["id"] for each in more] == ["b", "c"]
    update = [{"id": "a", "input": {"new": 1}}]
    given = of("datasets", path.rpartition("/")[2], update_records=update, delete_records=["b"])
    answered(server, "POST", f"{path}/batch_update", given)
    assert held(server, path) == {"a": {"new": 1}, "c": 3}
    assert held(server, path, version=2) == {"a": 1, "b": 2, "c": 3}
    assert held(server, path, version=1) == {"a": 1}
    numbers = [each["attributes"]["version_number"] for each in answered(server, "GET", f"{path}/versions")]
    assert numbers == [3, 2, 1]
    inserted(server, path, {"id": "d", "input": 4}, create_new_version=False)
    assert held(server, path, version=3).keys() == {"a", "c", "d"}


def test_both_readings_of_a_record_say_the_same(server: Serving) -> None:
    path = dataset(server, "readings")
    record = {"id": "a", "input": {"q": "é"}, "expected_output": [1], "metadata": {"k": None}, "tags": ["t"]}
    [made] = inserted(server, path, record)
    [listed] = answered(server, "GET", f"{path}/records")
    for read in (made, made["records"][0], listed):
        flat = {name: read[name] for name in ("id", "input", "expected_output", "metadata")}
        assert flat == {name: record[name] for name in flat}
        assert read["attributes"]["tags"] == ["t"]
        assert {**read["attributes"], **flat} == {"id": "a", **read["attributes"]}
        assert read["dataset_id"] == path.rpartition("/")[2]
        assert read["created_at"] == read["attributes"]["created_at"]


def test_null_leaves_what_is_there_and_an_empty_value_erases_it(server: Serving) -> None:
    path = dataset(server, "erasing")
    whole = {"input": "q", "expected_output": "a", "metadata": {"m": 1}}
    inserted(server, path, {"id": "a", **whole}, {"id": "b", **whole})
    changes = [
        {"id": "a", "input": None, "expected_output": None, "metadata": None},
        {"id": "b", "expected_output": "", "metadata": {}, "tag_operations": {"set": ["x"]}},
    ]
    answered(server, "PATCH", f"{path}/records", of("records", records=changes))
    found = {each["id"]: each for each in answered(server, "GET", f"{path}/records")}
    assert {name: found["a"][name] for name in whole} == whole
    assert [found["b"][name] for name in whole] == ["q", None, None]
    tags = [{"id": "b", "tag_operations": {"remove": ["x"], "add": ["y", "y"]}}]
    answered(server, "PATCH", f"{path}/records", of("records", records=tags))
    assert [
        each["attributes"]["tags"] for each in answered(server, "GET", f"{path}/records?filter[tags]=y")
    ] == [["y"]]


def test_what_says_the_same_is_one_record_where_that_is_asked_for(server: Serving) -> None:
    path = dataset(server, "duplicates")
    twice = [{"input": "q"}, {"input": "q"}]
    answered(server, "POST", f"{path}/records", of("records", records=twice))
    assert len(held(server, path)) == 1
    answered(server, "POST", f"{path}/records", of("records", records=twice, deduplicate=False))
    assert len(held(server, path)) == 3


def test_a_file_is_taken_as_records(server: Serving) -> None:
    path = dataset(server, "files")
    text = 'input,expected_output,metadata,id\r\n"{""q"": 1}","""a""",null,a\r\nplain,,{},b\r\n'
    boundary = "----------boundary------"
    head = 'Content-Disposition: form-data; name="file"; filename="x.csv"\r\nContent-Type: text/csv'
    data = f"--{boundary}\r\n{head}\r\n\r\n{text}\r\n--{boundary}--\r\n".encode()
    upload = f"{UNSTABLE}/datasets/{path.rpartition('/')[2]}/records/upload?deduplicate=False"
    kind = {"Content_Type": f"multipart/form-data; boundary={boundary}"}
    keys = {name.replace("-", "_"): key for name, key in KEYS.items()}
    reply = server.ask("POST", upload, data, **kind, **keys)
    assert (reply.status, reply.headers["content-type"]) == (200, "text/event-stream")
    assert b'"records_created": 2' in reply.body
    assert held(server, path) == {"a": {"q": 1}, "b": "plain"}
    assert server.ask("POST", upload, data.replace(b"input", b"inpt"), **kind, **keys).status == 400
    assert ask(server, "POST", upload, {}).status == 415


def test_a_cursor_goes_on_with_its_filters(server: Serving) -> None:
    path = dataset(server, "pages")
    inserted(server, path, *({"id": str(number), "input": number} for number in range(5)))
    inserted(server, path, {"id": "later", "input": 9})
    found, cursor = [], ""
    query = "?filter[version]=1&page[limit]=2"
    while True:
        reply = json.loads(ask(server, "GET", f"{path}/records{query}").body)
        found += [each["input"] for each in reply["data"]]
        cursor = reply["meta"]["after"]
        if cursor is None:
            break
        query = f"?page[cursor]={cursor}&page[limit]=2"
    assert found == [4, 3, 2, 1, 0]


# --- Experiments --------------------------------------------------------------------------------------------


def test_runs_of_a_name_have_names_of_their_own_and_are_found_by_what_their_metadata_holds(
    server: Serving,
) -> None:
    project_id = project(server, "runs")
    made = [
        answered(
            server,
            "POST",
            f"{V1}/experiments",
            of(
                "experiments",
                name="quiz",
                project_id=project_id,
                metadata={"tags": ["a", tag], "deep": {"x": [1, 2]}},
            ),
        )
        for tag in ("one", "two")
    ]
    assert [each["attributes"]["name"] for each in made] == ["quiz", "quiz-2"]

    def found(query: str) -> list[str]:
        listed = answered(server, "GET", f"{V1}/experiments?filter[project_id]={project_id}&{query}")
        return [each["attributes"]["name"] for each in listed]

    assert found("filter[experiment]=quiz") == ["quiz-2", "quiz"]
    assert found("filter[name]=quiz") == ["quiz"]
    assert found('filter[metadata]={"tags":["two"]}') == ["quiz-2"]
    assert found('filter[metadata]={"deep":{"x":[2]}}') == ["quiz-2", "quiz"]
    assert found('filter[metadata]={"deep":{"x":[3]}}') == []
    answered(server, "POST", f"{V1}/experiments/delete", of("experiments", experiment_ids=[made[0]["id"]]))
    assert found("") == ["quiz-2"]
    assert found("filter[is_deleted]=true") == ["quiz"]


def test_a_create_that_is_sent_again_for_the_same_run_makes_no_second_one(server: Serving) -> None:
    project_id = project(server, "marks")
    given = of("experiments", name="e", project_id=project_id, metadata={"llmobs_trace": {"run": "m1"}})
    first, again = (answered(server, "POST", f"{V1}/experiments", given)["id"] for _ in range(2))
    assert first == again


def test_every_status_is_kept_with_its_time(server: Serving, ids: Ids) -> None:
    path = f"{V1}/experiments/{answered(server, 'POST', f'{V1}/experiments', of('experiments', **NEW))['id']}"
    for status in ("running", "completed"):
        answered(server, "PATCH", path, of("experiments", status=status))
    shown = answered(server, "PATCH", path, of("experiments", error="2 of 48 rows raised"))["attributes"]
    assert (shown["status"], shown["error"]) == ("completed", "2 of 48 rows raised")
    with Store(server.database, read_only=True) as store:
        changes = made_experiments.status_changes(store, path.rpartition("/")[2])
    assert [each.status for each in changes] == ["running", "completed", "completed"]


def test_events_are_read_back_as_they_were_pushed(server: Serving, ids: Ids) -> None:
    made = answered(server, "POST", f"{V1}/experiments", of("experiments", **NEW))["id"]
    child = {**SPAN, "span_id": "child", "tags": [f"parent_id:{SPAN['span_id']}", "input_tokens:7"]}
    root = {**SPAN, "tags": ["dataset_record_id:r1"], "meta": {"input": "q"}}
    metric = {**METRIC, "score_value": 0.5}
    summary = {
        **METRIC,
        "span_id": "",
        "label": "total",
        "score_value": 1.0,
        "tags": ["metric_source:summary"],
    }
    assert server.post(body([root, child], [metric, summary]), made).status == 202
    read = answered(server, "GET", f"/api/v2/llm-obs/v3/experiments/{made}/events")["attributes"]
    first, second = read["spans"]
    assert {name: first[name] for name in root if name in first} | {"dataset_id": 0, "project_id": 0} == {
        **root,
        "dataset_id": 0,
        "project_id": 0,
    }
    assert (first["parent_id"], first["dataset_record_id"]) == ("undefined", "r1")
    assert (second["parent_id"], second["metrics"]) == (SPAN["span_id"], {"input_tokens": 7})
    [shown] = first["eval_metrics"]
    assert {name: shown[name] for name in metric} == metric
    assert [(each["label"], each["metric_source"]) for each in read["summary_metrics"]] == [
        ("total", "summary")
    ]

    found, query = [], "?page[limit]=1"
    while query:
        page = json.loads(ask(server, "GET", f"/api/v2/llm-obs/v3/experiments/{made}/events{query}").body)
        found += [each["span_id"] for each in page["data"]["attributes"]["spans"]]
        query = f"?page[limit]=1&page[cursor]={page['meta']['after']}" if page["meta"]["after"] else ""
    assert found == [SPAN["span_id"], "child"]
    old = answered(server, "GET", f"{V1}/experiments/{made}/events")
    assert [each["attributes"]["span_id"] for each in old] == found
    rows = answered(server, "GET", f"{UNSTABLE}/experiments/{made}/events")["attributes"]["spans"]
    assert [each["span_id"] for each in rows] == [SPAN["span_id"]]


def test_where_experiments_are_declared_those_that_are_made_can_be_posted_to(tmp_path: Path) -> None:
    with Serving(tmp_path / "x.db", "--experiment", "declared") as server:
        project_id = project(server, "p")
        given = of("experiments", name="e", project_id=project_id)
        made = answered(server, "POST", f"{V1}/experiments", given)["id"]
        statuses = [server.post(body([SPAN]), id).status for id in ("declared", made, "another")]
    assert statuses == [202, 202, 404]


# --- ddtrace ------------------------------------------------------------------------------------------------


def test_spans_and_metrics_as_ddtrace_sends_them_become_the_endpoint_s(server: Serving, ids: Ids) -> None:
    made = answered(server, "POST", f"{V1}/experiments", of("experiments", **NEW))["id"]
    tags = [f"experiment_id:{made}", "project_id:p", "dataset_id:d"]
    whole = {"trace_id": "t", "start_ns": 1, "duration": 2, "status": "ok"}
    row = {
        **whole,
        "span_id": "1",
        "parent_id": "undefined",
        "name": "task",
        "tags": [*tags, "dataset_record_id:r", "run_iteration:1"],
        "meta": {
            "span": {"kind": "experiment"},
            "input": {"value": [[1]]},
            "output": {"value": "Paris"},
            "expected_output": "Paris",
            "metadata": {"level": 1},
        },
        "metrics": {},
    }
    call = {
        **whole,
        "span_id": "2",
        "parent_id": "1",
        "name": "ask",
        "status": "error",
        "tags": tags,
        "meta": {
            "span": {"kind": "llm"},
            "output": {"messages": [{"role": "assistant", "content": "Paris"}]},
            "model_name": "m",
            "error": {"message": "no", "type": "ValueError", "stack": None},
        },
        "metrics": {"input_tokens": 3.0},
    }
    stage = {"_dd.stage": "raw", "event_type": "span"}
    assert (
        ask(server, "POST", "/api/v2/llmobs", [{**stage, "spans": [each]} for each in (row, call)]).status
        == 202
    )
    plain = {
        "timestamp_ms": 1,
        "span_id": "1",
        "trace_id": "t",
        "experiment_id": made,
        "error": None,
        "tags": [],
    }
    metrics = [
        {**plain, "label": "exact", "metric_type": "boolean", "boolean_value": True, "status": "OK"},
        {
            **plain,
            "label": "bad",
            "metric_type": "categorical",
            "categorical_value": None,
            "error": {"message": "no", "type": "E"},
        },
        {**plain, "label": "none", "metric_type": "categorical", "categorical_value": None},
        {
            **plain,
            "label": "sum",
            "metric_type": "score",
            "score_value": 2,
            "metric_source": "summary",
            "span_id": "",
        },
    ]
    for _ in range(2):  # it sends them again with those that follow
        given = of("experiments", scope="experiments", tags=tags, metrics=metrics)
        assert ask(server, "POST", f"{UNSTABLE}/experiments/{made}/events", given).status == 202
    read = answered(server, "GET", f"/api/v2/llm-obs/v3/experiments/{made}/events")["attributes"]
    first, second = read["spans"]
    assert first["meta"] == {
        "input": {"value": [[1]]},
        "output": "Paris",
        "expected_output": {"value": "Paris"},
    }
    assert {"span_kind:experiment", "metadata.level:1", "run_iteration:1"} <= {*first["tags"]}
    assert second["meta"] == {
        "output": {"role": "assistant", "content": "Paris"},
        "error": {"message": "no", "type": "ValueError"},
    }
    assert {"parent_id:1", "span_kind:llm", "model_name:m", "input_tokens:3"} <= {*second["tags"]}
    said = {each["label"]: each for each in (*first["eval_metrics"], *read["summary_metrics"])}
    assert said["exact"]["boolean_value"] is True
    assert (said["bad"]["error"], said["bad"]["metadata"]) == ({"message": "no"}, {"error_type": "E"})
    assert (said["none"]["error"], said["none"]["tags"]) == ({}, ["not_applicable:true"])
    assert (said["sum"]["score_value"], said["sum"]["metric_source"]) == (2, "summary")
    other = [{**stage, "spans": [{**call, "tags": []}]}]
    assert ask(server, "POST", "/api/v2/llmobs", other).status == 501


def _table() -> Iterator[str]:
    with TemporaryDirectory() as folder, Serving(Path(folder, "x.db")) as server:
        ids = prepared(server)
        for row in TABLE:
            given = row.given.decode() if isinstance(row.given, bytes) else json.dumps(row.given)
            status, at_fault = sent(server, ids, row).status, " ".join(row.places)
            yield f"{row.method:6}{row.path:60} {given[:60]:60} {status} {at_fault}"


if __name__ == "__main__":
    print("\n".join(_table()))
