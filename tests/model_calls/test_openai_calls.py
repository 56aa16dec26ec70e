"""OpenAI's own client against a server that speaks its protocol: what each call's span says."""

from __future__ import annotations

import asyncio
import base64
import gc
import inspect
import struct
from typing import Any

import openai
import pydantic
import pytest
from support import openai_ways as ways
from support.model_server import ModelServer, events, of_json
from support.model_server import openai as says

import llmobs_trace
from llmobs_trace import RecordedSpans, experiment_span, instrument, uninstrument
from llmobs_trace.capture import recorder as slot
from llmobs_trace.not_errors import NotErrors
from llmobs_trace.recorded import RecordedSpan

MESSAGES = [{"role": "user", "content": "2+2?"}]
ASKED: dict[str, Any] = {"model": "gpt-4.1-mini", "messages": MESSAGES, "temperature": 0}
NAME = "chat gpt-4.1-mini"
TAGS = says.TAGS


@pytest.fixture(autouse=True)
def instrumented() -> None:
    assert instrument("openai") == ("openai",)


@pytest.fixture
def client(server: ModelServer) -> openai.OpenAI:
    return openai.OpenAI(base_url=server.url, api_key="sk-canary-1", max_retries=0)


def only(spans: RecordedSpans) -> RecordedSpan:
    assert len(spans) == 1, [span.name for span in spans]
    return spans[0]


def own_tags(span: RecordedSpan) -> dict[str, str]:
    """A root's tags without the sums of its trace, and without what differs from run to run."""
    left_out = ("time_to_first_item_ns", "model_calls")
    return {name: value for name, value in span.tags.items() if name not in left_out}


# --- every way to an answer ---------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ways.AT_ONCE)
def test_an_answer_is_a_span_of_what_was_asked_and_answered(
    way: str, server: ModelServer, llmobs_spans: RecordedSpans
) -> None:
    server.will(says.chat({"content": "4"}))
    with experiment_span("row") as row:
        ways.run(ways.AT_ONCE[way], server.url, **ASKED)
    call = llmobs_spans.named(NAME)
    assert (call.kind, call.status, call.parent_id) == ("llm", "ok", row.span_id)
    assert call.input == {"messages": MESSAGES, "temperature": 0}
    assert call.output == {"role": "assistant", "content": "4"}
    assert call.tags == TAGS
    assert len(llmobs_spans) == 2


@pytest.mark.parametrize("way", ways.STREAMED)
def test_a_stream_is_one_span_to_its_end_with_its_text_joined(
    way: str, server: ModelServer, llmobs_spans: RecordedSpans
) -> None:
    server.will(says.chat_stream(["Fo", "ur", "."], usage=says.USAGE))
    with experiment_span("row") as row:
        ways.run(ways.STREAMED[way], server.url, **ASKED, stream_options={"include_usage": True})
    call = llmobs_spans.named(NAME)
    assert (call.kind, call.status, call.parent_id) == ("llm", "ok", row.span_id)
    assert call.input["messages"] == MESSAGES
    assert call.output == {"role": "assistant", "content": "Four."}
    assert 0 < int(call.tags["time_to_first_item_ns"]) < call.duration_ns
    assert own_tags(call) == TAGS
    assert len(llmobs_spans) == 2


def test_a_stream_s_span_lasts_to_its_last_chunk_and_holds_what_runs_meanwhile_for_nobody(
    client: openai.OpenAI, server: ModelServer, llmobs_spans: RecordedSpans
) -> None:
    server.will(says.chat_stream(["a", "b"]))
    with experiment_span("row"):
        for _ in client.chat.completions.create(**ASKED, stream=True):
            with experiment_span("print"):
                pass
    assert llmobs_spans.tree() == {"row": {NAME: {}, **{f"print{n}": {} for n in ("", "#2", "#3", "#4")}}}
    call, last = llmobs_spans.named(NAME), [span for span in llmobs_spans if span.name == "print"][-1]
    assert call.start_ns + call.duration_ns >= last.start_ns + last.duration_ns


# --- what is said -------------------------------------------------------------------------------------------

CALLS = [
    {"id": "c1", "type": "function", "function": {"name": "add", "arguments": '{"a": 2, "b": 2}'}},
    {"id": "c2", "type": "function", "function": {"name": "say", "arguments": "not json"}},
]
PLAIN_CALLS = [
    {"id": "c1", "name": "add", "arguments": {"a": 2, "b": 2}},
    {"id": "c2", "name": "say", "arguments": "not json"},
]


