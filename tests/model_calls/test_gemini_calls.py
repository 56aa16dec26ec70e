"""Google's own client against a server that speaks its protocol: what each call's span says, by every way to
make it.
"""

from __future__ import annotations

import asyncio
import gc
import traceback
from collections.abc import Callable, Iterator
from enum import Enum
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel
from support.model_server import Answer, ModelServer, of_json
from support.model_server import gemini as says

import llmobs_trace
from llmobs_trace import RecordedSpans, experiment_span, instrument, uninstrument
from llmobs_trace.recorded import RecordedSpan

genai = pytest.importorskip("google.genai", reason="google-genai needs Python 3.11")
errors, types = genai.errors, genai.types

MODEL = "gemini-3-flash"
USER = {"role": "user", "content": "2+2?"}
TAGS = {
    "model_name": says.ANSWERED_BY,
    "model_provider": "google",
    "input_tokens": "12",
    "output_tokens": "7",
    "total_tokens": "19",
    "cached_tokens": "4",
    "reasoning_tokens": "2",
    "finish_reason": "stop",
}


@pytest.fixture(autouse=True)
def instrumented() -> None:
    assert instrument("google-genai") == ("google-genai",)


@pytest.fixture
def client(server: ModelServer) -> genai.Client:
    return client_of(server)


def client_of(server: ModelServer, **options: Any) -> genai.Client:
    return genai.Client(
        api_key="canary-key", http_options=types.HttpOptions(base_url=server.url, api_version="v1", **options)
    )


# --- the ways to make a call: each gives the responses or the chunks that came ------------------------------

Way = Callable[..., list[Any]]


def generated(client: genai.Client, contents: Any = "2+2?", config: Any = None) -> list[Any]:
    return [client.models.generate_content(model=MODEL, contents=contents, config=config)]


def streamed(client: genai.Client, contents: Any = "2+2?", config: Any = None) -> list[Any]:
    return list(client.models.generate_content_stream(model=MODEL, contents=contents, config=config))


def sent(client: genai.Client, contents: Any = "2+2?", config: Any = None) -> list[Any]:
    return [client.chats.create(model=MODEL, config=config).send_message(contents)]


def sent_streamed(client: genai.Client, contents: Any = "2+2?", config: Any = None) -> list[Any]:
    return list(client.chats.create(model=MODEL, config=config).send_message_stream(contents))


def generated_async(client: genai.Client, contents: Any = "2+2?", config: Any = None) -> list[Any]:
    async def main() -> list[Any]:
        return [await client.aio.models.generate_content(model=MODEL, contents=contents, config=config)]

    return asyncio.run(main())


def streamed_async(client: genai.Client, contents: Any = "2+2?", config: Any = None) -> list[Any]:
    async def main() -> list[Any]:
        models = client.aio.models
        stream = await models.generate_content_stream(model=MODEL, contents=contents, config=config)
        return [chunk async for chunk in stream]

    return asyncio.run(main())


def sent_async(client: genai.Client, contents: Any = "2+2?", config: Any = None) -> list[Any]:
    async def main() -> list[Any]:
        return [await client.aio.chats.create(model=MODEL, config=config).send_message(contents)]

    return asyncio.run(main())


def sent_streamed_async(client: genai.Client, contents: Any = "2+2?", config: Any = None) -> list[Any]:
    async def main() -> list[Any]:
        stream = await client.aio.chats.create(model=MODEL, config=config).send_message_stream(contents)
        return [chunk async for chunk in stream]

    return asyncio.run(main())


WHOLE = (generated, sent, generated_async, sent_async)
STREAMS = (streamed, sent_streamed, streamed_async, sent_streamed_async)
every_way = pytest.mark.parametrize("way", [*WHOLE, *STREAMS], ids=lambda way: way.__name__)
every_stream = pytest.mark.parametrize("way", STREAMS, ids=lambda way: way.__name__)


