"""Defines the endpoint's closed schema as types, with its names and limits: what may be sent; any thread.

    POST https://api.<site>/api/v2/llm-obs/v1/experiments/<experiment id>/events

    EventsRequest
    └── data: EventsData {type: "events"}
        └── attributes: EventsAttributes
            ├── spans: [ExperimentSpan]     8 required fields; meta: input, output, expected_output, error
            └── metrics: [Metric]           4 required fields; one *_value beside its metric_type, or an error

What travels towards the endpoint forbids unknown fields. What comes back (`APIErrors`, `TooManyRequests`)
allows them, since a server may say more than it documents.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, NamedTuple, get_args
from urllib.parse import quote

from msgspec import UNSET, Meta, Struct, UnsetType

# --- Names --------------------------------------------------------------------------------------------------

Kind = Literal["experiment", "workflow", "agent", "llm", "tool", "task", "retrieval", "embedding"]
Status = Literal["ok", "error"]
MetricType = Literal["score", "categorical", "boolean", "json"]
Assessment = Literal["pass", "fail"]

KINDS: tuple[Kind, ...] = get_args(Kind)
STATUSES: tuple[Status, ...] = get_args(Status)
METRIC_TYPES: tuple[MetricType, ...] = get_args(MetricType)
ASSESSMENTS: tuple[Assessment, ...] = get_args(Assessment)

API_KEY_HEADER = "DD-API-KEY"
APP_KEY_HEADER = "DD-APPLICATION-KEY"
CONTENT_TYPE = "application/json"

# The schema has no field for these: they travel as `key:value` tags.
PARENT_TAG = "parent_id"
KIND_TAG = "span_kind"
ROW_TAG = "dataset_record_id"
FIRST_ITEM_TAG = "time_to_first_item_ns"
EXHAUSTED_TAG = "exhausted"
ENDED_BY_TAG = "ended_by"
LOWER_TAG = "lower_is_better"
NOT_APPLICABLE_TAG = "not_applicable"
# Of an experiment's run: which repeat of its row a root is, and of which attempt at it a child.
ITERATION_TAG = "run_iteration"
ATTEMPT_TAG = "attempt"
# Of a model call; a root has the sums of its tree under the names of tokens and cost.
MODEL_TAG = "model_name"
PROVIDER_TAG = "model_provider"
INPUT_TOKENS_TAG = "input_tokens"
OUTPUT_TOKENS_TAG = "output_tokens"
CACHED_TOKENS_TAG = "cached_tokens"
CACHE_WRITTEN_TOKENS_TAG = "cache_written_tokens"
CACHE_WRITTEN_1H_TOKENS_TAG = "cache_written_1h_tokens"
COST_TAG = "cost_usd"
MODEL_CALLS_TAG = "model_calls"


class OwnTag(NamedTuple):
    """A tag of ours: what it says, who writes and who reads it; a user's of a reserved name is left out."""

    on: Literal["span", "metric"]
    says: str
    written_by: tuple[str, ...]
    read_by: tuple[str, ...]
    is_reserved: bool = False


