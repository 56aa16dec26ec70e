from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.serving import METRIC, SPAN, body, request

from llmobs_trace.receiver import faults
from llmobs_trace.receiver.events import BadBody, Events, read
from llmobs_trace.receiver.schema import BODY, ClosedObject, ListOf
from llmobs_trace.store.store import Store


def refused(data: bytes) -> dict[str, str]:
    """The faults of a body: pointer → code."""
    found = read(data)
    assert isinstance(found, BadBody), found
    return {fault.pointer: fault.code for fault in found.faults}


def taken(data: bytes) -> Events:
    found = read(data)
    assert isinstance(found, Events), found
    return found


def test_events_come_out_as_they_came_without_blanks() -> None:
    span = {**SPAN, "meta": {"input": {"b": [1.50, 1e3, 12345678901234567890123], "a": "é\u2028"}}}
    found = taken(json.dumps(request([span, SPAN], [METRIC]), indent=2).encode())
    compact = json.dumps(span, separators=(",", ":")).encode()
    assert found.spans == [compact, json.dumps(SPAN, separators=(",", ":")).encode()]
    assert found.metrics == [json.dumps(METRIC, separators=(",", ":")).encode()]


def test_numbers_are_kept_as_they_were_written() -> None:
    text = b'{"a":1.50,"b":1E3,"c":12345678901234567890123,"d":-0,"e":1e400}'
    meta = json.dumps({**SPAN, "meta": {"input": "HERE"}}, separators=(",", ":")).encode()
    data = body([{**SPAN, "meta": {"input": "HERE"}}]).replace(b'"HERE"', text)
    assert taken(data).spans == [meta.replace(b'"HERE"', text)]


@pytest.mark.parametrize("empty", [{}, {"spans": []}, {"metrics": []}, {"spans": [], "metrics": []}])
def test_a_body_without_events_is_one(empty: dict[str, Any]) -> None:
    assert taken(json.dumps({"data": {"type": "events", "attributes": empty}}).encode()) == Events([], [])


def test_all_faults_are_told_each_with_the_pointer_of_its_value() -> None:
    wrong = {**SPAN, "status": "maybe", "duration": 1.5, "tags": ["a", 1, None], "extra/one~": 1}
    del wrong["name"]
    wrong["meta"] = {
        "error": {"message": 1},
        "input": [1, [2], None],
        "output": [None],
        "expected_output": [],
    }
    metric = {**METRIC, "metric_type": "scale", "score_value": "0.5", "timestamp_ms": 2**63, "error": None}
    assert refused(body([SPAN, wrong], [metric, 7])) == {
        "/data/attributes/metrics/0/metric_type": "enum",
        "/data/attributes/metrics/0/timestamp_ms": "range",
        "/data/attributes/metrics/0/score_value": "type",
        "/data/attributes/metrics/0/error": "type",
        "/data/attributes/metrics/1": "type",
        "/data/attributes/spans/1/duration": "range",
        "/data/attributes/spans/1/status": "enum",
        "/data/attributes/spans/1/tags/1": "type",
        "/data/attributes/spans/1/tags/2": "type",
        "/data/attributes/spans/1/extra~1one~0": "unknown",
        "/data/attributes/spans/1/meta/error/message": "type",
        "/data/attributes/spans/1/meta/input/1": "type",
        "/data/attributes/spans/1/meta/input/2": "type",
        "/data/attributes/spans/1/meta/output/0": "type",
        "/data/attributes/spans/1/meta/expected_output": "type",
        "/data/attributes/spans/1/name": "required",
    }


def test_faults_are_told_in_words() -> None:
    found = read(body([{**SPAN, "status": "maybe", "duration": "1s"}]))
    assert isinstance(found, BadBody)
    assert [fault.detail for fault in found.faults] == [
        '"duration" is to be an integer of 64 bits, given a string',
        '"status" is to be one of: ok, error; given "maybe"',
    ]


def test_the_faults_of_a_body_are_bounded() -> None:
    found = read(body([{} for _ in range(1000)]))
    assert isinstance(found, BadBody)
    assert (len(found.faults), found.more) == (faults.MAX_FAULTS, True)


@pytest.mark.parametrize(
    ("data", "detail"),
    [
        (b"", "it is empty"),
        (b"{", "it ends too early"),
        (b'{"data": nul}', "invalid character"),
        (b'{"data": NaN}', "invalid character"),
        (b"{} {}", "trailing characters"),
        (b'{"data": "\xff"}', "it is not UTF-8"),
        (b'{"data": "\xc3"}', "it is not UTF-8"),
        (b"\xef\xbb\xbf{}", "it begins with a byte order mark"),
        (b"key=value", "invalid character"),
    ],
)
def test_what_is_no_json_is_said_to_be_none(data: bytes, detail: str) -> None:
    found = read(data)
    assert isinstance(found, BadBody)
    [fault] = found.faults
    assert (fault.pointer, fault.code) == ("", "json")
    assert detail in fault.detail


