"""Opens the span of one model call, and ends it once: with its answer, its failure, or what had come until
then. User's thread.

A call that is made inside another call, as one client calls another, is that other's: it has no span of its
own. A fault of our own never reaches the caller.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import FrameType
from typing import Any, Final

from llmobs_trace.capture import active, model_sums
from llmobs_trace.capture import recorder as slot
from llmobs_trace.capture.entry import Active, Carried, Chain
from llmobs_trace.capture.failure import Failure
from llmobs_trace.capture.lifetime import begin, end, left_by, left_out, set_aside
from llmobs_trace.capture.span import INERT, Span, clock_ns, details_of, time_ns
from llmobs_trace.capture.span_arguments import SpanOptions
from llmobs_trace.capture.user_tags import written_tags
from llmobs_trace.capture.values import captured
from llmobs_trace.model_calls import told_twice
from llmobs_trace.model_calls.dialect import Answered, Asked, Dialect, Fold, Operation, Unread
from llmobs_trace.model_calls.foreign import ForeignSpan
from llmobs_trace.wire import COST_TAG, EXHAUSTED_TAG, FIRST_ITEM_TAG

_OPTIONS: Final[dict[Operation, SpanOptions]] = {
    "chat": SpanOptions(kind="llm"),
    "text_completion": SpanOptions(kind="llm"),
    "embeddings": SpanOptions(kind="embedding"),
}

# Arguments that are credentials, or may hold them: recorded nowhere, whatever the redactor.
WITHHELD: Final = frozenset(
    {
        "api_key",
        "authorization",
        "authentication",
        "azure_ad_token",
        "azure_ad_token_provider",
        "credentials",
        "default_headers",
        "extra_headers",
        "headers",
        "http_client",
        "http_options",
        "client",
    }
)
# A function's parameters are described there, not given; and what a caller says to the model is recorded as
# it is. Whatever the names in either.
_DESCRIBED: Final = frozenset({"function", "parameters", "input_schema"})
_SAID: Final = frozenset({"messages", "input", "contents", "response_format", "text"})

# By these a provider says that it did not answer. Others, and 408 among them, are said by clients as well,
# of a connection that broke: who knows what was answered by then.
REFUSALS: Final = frozenset({*range(400, 500), 503, 529} - {408})

_UNREAD_MAX: Final = 10_000


class Call:
    """One model call: its span, and what is known of it. `begin_call` makes it."""

    __slots__ = ("asked", "dialect", "retries", "span", "withheld")

    def __init__(self, span: Span, dialect: Dialect, asked: Asked) -> None:
        self.span = span
        self.dialect = dialect
        self.asked = asked
        self.retries = 0
        self.withheld: Callable[[Any], bool] | None = None  # which chunks are kept from the caller

    def answered(self, response: Any) -> None:
        """The whole answer came."""
        self._end(clock_ns(), self._read(response))

    def failed(self, error: BaseException) -> None:
        """The client's function, or a step of its stream, raised this."""
        ended_ns = clock_ns()
        span = self.span
        so_far: tuple[Answered | None, bool] = None, True
        try:
            if not span._ended:
                so_far = self._so_far()
                left_by(span, _OPTIONS[self.dialect.operation], error)
                if span._details is not None and span._details.failure is not None:
                    span._details.tags = tags = error_tags(error)
                    if so_far[0] is None and tags.get("status_code") in REFUSALS:
                        tags[COST_TAG] = 0  # nothing was answered, and nothing is charged
        finally:
            self._end(ended_ns, *so_far)

    def _read(self, response: Any) -> Answered:
        try:
            return self.dialect.answered(response)
        except Exception as problem:
            tell(problem)
            return Answered(response, {})

    def _so_far(self) -> tuple[Answered | None, bool]:
        """What had come when it failed, and whether that was all there is."""
        return None, True

    def _end(self, ended_ns: int, answer: Answered | None, is_exhausted: bool = True) -> None:
        span = self.span
        if span._ended:
            return
        try:
            if span._sampled:
                details, tags = details_of(span), self._tags(answer)
                if details.tags is None and span._recorder.redactor is None:
                    details.written_tags = written_tags(tags)
                if active._elsewhere is not None:
                    models = self.asked.model, tags.get("model_name")
                    trace_id = None if span.parent_id is None else span.trace_id
                    told_twice.remember(trace_id, span._opened_ns, *models)
                if details.written_tags:
                    model_sums.count(span.trace_id, span.span_id, span.parent_id, tags)
                else:
                    details.tags = {**tags, **(details.tags or {})}
                if not is_exhausted:
                    details.own_tags = (*details.own_tags, f"{EXHAUSTED_TAG}:false")
                if answer is not None and answer.failure is not None and details.failure is None:
                    details.failure = Failure.told(*answer.failure)
                if answer is not None and span._recorder.capture_output:
                    span._output = captured(span._recorder, "output", answer.output)
        except Exception as fault:
            slot.fault(fault)
        finally:
            end(span, ended_ns)
            span._opened_by = None

    def _tags(self, answer: Answered | None) -> dict[str, object]:
        asked = self.asked
        tags: dict[str, object] = {"model_name": asked.model, "model_provider": asked.provider}
        if answer is not None:
            for name, value in answer.tags.items():
                if value is not None:
                    tags[name] = value
        if "total_tokens" not in tags:
            given, made = tags.get("input_tokens"), tags.get("output_tokens")
            if isinstance(given, int) and isinstance(made, int):
                tags["total_tokens"] = given + made
        if self.retries:
            tags["retries"] = self.retries
        for name in ("model_name", "model_provider"):
            if tags[name] is None:
                del tags[name]
        return tags