def test_tool_calls_have_their_arguments_whole(
    client: openai.OpenAI, server: ModelServer, llmobs_spans: RecordedSpans
) -> None:
    server.will(says.chat({"content": None, "tool_calls": CALLS}, finish="tool_calls"))
    tool = {"type": "function", "function": {"name": "add", "parameters": {"type": "object"}}}
    told = [*MESSAGES, {"role": "assistant", "tool_calls": CALLS}]
    told.append({"role": "tool", "tool_call_id": "c1", "content": "4"})
    client.chat.completions.create(model="m", messages=told, tools=[tool])  # type: ignore[arg-type, list-item]
    call = only(llmobs_spans)
    assert call.output == {"role": "assistant", "tool_calls": PLAIN_CALLS}
    assert call.tags["finish_reason"] == "tool_calls"
    assert call.input == {
        "messages": [
            *MESSAGES,
            {"role": "assistant", "tool_calls": PLAIN_CALLS},
            {"role": "tool", "content": "4", "tool_call_id": "c1"},
        ],
        "tools": [tool],
    }


def test_fragments_of_streamed_tool_calls_are_put_together(
    client: openai.OpenAI, server: ModelServer, llmobs_spans: RecordedSpans
) -> None:
    fragments = [
        {"index": 0, "id": "c1", "type": "function", "function": {"name": "add", "arguments": ""}},
        {"index": 0, "function": {"arguments": '{"a": 2,'}},
        {"index": 1, "id": "c2", "type": "function", "function": {"name": "say", "arguments": "not "}},
        {"index": 0, "function": {"arguments": ' "b": 2}'}},
        {"index": 1, "function": {"arguments": "json"}},
    ]
    chunks = [says.chunk({"tool_calls": [fragment]}) for fragment in fragments]
    server.will(events(says.chunk({"role": "assistant"}), *chunks, says.chunk({}, "tool_calls")))
    list(client.chat.completions.create(**ASKED, stream=True))
    call = only(llmobs_spans)
    assert call.output == {"role": "assistant", "tool_calls": PLAIN_CALLS}
    assert call.tags["finish_reason"] == "tool_calls"


@pytest.mark.parametrize("streamed", [False, True])
def test_a_refusal_and_reasoning_are_members_of_their_own(
    streamed: bool, client: openai.OpenAI, server: ModelServer, llmobs_spans: RecordedSpans
) -> None:
    said = {"content": None, "refusal": "I can't.", "reasoning_content": "Hm."}
    server.will(
        events(says.chunk({"role": "assistant"}), says.chunk(said), says.chunk({}, "stop"))
        if streamed
        else says.chat(said)
    )
    answer: Any = client.chat.completions.create(**ASKED, stream=streamed)
    list(answer) if streamed else None
    assert only(llmobs_spans).output == {"role": "assistant", "thinking": "Hm.", "refusal": "I can't."}


@pytest.mark.parametrize("streamed", [False, True])
def test_several_choices_are_several_messages(
    streamed: bool, client: openai.OpenAI, server: ModelServer, llmobs_spans: RecordedSpans
) -> None:
    if streamed:
        chunks = []
        for text in ("a", "b"):
            for index in (1, 0):
                chunk = says.chunk({"role": "assistant", "content": f"{text}{index}"})
                chunk["choices"][0]["index"] = index
                chunks.append(chunk)
        server.will(events(*chunks))
        list(client.chat.completions.create(**ASKED, n=2, stream=True))
    else:
        server.will(says.chat({"content": "a0b0"}, {"content": "a1b1"}))
        client.chat.completions.create(**ASKED, n=2)
    assert only(llmobs_spans).output == [
        {"role": "assistant", "content": "a0b0"},
        {"role": "assistant", "content": "a1b1"},
    ]


class Sum(pydantic.BaseModel):
    result: int


