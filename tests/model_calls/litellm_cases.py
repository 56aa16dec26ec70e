"""litellm itself, over OpenAI's client and over Anthropic's protocol, against a server that speaks both: what
each call's span says, whichever way it was made, and that its caller sees nothing of it.

It is 250 MB, and no part of the extra for tests: `test_litellm.py` runs these with it on the path.
"""

from __future__ import annotations

import asyncio
import gc
import os
import sys
from collections.abc import Callable
from typing import Any

import pytest
from support.delivery import wait_until
from support.model_server import Answer, ModelServer
from support.model_server import anthropic as anthropic_says
from support.model_server import openai as says
from support.seen import outcome, seen

from llmobs_trace import RecordedSpans, experiment_span, instrument, uninstrument

# Not to ask the network for prices as it is imported.
os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
import litellm

Seen = list[Any]
CHAT: dict[str, Any] = {
    "model": "openai/gpt-4.1-mini",
    "messages": [{"role": "user", "content": "2+2?"}],
    "temperature": 0.5,
}
VECTORS = {"model": "openai/text-embedding-3-small", "input": ["a", "b"]}


# --- the ways -----------------------------------------------------------------------------------------------


def completion(request: dict[str, Any]) -> Seen:
    return [litellm.completion(**request)]


def completion_by_place(request: dict[str, Any]) -> Seen:
    rest = {name: value for name, value in request.items() if name not in ("model", "messages")}
    return [litellm.completion(request["model"], request["messages"], **rest)]


async def acompletion(request: dict[str, Any]) -> Seen:
    return [await litellm.acompletion(**request)]


def router(request: dict[str, Any]) -> Seen:
    return [_router(request).completion(**_for_a_router(request))]


async def arouter(request: dict[str, Any]) -> Seen:
    return [await _router(request).acompletion(**_for_a_router(request))]


def streamed(request: dict[str, Any]) -> Seen:
    stream = litellm.completion(**request, stream=True)
    return [stream, iter(stream) is stream, *stream]


async def astreamed(request: dict[str, Any]) -> Seen:
    stream = await litellm.acompletion(**request, stream=True)
    return [stream, *[chunk async for chunk in stream]]


async def arouter_streamed(request: dict[str, Any]) -> Seen:
    stream = await _router(request).acompletion(**_for_a_router(request), stream=True)
    return [stream, *[chunk async for chunk in stream]]


def _router(request: dict[str, Any]) -> Any:
    given = {name: request[name] for name in ("model", "api_base", "api_key")}
    return litellm.Router(model_list=[{"model_name": "mine", "litellm_params": given}], num_retries=0)


def _for_a_router(request: dict[str, Any]) -> dict[str, Any]:
    own = ("model", "api_base", "api_key", "max_retries")
    return {**{name: value for name, value in request.items() if name not in own}, "model": "mine"}


def embedding(request: dict[str, Any]) -> Seen:
    return [litellm.embedding(**request)]


async def aembedding(request: dict[str, Any]) -> Seen:
    return [await litellm.aembedding(**request)]


WHOLE = (completion, completion_by_place, acompletion, router, arouter)
STREAMED = (streamed, astreamed, arouter_streamed)
EMBEDDING = (embedding, aembedding)
CHATS: dict[str, Callable[[dict[str, Any]], Any]] = {way.__name__: way for way in (*WHOLE, *STREAMED)}
WAYS = {**CHATS, **{way.__name__: way for way in EMBEDDING}}
IS_STREAMED = {way.__name__ for way in STREAMED}
IS_EMBEDDING = {way.__name__ for way in EMBEDDING}


def go(way: str, server: ModelServer, **more: Any) -> Any:
    """Make a call in one way; what its caller sees."""
    request = {**(VECTORS if way in IS_EMBEDDING else CHAT), "api_base": server.url, "api_key": "sk-canary"}
    made = WAYS[way]({**request, "max_retries": 0, **more})
    return seen(LOOP.run_until_complete(made) if asyncio.iscoroutine(made) else made)