def answer(way: Way, *parts: Any, finish: str = "STOP") -> Answer:
    """What the model says, whole or in chunks."""
    return says.stream(parts, finish=finish) if way in STREAMS else says.answer(*parts, finish=finish)


def tags_of(call: RecordedSpan, way: Way) -> dict[str, str]:
    """A call's tags, but for the time of a stream's first item and, of a root, the number of calls."""
    tags = {name: value for name, value in call.tags.items() if name != "model_calls"}
    if way in STREAMS and call.output is not None:
        assert int(tags.pop("time_to_first_item_ns")) > 0
    return tags


def the_call(spans: RecordedSpans) -> RecordedSpan:
    return spans.named(f"chat {MODEL}")


# --- answers ------------------------------------------------------------------------------------------------


@every_way
def test_a_call_is_a_span_of_what_was_asked_and_answered(
    way: Way, client: genai.Client, server: ModelServer, llmobs_spans: RecordedSpans
) -> None:
    server.will(answer(way, "It ", "is ", "4."))
    with experiment_span("row") as row:
        way(client, config=types.GenerateContentConfig(system_instruction="Count.", temperature=0))
    call = the_call(llmobs_spans)
    assert (call.kind, call.status, call.parent_id) == ("llm", "ok", row.span_id)
    assert call.input == {"messages": [{"role": "system", "content": "Count."}, USER], "temperature": 0}
    assert call.output == {"role": "assistant", "content": "It is 4."}
    assert tags_of(call, way) == TAGS


@every_way
def test_thoughts_are_apart_from_the_answer(
    way: Way, client: genai.Client, server: ModelServer, llmobs_spans: RecordedSpans
) -> None:
    server.will(answer(way, {"text": "Two and ", "thought": True}, {"text": "two.", "thought": True}, "4"))
    config = types.GenerateContentConfig(thinking_config=types.ThinkingConfig(include_thoughts=True))
    way(client, config=config)
    call = the_call(llmobs_spans)
    assert call.output == {"role": "assistant", "thinking": "Two and two.", "content": "4"}
    assert call.input == {"messages": [USER], "thinking_config": {"include_thoughts": True}}


@every_way
def test_calls_of_functions_are_in_the_answer(
    way: Way, client: genai.Client, server: ModelServer, llmobs_spans: RecordedSpans
) -> None:
    server.will(answer(way, says.call("weather", city="Oslo"), says.call("weather", city="Rome")))
    declared = types.FunctionDeclaration(name="weather", description="Says it.")
    way(client, config=types.GenerateContentConfig(tools=[types.Tool(function_declarations=[declared])]))
    call = the_call(llmobs_spans)
    assert call.output == {
        "role": "assistant",
        "tool_calls": [
            {"name": "weather", "arguments": {"city": "Oslo"}},
            {"name": "weather", "arguments": {"city": "Rome"}},
        ],
    }
    assert call.input["tools"] == [
        {"function_declarations": [{"name": "weather", "description": "Says it."}]}
    ]
    assert tags_of(call, way) == {**TAGS, "finish_reason": "tool_calls"}


class City(BaseModel):
    name: str


@every_way
def test_a_structured_answer_is_the_text_that_it_is(
    way: Way, client: genai.Client, server: ModelServer, llmobs_spans: RecordedSpans
) -> None:
    server.will(answer(way, '{"name": "Oslo"}'))
    config = {"response_mime_type": "application/json", "response_schema": City}
    (*_, last) = way(client, config=config)
    assert last.parsed == City(name="Oslo")
    call = the_call(llmobs_spans)
    assert call.output == {"role": "assistant", "content": '{"name": "Oslo"}'}
    assert call.input["response_mime_type"] == "application/json"
    assert "City" in call.input["response_schema"]


@every_way
def test_an_answer_that_was_held_back_says_so(
    way: Way, client: genai.Client, server: ModelServer, llmobs_spans: RecordedSpans
) -> None:
    blocked = {"promptFeedback": {"blockReason": "SAFETY", "blockReasonMessage": "Not that."}}
    server.will(says.events(blocked, ends=None) if way in STREAMS else of_json(blocked))
    way(client)
    call = the_call(llmobs_spans)
    assert (call.output, call.status) == ({"role": "assistant", "refusal": "Not that."}, "ok")
    assert call.tags["finish_reason"] == "content_filter"