def test_structured_outputs_have_their_schema_in_the_input_and_their_text_in_the_output(
    client: openai.OpenAI, server: ModelServer, llmobs_spans: RecordedSpans
) -> None:
    server.will(says.chat({"content": '{"result": 4}'}))
    completion = client.chat.completions.parse(**ASKED, response_format=Sum)
    assert completion.choices[0].message.parsed == Sum(result=4)
    call = only(llmobs_spans)
    assert call.output == {"role": "assistant", "content": '{"result": 4}'}
    assert call.input["response_format"]["json_schema"]["schema"]["properties"] == {
        "result": {"title": "Result", "type": "integer"}
    }


def test_parts_are_plain_ones_and_the_developer_is_the_system(
    client: openai.OpenAI, server: ModelServer, llmobs_spans: RecordedSpans
) -> None:
    server.will(says.chat({"content": "a cat"}))
    told: Any = [
        {"role": "developer", "content": "Be short."},
        {
            "role": "user",
            "name": "Ann",
            "content": [
                {"type": "text", "text": "What?"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk=", "detail": "low"}},
                {"type": "input_audio", "input_audio": {"data": "aGk=", "format": "wav"}},
                {"type": "file", "file": {"file_id": "f1"}},
            ],
        },
    ]
    client.chat.completions.create(model="m", messages=told)
    assert only(llmobs_spans).input["messages"] == [
        {"role": "system", "content": "Be short."},
        {
            "role": "user",
            "name": "Ann",
            "content": [
                {"type": "text", "text": "What?"},
                {"type": "image", "url": "data:image/png;base64,aGk=", "detail": "low"},
                {"type": "audio", "data": "aGk=", "media_type": "audio/wav"},
                {"type": "file", "file_id": "f1"},
            ],
        },
    ]


def test_a_price_that_the_provider_states_is_the_cost(
    client: openai.OpenAI, server: ModelServer, llmobs_spans: RecordedSpans
) -> None:
    server.will(says.chat({"content": "4"}, usage={**says.USAGE, "cost": 0.00042}))
    client.chat.completions.create(**ASKED)
    assert only(llmobs_spans).tags["cost_usd"] == "0.00042"


@pytest.mark.parametrize("encoded", [False, True])
def test_of_embeddings_their_number_and_dimensions_are_recorded(
    encoded: bool, client: openai.OpenAI, server: ModelServer, llmobs_spans: RecordedSpans
) -> None:
    vector = [0.5, 0.25, 1.0]
    text = base64.b64encode(struct.pack("3f", *vector)).decode()
    server.will(says.embeddings(*[text if encoded else vector] * 2))
    answer: Any = client.embeddings.with_raw_response if encoded else client.embeddings
    answer.create(model="text-embedding-3-small", input=["a", "b"])
    call = only(llmobs_spans)
    assert (call.name, call.kind) == ("embeddings text-embedding-3-small", "embedding")
    assert call.input == {"input": ["a", "b"]}
    assert call.output == {"embeddings": 2, "dimensions": 3}
    assert own_tags(call) == {
        "model_name": "text-embedding-3-small",
        "model_provider": "openai",
        "input_tokens": "5",
        "total_tokens": "5",
    }


def test_an_older_completion_is_a_chat_of_one_message(
    client: openai.OpenAI, server: ModelServer, llmobs_spans: RecordedSpans
) -> None:
    asked: dict[str, Any] = {"model": "gpt-3.5-turbo-instruct", "prompt": "2+2=", "max_tokens": 5}
    whole, (first, last) = (
        says.completion(" 4."),
        (says.completion(" 4", usage=None), says.completion(".")),
    )
    server.will(of_json(whole), of_json(whole), events(first, last), events(first, last))

    @experiment_span
    def chunks() -> Any:
        yield from client.completions.create(**asked, stream=True)

    client.completions.create(**asked)
    client.completions.with_raw_response.create(**asked)
    for _ in client.completions.create(**asked, stream=True):
        pass
    assert [*chunks()][-1].choices[0].text == "."
    *calls, decorated = llmobs_spans
    for call in calls:
        assert (call.name, call.kind) == ("text_completion gpt-3.5-turbo-instruct", "llm")
        assert call.input["messages"] == [{"role": "user", "content": "2+2="}]
        assert (call.output, call.input["max_tokens"]) == ({"role": "assistant", "content": " 4."}, 5)
        assert own_tags(call) == TAGS
    assert (len(calls), decorated.output) == (4, calls[0].output)


def test_several_prompts_stay_as_they_were_given(
    client: openai.OpenAI, server: ModelServer, llmobs_spans: RecordedSpans
) -> None:
    server.will(of_json(says.completion("4", "6")))
    client.completions.create(model="gpt-3.5-turbo-instruct", prompt=["2+2=", "3+3="])
    call = only(llmobs_spans)
    assert call.input == {"prompt": ["2+2=", "3+3="]}
    assert call.output == [{"role": "assistant", "content": text} for text in ("4", "6")]


def test_azure_s_model_is_azure_s(server: ModelServer, llmobs_spans: RecordedSpans) -> None:
    server.will(says.chat({"content": "4"}))
    client = openai.AzureOpenAI(azure_endpoint=server.url, api_key="sk-canary-1", api_version="2024-10-21")
    client.chat.completions.create(**ASKED)
    assert server.received[0].path.startswith("/openai/deployments/gpt-4.1-mini/chat/completions")
    call = only(llmobs_spans)
    assert (call.name, call.tags["model_provider"]) == (NAME, "azure_openai")


# --- responses ----------------------------------------------------------------------------------------------

ITEMS = [
    {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "Add them."}]},
    {
        "type": "message",
        "id": "msg_1",
        "role": "assistant",
        "status": "completed",
        "content": [{"type": "output_text", "text": "Four.", "annotations": []}],
    },
    {"type": "function_call", "id": "fc_1", "call_id": "c1", "name": "add", "arguments": '{"a": 2}'},
]
SAID = {
    "role": "assistant",
    "content": "Four.",
    "tool_calls": [{"id": "c1", "name": "add", "arguments": {"a": 2}}],
    "thinking": "Add them.",
}


