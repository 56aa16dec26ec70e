"""What may stand in input, output and expected_output, as the official client's models see it."""

from __future__ import annotations

from typing import Any

import pytest
from datadog_api_client import Configuration
from datadog_api_client.model_utils import UnparsedObject, validate_and_convert_types
from datadog_api_client.v2.model.llm_obs_experiment_span_meta import LLMObsExperimentSpanMeta
from hypothesis import given
from hypothesis import strategies as st
from support.values import OfTellingClass, copyable_values, ran, strict_json

from llmobs_trace.encode import encode, is_in_shape, shape, shape_expected, shape_io

json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=12,
)


def _unparsed(model: Any) -> bool:
    if isinstance(model, UnparsedObject) or getattr(model, "_unparsed", False) is True:
        return True
    held = model if isinstance(model, dict) else getattr(model, "_data_store", None)
    if isinstance(held, dict):
        return any(map(_unparsed, held.values()))
    return isinstance(model, list | tuple) and any(map(_unparsed, model))


def _as_the_client_reads(meta: dict[str, Any]) -> dict[str, Any]:
    model = validate_and_convert_types(
        meta, (LLMObsExperimentSpanMeta,), ["received_data"], True, True, Configuration()
    )
    assert not _unparsed(model)
    read: dict[str, Any] = model.to_dict()
    return read


@given(copyable_values)
def test_the_official_client_reads_every_value(value: Any) -> None:
    encoded = encode(value)
    shaped = strict_json(shape_io(encoded))
    _as_the_client_reads({"input": shaped, "output": shaped})
    _as_the_client_reads({"expected_output": strict_json(shape_expected(encoded))})


@given(json_values)
def test_the_official_client_reads_every_input_unchanged(value: Any) -> None:
    shaped = strict_json(shape_io(encode(value)))
    assert _as_the_client_reads({"input": shaped, "output": shaped}) == {"input": shaped, "output": shaped}


@given(json_values)
def test_the_official_client_reads_every_expected_output_unchanged(value: Any) -> None:
    shaped = strict_json(shape_expected(encode(value)))
    assert _as_the_client_reads({"expected_output": shaped}) == {"expected_output": shaped}


@pytest.mark.parametrize(
    "value",
    [
        "text",
        1,
        1.5,
        True,
        {"a": None},
        {"a": [[1]]},
        [],
        ["a", 1, {}],
        [{"a": [None]}],
        ["null", "[,[", ",null"],
    ],
)
def test_what_the_wire_takes_is_left_as_it_is(value: Any) -> None:
    assert shape_io(encode(value)) == encode(value)


@pytest.mark.parametrize("value", [None, {}, [[1]], [1, [2]], [None], ["a", None], [[]], [{"a": "]"}, []]])
def test_what_it_refuses_is_wrapped(value: Any) -> None:
    assert strict_json(shape_io(encode(value))) == {"value": value}


@pytest.mark.parametrize("value", ["text", 1, None, [1], True])
def test_an_expected_output_is_an_object(value: Any) -> None:
    assert strict_json(shape_expected(encode(value))) == {"value": value}
    assert shape_expected(b'{"a":1}') == b'{"a":1}'


IN_SHAPE = ["text", {"a": None}, 1, 1.5, True]


@pytest.mark.parametrize("make", [list, tuple])
def test_types_alone_tell_of_a_list_of_what_the_wire_takes_that_it_is_in_shape(make: Any) -> None:
    for items in ([], IN_SHAPE, IN_SHAPE[:1], IN_SHAPE[1:3], ["x"] * 50_000):
        assert is_in_shape(make(items))
        assert shape_io(encode(items)) == encode(items)
    for odd in (None, [1], (1,), b"x", OfTellingClass()):
        ran.clear()
        assert not is_in_shape(make([odd]))
        assert not is_in_shape(make([*IN_SHAPE, odd]))
        assert ran == []
    assert not is_in_shape(make(["x"] * 50_001)), "it is not looked at"
    assert not is_in_shape(make(["x"] * 50_002))


@pytest.mark.parametrize("value", ["text", {"a": "b"}, {"a"}, 1, None, b"xx", OfTellingClass()])
def test_of_what_is_no_list_types_alone_do_not_tell(value: Any) -> None:
    ran.clear()
    assert not is_in_shape(value)
    assert ran == []


def test_a_list_in_which_no_other_is_found_is_not_taken_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    def taken_apart(_: bytes) -> Any:
        raise AssertionError

    monkeypatch.setattr(shape, "_elements", taken_apart)
    for value in ([], ["a"], [{"a": 1}, 1.5], ("x",)):
        assert shape_io(encode(value)) == encode(value)
