"""Two independent readers of a request body: the official client's models, and the tests' own closed schema.

Both take the bytes as they were sent and raise `AssertionError` with a path where they are not as documented.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from datetime import date, timezone
from typing import Any
from uuid import UUID

from datadog_api_client import ApiClient, Configuration
from datadog_api_client.model_utils import (
    ModelNormal,
    OpenApiModel,
    UnparsedObject,
    validate_and_convert_types,
)
from datadog_api_client.v2.model.any_value_object import AnyValueObject
from datadog_api_client.v2.model.llm_obs_experiment_events_request import LLMObsExperimentEventsRequest
from dateutil import parser

_client = ApiClient(Configuration())

# The client passes an object's first-level fields as keyword arguments of its own functions, so it can't take
# these names there, though the documentation allows any: what a test generates leaves them out.
NAMES_THE_OFFICIAL_CLIENT_CANNOT_TAKE = frozenset(
    {
        "self",
        "self_",
        "cls",
        "_check_type",
        "_spec_property_naming",
        "_path_to_item",
        "_configuration",
        "_unparsed",
        "_data_store",
    }
)


# --- The official client ------------------------------------------------------------------------------------


def load_official(body: bytes) -> LLMObsExperimentEventsRequest:
    """Read a body with the official client's models; nothing in it may stay unparsed, at any depth."""
    request = validate_and_convert_types(
        json.loads(body),
        (LLMObsExperimentEventsRequest,),
        ["body"],
        True,
        True,
        configuration=_client.configuration,
    )
    assert isinstance(request, LLMObsExperimentEventsRequest), f"body: read as {type(request).__name__}"
    _nothing_unparsed(request, "body")
    _same(json.loads(body), request.to_dict(), "body")
    return request


def _nothing_unparsed(value: object, path: str) -> None:
    if isinstance(value, dict):
        for key, item in value.items():
            _nothing_unparsed(item, f"{path}.{key}")
    elif isinstance(value, (list, tuple)):
        for index, item in enumerate(value):
            _nothing_unparsed(item, f"{path}[{index}]")
    elif isinstance(value, OpenApiModel):
        assert not isinstance(value, UnparsedObject), f"{path}: unparsed"
        assert not value._unparsed, f"{path}: {type(value).__name__} holds something unparsed"
        if isinstance(value, ModelNormal) and not isinstance(value, AnyValueObject):
            # The client keeps fields that it does not know beside those it does, and says nothing.
            unknown = set(value._data_store) - set(value.attribute_map)
            assert not unknown, f"{path}: {type(value).__name__} has no field {sorted(unknown)}"
        for key, item in value._data_store.items():
            _nothing_unparsed(item, f"{path}.{key}")


def _same(sent: object, read: object, path: str) -> None:
    """What the client understood is what was sent: it reads `[null]` as `[{}]` without complaint."""
    read = getattr(read, "value", read)
    if isinstance(sent, dict) and isinstance(read, dict):
        assert sent.keys() == read.keys(), f"{path}: {sorted(sent)} was read as {sorted(read)}"
        for key, item in sent.items():
            _same(item, read[key], f"{path}.{key}")
    elif isinstance(sent, list) and isinstance(read, list):
        assert len(sent) == len(read), f"{path}: {len(sent)} items were read as {len(read)}"
        for index, item in enumerate(sent):
            _same(item, read[index], f"{path}[{index}]")
    elif isinstance(sent, (int, float)) and not isinstance(sent, bool) and isinstance(read, (int, float)):
        # `double` in the schema: an integer beyond 2**53 is rounded there, and not by us.
        assert float(sent) == float(read), f"{path}: {sent!r} was read as {read!r}"
    elif isinstance(sent, str) and isinstance(read, (date, UUID)):
        pass  # In a free-form object the client reads what looks like a date or a UUID as one.
    else:
        assert sent == read or _same_moment(sent, read), f"{path}: {sent!r} was read as {read!r}"


def _same_moment(sent: object, read: object) -> bool:
    """Whether both are texts of one moment: the client writes a date it took a text for in its own way.

    It writes years before 1000 with fewer digits, which reads as another century: then the rest is compared.
    """
    if not (isinstance(sent, str) and isinstance(read, str)):
        return False
    try:
        moments = [parser.parse(text) for text in (sent, read)]
    except (ValueError, OverflowError):
        return False
    first, second = (one if one.tzinfo else one.replace(tzinfo=timezone.utc) for one in moments)
    if sent.startswith("0"):
        return (first.month, first.day, first.minute) == (second.month, second.day, second.minute)
    return abs((first - second).total_seconds()) <= 0.001


# --- The tests' own schema ----------------------------------------------------------------------------------

_Check = Callable[[Any, str], None]


def load_strict(body: bytes) -> dict[str, Any]:
    """Read a body with a closed schema, written from the documentation alone; gives back the plain JSON."""
    text = body.decode("utf-8")
    assert "\x00" not in text, "body: holds a NUL"
    request: dict[str, Any] = json.loads(
        text, object_pairs_hook=_no_repeated_key, parse_constant=_no_constant
    )
    _BODY(request, "body")
    return request


