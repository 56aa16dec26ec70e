"""Knows the streams and chunks of model clients that decorated functions return or yield: capture's slot is
filled with this when a client is imported. User's thread.

A decorated function that returns a client's stream is open until that ends; its output is what the chunks
come to, as is that of a decorated generator that yields them. Whether the client is instrumented or not.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple

from llmobs_trace.capture import known_streams
from llmobs_trace.capture import recorder as slot
from llmobs_trace.capture.lifetime import end, left_by, set_aside
from llmobs_trace.capture.span import NOT_GIVEN, Span, clock_ns, details_of
from llmobs_trace.capture.span_arguments import SpanOptions
from llmobs_trace.capture.stream import Adder, Stream
from llmobs_trace.capture.values import captured_bytes
from llmobs_trace.encode import encode
from llmobs_trace.model_calls import anthropic, google_genai, litellm, openai, responses
from llmobs_trace.model_calls.call import tell
from llmobs_trace.model_calls.dialect import Fold
from llmobs_trace.model_calls.streams import Watching, watch
from llmobs_trace.model_calls.typed_streams import watching
from llmobs_trace.wire import EXHAUSTED_TAG, FIRST_ITEM_TAG


class Chunks(NamedTuple):
    """Chunks by the module and the end of the name of their class: what puts them together, and whose they
    are.
    """

    module: str
    name: str
    fold: Callable[[], Fold]
    provider: str | None


KNOWN: Final = (
    Chunks("openai.types.chat", "ChatCompletionChunk", openai.ChatFold, "openai"),
    Chunks("openai.types.completion", "Completion", openai.TextFold, "openai"),
    Chunks("openai.types.responses", "Event", responses.ResponsesFold, "openai"),
    Chunks("anthropic.types", "Event", anthropic.Messages().fold, anthropic.PROVIDER),
    Chunks("anthropic.lib.streaming", "Event", anthropic.Messages().fold, anthropic.PROVIDER),
    Chunks("google.genai.types", "GenerateContentResponse", google_genai.GenerateContent().fold, None),
    Chunks("litellm.types.utils", "ModelResponseStream", litellm.Completions().fold, None),
)


def known_chunks(chunk: object) -> Chunks | None:
    """What a chunk is one of, by the name of its class: no client is imported for it."""
    kind = type(chunk)
    for chunks in KNOWN:
        if kind.__name__.endswith(chunks.name) and kind.__module__.startswith(chunks.module):
            return chunks
    return None


class Assembly:
    """A generator's items, put together. What is no chunk, or can't be read, stays beside it as it is."""

    def __init__(self, chunks: Chunks, limit_bytes: int) -> None:
        self._chunks = chunks
        self._fold = chunks.fold()
        self._add = self._fold.add
        self._kinds: set[type] = set()  # a stream has few kinds of chunks, or of events
        self._others: Stream | None = None
        self._limit_bytes = limit_bytes

    def add(self, item: object) -> None:
        try:
            if type(item) not in self._kinds:
                if known_chunks(item) is not self._chunks:
                    self._keep(item)
                    return
                self._kinds.add(type(item))
            self._add(item)
        except Exception as problem:
            tell(problem)
            self._keep(item)

    def _keep(self, item: object) -> None:
        if self._others is None:
            self._others = Stream(self._limit_bytes)
        self._others.add(item)

    def adder(self) -> Adder:
        def add(item: object) -> Adder:
            self.add(item)
            return add

        return add

    def encoded(self) -> bytes:
        output = encode(self._fold.answered().output)
        if self._others is None:
            return output
        return b'{"chunks":%b,"others":%b}' % (output, self._others.encoded())

    def tell(self, span: Span) -> None:
        """A span of a model call has the call's tags, where its user has not set them."""
        if span.kind == "llm" and span._sampled:
            said = {"model_provider": self._chunks.provider, **self._fold.answered().tags}
            tags = {name: value for name, value in said.items() if value is not None}
            details = details_of(span)
            details.tags = {**tags, **(details.tags or {})}