def test_a_second_turn_of_a_chat_has_the_first_in_its_messages(
    client: genai.Client, server: ModelServer, llmobs_spans: RecordedSpans
) -> None:
    server.will(says.stream(["It is", " 4."]))
    chat = client.chats.create(model=MODEL)
    list(chat.send_message_stream("2+2?"))
    list(chat.send_message_stream("And 3+3?"))
    assert llmobs_spans[1].input == {
        "messages": [
            USER,
            {"role": "assistant", "content": "It is 4."},
            {"role": "user", "content": "And 3+3?"},
        ]
    }


@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
def test_embeddings_are_counted_and_not_kept(
    is_async: bool, client: genai.Client, server: ModelServer, llmobs_spans: RecordedSpans
) -> None:
    server.will(says.embeddings([0.1, 0.2, 0.3], [0.4, 0.5, 0.6]))
    asked: dict[str, Any] = {"model": "gemini-embedding-001", "contents": ["a", "b"]}
    if is_async:
        asyncio.run(client.aio.models.embed_content(**asked))
    else:
        client.models.embed_content(**asked)
    call = llmobs_spans.named("embeddings gemini-embedding-001")
    assert (call.kind, call.input, call.output) == (
        "embedding",
        {"input": ["a", "b"]},
        {"embeddings": 2, "dimensions": 3},
    )
    assert tags_of(call, generated) == {
        "model_name": "gemini-embedding-001",
        "model_provider": "google",
    }


def test_a_client_of_vertex_is_traced_the_same(server: ModelServer, llmobs_spans: RecordedSpans) -> None:
    options = types.HttpOptions(base_url=server.url)
    client = genai.Client(vertexai=True, api_key="canary-key", http_options=options)
    server.will(says.answer("4"))
    generated(client)
    assert server.received[0].path.endswith(f"publishers/google/models/{MODEL}:generateContent")
    call = the_call(llmobs_spans)
    assert (call.input, call.output) == ({"messages": [USER]}, {"role": "assistant", "content": "4"})
    assert tags_of(call, generated) == TAGS


# --- functions that the client calls by itself --------------------------------------------------------------


@experiment_span("weather", kind="tool")
def weather(city: str) -> str:
    """Says the weather."""
    return f"wet in {city}"


@every_way
def test_each_answer_of_the_model_is_a_call_and_the_functions_run_beside_them(
    way: Way, client: genai.Client, server: ModelServer, llmobs_spans: RecordedSpans
) -> None:
    server.will(answer(way, says.call("weather", city="Oslo")), answer(way, "Take ", "a coat."))
    with experiment_span("row", kind="agent") as row:
        way(client, "Weather in Oslo?", types.GenerateContentConfig(tools=[weather]))
    _, first, tool, second = sorted(llmobs_spans, key=lambda span: span.start_ns)
    assert [(span.name, span.parent_id) for span in (first, tool, second)] == [
        (f"chat {MODEL}", row.span_id),
        ("weather", row.span_id),
        (f"chat {MODEL}", row.span_id),
    ]
    called = {
        "role": "assistant",
        "tool_calls": [{"name": "weather", "arguments": {"city": "Oslo"}}],
    }
    asked = {"role": "user", "content": "Weather in Oslo?"}
    tools = [{"name": "weather", "description": "Says the weather."}]
    assert first.input == {"messages": [asked], "tools": tools}
    assert first.output == called
    assert second.input == {
        "messages": [asked, called, {"role": "tool", "name": "weather", "content": "wet in Oslo"}],
        "tools": tools,
    }
    assert second.output == {"role": "assistant", "content": "Take a coat."}