def test_a_response_is_one_message_of_its_items(
    client: openai.OpenAI, server: ModelServer, llmobs_spans: RecordedSpans
) -> None:
    server.will(of_json(says.response(ITEMS)))
    given: Any = [
        {"role": "user", "content": [{"type": "input_text", "text": "2+2?"}]},
        *ITEMS,
        {"type": "function_call_output", "call_id": "c1", "output": "4"},
    ]
    client.responses.create(model="gpt-4.1-mini", instructions="Be short.", input=given, temperature=0)
    call = only(llmobs_spans)
    assert (call.name, call.kind) == (NAME, "llm")
    assert call.input == {
        "messages": [
            {"role": "system", "content": "Be short."},
            {"role": "user", "content": "2+2?"},
            SAID,
            {"role": "tool", "content": "4", "tool_call_id": "c1"},
        ],
        "temperature": 0,
    }
    assert call.output == SAID
    assert own_tags(call) == {**TAGS, "finish_reason": "tool_calls"}


def response_events(items: list[dict[str, Any]] = ITEMS) -> list[Any]:
    """A streamed response of these items, as events with their names."""
    sent: list[dict[str, Any]] = [{"type": "response.created", "response": says.response([], "in_progress")}]
    for index, item in enumerate(items):
        place = {"output_index": index, "item_id": item["id"]}
        empty = {**item, "status": "in_progress", "content": [], "arguments": "", "summary": []}
        sent.append({"type": "response.output_item.added", "output_index": index, "item": empty})
        if item["type"] == "message":
            sent.append(
                {
                    "type": "response.content_part.added",
                    "content_index": 0,
                    **place,
                    "part": {"type": "output_text", "text": "", "annotations": []},
                }
            )
            for text in ("Fo", "ur."):
                delta = {"type": "response.output_text.delta", "delta": text, "content_index": 0}
                sent.append({**delta, **place, "logprobs": []})
        if item["type"] == "function_call":
            for text in ('{"a"', ": 2}"):
                sent.append({"type": "response.function_call_arguments.delta", "delta": text, **place})
        if item["type"] == "reasoning":
            delta = {"type": "response.reasoning_summary_text.delta", "delta": "Add them."}
            sent.append({**delta, **place, "summary_index": 0})
        sent.append({"type": "response.output_item.done", "output_index": index, "item": item})
    sent.append({"type": "response.completed", "response": says.response(items)})
    return [(event["type"], {**event, "sequence_number": n}) for n, event in enumerate(sent)]


