"""Anthropic's own client against a server that speaks its protocol: what each call's span says, whichever way
it was made, and that its caller sees nothing of it.
"""

from __future__ import annotations

import asyncio
import gc
import inspect
from collections.abc import Callable, Iterator
from typing import Any

import pydantic
import pytest
from model_calls.anthropic_ways import ASYNC_STREAMED, ASYNC_WHOLE, STREAMED, WHOLE
from support.model_server import Answer, ModelServer
from support.model_server import anthropic as says
from support.seen import outcome, seen

from llmobs_trace import RecordedSpans, experiment_span, instrument, uninstrument

anthropic = pytest.importorskip("anthropic")

TOOL = {"name": "weather", "description": "What it is like.", "input_schema": {"type": "object"}}
REQUEST: dict[str, Any] = {
    "model": "claude-haiku-4-5",
    "max_tokens": 100,
    "stop_sequences": ["."],
    "system": "Be brief.",
    "messages": [{"role": "user", "content": "Is it wet in Oslo?"}],
    "tools": [TOOL],
}
INPUT = {
    "messages": [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Is it wet in Oslo?"},
    ],
    "max_tokens": 100,
    "stop_sequences": ["."],
    "tools": [TOOL],
}
THOUGHT = {"type": "thinking", "thinking": "Oslo. Hm.", "signature": "c2ln"}
BLOCKS = [THOUGHT, says.text("I look."), says.tool_use("toolu_1", "weather", {"city": "Oslo"})]
OUTPUT = {
    "role": "assistant",
    "content": "I look.",
    "thinking": "Oslo. Hm.",
    "tool_calls": [{"id": "toolu_1", "name": "weather", "arguments": {"city": "Oslo"}}],
}
MESSAGE = says.message(*BLOCKS, stop="tool_use")
EVENTS = says.events_of(MESSAGE)
TAGS = says.TAGS
WAYS = {**WHOLE, **STREAMED, **ASYNC_WHOLE, **ASYNC_STREAMED}
# For what differs between an answer at once and a stream, and hardly by the way to them.
SOME = ("create", "raw", "iterated", "manager", "async_create", "async_iterated", "async_manager")
IS_STREAMED = {*STREAMED, *ASYNC_STREAMED}


def go(way: str, server: ModelServer, request: dict[str, Any] = REQUEST, **options: Any) -> Any:
    """Make a call in one way, with a client of its own; what its caller sees."""
    options = {"api_key": "sk-canary", "base_url": server.url, "max_retries": 0, **options}
    if "beta" in way and not hasattr(anthropic.resources.beta.messages.Messages, "stream"):
        pytest.skip("a release without it")
    if way in WHOLE or way in STREAMED:
        with anthropic.Anthropic(**options) as client:
            return seen(WAYS[way](client, request))

    async def run() -> Any:
        async with anthropic.AsyncAnthropic(**options) as client:
            return seen(await WAYS[way](client, request))

    return asyncio.run(run())


def answer(way: str) -> Answer:
    return says.streamed(EVENTS) if way in IS_STREAMED else says.whole(*BLOCKS, stop="tool_use")


def given(way: str) -> dict[str, Any]:
    # A manager of a stream was asked for, and not told.
    return {**INPUT, "stream": True} if way in IS_STREAMED and "manager" not in way else INPUT


def tags_of(span: Any) -> dict[str, str]:
    """A span's tags but for the time to the first item, which only streams have, and a root's sum."""
    return {
        name: value
        for name, value in span.tags.items()
        if name not in ("time_to_first_item_ns", "model_calls")
    }


@pytest.fixture
def instrumented() -> None:
    assert instrument("anthropic") == ("anthropic",)


# --- what a span says ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.usefixtures("instrumented")
def test_a_call_is_one_span_of_all_that_was_asked_and_answered(
    way: str, server: ModelServer, llmobs_spans: RecordedSpans
) -> None:
    server.will(answer(way))
    with experiment_span("row", input="i") as row:
        go(way, server)
    assert {span.name for span in llmobs_spans} == {"row", "chat claude-haiku-4-5"}
    call = llmobs_spans.named("chat claude-haiku-4-5")
    assert (call.kind, call.parent_id, call.status, call.error) == ("llm", row.span_id, "ok", None)
    assert call.input == given(way)
    assert call.output == OUTPUT
    assert tags_of(call) == TAGS
    assert ("time_to_first_item_ns" in call.tags) == (way in IS_STREAMED)


FAILURES: dict[str, tuple[Answer, int, str]] = {
    "BadRequestError": (
        says.error(400, "max_tokens: Field required", "invalid_request_error"),
        400,
        "max_tokens",
    ),
    "AuthenticationError": (says.error(401, "invalid x-api-key", "authentication_error"), 401, "x-api-key"),
    "RateLimitError": (says.error(429, "slow down", "rate_limit_error"), 429, "slow down"),
    "OverloadedError": (says.error(529, "Overloaded", "overloaded_error"), 529, "Overloaded"),
}


