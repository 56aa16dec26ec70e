"""The documentation of the endpoint, row by row: what it says, what is sent for it, what comes back.

Each row is a test, over a socket. `python tests/receiver/test_conformance.py` prints the table.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import pytest

if __name__ == "__main__":
    sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[2])]

from support.serving import JSON, KEYS, METRIC, SPAN, Reply, Serving, body, events_path, request

from llmobs_trace.receiver.schema import BODY, ClosedObject, ListOf, OneOf

Send = Callable[[Serving], Reply]


class Row(NamedTuple):
    """`says` is the documentation's; `gives` is what is sent; `status` and the places at fault come back.

    `places` are pointers, or the header or parameter at fault. `server` names the server that is asked.
    """

    subject: str
    says: str
    gives: str
    send: Send
    status: int
    places: tuple[str, ...] = ()
    server: str = "usual"


# --- Bodies, each with one thing changed --------------------------------------------------------------------

GONE: Any = object()
DATA, ATTRIBUTES = "/data", "/data/attributes"
SPANS, METRICS = f"{ATTRIBUTES}/spans", f"{ATTRIBUTES}/metrics"
A_SPAN, A_METRIC = f"{SPANS}/0", f"{METRICS}/0"
META, SPAN_ERROR, METRIC_ERROR = f"{A_SPAN}/meta", f"{A_SPAN}/meta/error", f"{A_METRIC}/error"


def changed(pointer: str, value: Any) -> dict[str, Any]:
    """A body in which every object is there, with a value in this place, or without what is there."""
    meta = {"error": {}, "input": "i", "output": "o", "expected_output": {}}
    whole = request([{**SPAN, "tags": [], "meta": meta}], [{**METRIC, "error": {}, "tags": []}])
    holder: Any = whole
    *parts, last = pointer.split("/")[1:]
    for part in parts:
        holder = holder[int(part)] if isinstance(holder, list) else holder[part]
    if value is GONE:
        holder.pop(last, None)
    else:
        holder[last] = value
    return whole


def posted(data: Any, **headers: str) -> Send:
    return lambda server: server.post(json.dumps(data).encode(), **headers)


def field(pointer: str, says: str, *, takes: list[Any], refuses: list[Any], required: bool) -> Iterator[Row]:
    subject = pointer.replace(ATTRIBUTES + "/", "").replace("/0/", "[].").replace("/", ".").strip(".")
    for value in takes:
        yield Row(subject, says, json.dumps(value), posted(changed(pointer, value)), 202)
    for value in refuses:
        yield Row(subject, says, json.dumps(value), posted(changed(pointer, value)), 400, (pointer,))
    told = (400, (pointer,)) if required else (202, ())
    says = "required" if required else "not required"
    yield Row(subject, says, "nothing", posted(changed(pointer, GONE)), *told)


def text(pointer: str, *, required: bool = False) -> Iterator[Row]:
    refuses = [1, None, [], {}, True]
    yield from field(pointer, "string", takes=["text", "", "é\u2028"], refuses=refuses, required=required)


def int64(pointer: str, *, required: bool = False) -> Iterator[Row]:
    takes = [0, -1, 2**63 - 1, -(2**63)]
    refuses = [1.5, 1.0, "1", None, True, 2**63, -(2**63) - 1]
    yield from field(pointer, "int64", takes=takes, refuses=refuses, required=required)


def enum(pointer: str, *allowed: str, required: bool = False) -> Iterator[Row]:
    refuses = [allowed[0].upper(), "other", "", None, 1]
    yield from field(
        pointer, f"enum: {','.join(allowed)}", takes=list(allowed), refuses=refuses, required=required
    )


def an_object(
    pointer: str, says: str = "object", *, required: bool = False, free: bool = False
) -> Iterator[Row]:
    takes = [{}, {"a": [None, [1]], "": {"a": None}}] if free else []
    yield from field(pointer, says, takes=takes, refuses=["a", 1, None, [], True], required=required)


def strings(pointer: str) -> Iterator[Row]:
    yield from field(pointer, "[string]", takes=[[], ["a", ""]], refuses=["a", None, {}], required=False)
    for index, value in enumerate([1, None, ["a"]]):
        items = ["a"] * index + [value]
        subject = pointer.rpartition("/")[2]
        yield Row(
            subject,
            "[string]",
            json.dumps(items),
            posted(changed(pointer, items)),
            400,
            (f"{pointer}/{index}",),
        )


def any_value(pointer: str) -> Iterator[Row]:
    takes = ["a", "", 1, 0.5, {}, {"a": [[None]]}, [], ["a", 1, {"b": None}, True, False], True, False, None]
    yield from field(pointer, "any of 5 options, or null (example)", takes=takes, refuses=[], required=False)
    name = pointer.rpartition("/")[2]
    for items in ([None], ["a", [1]]):
        place = f"{pointer}/{len(items) - 1}"
        yield Row(
            name, "an array of 4 options", json.dumps(items), posted(changed(pointer, items)), 400, (place,)
        )


def closed(pointer: str) -> Row:
    place = f"{pointer}/other"
    return Row(pointer or "the body", "these members", '"other": 1', posted(changed(place, 1)), 400, (place,))


# --- The table ----------------------------------------------------------------------------------------------

_STACK = 'Traceback (most recent call last):\n  File "main.py", line 10, in <module>'
_ERROR = {"message": "Model response timed out", "stack": _STACK, "type": "TimeoutError"}
_UNDEFINED = {"description": "undefined", "type": "undefined"}
_MODEL_EXAMPLE = request(
    [
        {
            **SPAN,
            "meta": {"error": _ERROR, "expected_output": {}, "input": _UNDEFINED, "output": _UNDEFINED},
            "tags": [],
        }
    ],
    [
        {
            **METRIC,
            "assessment": "pass",
            "boolean_value": False,
            "categorical_value": "string",
            "error": {"message": "string"},
            "json_value": {},
            "metadata": {},
            "reasoning": "string",
            "score_value": "number",
            "tags": [],
        }
    ],
)
_CURL_EXAMPLE = request([SPAN], [{**METRIC, "assessment": "pass"}])
_CLIENTS_EXAMPLE = request(
    [{**SPAN, "meta": {"error": _ERROR, "input": None, "output": None}, "tags": []}],
    [{**METRIC, "assessment": "pass", "error": {}, "tags": []}],
)

FIELDS = [
    *an_object(DATA, required=True),
    *an_object(ATTRIBUTES, required=True),
    *enum(f"{DATA}/type", "events", required=True),
    *field(METRICS, "[object]", takes=[[]], refuses=[{}, None, "a"], required=False),
    *field(SPANS, "[object]", takes=[[]], refuses=[{}, None, "a"], required=False),
    *(
        Row("metrics[]", "object", json.dumps(v), posted(changed(METRICS, [v])), 400, (A_METRIC,))
        for v in (1, None)
    ),
    *(
        Row("spans[]", "object", json.dumps(v), posted(changed(SPANS, [v])), 400, (A_SPAN,))
        for v in ("a", [])
    ),
    *enum(f"{A_METRIC}/assessment", "pass", "fail"),
    *field(
        f"{A_METRIC}/boolean_value", "boolean", takes=[True, False], refuses=[0, "true", None], required=False
    ),
    *text(f"{A_METRIC}/categorical_value"),
    *an_object(METRIC_ERROR),
    *text(f"{METRIC_ERROR}/message"),
    *an_object(f"{A_METRIC}/json_value", free=True),
    *text(f"{A_METRIC}/label", required=True),
    *an_object(f"{A_METRIC}/metadata", free=True),
    *enum(f"{A_METRIC}/metric_type", "score", "categorical", "boolean", "json", required=True),
    *text(f"{A_METRIC}/reasoning"),
    *field(
        f"{A_METRIC}/score_value",
        "double",
        takes=[0, 0.5, -1e308, 2**64, "number"],
        refuses=["0.5", None, True, 10**400],
        required=False,
    ),
    *text(f"{A_METRIC}/span_id", required=True),
    *strings(f"{A_METRIC}/tags"),
    *int64(f"{A_METRIC}/timestamp_ms", required=True),
    *text(f"{A_SPAN}/dataset_id", required=True),
    *int64(f"{A_SPAN}/duration", required=True),
    *an_object(META),
    *an_object(SPAN_ERROR),
    *text(f"{SPAN_ERROR}/message"),
    *text(f"{SPAN_ERROR}/stack"),
    *text(f"{SPAN_ERROR}/type"),
    *an_object(f"{META}/expected_output", free=True),
    *any_value(f"{META}/input"),
    *any_value(f"{META}/output"),
    *text(f"{A_SPAN}/name", required=True),
    *text(f"{A_SPAN}/project_id", required=True),
    *text(f"{A_SPAN}/span_id", required=True),
    *int64(f"{A_SPAN}/start_ns", required=True),
    *enum(f"{A_SPAN}/status", "ok", "error", required=True),
    *strings(f"{A_SPAN}/tags"),
    *text(f"{A_SPAN}/trace_id", required=True),
]
CLOSED = [closed(each) for each in ("", DATA, ATTRIBUTES, A_SPAN, META, SPAN_ERROR, A_METRIC, METRIC_ERROR)]
EXAMPLES = [
    Row("example", "request, model", "every field", posted(_MODEL_EXAMPLE), 202),
    Row("example", "curl", "a score without its value", posted(_CURL_EXAMPLE), 202),
    Row("example", "Python, Ruby, Java", "null input and output", posted(_CLIENTS_EXAMPLE), 202),
    Row(
        "example",
        "400: Missing required attribute in body",
        "no trace_id",
        posted(changed(f"{A_SPAN}/trace_id", GONE)),
        400,
        (f"{A_SPAN}/trace_id",),
    ),
]


def without(*names: str, **more: str) -> Send:
    headers = {name: value for name, value in {**JSON, **KEYS, **more}.items() if name not in names}
    return lambda server: server.ask("POST", events_path("e"), body([SPAN]), **headers)


def at(path: str, method: str = "POST") -> Send:
    return lambda server: server.ask(method, path, body([SPAN]), **JSON, **KEYS)


API, APP = "DD-API-KEY", "DD-APPLICATION-KEY"
STATUSES = [
    Row("202", "Accepted", "a body as documented", posted(request([SPAN], [METRIC])), 202),
    Row("400", "Bad Request", "{}", posted({}), 400, (DATA,)),
    Row("400", "Bad Request", "[]", posted([]), 400, ("",)),
    Row("400", "Bad Request", "no JSON", lambda server: server.post(b"{"), 400, ("",)),
    Row("401", "Unauthorized", f"no {API}", without(API), 401, (API,)),
    Row("401", "Unauthorized", f"no {APP}", without(APP), 401, (APP,)),
    Row("401", "Unauthorized", f"an empty {API}", without(**{API: ""}), 401, (API,)),
    Row("403", "Forbidden", f"a wrong {API}", without(**{API: "x"}), 403, (API,), "with keys"),
    Row("403", "Forbidden", f"a wrong {APP}", without(**{APP: "x"}), 403, (APP,), "with keys"),
    Row("202", "Accepted", "the right keys", without(), 202, (), "with keys"),
    Row("404", "Not Found", "another path", at("/api/v2/llm-obs/v1/events/e"), 404),
    Row("404", "Not Found", "another version", at("/api/v3/llm-obs/v1/experiments/e/events"), 404),
    Row("404", "Not Found", "no experiment", at("/api/v2/llm-obs/v1/experiments//events"), 404),
    Row(
        "404",
        "Not Found",
        "an unknown experiment",
        at(events_path("f")),
        404,
        ("experiment_id",),
        "with keys",
    ),
    Row("429", "Too many requests", "one too many", posted(request([SPAN])), 429, (), "too many"),
]
PATHS = [
    Row("experiment_id", "string, required", repr(each), at(events_path(each)), 202)
    for each in ("3fd6b5e0-8910-4b1c-a7d0-5b84de329012", "experiment_id", "a/b?c#d é%", "1")
]
HEADERS = [
    Row(
        "Content-Type",
        "application/json",
        "with a charset",
        without(**{"Content-Type": "application/json; charset=utf-8"}),
        202,
    ),
    Row("Content-Type", "application/json", "none", without("Content-Type"), 202),
    Row(
        "Content-Type",
        "application/json",
        "text/plain",
        without(**{"Content-Type": "text/plain"}),
        415,
        ("Content-Type",),
    ),
    Row("Accept", "application/json", "as the example has it", without(Accept="application/json"), 202),
    Row("POST", "the method", "PUT", at(events_path("e"), "PUT"), 405),
]
TABLE = [*EXAMPLES, *PATHS, *HEADERS, *STATUSES, *FIELDS, *CLOSED]
SERVERS = {
    "usual": [],
    "with keys": ["--api-key", KEYS[API], "--app-key", KEYS[APP], "--experiment", "e"],
    "too many": ["--rehearse-429", "100", "--retry-after", "7"],
}


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Serving]]:
    home = tmp_path_factory.mktemp("conformance")
    with ExitStack() as started:
        yield {
            name: started.enter_context(Serving(home / f"{name}.db", *words))
            for name, words in SERVERS.items()
        }


def places(reply: Reply) -> tuple[str, ...]:
    if reply.status in (202, 429):
        return ()
    sources = [error["source"] for error in reply.errors if "source" in error]
    return tuple(next(iter(source.values())) for source in sources)


def name_of(row: Row) -> str:
    return f"{row.subject} {row.gives[:40]} {row.status}".replace("\u2028", "")


@pytest.mark.parametrize("row", TABLE, ids=name_of)
def test_conformance(row: Row, servers: dict[str, Serving]) -> None:
    reply = row.send(servers[row.server])
    assert (reply.status, places(reply)) == (row.status, row.places), reply.body
    if reply.status == 202:
        assert reply.body == b""
    elif reply.status == 429:
        assert json.loads(reply.body) == {"errors": ["Too many requests"]}
        told = ("Limit", "Period", "Remaining", "Reset", "Name")
        assert all(f"x-ratelimit-{name.lower()}" in reply.headers for name in told)
        assert reply.headers["x-ratelimit-reset"] == reply.headers["retry-after"] == "7"
    else:
        for error in reply.errors:
            assert set(error) <= {"detail", "meta", "source", "status", "title"}
            assert error["status"] == str(row.status)
            assert error["detail"]
            assert error["title"]
            assert isinstance(error["meta"], dict)
    if reply.status == 405:
        assert reply.headers["allow"]


def _members(kind: Any, pointer: str) -> Iterator[str]:
    match kind:
        case ListOf():
            yield from _members(kind.item, f"{pointer}/0")
        case ClosedObject():
            for name, below in kind.members.items():
                yield f"{pointer}/{name}"
                yield from _members(below, f"{pointer}/{name}")


def _allowed(kind: Any) -> Iterator[str]:
    match kind:
        case OneOf(allowed):
            yield from allowed
        case ListOf():
            yield from _allowed(kind.item)
        case ClosedObject():
            for below in kind.members.values():
                yield from _allowed(below)


def test_the_table_has_a_row_for_every_member_and_every_value_of_an_enum() -> None:
    refused = {place + "/" for row in TABLE for place in row.places}
    members = set(_members(BODY, ""))
    assert [each for each in members if not any(place.startswith(f"{each}/") for place in refused)] == []
    taken = {row.gives for row in TABLE if row.status == 202}
    assert {json.dumps(each) for each in _allowed(BODY)} - taken == set()


def _main() -> None:
    failed = 0
    print("| what | the documentation says | given | answer | at fault | |")
    print("|---|---|---|---|---|---|")
    with TemporaryDirectory() as home, ExitStack() as started:
        servers = {
            name: started.enter_context(Serving(Path(home) / f"{name}.db", *words))
            for name, words in SERVERS.items()
        }
        for row in TABLE:
            reply = row.send(servers[row.server])
            fits = (reply.status, places(reply)) == (row.status, row.places)
            failed += not fits
            cells = (row.subject, row.says, f"`{row.gives[:60]}`", str(reply.status), " ".join(places(reply)))
            print(f"| {' | '.join(cells)} | {'as documented' if fits else 'NOT as documented'} |")
    print(f"\n{len(TABLE)} rows, {failed} not as documented")


if __name__ == "__main__":
    _main()