class StreamedCall(Call):
    """A call whose answer is a stream: it ends at the latest when nobody holds the stream any more."""

    __slots__ = ("_fold", "_unread")

    def __init__(self, call: Call) -> None:
        super().__init__(call.span, call.dialect, call.asked)
        self.retries = call.retries
        self.withheld = call.withheld
        self._fold: Fold | None = None  # from the first chunk on
        self._unread: list[Any] = []  # chunks that the dialect could not read

    def add_first(self, chunk: Any) -> Callable[[Any], None]:
        """Take in the first chunk, and when it came. The answer takes the others."""
        if self._fold is None:
            span = self.span
            if span._sampled and not span._ended:
                details_of(span).own_tags = (f"{FIRST_ITEM_TAG}:{clock_ns() - span._opened_ns}",)
            self._fold = self.dialect.fold()
        self._fold.add(chunk)
        return self._fold.add

    def keep(self, chunk: Any) -> None:
        """Keep a chunk that could not be folded as it is; there are bounds, as there are to what is sent."""
        if len(self._unread) < _UNREAD_MAX:
            self._unread.append(chunk)

    def ended(self, *, is_exhausted: bool) -> None:
        """The stream was read to its end, or closed, left or collected before."""
        self._end(clock_ns(), self._so_far()[0], is_exhausted)

    def _so_far(self) -> tuple[Answered | None, bool]:
        if self._fold is None or self.span._ended:
            return None, False
        try:
            answer = self._fold.answered()
        except Exception as problem:
            tell(problem)
            answer = Answered(None, {})
        if self._unread:
            said = answer.output
            message = said if isinstance(said, dict) else {} if said is None else {"messages": said}
            answer = answer._replace(output={**message, "unread_chunks": self._unread})
        return answer, False

    def __del__(self) -> None:
        try:
            if not self.span._ended:
                self.ended(is_exhausted=False)
        except Exception as fault:
            slot.fault(fault)


def tell(problem: Exception) -> None:
    """Count and log what a dialect raised, where it is more than a shape that it does not know."""
    if not isinstance(problem, Unread):
        slot.fault(problem)