@pytest.mark.parametrize("how", ["create", "stream", "async create", "raw", "lines"])
def test_a_streamed_response_is_its_last_event(
    how: str, client: openai.OpenAI, server: ModelServer, llmobs_spans: RecordedSpans
) -> None:
    server.will(events(*response_events(), ends=None))
    asked: Any = {"model": "gpt-4.1-mini", "input": "2+2?"}
    if how == "create":
        list(client.responses.create(**asked, stream=True))
    elif how == "stream":
        with client.responses.stream(**asked) as stream:
            assert stream.get_final_response().output_text == "Four."
    elif how == "raw":
        list(client.responses.with_raw_response.create(**asked, stream=True).parse())
    elif how == "lines":
        with client.responses.with_streaming_response.create(**asked, stream=True) as answer:
            list(answer.iter_lines())
    else:

        async def program() -> None:
            async with openai.AsyncOpenAI(base_url=server.url, api_key="k") as aclient:
                async for _ in await aclient.responses.create(**asked, stream=True):
                    pass

        asyncio.run(program())
    call = only(llmobs_spans)
    assert call.input["messages"] == MESSAGES
    assert call.output == SAID
    assert own_tags(call) == {**TAGS, "finish_reason": "tool_calls"}


@pytest.mark.parametrize(
    ("until", "said"),
    [
        (2, {}),
        (3, {"thinking": "Add them."}),
        (6, {"thinking": "Add them."}),
        (7, {"thinking": "Add them.", "content": "Fo"}),
        (8, {"thinking": "Add them.", "content": "Four."}),
        (11, {**SAID, "tool_calls": [{"id": "c1", "name": "add", "arguments": '{"a"'}]}),
        (13, SAID),
    ],
)
def test_a_response_that_is_left_early_is_what_had_come(
    until: int, said: Any, client: openai.OpenAI, server: ModelServer, llmobs_spans: RecordedSpans
) -> None:
    server.will(events(*response_events(), ends=None))
    stream = client.responses.create(model="gpt-4.1-mini", input="2+2?", stream=True)
    for _ in range(until):
        next(stream)
    stream.close()
    call = only(llmobs_spans)
    assert call.output == {"role": "assistant", **said}
    assert (call.status, call.tags["exhausted"]) == ("ok", "false")


def test_a_response_that_failed_is_an_error_though_nothing_is_raised(
    client: openai.OpenAI, server: ModelServer, llmobs_spans: RecordedSpans
) -> None:
    error = {"code": "server_error", "message": "The model broke."}
    server.will(of_json({**says.response([], "failed"), "error": error}))
    client.responses.create(model="gpt-4.1-mini", input="2+2?")
    call = only(llmobs_spans)
    assert call.status == "error"
    assert call.error == {"type": "server_error", "message": "The model broke.", "stack": ""}


# --- streams that are not read to their end -----------------------------------------------------------------


def begun(client: openai.OpenAI) -> Any:
    stream = client.chat.completions.create(**ASKED, stream=True)
    next(stream), next(stream)
    return stream


def left_by_close(client: openai.OpenAI) -> None:
    begun(client).close()


def left_by_the_response(client: openai.OpenAI) -> None:
    begun(client).response.close()


def left_by_a_block(client: openai.OpenAI) -> None:
    with begun(client):
        pass


def left_by_a_break_and_collected(client: openai.OpenAI) -> None:
    for chunk in client.chat.completions.create(**ASKED, stream=True):
        if chunk.choices[0].delta.content:
            break
    gc.collect()


def left_by_the_manager(client: openai.OpenAI) -> None:
    with client.chat.completions.stream(**ASKED) as events:
        for event in events:
            if event.type == "content.delta" and event.delta:
                break


def left_raw(client: openai.OpenAI) -> None:
    stream: Any = client.chat.completions.with_raw_response.create(**ASKED, stream=True).parse()
    next(stream), next(stream)
    stream.close()


def left_async(client: openai.OpenAI) -> None:
    async def program() -> None:
        async with openai.AsyncOpenAI(base_url=client.base_url, api_key="k") as aclient:
            stream = await aclient.chat.completions.create(**ASKED, stream=True)
            async for chunk in stream:
                if chunk.choices[0].delta.content:
                    break
            await stream.close()

    asyncio.run(program())


LEFT = (
    *(left_by_close, left_by_the_response, left_by_a_block, left_by_a_break_and_collected),
    *(left_by_the_manager, left_raw, left_async),
)


