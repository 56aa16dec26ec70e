"""Tells a span of ours what a span of OpenTelemetry's says: kind, values, tags and error. User's thread.

What becomes of a span's parts:

    name, start and end            as they are, in nanoseconds
    attributes                     what a convention says, in its place; every other one a tag of its name
    status, `exception` events     the error: of the last exception, else of the status
    events of messages and chunks  read; all others in the tag `otel.events`
    links                          the tag `otel.links`
    kind, instrumentation          the tags `otel.kind`, unless it is internal, and `otel.scope`
    ids                            the tags `otel.trace_id` and `otel.span_id`, where ours are others
    attributes left out by limits  the tag `otel.dropped`
    resource, trace state          left out
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Protocol

from llmobs_trace.capture import model_sums
from llmobs_trace.capture import recorder as slot
from llmobs_trace.capture.failure import Failure
from llmobs_trace.capture.span import NOT_GIVEN, details_of
from llmobs_trace.capture.user_tags import written_tags
from llmobs_trace.capture.values import captured
from llmobs_trace.model_calls.call import without_credentials
from llmobs_trace.model_calls.conventions import genai, openinference, openllmetry
from llmobs_trace.model_calls.conventions.names import Names
from llmobs_trace.model_calls.conventions.reading import MODEL_CALLS, Reading, one_or_all
from llmobs_trace.model_calls.conventions.refusals import failed_tags
from llmobs_trace.model_calls.foreign import ForeignSpan
from llmobs_trace.model_calls.told_twice import is_told_twice
from llmobs_trace.not_errors import NotErrors, named
from llmobs_trace.wire import ENDED_BY_TAG, FIRST_ITEM_TAG, INT64_MAX, INT64_MIN, RESERVED, Kind

KindOf = Callable[[Mapping[str, Any]], "Kind | None"]

# How a convention says what kind of span it is, the more exact first; words that say no more than our kind
# are not repeated as a tag.
_KINDS: Final[tuple[tuple[str, KindOf], ...]] = (
    (openinference.SPAN_KIND, openinference.kind_of),
    (genai.OPERATION, genai.kind_of),
    (openllmetry.SPAN_KIND, openllmetry.kind_of),
    (openllmetry.REQUEST_TYPE, openllmetry.kind_of),
)
_SAID_BY_THE_KIND: Final = frozenset(
    {
        "llm",
        "embedding",
        "tool",
        "agent",
        "workflow",
        "task",
        "chat",
        "embeddings",
        "retrieval",
        "execute_tool",
    }
)

# The word of an instrumentation for a provider -> ours.
PROVIDERS: Final = {
    "azure.ai.openai": "azure_openai",
    "az.ai.openai": "azure_openai",
    "gcp.gemini": "google",
    "gcp.gen_ai": "google",
    "gcp.vertex_ai": "google",
    "gemini": "google",
    "vertex_ai": "google",
    "vertexai": "google",
}

# Attributes that are credentials, or headers that hold some, recorded nowhere: whole names, last parts, and
# what the name of a header holds.
_WITHHELD: Final = frozenset({"gen_ai.headers", "llm.headers"})
_WITHHELD_PARTS: Final = frozenset(
    {"api_key", "authorization", "azure_ad_token", "default_headers", "extra_headers"}
)
_HEADER_PREFIXES: Final = ("http.request.header.", "http.response.header.")
_SECRET_HEADERS: Final = ("authorization", "api-key", "api_key", "cookie", "token", "secret")

_EXCEPTION: Final = "exception"
# One event for each chunk of a stream, or for the first alone.
_CHUNKS: Final = frozenset(
    {"llm.content.completion.chunk", "gen_ai.content.completion.chunk", "First Token Stream Event"}
)


class _Event(Protocol):
    @property
    def name(self) -> str: ...
    @property
    def timestamp(self) -> int: ...
    @property
    def attributes(self) -> Mapping[str, Any] | None: ...


def describe(ours: ForeignSpan, span: Any, start_ns: int, *, never_ended: bool = False) -> None:
    """Have `ours` say what a span of OpenTelemetry's says: a `ReadableSpan`. What its user told ours
    meanwhile stays.
    """
    reading, events = Reading(attributes_of(span)), listed(span, "events")
    for name in reading.names.told(_withheld):
        del reading.left[name]
    try:
        reading.kind = _kind_of(reading.left, reading.names.told(_kinds))
        others = read_events(reading, events, start_ns) if events else []
        read(reading)
    except Exception as fault:
        slot.fault(fault)
        reading, others = (
            Reading(without_headers(attributes_of(span))),
            read_events(Reading({}), events, start_ns, as_they_are=True),
        )
    ours.name = span.name
    ours.kind = reading.kind or "task"
    if reading.is_model_call and is_told_twice(
        ours.trace_id, ours._opened_ns, reading.tags.get("model_name")
    ):
        ours.kind = "task"  # one call is one span of its kind
    ours.start_ns = min(max(start_ns, INT64_MIN), INT64_MAX)
    recorder = ours._recorder
    if recorder.capture_input and ours._input is None:
        ours._input = captured(recorder, "input", input_of(reading))
    if recorder.capture_output and ours._output is NOT_GIVEN:
        ours._output = captured(recorder, "output", output_of(reading))
    details = details_of(ours)
    of_the_span = about(ours, span, others)
    if never_ended:
        of_the_span["otel.ended"] = False
    if details.failure is None:
        failure = failure_of(span, events, recorder.not_errors)
        if isinstance(failure, str):
            details.own_tags = (*details.own_tags, f"{ENDED_BY_TAG}:{failure}")
        elif failure is not None:
            details.failure = failure
            if ours.kind in MODEL_CALLS:
                of_the_span.update(failed_tags(reading, span.attributes or {}, failure))
    _tag(ours, tags_of(reading, of_the_span))


def _tag(ours: ForeignSpan, tags: dict[str, Any]) -> None:
    """Tag it, after what its user told it. Most are written at once, which is faster than each by itself."""
    details = details_of(ours)
    # A root that is a call says the sums in the place of its own.
    has_sums = ours.parent_id is None and ours.kind in model_sums.COUNTED_KINDS
    if details.tags is None and not has_sums and ours._recorder.redactor is None:
        details.written_tags = written_tags(tags)
    if not details.written_tags:
        details.tags = {**tags, **(details.tags or {})}
    elif ours.kind in model_sums.COUNTED_KINDS:
        model_sums.count(ours.trace_id, ours.span_id, ours.parent_id, tags)


def _kind_of(attributes: Mapping[str, Any], kinds: Sequence[tuple[str, KindOf]]) -> Kind | None:
    """What kind of span it is; None where no convention says."""
    for _, kind in kinds:
        if (found := kind(attributes)) is not None:
            return found
    if "gen_ai.request.model" in attributes and any(name in attributes for name in genai.PROVIDERS):
        return "llm"
    return None


def _kinds(names: Names) -> tuple[tuple[str, KindOf], ...]:
    """Which of these names are there."""
    return tuple((name, kind) for name, kind in _KINDS if name in names.all)


def is_model_call(span: Any) -> bool:
    """Whether it is a call of a model, as far as its attributes say by now."""
    return _kind_of(span.attributes or {}, _KINDS) in MODEL_CALLS


def read(reading: Reading) -> None:
    """Take out of a span's attributes all that the conventions say."""
    for name, _ in reading.names.told(_kinds):
        word = reading.left.get(name)
        if type(word) is str and reading.kind is not None and word.lower() in _SAID_BY_THE_KIND:
            del reading.left[name]
    openinference.read_openinference(reading)
    genai.read_genai(reading)
    openllmetry.read_openllmetry(reading)
    inputs, outputs = reading.names.told(_values)
    if inputs or outputs:
        reading.take_values(inputs, outputs)