@pytest.mark.parametrize("opening", [b"[", b'{"a":'])
def test_what_is_nested_too_deeply_is_refused_as_such(opening: bytes) -> None:
    assert refused(opening * 1_000_000) == {"": "depth"}
    deep = body([{**SPAN, "meta": {"input": "HERE"}}]).replace(b'"HERE"', b"[" * 5000 + b"]" * 5000)
    assert list(refused(deep).values()) in (["depth"], ["type"])


@pytest.mark.parametrize(
    ("data", "pointer"),
    [
        (b'{"data":{"type":"events","attributes":{}},"data":{"type":"events","attributes":{}}}', "/data"),
        (b'{"data":{"type":"events","type":"events","attributes":{}}}', "/data/type"),
        (b'{"data":{"type":"events","typ\\u0065":"events","attributes":{}}}', "/data/type"),
        (
            body([SPAN]).replace(b'"name"', b'"span_id": "other", "name"'),
            "/data/attributes/spans/0/span_id",
        ),
        (
            body([{**SPAN, "meta": {"input": 1}}]).replace(b'"input"', b'"input": 2, "input"'),
            "/data/attributes/spans/0/meta/input",
        ),
    ],
)
def test_a_member_that_comes_twice_is_refused(data: bytes, pointer: str) -> None:
    assert refused(data) == {pointer: "duplicate"}


def test_names_written_with_escapes_are_read_and_stored_plainly(tmp_path: Path) -> None:
    found = taken(body([SPAN]).replace(b'"span_id"', b'"sp\\u0061n_id"'))
    assert json.loads(found.spans[0]) == SPAN
    assert b"\\u0061" not in found.spans[0]


def test_the_documentation_s_placeholder_for_a_number_is_a_score_that_was_not_given() -> None:
    [metric] = taken(body([], [{**METRIC, "score_value": "number"}])).metrics
    assert json.loads(metric) == METRIC
    assert refused(body([], [{**METRIC, "score_value": "Number"}])) == {
        "/data/attributes/metrics/0/score_value": "type"
    }


def test_half_a_character_is_taken_as_the_sign_for_one() -> None:
    text = rb'"a\ud83d b\\ud83d \\\ud800 \ud83d\ude00"'
    data = body([{**SPAN, "name": "HERE"}]).replace(b'"HERE"', text)
    assert json.loads(taken(data).spans[0])["name"] == "a\ufffd b\\ud83d \\\ufffd \U0001f600"


def test_of_an_array_too_large_to_be_taken_apart_the_first_fault_is_told() -> None:
    data = b'{"data":{"type":"events","attributes":{"spans":[' + b"0," * 500_000 + b"0]}}}"
    found = read(data)
    assert isinstance(found, BadBody)
    assert found.more
    assert [fault.pointer for fault in found.faults] == ["/data/attributes/spans/0"]
    spans = json.dumps(SPAN).encode() + b","
    data = b'{"data":{"type":"events","attributes":{"spans":[' + spans * 70_000 + b'{"span_id":1}]}}}'
    found = read(data)
    assert isinstance(found, BadBody)
    assert found.faults[0].pointer.startswith("/data/attributes/spans/70000")
    # What its type says nothing of is found all the same.
    last = json.dumps({**SPAN, "meta": {"input": [[1]]}}).encode()
    data = b'{"data":{"type":"events","attributes":{"spans":[' + spans * 70_000 + last + b"]}}}"
    assert refused(data) == {"/data/attributes/spans/70000/meta/input/0": "type"}


def test_of_an_object_with_too_many_members_the_first_fault_is_told() -> None:
    members = b",".join(b'"m%d":0' % number for number in range(500_000))
    data = b'{"data":{"type":"events","attributes":{' + members + b"}}}"
    found = read(data)
    assert isinstance(found, BadBody)
    assert (len(found.faults), found.more, found.faults[0].code) == (1, True, "first")