@pytest.mark.parametrize("leave", LEFT, ids=lambda leave: leave.__name__)
def test_a_stream_that_is_left_early_has_what_had_come_and_says_so(
    leave: Any, client: openai.OpenAI, server: ModelServer, llmobs_spans: RecordedSpans
) -> None:
    server.will(says.chat_stream(["Fo", "ur"]))
    leave(client)
    call = only(llmobs_spans)
    assert call.output == {"role": "assistant", "content": "Fo"}
    assert (call.status, call.tags["exhausted"]) == ("ok", "false")


@pytest.mark.parametrize("close", [True, False])
def test_a_stream_that_is_never_read_ends_when_it_is_closed_or_collected(
    close: bool, client: openai.OpenAI, server: ModelServer, llmobs_spans: RecordedSpans
) -> None:
    server.will(says.chat_stream(["Four"]))
    stream = client.chat.completions.create(**ASKED, stream=True)
    assert len(llmobs_spans) == 0
    if close:
        stream.close()
    del stream
    gc.collect()
    call = only(llmobs_spans)
    assert (call.output, call.status, call.tags["exhausted"]) == (None, "ok", "false")


# --- errors -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["create", "stream", "with_raw_response", "async create", "async stream"])
@pytest.mark.parametrize("status", [400, 401, 429, 500, 529])
def test_an_error_has_the_provider_s_words_status_and_request(
    way: str, status: int, server: ModelServer, llmobs_spans: RecordedSpans
) -> None:
    server.will(says.error(status, "Something is wrong with it."))
    with pytest.raises(openai.APIStatusError) as raised:
        ways.run({**ways.AT_ONCE, **ways.STREAMED}[way], server.url, **ASKED)
    call = only(llmobs_spans)
    assert call.status == "error"
    assert call.error is not None
    assert call.error["type"].endswith(type(raised.value).__name__)
    assert call.error["message"] == str(raised.value)
    assert "Something is wrong with it." in call.error["message"]
    # One that was refused costs nothing; after a 500 nobody knows.
    assert own_tags(call) == {
        "model_name": "gpt-4.1-mini",
        "model_provider": "openai",
        **({} if status == 500 else {"cost_usd": "0"}),
        "status_code": str(status),
        "request_id": "req_1",
    }
    assert (call.output, call.input["messages"]) == (None, MESSAGES)


@pytest.mark.parametrize("way", ["create", "stream", "async create", "async stream"])
def test_an_error_that_the_program_says_is_none_ends_the_call_without_failing_it(
    way: str, server: ModelServer, llmobs_spans: RecordedSpans
) -> None:
    assert slot.current is not None
    slot.current.not_errors = NotErrors.of(["openai.RateLimitError"])
    server.will(says.error(429, "Too many."))
    with pytest.raises(openai.RateLimitError):
        ways.run({**ways.AT_ONCE, **ways.STREAMED}[way], server.url, **ASKED)
    call = only(llmobs_spans)
    assert (call.status, call.error) == ("ok", None)
    assert call.tags["ended_by"].endswith("RateLimitError")


@pytest.mark.parametrize("way", [name for name in ways.STREAMED if "manager" not in name])
def test_a_connection_that_breaks_in_mid_stream_is_an_error_with_what_had_come(
    way: str, server: ModelServer, llmobs_spans: RecordedSpans
) -> None:
    chunks = [says.chunk({"role": "assistant", "content": "Fo"})]
    server.will(events(*chunks, ends=None, breaks=True))
    with pytest.raises(Exception) as raised:  # noqa: PT011  whatever the client makes of it
        ways.run(ways.STREAMED[way], server.url, **ASKED)
    call = only(llmobs_spans)
    assert call.status == "error"
    assert call.output == {"role": "assistant", "content": "Fo"}
    assert call.tags["exhausted"] == "false"
    assert call.error is not None
    assert raised.value is not None


@pytest.mark.parametrize("way", ["create", "async create", "stream", "async stream"])
def test_a_timeout_is_an_error(way: str, server: ModelServer, llmobs_spans: RecordedSpans) -> None:
    server.will(events(says.chunk({"role": "assistant", "content": "Fo"}), ends=None, stalls=True))
    with pytest.raises(Exception) as raised:  # noqa: PT011  which one differs by the client's release
        ways.run({**ways.AT_ONCE, **ways.STREAMED}[way], server.url, **ASKED, timeout=0.3)
    assert "Timeout" in type(raised.value).__name__
    call = only(llmobs_spans)
    assert call.status == "error"
    assert call.error is not None
    assert call.error["type"].endswith(type(raised.value).__name__)