def _values(names: Names) -> tuple[list[str], list[str]]:
    """Of the names that may say the input, and the output, those that are there."""
    inputs, outputs = (
        (*genai.INPUTS, openllmetry.ENTITY_INPUT),
        (*genai.OUTPUTS, openllmetry.ENTITY_OUTPUT),
    )
    return [name for name in inputs if name in names.all], [name for name in outputs if name in names.all]


def input_of(reading: Reading) -> Any:
    """What a span was given. The client's request as a whole is left out where its messages are there."""
    given, beside = reading.input, reading.beside["input"]
    if reading.kind == "llm" and reading.messages and not reading.tools and not beside:
        return without_credentials({**reading.parameters, "messages": reading.messages})  # as most are
    more: dict[str, Any] = {"messages": reading.messages, "tools": reading.tools, **beside}
    more = {name: value for name, value in more.items() if value}
    if not reading.is_model_call:
        return _with(given, more)
    if reading.kind == "embedding":
        asked = given if isinstance(given, dict) else {} if given is None else {"input": given}
    elif reading.messages or given is None:
        asked = {}
    else:
        asked = openinference.asked_in(given)
    told = {**reading.parameters, **more}
    made = {**asked} if asked else told
    if asked:
        for name, value in told.items():
            if made.setdefault(name, value) != value:
                made[f"{name}_told_otherwise"] = value
    return without_credentials(made) or None


def output_of(reading: Reading) -> Any:
    """What came of it. The client's answer as a whole is left out where its messages are there, or its
    documents.
    """
    given, documents, beside = reading.output, reading.documents, reading.beside["output"]
    answers = one_or_all(reading.answers) if reading.answers else None
    if reading.kind == "llm" and answers is not None and not (beside or documents or reading.embeddings):
        return answers  # as most are
    more = {"messages": answers, "embeddings": reading.embeddings, "documents": documents}
    more.update(beside)
    if reading.kind == "llm":
        said = openinference.answered_in(given) if answers is None and given is not None else answers
        return _with(said, {**more, "messages": None})
    if reading.kind == "embedding" and reading.embeddings:
        return _with(reading.embeddings, {**more, "embeddings": None})
    return _with(documents or given, {**more, "documents": beside.get("documents")})


def _with(given: Any, more: dict[str, Any]) -> Any:
    """A value, and what there is beside it."""
    more = {name: value for name, value in more.items() if value}
    if not more:
        return given
    return more if given is None else {"value": given, **more}