@pytest.mark.parametrize("count", [faults.MAX_TAGS, faults.MAX_TAGS + 1, faults.MAX_ITEMS + 2])
@pytest.mark.parametrize("tag", ["a", "a,b"])
def test_the_tags_of_an_event_are_bounded_in_number(count: int, tag: str) -> None:
    for event, pointer in (
        (request([{**SPAN, "tags": [tag] * count}]), "/data/attributes/spans/0/tags"),
        (request([], [{**METRIC, "tags": [tag] * count}]), "/data/attributes/metrics/0/tags"),
    ):
        found = read(json.dumps(event).encode())
        if count <= faults.MAX_TAGS:
            assert isinstance(found, Events)
        else:
            assert isinstance(found, BadBody)
            assert [fault.pointer for fault in found.faults] == [pointer]
            assert "at most 10,000 of them; given more" in found.faults[0].detail


# --- The two readers agree, and so does the store -----------------------------------------------------------

_LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(min_value=2**62, max_value=2**65),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(st.characters(), max_size=8),
    st.sampled_from(["ok", "error", "score", "json", "boolean", "pass", "fail", "events", "number", ""]),
)
_VALUES = st.recursive(
    _LEAVES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)


def _names(kind: Any) -> set[str]:
    if isinstance(kind, ListOf):
        return _names(kind.item)
    if isinstance(kind, ClosedObject):
        return set(kind.members).union(*(_names(each) for each in kind.members.values()))
    return set()


_NAMES = st.sampled_from(sorted(_names(BODY) | {"other", "a/b~c", ""}))


def _places(value: Any) -> list[tuple[Any, Any]]:
    """Every object and array within, with one of its keys or indexes each."""
    found: list[tuple[Any, Any]] = []
    if isinstance(value, dict):
        for key, item in value.items():
            found += [(value, key), *_places(item)]
    elif isinstance(value, list):
        for index, item in enumerate(value):
            found += [(value, index), *_places(item)]
    return found


_WHOLE: dict[str, Any] = request(
    [
        {
            **SPAN,
            "tags": ["a:b"],
            "meta": {
                "error": {"message": "m", "stack": "s", "type": "t"},
                "expected_output": {"a": 1},
                "input": [1, "a", {"b": None}, True],
                "output": None,
            },
        },
        SPAN,
    ],
    [
        {
            **METRIC,
            "assessment": "pass",
            "boolean_value": True,
            "categorical_value": "c",
            "error": {"message": "m"},
            "json_value": {},
            "metadata": {"a": []},
            "reasoning": "r",
            "score_value": 0.5,
            "tags": [],
        },
        METRIC,
    ],
)


@st.composite
def bodies(draw: st.DrawFn) -> bytes:
    """A whole body with up to three changes: a value replaced, a member taken away, added or repeated."""
    value = json.loads(json.dumps(_WHOLE))
    for _ in range(draw(st.integers(0, 3))):
        places = _places(value)
        if not places:
            break
        holder, key = draw(st.sampled_from(places))
        match draw(st.sampled_from(["replace", "take", "add"])):
            case "replace":
                holder[key] = draw(_VALUES)
            case "take":
                del holder[key]
            case _ if isinstance(holder, dict):
                holder[draw(_NAMES)] = draw(_VALUES)
            case _:
                holder.append(draw(_VALUES))
    text = json.dumps(value, ensure_ascii=draw(st.booleans()), indent=draw(st.sampled_from([None, 1])))
    return text.encode("utf-8", "surrogatepass")


@given(bodies())
def test_the_reader_by_types_takes_what_the_walk_finds_no_fault_with(data: bytes) -> None:
    found = read(data)
    if isinstance(found, BadBody) and found.faults[0].code == "json":
        return
    text = msgspec.json.format(msgspec.json.encode(json.loads(data.decode("utf-8", "replace"))), indent=-1)
    walked, _ = faults.find(text)
    if isinstance(found, Events):
        assert walked == []
    else:
        assert [fault.pointer for fault in walked] == [fault.pointer for fault in found.faults]
        _points_at_values(json.loads(text), found)


def _points_at_values(value: Any, found: BadBody) -> None:
    """Every pointer leads to a value of the body, or for what is missing to where it would be."""
    for fault in found.faults:
        here = value
        parts = [part.replace("~1", "/").replace("~0", "~") for part in fault.pointer.split("/")[1:]]
        for depth, part in enumerate(parts):
            if fault.code == "required" and depth == len(parts) - 1:
                assert part not in here
                break
            here = here[int(part)] if isinstance(here, list) else here[part]


def test_what_is_taken_the_store_takes(tmp_path: Path) -> None:
    with Store(tmp_path / "x.db") as store:

        @given(bodies())
        def run(data: bytes) -> None:
            found = read(data)
            if isinstance(found, Events):
                store.add("e", found.spans, found.metrics)

        run()