@pytest.mark.parametrize("kind", [openai.OpenAI, openai.AsyncOpenAI])
def test_retries_within_the_client_are_one_span_with_their_number(
    kind: Any, server: ModelServer, llmobs_spans: RecordedSpans
) -> None:
    again = says.error(500, "Again.", retry_after_ms="1")
    server.will(again, again, says.chat({"content": "4"}))
    client = kind(base_url=server.url, api_key="k", max_retries=3)
    if kind is openai.OpenAI:
        client.chat.completions.create(**ASKED)
    else:
        asyncio.run(client.chat.completions.create(**ASKED))
    assert len(server.received) == 3
    call = only(llmobs_spans)
    assert (call.status, call.tags["retries"]) == ("ok", "2")


def test_a_cancelled_call_is_an_error_as_a_cancelled_block_is(
    server: ModelServer, llmobs_spans: RecordedSpans
) -> None:
    server.will(events(says.chunk({"role": "assistant", "content": "Fo"}), ends=None, stalls=True))

    async def program() -> None:
        client = openai.AsyncOpenAI(base_url=server.url, api_key="k", max_retries=0)
        stream = await client.chat.completions.create(**ASKED, stream=True)
        await stream.__anext__()
        reading = asyncio.ensure_future(stream.__anext__())
        await asyncio.sleep(0)
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading

    asyncio.run(program())
    call = only(llmobs_spans)
    assert (call.status, call.output) == ("error", {"role": "assistant", "content": "Fo"})


# --- usage of streams ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["stream", "stream by next", "async stream", "manager", "async manager"])
def test_usage_is_asked_for_where_somebody_wants_it_and_its_chunk_is_kept_from_the_caller(
    way: str, server: ModelServer, llmobs_spans: RecordedSpans
) -> None:
    server.will(says.chat_stream(["Four"]))
    uninstrument("openai")
    without = ways.run(ways.STREAMED[way], server.url, **ASKED)
    instrument("openai", stream_usage=True)
    server.will(says.chat_stream(["Four"], usage=says.USAGE))
    assert ways.run(ways.STREAMED[way], server.url, **ASKED) == without
    assert server.received[1].body["stream_options"] == {"include_usage": True}
    call = only(llmobs_spans)
    assert own_tags(call) == TAGS
    assert "stream_options" not in call.input


def test_who_asks_for_usage_sees_its_chunk(
    client: openai.OpenAI, server: ModelServer, llmobs_spans: RecordedSpans
) -> None:
    instrument("openai", stream_usage=True)
    server.will(says.chat_stream(["Four"], usage=says.USAGE))
    asked: Any = {**ASKED, "stream_options": {"include_usage": True}}
    chunks = list(client.chat.completions.create(**asked, stream=True))
    assert [chunk.choices for chunk in chunks][-1] == []
    asked = {**ASKED, "stream_options": {"include_usage": False}}
    list(client.chat.completions.create(**asked, stream=True))
    assert server.received[1].body["stream_options"] == {"include_usage": False}


@pytest.mark.parametrize("way", ["with_raw_response, streamed", "with_streaming_response, lines"])
def test_who_reads_the_raw_answer_is_sent_no_chunk_that_nobody_asked_for(
    way: str, server: ModelServer, llmobs_spans: RecordedSpans
) -> None:
    instrument("openai", stream_usage=True)
    server.will(says.chat_stream(["Four"]))
    ways.run(ways.STREAMED[way], server.url, **ASKED)
    assert "stream_options" not in server.received[0].body


# --- settings -----------------------------------------------------------------------------------------------


