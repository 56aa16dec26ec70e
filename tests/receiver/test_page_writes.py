"""What changes something comes from a page of this server, or changes nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from support.events import span
from support.serving import Serving

from llmobs_trace.store import queries
from llmobs_trace.store.store import Store


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    database = tmp_path_factory.mktemp("served") / "experiments.db"
    with Store(database) as store:
        store.add("e", [span("r", kind="experiment"), span("c", parent="r")], [], name="as it was")
    with Serving(database) as server:
        yield server


def right(server: Serving) -> dict[str, str]:
    """The headers of a page of ours."""
    return {
        "Origin": server.url,
        "Content-Type": "application/json",
        "X-LLMObs-Trace-Token": json.loads(server.get("/api/token").body)["token"],
    }


def name(server: Serving) -> str | None:
    with Store(server.database, read_only=True) as store:
        return queries.find_experiment(store, "e").name


def post(server: Serving, path: str, said: object, **headers: str) -> tuple[int, str]:
    reply = server.ask("POST", f"/api/experiments/{path}", json.dumps(said).encode(), **headers)
    return reply.status, reply.body.decode()


WRONG = {
    "no Origin": ({"Origin": None}, 403),
    "the Origin of another": ({"Origin": "http://evil.example"}, 403),
    "the Origin of another port": ({"Origin": "http://127.0.0.1:1"}, 403),
    "the Origin of a sandbox": ({"Origin": "null"}, 403),
    "the Host of another, and its Origin": ({"Host": "evil.example", "Origin": "http://evil.example"}, 403),
    "no token": ({"X-LLMObs-Trace-Token": None}, 403),
    "a wrong token": ({"X-LLMObs-Trace-Token": "x" * 43}, 403),
    "a form": ({"Content-Type": "application/x-www-form-urlencoded"}, 415),
    "a form with parts": ({"Content-Type": "multipart/form-data; boundary=x"}, 415),
    "a form of plain text": ({"Content-Type": "text/plain"}, 415),
    "no type": ({"Content-Type": None}, 415),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_whatever_is_missing_nothing_is_changed(server: Serving, wrong: str) -> None:
    changes, expected = WRONG[wrong]
    headers = {name: value for name, value in {**right(server), **changes}.items() if value is not None}
    status, said = post(server, "e/name", {"name": "by another"}, **headers)
    assert status == expected, said
    assert name(server) == "as it was"


def test_a_page_of_ours_renames_annotates_marks_deletes_and_restores(server: Serving) -> None:
    headers = right(server)
    assert post(server, "e/name", {"name": "by hand"}, **headers)[0] == 200
    assert post(server, "e/note", {"note": "n"}, **headers)[0] == 200
    assert (
        post(server, "e/marks/r", {"verdict": True, "note": "good", "expected_output": [1]}, **headers)[0]
        == 200
    )
    with Store(server.database, read_only=True) as store:
        there = queries.find_experiment(store, "e")
        assert (there.name, there.note) == ("by hand", "n")
        assert [each.label for each in queries.metrics(store, "e")] == ["human", "human_expected_output"]
    assert post(server, "e/delete", {}, **headers)[0] == 200
    assert json.loads(server.get("/api/experiments").body)["experiments"] == []
    assert post(server, "e/delete", {}, **headers)[0] == 404
    assert post(server, "e/restore", {}, **headers)[0] == 200
    assert post(server, "e/name", {"name": ""}, **headers)[0] == 200
    assert name(server) == "as it was"


def test_what_makes_no_sense_is_refused_with_a_word(server: Serving) -> None:
    headers = right(server)
    assert post(server, "e/marks/c", {"verdict": True}, **headers)[0] == 404
    assert post(server, "e/name", {"nam": "x"}, **headers)[0] == 400
    assert post(server, "e/name", {"name": "x" * 501}, **headers)[0] == 400
    assert post(server, "e/nothing", {}, **headers)[0] == 405
    assert server.ask("PUT", "/api/experiments/e/name", b"{}", **headers).status == 405
    assert server.ask("GET", "/api/token", Sec_Fetch_Site="cross-site").status == 403