# One for all: litellm keeps clients, with the loop that they were made in.
LOOP = asyncio.new_event_loop()


def answer(way: str) -> Answer:
    if way in IS_EMBEDDING:
        return says.embeddings([0.25, 0.5], [0.5, 0.75])
    return (
        says.chat_stream(["fo", "ur"], usage=says.USAGE)
        if way in IS_STREAMED
        else says.chat({"content": "four"})
    )


@pytest.fixture(autouse=True)
def quiet() -> None:
    litellm.suppress_debug_info = True
    litellm.num_retries = None


@pytest.fixture
def instrumented() -> None:
    assert instrument() == ("openai", "anthropic", "google-genai", "litellm")


# --- what a span says ---------------------------------------------------------------------------------------

SUMS = {"model_calls"}


def tags_of(span: Any) -> dict[str, str]:
    return {name: value for name, value in span.tags.items() if name not in ("time_to_first_item_ns", *SUMS)}


@pytest.mark.parametrize("way", CHATS)
@pytest.mark.usefixtures("instrumented")
def test_a_call_is_one_span_though_clients_below_are_traced_too(
    way: str, server: ModelServer, llmobs_spans: RecordedSpans
) -> None:
    server.will(answer(way))
    with experiment_span("row", input="i") as row:
        go(way, server)
    assert sorted(span.name for span in llmobs_spans) == ["chat gpt-4.1-mini", "row"]
    call = llmobs_spans.named("chat gpt-4.1-mini")
    assert (call.kind, call.parent_id, call.status) == ("llm", row.span_id, "ok")
    given = {"messages": CHAT["messages"], "temperature": 0.5}
    assert {name: call.input[name] for name in given} == given
    if "router" not in way:  # which adds what it knows of the deployment
        assert call.input == {**given, **({"stream": True} if way in IS_STREAMED else {})}
    assert call.output == {"role": "assistant", "content": "four"}
    tags = tags_of(call)
    # Only later releases state the price of a stream.
    if "cost_usd" in tags or way not in IS_STREAMED:
        assert float(tags.pop("cost_usd")) > 0
    assert tags == says.TAGS
    assert "sk-canary" not in str([span.wire for span in llmobs_spans])


@pytest.mark.parametrize("way", sorted(IS_EMBEDDING))
@pytest.mark.usefixtures("instrumented")
def test_embeddings_are_their_number_and_their_dimensions(
    way: str, server: ModelServer, llmobs_spans: RecordedSpans
) -> None:
    server.will(answer(way))
    go(way, server)
    (call,) = llmobs_spans
    assert (call.name, call.kind) == ("embeddings text-embedding-3-small", "embedding")
    assert call.input == {"input": ["a", "b"]}
    assert call.output == {"embeddings": 2, "dimensions": 2}
    assert (call.tags["model_provider"], call.tags["input_tokens"]) == ("openai", "5")
    assert float(call.tags["cost_usd"]) > 0


ANTHROPIC_BLOCKS = (
    {"type": "thinking", "thinking": "Oslo. Hm.", "signature": "c2ln"},
    anthropic_says.text("I look."),
    anthropic_says.tool_use("toolu_1", "weather", {"city": "Oslo"}),
)