@pytest.mark.parametrize("way", SOME)
@pytest.mark.parametrize("name", FAILURES)
@pytest.mark.usefixtures("instrumented")
def test_a_refused_call_says_what_the_provider_said(
    name: str, way: str, server: ModelServer, llmobs_spans: RecordedSpans
) -> None:
    refusal, status, words = FAILURES[name]
    server.will(refusal)
    with pytest.raises(anthropic.APIStatusError) as raised:
        go(way, server)
    (call,) = llmobs_spans
    assert (call.status, call.input, call.output) == ("error", given(way), None)
    assert call.error["type"].endswith(type(raised.value).__name__)
    assert words in call.error["message"]
    assert tags_of(call) == {
        "model_name": "claude-haiku-4-5",
        "model_provider": "anthropic",
        "cost_usd": "0",
        "status_code": str(status),
        "request_id": "req_1",
    }
    assert "sk-canary" not in str(call.wire)


@pytest.mark.usefixtures("instrumented")
def test_messages_that_can_be_iterated_once_are_sent_and_recorded(
    server: ModelServer, llmobs_spans: RecordedSpans
) -> None:
    server.will(says.error(529, "Overloaded", "overloaded_error", retry_after_ms="1"), answer("create"))
    messages = ({"role": "user", "content": words} for words in ("2+2?",))
    with anthropic.Anthropic(api_key="k", base_url=server.url, max_retries=1) as client:
        client.messages.create(model="claude-haiku-4-5", max_tokens=8, messages=messages)  # type: ignore[arg-type]
    assert [each.body["messages"] for each in server.received] == [[{"role": "user", "content": "2+2?"}]] * 2
    assert llmobs_spans[0].input["messages"] == [{"role": "user", "content": "2+2?"}]


@pytest.mark.usefixtures("instrumented")
def test_messages_that_raise_as_they_are_iterated_raise_at_the_caller(
    server: ModelServer, llmobs_spans: RecordedSpans
) -> None:
    def messages() -> Iterator[dict[str, str]]:
        yield {"role": "user", "content": "2+2?"}
        raise LookupError("no more")

    with (
        anthropic.Anthropic(api_key="k", base_url=server.url, max_retries=0) as client,
        pytest.raises(LookupError, match="no more"),
    ):
        client.messages.create(model="claude-haiku-4-5", max_tokens=8, messages=messages())  # type: ignore[arg-type]
    assert server.received == []
    # Older releases iterate over them before there is a request, and so before there is a call.
    assert [span.status for span in llmobs_spans] in (["error"], [])


@pytest.mark.parametrize("way", SOME)
@pytest.mark.usefixtures("instrumented")
def test_a_client_s_retries_are_one_span_with_their_number(
    way: str, server: ModelServer, llmobs_spans: RecordedSpans
) -> None:
    overloaded = says.error(529, "Overloaded", "overloaded_error", retry_after_ms="1")
    server.will(overloaded, overloaded, answer(way))
    go(way, server, max_retries=2)
    (call,) = llmobs_spans
    assert call.output == OUTPUT
    assert tags_of(call) == {**TAGS, "retries": "2"}


@pytest.mark.parametrize("way", SOME)
@pytest.mark.usefixtures("instrumented")
def test_a_call_that_is_never_answered_is_an_error_once_its_time_is_out(
    way: str, server: ModelServer, llmobs_spans: RecordedSpans
) -> None:
    server.will(
        Answer(stalls=True, content_type="text/event-stream" if way in IS_STREAMED else "application/json")
    )
    with pytest.raises(Exception) as raised:  # noqa: PT011  which one is the client's affair
        go(way, server, timeout=0.3)
    (call,) = llmobs_spans
    assert (call.status, call.input) == ("error", given(way))
    assert "Timeout" in call.error["type"]
    assert call.error["type"].endswith(type(raised.value).__name__)


# Up to the first piece of the tool's call.
BEGUN = EVENTS[: next(index for index, event in enumerate(EVENTS) if '{"cit' in str(event.get("delta"))) + 1]
BEGUN_OUTPUT = {
    **OUTPUT,
    "tool_calls": [{"id": "toolu_1", "name": "weather", "arguments": '{"city":'}],
}
BROKEN = {
    "cut": says.streamed(BEGUN, breaks=True),
    "silent": says.streamed(BEGUN, stalls=True),
    "an error of the provider's": says.streamed([*BEGUN, says.error_event("Overloaded")]),
}


@pytest.mark.parametrize("way", [way for way in SOME if way in IS_STREAMED])
@pytest.mark.parametrize("how", BROKEN)
@pytest.mark.usefixtures("instrumented")
def test_a_stream_that_breaks_off_is_an_error_with_what_had_come(
    how: str, way: str, server: ModelServer, llmobs_spans: RecordedSpans
) -> None:
    server.will(BROKEN[how])
    with pytest.raises(Exception) as raised:  # noqa: PT011  which one is the client's affair
        go(way, server, timeout=0.3)
    (call,) = llmobs_spans
    assert (call.status, call.output) == ("error", BEGUN_OUTPUT)
    assert call.error["type"].endswith(type(raised.value).__name__)
    assert call.tags["input_tokens"] == "2310"
    assert call.tags["exhausted"] == "false"