TAGS: dict[str, OwnTag] = {
    PARENT_TAG: OwnTag(
        "span",
        "the parent's span id; absent for a root",
        ("capture/span_record.py", "receiver/catalog/ddtrace.py"),
        ("store/columns.py", "recorded.py"),
        is_reserved=True,
    ),
    KIND_TAG: OwnTag(
        "span",
        "one of `KINDS`",
        ("capture/span_record.py", "receiver/catalog/ddtrace.py"),
        ("store/columns.py", "reading.py", "recorded.py"),
        is_reserved=True,
    ),
    ROW_TAG: OwnTag(
        "span",
        "the row's id, on its root span; a user may name it by a tag as well",
        ("capture/span_record.py",),
        ("store/columns.py", "recorded.py"),
    ),
    FIRST_ITEM_TAG: OwnTag(
        "span",
        "nanoseconds from a stream's start to its first item",
        (
            "capture/call.py",
            "model_calls/call.py",
            "model_calls/conventions/describe.py",
            "model_calls/conventions/genai.py",
            "model_calls/returned.py",
        ),
        ("viewer/tags.py",),
    ),
    EXHAUSTED_TAG: OwnTag(
        "span",
        "`false`: a stream was not read to its end",
        ("capture/call.py", "model_calls/call.py", "model_calls/returned.py"),
        ("viewer/tags.py",),
    ),
    MODEL_TAG: OwnTag("span", "the model that answered", (), ("capture/model_sums.py", "store/columns.py")),
    PROVIDER_TAG: OwnTag("span", "who runs the model", (), ("store/columns.py",)),
    INPUT_TOKENS_TAG: OwnTag(
        "span",
        "tokens of the prompt, cached ones among them; on a root, its tree's",
        ("capture/model_sums.py",),
        ("store/columns.py",),
    ),
    OUTPUT_TOKENS_TAG: OwnTag(
        "span",
        "tokens of the answer, reasoning among them; on a root, its tree's",
        ("capture/model_sums.py",),
        ("store/columns.py",),
    ),
    CACHED_TOKENS_TAG: OwnTag(
        "span", "those of the prompt's that a cache was read for", (), ("store/columns.py",)
    ),
    CACHE_WRITTEN_TOKENS_TAG: OwnTag(
        "span", "those of the prompt's that were written to a cache", (), ("store/prices.py",)
    ),
    CACHE_WRITTEN_1H_TOKENS_TAG: OwnTag(
        "span", "those of them that are kept for an hour, which is dearer", (), ("store/prices.py",)
    ),
    COST_TAG: OwnTag(
        "span",
        "what the provider states that it took, 0 where it refused; on a root, its tree's",
        ("capture/model_sums.py", "model_calls/call.py", "model_calls/conventions/refusals.py"),
        ("store/columns.py",),
    ),
    MODEL_CALLS_TAG: OwnTag(
        "span",
        "on a root, how many model calls its tree has",
        ("capture/model_sums.py",),
        ("store/columns.py",),
    ),
    ITERATION_TAG: OwnTag(
        "span",
        "on a row's root, which repeat of its row it is, from 1",
        ("experiment/task_steps.py", "pytest_experiments.py"),
        ("store/columns.py",),
    ),
    ATTEMPT_TAG: OwnTag(
        "span",
        "on what a row's task recorded, which attempt it was, from 1",
        ("experiment/routing.py",),
        ("store/columns.py",),
    ),
    ENDED_BY_TAG: OwnTag(
        "span",
        "the exception that ended it without failing it",
        ("capture/lifetime.py", "model_calls/conventions/describe.py"),
        (),
    ),
    LOWER_TAG: OwnTag(
        "metric",
        "`true` or `false`: which of its values are the better ones",
        ("capture/metric.py",),
        ("store/columns.py",),
    ),
    NOT_APPLICABLE_TAG: OwnTag(
        "metric",
        "`true`, beside an error that says nothing: the evaluator does not apply to the row",
        ("capture/metric.py", "receiver/catalog/ddtrace.py"),
        ("store/columns.py",),
    ),
}
RESERVED = frozenset(name for name, tag in TAGS.items() if tag.is_reserved)
# What a row is found by as what it is, and not as a tag: the store has columns for these.
FOUND_OTHERWISE = frozenset(
    (
        *(PARENT_TAG, KIND_TAG, ROW_TAG, FIRST_ITEM_TAG, MODEL_CALLS_TAG),
        *(INPUT_TOKENS_TAG, OUTPUT_TOKENS_TAG, CACHED_TOKENS_TAG, COST_TAG),
    )
)

# --- Limits -------------------------------------------------------------------------------------------------

INT32_MAX = 2**31 - 1
INT64_MIN = -(2**63)
INT64_MAX = 2**63 - 1
MAX_ID_CHARACTERS = 256

# How the ids begin that stand for what is not made yet: they travel through the journal, and never further.
MADE_UP = "llmobs-run-"
_MADE_UP = re.compile(rf"{MADE_UP}(?:project-|dataset-)?([0-9a-f]{{32}})")

# C0, DEL and C1 controls, the two Unicode line ends, and lone surrogates, which UTF-8 can't carry.
_UNFIT_IN_A_NAME = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


def id_problem(value: object) -> str | None:
    """Say what keeps a value from being an experiment's, project's or dataset's id; None if nothing does."""
    if not isinstance(value, str):
        return "is not a string"
    if not value.strip():
        return "is empty"
    if len(value) > MAX_ID_CHARACTERS:
        return f"is longer than {MAX_ID_CHARACTERS} characters"
    if _UNFIT_IN_A_NAME.search(value):
        return "holds a control character"
    if value in {".", ".."}:
        return "would be taken for a directory in the endpoint's path"
    return None


def as_id(text: str) -> str:
    """Make an acceptable id or name out of any text: what can't stay becomes `-`, what is too long is cut."""
    fit = _UNFIT_IN_A_NAME.sub("-", text).strip()[:MAX_ID_CHARACTERS].strip()
    return fit if id_problem(fit) is None else "unnamed"