@pytest.mark.parametrize("way", ["completion", "acompletion", "streamed", "astreamed"])
@pytest.mark.usefixtures("instrumented")
def test_thinking_and_tools_of_another_provider_are_said_once(
    way: str, server: ModelServer, llmobs_spans: RecordedSpans
) -> None:
    made = anthropic_says.message(*ANTHROPIC_BLOCKS, stop="tool_use")
    events = anthropic_says.events_of(made)
    server.will(
        anthropic_says.streamed(events)
        if way in IS_STREAMED
        else anthropic_says.whole(*ANTHROPIC_BLOCKS, stop="tool_use")
    )
    go(way, server, model="anthropic/claude-haiku-4-5")
    (call,) = llmobs_spans
    assert call.name == "chat claude-haiku-4-5"
    assert call.output == {
        "role": "assistant",
        "content": "I look.",
        "thinking": "Oslo. Hm.",
        "tool_calls": [{"id": "toolu_1", "name": "weather", "arguments": {"city": "Oslo"}}],
    }
    tags = tags_of(call)
    # Only later releases state the price of a stream, and which model answered it.
    if "cost_usd" in tags or way not in IS_STREAMED:
        assert float(tags.pop("cost_usd")) > 0
    if way in IS_STREAMED and tags["model_name"] == "claude-haiku-4-5":
        tags["model_name"] = anthropic_says.ANSWERED_BY
    assert tags == anthropic_says.TAGS


@pytest.mark.parametrize("names", [("litellm",), ("litellm", "openai")])
@pytest.mark.parametrize("way", ["completion", "acompletion", "streamed"])
def test_retries_are_one_span_with_their_number(
    way: str, names: tuple[str, ...], server: ModelServer, llmobs_spans: RecordedSpans
) -> None:
    instrument(*names)
    server.will(
        says.error(429, "slow", retry_after_ms="1"), says.error(429, "slow", retry_after_ms="1"), answer(way)
    )
    go(way, server, max_retries=2)
    (call,) = llmobs_spans
    assert (call.status, call.tags["retries"]) == ("ok", "2")


@pytest.mark.parametrize("way", ["completion", "acompletion"])
@pytest.mark.usefixtures("instrumented")
def test_litellm_s_own_retries_are_counted(
    way: str, server: ModelServer, llmobs_spans: RecordedSpans
) -> None:
    pytest.importorskip("tenacity")
    server.will(says.error(400, "bad"), says.error(400, "bad"), answer(way))
    go(way, server, num_retries=2)
    (call,) = llmobs_spans
    assert (call.output, call.tags["retries"]) == ({"role": "assistant", "content": "four"}, "2")


FAILURES = {
    400: "BadRequestError",
    401: "AuthenticationError",
    429: "RateLimitError",
    529: "InternalServerError",
}


@pytest.mark.parametrize(
    "way", ["completion", "acompletion", "streamed", "astreamed", "embedding", "aembedding"]
)
@pytest.mark.parametrize("status", FAILURES)
@pytest.mark.usefixtures("instrumented")
def test_a_refused_call_says_what_the_provider_said(
    status: int, way: str, server: ModelServer, llmobs_spans: RecordedSpans
) -> None:
    server.will(says.error(status, "not like this"))
    with pytest.raises(Exception, match="not like this") as raised:
        go(way, server)
    (call,) = llmobs_spans
    assert (call.status, call.output) == ("error", None)
    assert call.error is not None
    assert call.error["type"].endswith(type(raised.value).__name__)
    assert "not like this" in call.error["message"]
    assert call.tags["status_code"] == str(raised.value.status_code)  # type: ignore[attr-defined]
    assert "sk-canary" not in str(call.wire)


@pytest.mark.parametrize("way", ["streamed", "astreamed"])
@pytest.mark.usefixtures("instrumented")
def test_a_stream_that_breaks_off_is_an_error_with_what_had_come(
    way: str, server: ModelServer, llmobs_spans: RecordedSpans
) -> None:
    pieces = tuple(says.chat_stream(["fo", "ur"]).pieces or ())[:2]
    server.will(Answer(content_type="text/event-stream", pieces=pieces, breaks=True))
    with pytest.raises(Exception) as raised:  # noqa: PT011  which one is the client's affair
        go(way, server)
    (call,) = llmobs_spans
    assert (call.status, call.output) == ("error", {"role": "assistant", "content": "fo"})
    assert call.error is not None
    assert call.error["type"].endswith(type(raised.value).__name__)
    assert call.tags["exhausted"] == "false"