@pytest.mark.parametrize(
    "way", [generated, streamed, generated_async, streamed_async], ids=lambda w: w.__name__
)
def test_an_answer_that_the_client_continues_by_itself_is_one_call(
    way: Way, client: genai.Client, server: ModelServer, llmobs_spans: RecordedSpans
) -> None:
    def begun() -> Answer:
        body = says.response({"text": "It is "}, finish="CONTINUATION")
        body["candidates"][0]["continuationToken"] = "bW9yZQ=="
        return says.events(body, ends=None) if way in STREAMS else of_json(body)

    server.will(begun(), answer(way, "4."))
    way(client)
    assert len(server.received) == 2
    call = the_call(llmobs_spans)
    assert call.output["content"] in ("It is 4.", [{"type": "text", "text": "It is 4."}])
    doubled = {name: str(2 * int(value)) for name, value in TAGS.items() if name.endswith("_tokens")}
    assert tags_of(call, way) == {**TAGS, **doubled}


# --- failures -----------------------------------------------------------------------------------------------

ERRORS = [
    (400, "INVALID_ARGUMENT", "A field is wrong."),
    (401, "UNAUTHENTICATED", "No such key."),
    (429, "RESOURCE_EXHAUSTED", "Too many."),
    (503, "UNAVAILABLE", "Overloaded."),
]


@pytest.mark.parametrize(("status", "word", "message"), ERRORS, ids=[str(error[0]) for error in ERRORS])
@every_way
def test_an_error_of_the_provider_is_the_calls(
    way: Way,
    status: int,
    word: str,
    message: str,
    client: genai.Client,
    server: ModelServer,
    llmobs_spans: RecordedSpans,
) -> None:
    server.will(says.error(status, message, word))
    with pytest.raises(errors.APIError) as raised:
        way(client)
    call = the_call(llmobs_spans)
    assert (call.status, call.output) == ("error", None)
    assert call.error is not None
    assert call.error["type"] == type(raised.value).__name__
    assert message in call.error["message"]
    assert tags_of(call, way) == {
        "model_name": MODEL,
        "model_provider": "google",
        "cost_usd": "0",
        "status_code": str(status),
    }
    assert b"canary" not in b"".join(llmobs_spans.records)


@every_stream
def test_a_stream_that_breaks_keeps_what_had_come(
    way: Way, client: genai.Client, server: ModelServer, llmobs_spans: RecordedSpans
) -> None:
    server.will(says.stream(["It is", " 4"], finish=None, breaks=True))
    with pytest.raises(Exception, match=r".*") as raised:
        way(client)
    call = the_call(llmobs_spans)
    assert (call.status, call.output) == ("error", {"role": "assistant", "content": "It is 4"})
    assert call.error is not None
    assert call.error["type"] == type(raised.value).__name__


@every_stream
def test_an_error_within_a_stream_is_the_calls(
    way: Way, client: genai.Client, server: ModelServer, llmobs_spans: RecordedSpans
) -> None:
    failure = {"error": {"code": 503, "message": "Overloaded.", "status": "UNAVAILABLE"}}
    server.will(says.events(says.response({"text": "It"}, finish=None), failure, ends=None))
    with pytest.raises(errors.ServerError):
        way(client)
    call = the_call(llmobs_spans)
    assert (call.status, call.output) == ("error", {"role": "assistant", "content": "It"})
    assert call.tags["status_code"] == "503"
    assert "cost_usd" not in call.tags  # part of it was answered


@every_way
def test_a_timeout_is_the_calls(way: Way, server: ModelServer, llmobs_spans: RecordedSpans) -> None:
    server.will(Answer(stalls=True))
    with pytest.raises(Exception, match=r"(?i)timed? ?out|^$"):
        way(client_of(server, timeout=200))
    call = the_call(llmobs_spans)
    assert call.status == "error"
    assert call.error is not None
    assert "Timeout" in call.error["type"]