def begin_call(
    dialect: Dialect, arguments: Mapping[str, Any], frame: FrameType | None, *, provider: str | None = None
) -> Call | None:
    """Open the span of a call that `frame`, the wrapper's, is about to make; None where none is recorded.
    `provider` is whose model it is, where the client knows better than the arguments.
    """
    recorder = slot.current or slot.get()
    if not recorder.enabled:
        return None
    chain = active.current_chain()
    parent = active.find(chain, frame)
    if parent is not None and parent.trace_id and (not parent._sampled or is_part_of_a_call(parent)):
        return None
    span = left_out(recorder, "", parent)
    if span is INERT:
        return None
    if span is not None:
        # Not sampled, which is decided here for all that the client does meanwhile.
        call = Call(span, dialect, Asked(None, None, {}))
        _place(span, chain, frame)
        span._opened_by = call
        return call
    try:
        asked = dialect.asked(arguments)
    except Exception as problem:
        tell(problem)
        asked = Asked(None, provider, dict(arguments))
    if provider is not None and provider != asked.provider:
        asked = Asked(asked.model, provider, asked.input)
    name = dialect.operation if asked.model is None else f"{dialect.operation} {asked.model}"
    span = begin(recorder, _OPTIONS[dialect.operation], name, parent)
    if recorder.capture_input:
        span._input = captured(recorder, "input", without_credentials(asked.input))
    call = Call(span, dialect, asked)
    span.start_ns = time_ns()
    span._opened_ns = clock_ns()
    _place(span, chain, frame)
    span._opened_by = call
    return call


def _place(span: Span, chain: Chain, frame: FrameType | None) -> None:
    if frame is not None and not chain.task and frame.f_code.co_flags & active.SUSPENDABLE:
        # A coroutine outside a task: nobody knows who runs while it awaits.
        active.place_in_frame(span, chain, frame)
    else:
        active.place_on_chain(span, chain, frame)


def call_of(entry: Active | None) -> Call | None:
    """The model call whose span this is, while it is open."""
    if isinstance(entry, Carried):
        entry = entry.span
    if entry is None or entry._ended:
        return None
    opened_by = getattr(entry, "_opened_by", None)
    return opened_by if isinstance(opened_by, Call) else None


def is_part_of_a_call(parent: Active) -> bool:
    """Whether what is made within `parent` belongs to a call that has its span, from whoever it has it."""
    span = parent.span if isinstance(parent, Carried) else parent
    if isinstance(span, ForeignSpan) and span.is_model_call is not None:
        return span.is_model_call()
    return call_of(span) is not None


def current_call(frame: FrameType | None) -> Call | None:
    """The model call that is being made where `frame` runs."""
    return call_of(active.now(frame))


def streamed(call: Call) -> StreamedCall:
    """The same call, whose answer turned out to be a stream: its span stays open, and active nowhere."""
    set_aside(call.span)
    call.span._opened_by = None  # the call holds its span, and not the other way as well
    return StreamedCall(call)


def error_tags(error: BaseException) -> dict[str, object]:
    """What an error says of its answer: the HTTP status, and the provider's id of the request."""
    response = getattr(error, "response", None)
    status = next(
        (
            code
            for code in (
                getattr(error, "status_code", None),
                getattr(error, "code", None),
                getattr(response, "status_code", None),
            )
            if type(code) is int
        ),
        None,
    )
    request_id = getattr(error, "request_id", None)
    tags = {"status_code": status, "request_id": request_id if isinstance(request_id, str) else None}
    return {name: value for name, value in tags.items() if value is not None}


def without_credentials(given: dict[str, Any]) -> dict[str, Any]:
    """A call's arguments without what may be a credential: by the names of parameters, and of tools' own."""
    if WITHHELD.isdisjoint(given):
        for name, value in given.items():
            if isinstance(value, (dict, list)) and name not in _SAID:
                break
        else:
            return given  # as most are
    return {
        name: value if name in _SAID or not isinstance(value, (dict, list)) else _without(value, 4)
        for name, value in given.items()
        if name not in WITHHELD
    }


def _without(value: Any, depth: int) -> Any:
    if type(value) is dict:
        return {
            name: inside if depth == 0 or name in _DESCRIBED else _without(inside, depth - 1)
            for name, inside in value.items()
            if name not in WITHHELD
        }
    if type(value) is list:
        return [_without(inside, depth - 1) for inside in value] if depth else value
    return value