def tags_of(reading: Reading, of_the_span: dict[str, Any]) -> dict[str, Any]:
    """What is known by our names, and every attribute that nobody took by its own, unless that is ours."""
    tags = dict(reading.tags)
    if (provider := tags.get("model_provider")) is not None:
        tags["model_provider"] = PROVIDERS.get(provider, provider)
    if reading.is_model_call and "total_tokens" not in tags:
        made = tags.get("input_tokens"), tags.get("output_tokens")
        if made[0] is not None and made[1] is not None:
            tags["total_tokens"] = made[0] + made[1]
    tags.update(of_the_span)
    for name, value in reading.left.items():
        tags[f"otel.{name}" if name in RESERVED or name in tags else name] = value
    return tags


def about(ours: ForeignSpan, span: Any, events: list[Any]) -> dict[str, Any]:
    """What a span of OpenTelemetry's has beside its attributes."""
    tags: dict[str, Any] = {}
    # The plain attribute behind `name`, which takes four times as long.
    kind = getattr(getattr(span, "kind", None), "_name_", "INTERNAL")
    if kind != "INTERNAL":
        tags["otel.kind"] = kind.lower()
    scope = getattr(span, "instrumentation_scope", None)
    if scope is not None and scope.name:
        tags["otel.scope"] = scope.name
    if int(ours.trace_id, 16) != ours.foreign_trace_id:
        tags["otel.trace_id"] = f"{ours.foreign_trace_id:032x}"
    if int(ours.span_id, 16) != ours.foreign_id:
        tags["otel.span_id"] = f"{ours.foreign_id:016x}"
    if events:
        tags["otel.events"] = events
    if links := listed(span, "links"):
        tags["otel.links"] = [_link(link) for link in links]
    dropped = (
        getattr(span, "dropped_attributes", 0)
        + getattr(span, "dropped_events", 0)
        + getattr(span, "dropped_links", 0)
    )
    if dropped:
        tags["otel.dropped"] = dropped
    return tags


def _link(link: Any) -> dict[str, Any]:
    found = {"trace_id": f"{link.context.trace_id:032x}", "span_id": f"{link.context.span_id:016x}"}
    return {**found, "attributes": dict(link.attributes)} if link.attributes else found


def read_events(
    reading: Reading, events: Sequence[_Event], start_ns: int, *, as_they_are: bool = False
) -> list[Any]:
    """Take what events say of messages and of a stream's first chunk; the answer are all others, as a tag
    has them.
    """
    others = []
    for event in events or ():
        attributes = event.attributes or {}
        if event.name == _EXCEPTION:
            continue
        if event.name in _CHUNKS and not as_they_are:
            reading.tags.setdefault(FIRST_ITEM_TAG, max(event.timestamp - start_ns, 0))
        elif as_they_are or not genai.read_event(reading, event.name, attributes):
            found = {"name": event.name, "at_ns": event.timestamp - start_ns}
            others.append({**found, "attributes": dict(attributes)} if attributes else found)
    return others


def failure_of(span: Any, events: Sequence[_Event] | None, not_errors: NotErrors) -> Failure | str | None:
    """The error: of the last exception, unless the status says that all went well; else of the status. Of an
    exception that is no error its name alone.
    """
    status = span.status.status_code._name_
    exceptions = [event.attributes or {} for event in events if event.name == _EXCEPTION] if events else []
    if status == "OK" or (status == "UNSET" and not exceptions):
        return None
    last = exceptions[-1] if exceptions else {}
    failure = Failure.__new__(Failure)
    failure.type = str(last.get("exception.type") or (span.attributes or {}).get("error.type") or "Error")
    failure.message = str(last.get("exception.message") or span.status.description or "")
    failure.stack = str(last.get("exception.stacktrace") or "")
    return failure.type if not_errors and named(failure.type) in not_errors else failure


def listed(span: Any, what: str) -> Sequence[Any]:
    """A span's events or links: most have none, which the list behind them says in a tenth of the time."""
    behind = getattr(span, f"_{what}", None)
    if behind is not None and len(behind) == 0:
        return ()
    found: Sequence[Any] = getattr(span, what)
    return found


def attributes_of(span: Any) -> dict[str, Any]:
    """A copy of a span's attributes: the SDK's own way, where it has one, takes a fifth of the time."""
    attributes = span.attributes
    if not attributes:
        return {}
    copied = attributes.copy() if hasattr(attributes, "copy") else attributes
    return copied if type(copied) is dict else dict(copied)


def without_headers(attributes: dict[str, Any]) -> dict[str, Any]:
    """Attributes without those that are credentials, whatever the redactor."""
    return {name: value for name, value in attributes.items() if not _is_withheld(name)}


def _withheld(names: Names) -> tuple[str, ...]:
    return tuple(name for name in names.in_order if _is_withheld(name))


def _is_withheld(name: str) -> bool:
    if name.startswith(_HEADER_PREFIXES):
        return any(word in name for word in _SECRET_HEADERS)
    return name in _WITHHELD or name.rpartition(".")[2] in _WITHHELD_PARTS