@every_way
def test_retries_of_the_client_are_one_call_with_their_number(
    way: Way, server: ModelServer, llmobs_spans: RecordedSpans
) -> None:
    retries = types.HttpRetryOptions(attempts=3, initial_delay=0.001, max_delay=0.002, jitter=0.001)
    too_many = says.error(429, "Too many.", "RESOURCE_EXHAUSTED")
    server.will(too_many, too_many, answer(way, "4"))
    way(client_of(server, retry_options=retries))
    call = the_call(llmobs_spans)
    assert (call.status, call.tags["retries"]) == ("ok", "2")


# --- streams that are left ----------------------------------------------------------------------------------


@pytest.mark.parametrize("leave", ["break", "close", "drop"])
def test_a_stream_that_is_left_keeps_what_had_come(
    leave: str, client: genai.Client, server: ModelServer, llmobs_spans: RecordedSpans
) -> None:
    server.will(says.stream(["It is", " 4", "."]))
    stream: Any = client.models.generate_content_stream(model=MODEL, contents="2+2?")
    next(stream)
    next(stream)
    if leave == "close":
        stream.close()
    elif leave == "break":
        for _ in stream:
            break
    del stream
    gc.collect()
    call = the_call(llmobs_spans)
    text = "It is 4." if leave == "break" else "It is 4"
    assert (call.status, call.output) == ("ok", {"role": "assistant", "content": text})
    assert call.tags["exhausted"] == "false"


@pytest.mark.parametrize("leave", ["break", "aclose", "cancel"])
def test_an_async_stream_that_is_left_keeps_what_had_come(
    leave: str, client: genai.Client, server: ModelServer, llmobs_spans: RecordedSpans
) -> None:
    async def main() -> None:
        stalled = leave == "cancel"
        server.will(says.stream(["It is", " 4"], finish=None if stalled else "STOP", stalls=stalled))
        stream: Any = await client.aio.models.generate_content_stream(model=MODEL, contents="2+2?")
        await anext(stream)
        if leave == "aclose":
            await stream.aclose()
        elif leave == "cancel":
            await anext(stream)
            third = asyncio.ensure_future(anext(stream))
            await asyncio.sleep(0)
            third.cancel()
            with pytest.raises(asyncio.CancelledError):
                await third
        del stream

    asyncio.run(main())
    gc.collect()
    call = the_call(llmobs_spans)
    text = "It is 4" if leave == "cancel" else "It is"
    assert (call.status, call.output) == (
        "error" if leave == "cancel" else "ok",
        {"role": "assistant", "content": text},
    )


@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
def test_what_runs_between_chunks_is_not_below_the_call(
    is_async: bool, client: genai.Client, server: ModelServer, llmobs_spans: RecordedSpans
) -> None:
    server.will(says.stream(["a", "b"]))
    asked: dict[str, Any] = {"model": MODEL, "contents": "2+2?"}

    def read() -> None:
        for _ in client.models.generate_content_stream(**asked):
            with experiment_span("between"):
                pass

    async def read_async() -> None:
        async for _ in await client.aio.models.generate_content_stream(**asked):
            with experiment_span("between"):
                pass

    with experiment_span("row") as row:
        asyncio.run(read_async()) if is_async else read()
    parents = {span.name: span.parent_id for span in llmobs_spans if span.name != "row"}
    assert parents == {"between": row.span_id, f"chat {MODEL}": row.span_id}


# --- the caller ---------------------------------------------------------------------------------------------


def outcome(way: Way, server: ModelServer, answers: list[Answer], config: Any) -> Any:
    """All that a caller can see of a call: the types and members of what came, or of what was raised."""
    server.will(*answers)
    client = client_of(server)
    try:
        came = way(client, config=config)
    except Exception as error:
        frames = [
            frame
            for frame in traceback.extract_tb(error.__traceback__)
            if "llmobs_trace" not in frame.filename
        ]
        return (
            type(error),
            str(error),
            type(error.__cause__),
            type(error.__context__),
            [(Path(frame.filename).name, frame.name) for frame in frames],
        )
    return [
        (type(each), each.model_dump(exclude={"sdk_http_response"}), each.model_fields_set) for each in came
    ]


class Colour(Enum):
    RED = "red"