def made_up_id(mark: str, part: Literal["experiment", "project", "dataset"] = "experiment") -> str:
    """The id that events of a run have while what it stands for is not found or made yet; `mark`, 32 hex
    digits, is the run's own.
    """
    return f"{MADE_UP}{'' if part == 'experiment' else f'{part}-'}{mark}"


def mark_of(some_id: str) -> str | None:
    """The mark of the run that a made-up id stands for; None where an id is no such."""
    match = _MADE_UP.fullmatch(some_id)
    return None if match is None else match[1]


def events_path(experiment_id: str) -> str:
    """The endpoint's path for one experiment; the id is quoted, so that it stays one segment of it."""
    return f"/api/v2/llm-obs/v1/experiments/{quote(experiment_id, safe='')}/events"


def is_loopback(host: str) -> bool:
    """Say whether a URL's host is this machine, by its name alone: nothing is looked up."""
    if host.lower() == "localhost":
        return True
    from ipaddress import ip_address  # 3 ms that only a plain http:// URL needs

    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


# --- What is sent -------------------------------------------------------------------------------------------

Int32 = Annotated[int, Meta(ge=-INT32_MAX - 1, le=INT32_MAX)]
Int64 = Annotated[int, Meta(ge=INT64_MIN, le=INT64_MAX)]
JsonObject = dict[str, Any]
JsonItem = str | int | float | bool | JsonObject
# Null is read, as the documentation's own example sends it, and never written: such a field is left out.
JsonValue = JsonItem | list[JsonItem] | None


class _Sent(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A part of a request: closed, and without what was not set."""


class SpanError(_Sent, frozen=True, kw_only=True):
    """What went wrong in a span."""

    message: str | UnsetType = UNSET
    stack: str | UnsetType = UNSET
    type: str | UnsetType = UNSET


class SpanMeta(_Sent, frozen=True, kw_only=True):
    """A span's values. `expected_output` is an object; the other two hold no array directly in an array."""

    error: SpanError | UnsetType = UNSET
    expected_output: JsonObject | UnsetType = UNSET
    input: JsonValue | UnsetType = UNSET
    output: JsonValue | UnsetType = UNSET


class ExperimentSpan(_Sent, frozen=True, kw_only=True):
    """One span; `duration` in nanoseconds, `start_ns` since the Unix epoch."""

    dataset_id: str
    duration: Int64
    name: str
    project_id: str
    span_id: str
    start_ns: Int64
    status: Status
    trace_id: str
    meta: SpanMeta | UnsetType = UNSET
    tags: list[str] | UnsetType = UNSET


class MetricError(_Sent, frozen=True, kw_only=True):
    """Why an evaluation has no value."""

    message: str | UnsetType = UNSET


class Metric(_Sent, frozen=True, kw_only=True):
    """One evaluation of one span; `timestamp_ms` since the Unix epoch."""

    label: str
    metric_type: MetricType
    span_id: str
    timestamp_ms: Int64
    assessment: Assessment | UnsetType = UNSET
    boolean_value: bool | UnsetType = UNSET
    categorical_value: str | UnsetType = UNSET
    error: MetricError | UnsetType = UNSET
    json_value: JsonObject | UnsetType = UNSET
    metadata: JsonObject | UnsetType = UNSET
    reasoning: str | UnsetType = UNSET
    score_value: float | UnsetType = UNSET
    tags: list[str] | UnsetType = UNSET


class EventsAttributes(_Sent, frozen=True, kw_only=True):
    """The events of one request."""

    metrics: list[Metric] | UnsetType = UNSET
    spans: list[ExperimentSpan] | UnsetType = UNSET


class EventsData(_Sent, frozen=True, kw_only=True):
    """The JSON:API resource around them."""

    attributes: EventsAttributes
    type: Literal["events"]


class EventsRequest(_Sent, frozen=True, kw_only=True):
    """A whole request body."""

    data: EventsData


# --- What comes back ----------------------------------------------------------------------------------------


class APIErrorSource(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Which part of the request an error speaks of."""

    header: str | UnsetType = UNSET
    parameter: str | UnsetType = UNSET
    pointer: str | UnsetType = UNSET


class APIError(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One error, in the server's own words."""

    detail: str | UnsetType = UNSET
    meta: JsonObject | UnsetType = UNSET
    source: APIErrorSource | UnsetType = UNSET
    status: str | UnsetType = UNSET
    title: str | UnsetType = UNSET


class APIErrors(Struct, frozen=True, kw_only=True):
    """The body of a 400, 401, 403 or 404."""

    errors: list[APIError]


class TooManyRequests(Struct, frozen=True, kw_only=True):
    """The body of a 429: bare strings."""

    errors: list[str]