class Returned:
    """A decorated function's span, from the return of a stream to the stream's end."""

    withheld = None

    def __init__(self, span: Span, what: SpanOptions, began_ns: int | None) -> None:
        self._span = span
        self._what = what
        self._began_ns = began_ns or span._opened_ns
        self._items: Stream | Assembly | None = None

    def add_first(self, chunk: Any) -> Callable[[Any], object]:
        span, limit_bytes = self._span, self._span._recorder.max_event_bytes
        if not span._ended:
            details_of(span).own_tags = (f"{FIRST_ITEM_TAG}:{clock_ns() - self._began_ns}",)
        chunks = known_chunks(chunk)
        items = self._items = Stream(limit_bytes) if chunks is None else Assembly(chunks, limit_bytes)
        items.add(chunk)
        return items.add

    def keep(self, chunk: Any) -> None:
        """`add` keeps all that comes."""

    def failed(self, error: BaseException) -> None:
        if not self._span._ended:
            left_by(self._span, self._what, error)
        self._end(is_exhausted=False)

    def ended(self, *, is_exhausted: bool) -> None:
        self._end(is_exhausted=is_exhausted)

    def _end(self, *, is_exhausted: bool) -> None:
        ended_ns, span, items = clock_ns(), self._span, self._items
        if span._ended:
            return
        try:
            if not is_exhausted:
                details = details_of(span)
                details.own_tags = (*details.own_tags, f"{EXHAUSTED_TAG}:false")
            recorder, wanted = span._recorder, self._what.capture_output
            if items is not None:
                if span._output is NOT_GIVEN and (recorder.capture_output if wanted is None else wanted):
                    span._output = captured_bytes(recorder, "output", items.encoded())
                if isinstance(items, Assembly):
                    items.tell(span)
        finally:
            end(span, ended_ns, self._began_ns)

    def __del__(self) -> None:
        try:
            self._end(is_exhausted=False)
        except Exception as fault:
            slot.fault(fault)


class _Both:
    """Two that watch one stream: its call's span, and that of the function which returned it."""

    def __init__(self, first: Watching, second: Watching) -> None:
        self._both = first, second
        self.withheld = first.withheld

    def add_first(self, chunk: Any) -> Callable[[Any], object]:
        first, second = [each.add_first(chunk) for each in self._both]
        return lambda chunk: (first(chunk), second(chunk))

    def keep(self, chunk: Any) -> None:
        self._both[0].keep(chunk)

    def failed(self, error: BaseException) -> None:
        for each in self._both:
            each.failed(error)

    def ended(self, *, is_exhausted: bool) -> None:
        for each in self._both:
            each.ended(is_exhausted=is_exhausted)


class _Known:
    """What capture's slot is filled with."""

    def stays_open(self, result: object, span: Span, what: SpanOptions, began_ns: int | None) -> bool:
        client = type(result).__module__.partition(".")[0]
        its = getattr(result, "__dict__", {})
        if client in ("openai", "anthropic"):
            stream = its.get("_raw_stream", result)
            if "_decoder" not in getattr(stream, "__dict__", {}):
                return False
            set_aside(span)
            watch(stream, Returned(span, what, began_ns))
            return True
        if client == "litellm" and (hasattr(result, "__next__") or hasattr(result, "__anext__")):
            set_aside(span)
            returned, before = Returned(span, what, began_ns), watching(result)
            litellm.CLIENT.streams.watch(result, returned if before is None else _Both(before, returned))
            return True
        return False

    def assembled(self, first: object) -> Assembly | None:
        chunks = known_chunks(first)
        recorder = slot.current
        if chunks is None or recorder is None:
            return None
        return Assembly(chunks, recorder.max_event_bytes)


def fill() -> None:
    """Fill capture's slot."""
    known_streams.known = _Known()