def _no_repeated_key(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    keys = [key for key, _ in pairs]
    assert len(keys) == len(set(keys)), f"a key comes twice in {keys}"
    return dict(pairs)


def _no_constant(name: str) -> None:
    raise AssertionError(f"{name} is not JSON")


def _string(value: Any, path: str) -> None:
    assert isinstance(value, str), f"{path}: {value!r} is no string"
    value.encode("utf-8")  # a lone surrogate is refused here


def _filled(value: Any, path: str) -> None:
    _string(value, path)
    assert value, f"{path}: empty"


def _int64(value: Any, path: str) -> None:
    assert type(value) is int, f"{path}: {value!r} is no integer"
    assert -(2**63) <= value < 2**63, f"{path}: {value} is beyond 64 bits"


def _double(value: Any, path: str) -> None:
    assert type(value) in (int, float), f"{path}: {value!r} is no number"
    if isinstance(value, int):
        assert -(2**63) <= value < 2**64, f"{path}: few readers keep an integer beyond 64 bits"
    else:
        assert math.isfinite(value), f"{path}: {value!r} is not finite"


def _boolean(value: Any, path: str) -> None:
    assert type(value) is bool, f"{path}: {value!r} is no boolean"


def _any_json(value: Any, path: str) -> None:
    if isinstance(value, dict):
        for key, item in value.items():
            _string(key, path)
            _any_json(item, f"{path}.{key}")
    elif isinstance(value, list):
        for index, item in enumerate(value):
            _any_json(item, f"{path}[{index}]")
    elif isinstance(value, str):
        _string(value, path)
    elif value is not None and type(value) is not bool:
        _double(value, path)


def _free_object(value: Any, path: str) -> None:
    assert isinstance(value, dict), f"{path}: {value!r} is no object"
    _any_json(value, path)


def _item(value: Any, path: str) -> None:
    assert value is not None, f"{path}: null"
    assert not isinstance(value, list), f"{path}: an array directly in an array"
    _any_json(value, path)


def _value(value: Any, path: str) -> None:
    assert value is not None, f"{path}: null"
    assert value != {}, f"{path}: a bare {{}}"
    if isinstance(value, list):
        for index, item in enumerate(value):
            _item(item, f"{path}[{index}]")
    else:
        _any_json(value, path)


def _one_of(*allowed: str) -> _Check:
    def check(value: Any, path: str) -> None:
        assert value in allowed, f"{path}: {value!r} is none of {allowed}"

    return check


def _array(item: _Check) -> _Check:
    def check(value: Any, path: str) -> None:
        assert isinstance(value, list), f"{path}: {value!r} is no array"
        for index, each in enumerate(value):
            item(each, f"{path}[{index}]")

    return check


def _closed(required: dict[str, _Check], optional: dict[str, _Check]) -> _Check:
    known = required | optional

    def check(value: Any, path: str) -> None:
        assert isinstance(value, dict), f"{path}: {value!r} is no object"
        assert value.keys() >= required.keys(), f"{path}: lacks {sorted(required.keys() - value.keys())}"
        assert value.keys() <= known.keys(), f"{path}: unknown {sorted(value.keys() - known.keys())}"
        for key, item in value.items():
            known[key](item, f"{path}.{key}")

    return check


def _tag(value: Any, path: str) -> None:
    _string(value, path)
    assert ":" in value, f"{path}: {value!r} is no key:value"


_SPAN = _closed(
    required={
        "dataset_id": _filled,
        "duration": _int64,
        "name": _string,
        "project_id": _filled,
        "span_id": _filled,
        "start_ns": _int64,
        "status": _one_of("ok", "error"),
        "trace_id": _filled,
    },
    optional={
        "meta": _closed(
            required={},
            optional={
                "error": _closed(
                    required={}, optional={"message": _string, "stack": _string, "type": _string}
                ),
                "expected_output": _free_object,
                "input": _value,
                "output": _value,
            },
        ),
        "tags": _array(_tag),
    },
)

_METRIC_FIELDS = _closed(
    required={
        "label": _string,
        "metric_type": _one_of("score", "categorical", "boolean", "json"),
        "span_id": _filled,
        "timestamp_ms": _int64,
    },
    optional={
        "assessment": _one_of("pass", "fail"),
        "boolean_value": _boolean,
        "categorical_value": _string,
        "error": _closed(required={}, optional={"message": _string}),
        "json_value": _free_object,
        "metadata": _free_object,
        "reasoning": _string,
        "score_value": _double,
        "tags": _array(_tag),
    },
)


def _metric(value: Any, path: str) -> None:
    _METRIC_FIELDS(value, path)
    own = f"{value['metric_type']}_value"
    given = {key for key in value if key.endswith("_value")}
    assert given <= {own}, f"{path}: {sorted(given)} beside metric_type {value['metric_type']!r}"
    assert given or "error" in value, f"{path}: neither {own} nor error"


_BODY = _closed(
    required={
        "data": _closed(
            required={
                "attributes": _closed(
                    required={}, optional={"metrics": _array(_metric), "spans": _array(_SPAN)}
                ),
                "type": _one_of("events"),
            },
            optional={},
        )
    },
    optional={},
)