@pytest.mark.parametrize("leave", ["close", "block", "drop", "manager"])
@pytest.mark.usefixtures("instrumented")
def test_a_stream_that_is_left_early_says_what_had_come(
    leave: str, server: ModelServer, llmobs_spans: RecordedSpans
) -> None:
    server.will(says.streamed(EVENTS))
    with anthropic.Anthropic(api_key="sk-canary", base_url=server.url) as client:
        if leave == "manager":
            with client.messages.stream(**REQUEST) as stream:
                next(iter(stream.text_stream))
        else:
            stream = client.messages.create(**REQUEST, stream=True)
            assert next(event for event in stream if "I l" in str(event)).index == 1
            if leave == "close":
                stream.close()
            elif leave == "block":
                with stream:
                    pass
        del stream
        gc.collect()
    (call,) = llmobs_spans
    assert (call.status, call.tags["exhausted"]) == ("ok", "false")
    assert call.output == {"role": "assistant", "content": "I l", "thinking": "Oslo. Hm."}


@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize("platform", ["Bedrock", "Vertex"])
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.usefixtures("instrumented")
def test_clients_of_other_platforms_are_traced_the_same(
    stream: bool, platform: str, is_async: bool, server: ModelServer, llmobs_spans: RecordedSpans
) -> None:
    options: dict[str, Any]
    if platform == "Bedrock":
        options = {"aws_region": "us-east-1", "api_key": "sk-canary"}
        if stream or "api_key" not in inspect.signature(anthropic.AnthropicBedrock.__init__).parameters:
            pytest.importorskip("botocore")
            options = {
                **options,
                "api_key": None,
                "aws_access_key": "sk-canary",
                "aws_secret_key": "sk-canary",
            }
            options = {name: value for name, value in options.items() if value is not None}
    else:
        pytest.importorskip("google.auth")
        options = {"region": "us-east5", "project_id": "p", "access_token": "sk-canary"}
    client = getattr(anthropic, f"{'Async' if is_async else ''}Anthropic{platform}")(
        base_url=server.url, **options
    )
    framed = says.framed if platform == "Bedrock" else says.streamed
    server.will(framed(EVENTS) if stream else says.whole(*BLOCKS, stop="tool_use"))

    async def go() -> None:
        answer = await client.messages.create(**REQUEST, **({"stream": True} if stream else {}))
        if stream:
            assert [event async for event in answer]

    if is_async:
        asyncio.run(go())
    else:
        answer = client.messages.create(**REQUEST, **({"stream": True} if stream else {}))
        assert not stream or [*answer]
    (call,) = llmobs_spans
    assert call.name == "chat claude-haiku-4-5"
    assert call.input == ({**INPUT, "stream": True} if stream else INPUT)
    assert (call.output, tags_of(call)) == (OUTPUT, TAGS)
    assert "sk-canary" not in str(call.wire)


@pytest.mark.usefixtures("instrumented")
def test_structured_outputs_have_their_schema_in_the_input_and_their_text_in_the_output(
    server: ModelServer, llmobs_spans: RecordedSpans
) -> None:
    class Answer(pydantic.BaseModel):
        value: int

    server.will(says.whole(says.text('{"value": 4}')))
    with anthropic.Anthropic(api_key="k", base_url=server.url) as client:
        if not hasattr(client.messages, "parse"):
            pytest.skip("a release without it")
        parsed = client.messages.parse(**REQUEST, output_format=Answer)
    assert parsed.parsed_output == Answer(value=4)
    (call,) = llmobs_spans
    assert call.input["output_config"]["format"]["schema"]["properties"]["value"]["type"] == "integer"
    assert call.output == {"role": "assistant", "content": '{"value": 4}'}


# --- what its caller sees -----------------------------------------------------------------------------------

ANSWERS: dict[str, Callable[[str], Answer]] = {
    **{name: lambda way, refusal=refusal: refusal for name, (refusal, _, _) in FAILURES.items()},
    "cut": lambda way: BROKEN["cut"],
    "an error of the provider's": lambda way: BROKEN["an error of the provider's"],
    "no message": lambda way: Answer(b"[]"),
    "no JSON": lambda way: Answer(b"{", content_type="text/plain"),
}


@pytest.mark.parametrize(
    ("what", "way"),
    [*(("answered", way) for way in WAYS), *((what, way) for what in ANSWERS for way in SOME)],
)
def test_a_caller_sees_what_it_sees_uninstrumented(what: str, way: str, server: ModelServer) -> None:
    server.will(ANSWERS.get(what, answer)(way))
    plain = outcome(lambda: go(way, server))
    sent = [(each.path, each.body) for each in server.received]
    instrument("anthropic")
    traced = outcome(lambda: go(way, server))
    uninstrument("anthropic")
    again = outcome(lambda: go(way, server))
    assert plain == traced == again
    assert [(each.path, each.body) for each in server.received] == sent * 3