@pytest.mark.parametrize("way", ["completion", "acompletion", "streamed", "astreamed"])
@pytest.mark.usefixtures("instrumented")
def test_a_call_that_is_never_answered_is_an_error_once_its_time_is_out(
    way: str, server: ModelServer, llmobs_spans: RecordedSpans
) -> None:
    server.will(
        Answer(stalls=True, content_type="text/event-stream" if way in IS_STREAMED else "application/json")
    )
    with pytest.raises(Exception, match=r"(?i)time"):
        go(way, server, timeout=0.3)
    (call,) = llmobs_spans
    assert call.status == "error"


@pytest.mark.parametrize("leave", ["close", "drop"])
@pytest.mark.usefixtures("instrumented")
def test_a_stream_that_is_left_says_what_had_come(
    leave: str, server: ModelServer, llmobs_spans: RecordedSpans
) -> None:
    server.will(answer("streamed"))
    stream = litellm.completion(**CHAT, api_base=server.url, api_key="k", stream=True)
    assert next(chunk for chunk in stream if chunk.choices[0].delta.content)
    if leave == "close" and hasattr(stream, "close"):
        stream.close()
    del stream
    # litellm's own threads, which write its log, may hold it for a while.
    wait_until(lambda: gc.collect() >= 0 and len(llmobs_spans) == 1)
    (call,) = llmobs_spans
    assert (call.status, call.output["content"], call.tags["exhausted"]) == ("ok", "fo", "false")


# --- what its caller sees -----------------------------------------------------------------------------------

ANSWERS: dict[str, Callable[[str], Answer]] = {
    "answered": answer,
    "refused": lambda way: says.error(400, "bad"),
    "slowed": lambda way: says.error(429, "slow"),
    "no message": lambda way: Answer(b"[]"),
}


@pytest.mark.parametrize("way", [way for way in WAYS if "router" not in way])
@pytest.mark.parametrize("what", ANSWERS)
def test_a_caller_sees_what_it_sees_uninstrumented(what: str, way: str, server: ModelServer) -> None:
    server.will(ANSWERS[what](way))
    plain = outcome(lambda: go(way, server))
    instrument("litellm")
    traced = outcome(lambda: go(way, server))
    uninstrument("litellm")
    again = outcome(lambda: go(way, server))
    assert timeless(plain) == timeless(traced) == timeless(again)
    bodies = [(each.path, each.body) for each in server.received]
    assert len(bodies) % 3 == 0
    assert bodies == bodies[: len(bodies) // 3] * 3


# What litellm makes up anew for each call, or measures.
OF_THE_MOMENT = {"created", "id", "created_at", "_response_ms", "litellm_overhead_time_ms", "litellm_call_id"}
OF_THE_MOMENT |= {"callback_duration_ms", "received_model_id", "llm_provider-date"}


def timeless(seen: Any) -> Any:
    if isinstance(seen, dict):
        return {name: timeless(value) for name, value in seen.items() if name not in OF_THE_MOMENT}
    if isinstance(seen, (list, tuple)):
        return [timeless(each) for each in seen]
    return seen


# --- names --------------------------------------------------------------------------------------------------


def test_names_taken_before_are_wrapped_and_put_back(
    server: ModelServer, llmobs_spans: RecordedSpans, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = litellm.completion
    monkeypatch.setattr(sys.modules[__name__], "taken", before, raising=False)
    server.will(answer("completion"))
    instrument("litellm")
    assert globals()["taken"] is litellm.completion is not before
    globals()["taken"](**CHAT, api_base=server.url, api_key="k")
    uninstrument("litellm")
    assert globals()["taken"] is litellm.completion is before
    globals()["taken"](**CHAT, api_base=server.url, api_key="k")
    assert len(llmobs_spans) == 1