def test_keys_and_headers_are_nowhere(server: ModelServer, llmobs_spans: RecordedSpans) -> None:
    server.will(says.chat({"content": "4"}), says.error(401, "Incorrect API key provided: sk-can*****y-1."))
    client = openai.OpenAI(base_url=server.url, api_key="sk-canary-1", max_retries=0)
    more: Any = {
        "extra_headers": {"Authorization": "Bearer sk-canary-2"},
        "extra_body": {
            "api_key": "sk-canary-3",
            "data_sources": [{"authentication": {"key": "sk-canary-4"}}],
        },
    }
    client.chat.completions.create(**ASKED, **more)
    with pytest.raises(openai.AuthenticationError):
        client.chat.completions.create(**ASKED, **more)
    tool: Any = {
        "type": "mcp",
        "server_label": "s",
        "server_url": "https://s",
        "authorization": "sk-canary-5",
    }
    server.will(of_json(says.response([])))
    client.responses.create(model="m", input="?", tools=[{**tool, "headers": {"k": "sk-canary-6"}}])
    assert len(llmobs_spans) == 3
    assert b"sk-canary" not in b"".join(llmobs_spans.records)
    assert llmobs_spans[2].input["tools"] == [{"type": "mcp", "server_label": "s", "server_url": "https://s"}]


def test_inputs_and_outputs_are_captured_as_configure_says(
    client: openai.OpenAI, server: ModelServer, llmobs_spans: RecordedSpans, monkeypatch: pytest.MonkeyPatch
) -> None:
    from llmobs_trace.capture import recorder

    assert recorder.current is not None
    monkeypatch.setattr(recorder.current, "capture_input", False)
    monkeypatch.setattr(recorder.current, "capture_output", False)
    server.will(says.chat({"content": "4"}), says.chat_stream(["4"]))
    client.chat.completions.create(**ASKED)
    list(client.chat.completions.create(**ASKED, stream=True))
    assert [(call.input, call.output) for call in llmobs_spans] == [(None, None)] * 2


def test_a_trace_that_is_not_sampled_has_no_calls(
    client: openai.OpenAI, server: ModelServer, llmobs_spans: RecordedSpans, monkeypatch: pytest.MonkeyPatch
) -> None:
    from llmobs_trace.capture import recorder

    assert recorder.current is not None
    monkeypatch.setattr(recorder.current, "sample_rate", 0.0)
    server.will(says.chat({"content": "4"}), says.chat_stream(["4"]))
    client.chat.completions.create(**ASKED)
    list(client.chat.completions.create(**ASKED, stream=True))
    with experiment_span("row"):
        client.chat.completions.create(**ASKED)
    assert len(llmobs_spans) == 0
    assert llmobs_trace.current_span() is None


# The newest release takes them; `python -m tests.clients` runs this with the oldest one too, which doesn't.
with_keys_that_are_called = pytest.mark.skipif(
    "Callable" not in str(inspect.signature(openai.OpenAI.__init__).parameters["api_key"].annotation),
    reason="a release whose keys are texts",
)


@with_keys_that_are_called
def test_a_call_within_a_call_is_that_one_s(server: ModelServer, llmobs_spans: RecordedSpans) -> None:
    server.will(says.chat({"content": "4"}))
    inner = openai.OpenAI(base_url=server.url, api_key="k")

    def key() -> str:
        inner.chat.completions.create(**ASKED)
        return "k"

    openai.OpenAI(base_url=server.url, api_key=key).chat.completions.create(**ASKED)
    assert len(server.received) == 2
    only(llmobs_spans)


@with_keys_that_are_called
def test_a_call_in_a_tool_that_runs_within_a_call_has_a_span(
    server: ModelServer, llmobs_spans: RecordedSpans
) -> None:
    server.will(says.chat({"content": "4"}))
    inner = openai.OpenAI(base_url=server.url, api_key="k")

    @experiment_span
    def key() -> str:
        inner.chat.completions.create(**ASKED)
        return "k"

    openai.OpenAI(base_url=server.url, api_key=key).chat.completions.create(**ASKED)
    assert llmobs_spans.tree() == {NAME: {"key": {NAME: {}}}}


def test_other_requests_of_the_client_are_no_calls(
    client: openai.OpenAI, server: ModelServer, llmobs_spans: RecordedSpans
) -> None:
    server.will(of_json({"id": "m", "results": [], "model": "m"}))
    client.moderations.create(input="?")
    assert len(llmobs_spans) == 0


def test_a_text_of_5_000_pieces_and_200_kb_is_recorded_whole(
    client: openai.OpenAI, server: ModelServer, llmobs_spans: RecordedSpans
) -> None:
    tokens = [f"{n:039} " for n in range(5_000)]
    server.will(says.chat_stream(tokens))
    for _ in client.chat.completions.create(**ASKED, stream=True):
        pass
    assert only(llmobs_spans).output["content"] == "".join(tokens)