def cases(way: Way) -> Iterator[tuple[str, list[Answer], Any]]:
    yield "text", [answer(way, "It ", "is ", "4.")], None
    yield (
        "function",
        [answer(way, says.call("weather", city="Oslo")), answer(way, "wet")],
        {"tools": [weather]},
    )
    yield "schema", [answer(way, '{"name": "Oslo"}')], {"response_schema": City}
    yield "enum", [answer(way, "red")], {"response_schema": Colour, "response_mime_type": "text/x.enum"}
    yield "error", [says.error(429, "Too many.", "RESOURCE_EXHAUSTED")], None
    yield "no JSON", [Answer(b"<html>", 502, "text/html")], None
    yield "broken", [Answer(b"", breaks=True)], None
    yield "refused by the client", [answer(way, "4")], {"no_such_option": 1}


@every_way
def test_the_caller_gets_what_it_gets_without_us(
    way: Way, server: ModelServer, llmobs_spans: RecordedSpans
) -> None:
    traced = {name: outcome(way, server, answers, config) for name, answers, config in cases(way)}
    requests = [(request.path, request.body) for request in server.received]
    uninstrument("google-genai")
    server.received.clear()
    bare = {name: outcome(way, server, answers, config) for name, answers, config in cases(way)}
    assert traced == bare
    assert requests == [(request.path, request.body) for request in server.received]


def test_streams_are_the_clients_own(client: genai.Client, server: ModelServer) -> None:
    def kinds() -> list[Any]:
        asked: dict[str, Any] = {"model": MODEL, "contents": "2+2?"}
        server.will(says.stream(["a", "b"]))
        sync = client.models.generate_content_stream(**asked)
        assert not server.received, "the request is made with the first step"

        async def main() -> Any:
            return await client.aio.models.generate_content_stream(**asked)

        streams = (sync, client.chats.create(model=MODEL).send_message_stream("2+2?"), asyncio.run(main()))
        return [(type(stream), getattr(stream, "__qualname__", None)) for stream in streams]

    traced = kinds()
    uninstrument("google-genai")
    assert traced == kinds()


def test_a_chats_history_holds_the_objects_that_the_caller_got(
    client: genai.Client, server: ModelServer
) -> None:
    server.will(says.stream(["a", "b"]))
    chat = client.chats.create(model=MODEL)
    chunks = list(chat.send_message_stream("2+2?"))
    held = [content for content in chat.get_history() if content.role == "model"]
    assert all(a is chunk.candidates[0].content for a, chunk in zip(held, chunks, strict=True))


def test_all_is_put_back(server: ModelServer, llmobs_spans: RecordedSpans) -> None:
    def methods() -> dict[str, Any]:
        from google.genai import _api_client, models

        owners = (models.Models, models.AsyncModels, _api_client.BaseApiClient)
        return {
            f"{owner.__name__}.{name}": method for owner in owners for name, method in vars(owner).items()
        }

    traced = methods()
    uninstrument()
    bare = methods()
    assert {name for name in bare if bare[name] is not traced[name]} == {
        f"{owner}.{method}{rest}"
        for owner in ("Models", "AsyncModels")
        for method, rest in (
            ("_generate_content", "_with_continuation"),
            ("_generate_content_stream", "_with_continuation"),
            ("embed_content", ""),
        )
    } | {
        f"BaseApiClient.{name}"
        for name in ("_request", "_request_once", "_async_request", "_async_request_once")
    }
    server.will(says.answer("4"))
    generated(client_of(server))
    assert len(llmobs_spans) == 0


def test_a_call_that_is_not_recorded_is_made_all_the_same(
    client: genai.Client, server: ModelServer, llmobs_spans: RecordedSpans, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(llmobs_trace.capture.recorder.get(), "enabled", False)
    for way in (*WHOLE, *STREAMS):
        server.will(answer(way, "It ", "is 4."))
        assert "".join(each.text for each in way(client)) == "It is 4."
    assert len(llmobs_spans) == 0
