"""The documented members of a request as tables, and the types that read them; data.

    BODY ── data ── attributes ──┬── spans: [SPAN]      meta: META, its error: SPAN_ERROR
                                 └── metrics: [METRIC]  its error: METRIC_ERROR

The same tables make two kinds of types for msgspec: `typed` reads what is as documented and stops at the
first thing that is not; `raw` reads the members alone, each as its bytes. Values in which anything may be are
bytes in both, so that a body never becomes many times its size in objects. The sender's own types (`wire`)
are narrower: this is what the documentation and its examples send.
"""

from __future__ import annotations

import enum
from typing import Any, Final, Literal

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from llmobs_trace.wire import ASSESSMENTS, METRIC_TYPES, STATUSES, Int64


class Scalar(enum.Enum):
    """A kind of value, in the words of an error."""

    STRING = "a string"
    INT64 = "an integer of 64 bits"
    DOUBLE = "a number"
    BOOLEAN = "true or false"
    OBJECT = "an object"
    STRINGS = "an array of strings"
    VALUE = "a string, a number, a boolean, an object, an array of those, or null"
    ITEM = "a string, a number, a boolean or an object"


class OneOf(Struct, frozen=True):
    """One of a few strings."""

    allowed: tuple[str, ...]


class Closed(Struct, frozen=True):
    """An object with these members and no others.

    `typed` reads it, `raw` its members' bytes at all depths, `flat` at its own alone.
    """

    required: dict[str, Any]
    optional: dict[str, Any]
    typed: type[Struct]
    raw: type[Struct]
    flat: type[Struct]

    @property
    def members(self) -> dict[str, Any]:
        return self.required | self.optional


class ListOf(Struct, frozen=True):
    """An array of such objects."""

    item: Closed


_TYPES: Final[dict[Scalar, Any]] = {
    Scalar.STRING: str,
    Scalar.INT64: Int64,
    Scalar.DOUBLE: float,
    Scalar.BOOLEAN: bool,
    Scalar.OBJECT: Raw,
    Scalar.STRINGS: list[str],
    Scalar.VALUE: Raw,
}


def _typed(kind: Any) -> Any:
    match kind:
        case Scalar():
            return _TYPES[kind]
        case OneOf(allowed):
            return Literal[allowed]
        case Closed():
            return kind.typed
        case _:
            return list[kind.item.typed]


def _raw(kind: Any) -> Any:
    match kind:
        case Closed():
            return kind.raw
        case ListOf():
            return list[kind.item.raw]
        case _:
            return Raw


def _closed(
    name: str, *, required: dict[str, Any] | None = None, optional: dict[str, Any] | None = None
) -> Closed:
    required, optional = required or {}, optional or {}
    fields: list[Any] = [(member, _typed(kind)) for member, kind in required.items()]
    fields += [(member, _typed(kind) | UnsetType, UNSET) for member, kind in optional.items()]
    raws = [(member, _raw(kind) | UnsetType, UNSET) for member, kind in (required | optional).items()]
    flat = [(member, Raw | UnsetType, UNSET) for member in required | optional]
    return Closed(
        required,
        optional,
        msgspec.defstruct(name, fields, forbid_unknown_fields=True, gc=False),
        msgspec.defstruct(f"Raw{name}", raws, forbid_unknown_fields=True, gc=False),
        msgspec.defstruct(f"Flat{name}", flat, forbid_unknown_fields=True, gc=False),
    )


SPAN_ERROR: Final = _closed(
    "SpanError", optional={"message": Scalar.STRING, "stack": Scalar.STRING, "type": Scalar.STRING}
)
META: Final = _closed(
    "Meta",
    optional={
        "error": SPAN_ERROR,
        "expected_output": Scalar.OBJECT,
        "input": Scalar.VALUE,
        "output": Scalar.VALUE,
    },
)
SPAN: Final = _closed(
    "Span",
    required={
        "dataset_id": Scalar.STRING,
        "duration": Scalar.INT64,
        "name": Scalar.STRING,
        "project_id": Scalar.STRING,
        "span_id": Scalar.STRING,
        "start_ns": Scalar.INT64,
        "status": OneOf(STATUSES),
        "trace_id": Scalar.STRING,
    },
    optional={"meta": META, "tags": Scalar.STRINGS},
)
METRIC_ERROR: Final = _closed("MetricError", optional={"message": Scalar.STRING})
METRIC: Final = _closed(
    "Metric",
    required={
        "label": Scalar.STRING,
        "metric_type": OneOf(METRIC_TYPES),
        "span_id": Scalar.STRING,
        "timestamp_ms": Scalar.INT64,
    },
    optional={
        "assessment": OneOf(ASSESSMENTS),
        "boolean_value": Scalar.BOOLEAN,
        "categorical_value": Scalar.STRING,
        "error": METRIC_ERROR,
        "json_value": Scalar.OBJECT,
        "metadata": Scalar.OBJECT,
        "reasoning": Scalar.STRING,
        "score_value": Scalar.DOUBLE,
        "tags": Scalar.STRINGS,
    },
)
ATTRIBUTES: Final = _closed("Attributes", optional={"metrics": ListOf(METRIC), "spans": ListOf(SPAN)})
DATA: Final = _closed("Data", required={"attributes": ATTRIBUTES, "type": OneOf(("events",))})
BODY: Final = _closed("Body", required={"data": DATA})

# In place of a number, the documentation's own example has its generator's word for one. It is taken as what
# it stands for, a score that was not given; no other string is.
PLACEHOLDER: Final = b'"number"'
