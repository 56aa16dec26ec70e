"""What becomes of a span's attributes and events, whichever convention they follow; and that nothing of them
is lost.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from opentelemetry.sdk.trace import SpanLimits
from support.otel import tracing

from llmobs_trace import experiment_span

JSON = json.dumps
CHAT = {"gen_ai.operation.name": "chat"}
LLM = {"openinference.span.kind": "LLM"}
CALL = {"id": "c1", "name": "add", "arguments": {"a": 1}}

# Of these each has a test of its own; a root has the sums of its calls, here of itself.
NOT_TOLD = ("otel.scope", "otel.events", "model_calls")

# What a span says: attributes, events; what becomes of it: kind, input, output, tags.
Row = tuple[dict[str, Any], list[tuple[str, dict[str, Any]]], str, Any, Any, dict[str, str]]

TABLE: dict[str, Row] = {
    "instructions, a picture, thinking and several tools": (
        {
            **CHAT,
            "gen_ai.system_instructions": JSON([{"type": "text", "content": "Be brief."}]),
            "gen_ai.input.messages": JSON(
                [
                    {
                        "role": "user",
                        "parts": [
                            {"type": "text", "content": "What is it?"},
                            {
                                "type": "blob",
                                "modality": "image",
                                "mime_type": "image/png",
                                "content": "AAAA",
                            },
                            {"type": "uri", "modality": "audio", "uri": "https://x/y.mp3"},
                            {"type": "file", "modality": "document", "file_id": "f1"},
                        ],
                    },
                    {
                        "role": "tool",
                        "parts": [
                            {"type": "tool_call_response", "id": "c1", "response": "3"},
                            {"type": "tool_call_response", "id": "c2", "response": {"sum": 3}},
                        ],
                    },
                ]
            ),
            "gen_ai.output.messages": JSON(
                [
                    {
                        "role": "assistant",
                        "finish_reason": "tool_call",
                        "parts": [
                            {"type": "reasoning", "content": "Hm."},
                            {"type": "text", "content": "I add."},
                            {"type": "tool_call", "id": "c1", "name": "add", "arguments": '{"a": 1}'},
                        ],
                    }
                ]
            ),
            "gen_ai.tool.definitions": JSON([{"type": "function", "name": "add"}]),
            "gen_ai.request.choice.count": 1,
            "gen_ai.request.stop_sequences": ["."],
            "gen_ai.response.time_to_first_chunk": 0.25,
            "gen_ai.provider.name": "azure.ai.openai",
        },
        [],
        "llm",
        {
            "messages": [
                {"role": "system", "content": "Be brief."},
                {
                    "role": "user",
                    "content": [
                        {"type": "text", "text": "What is it?"},
                        {"type": "image", "media_type": "image/png", "data": "AAAA"},
                        {"type": "audio", "url": "https://x/y.mp3"},
                        {"type": "file", "modality": "document", "file_id": "f1"},
                    ],
                },
                {"role": "tool", "content": "3", "tool_call_id": "c1"},
                {
                    "role": "tool",
                    "content": [{"type": "tool_result", "content": {"sum": 3}}],
                    "tool_call_id": "c2",
                },
            ],
            "tools": [{"type": "function", "name": "add"}],
            "n": 1,
            "stop_sequences": ["."],
        },
        {"role": "assistant", "content": "I add.", "tool_calls": [CALL], "thinking": "Hm."},
        {
            "finish_reason": "tool_calls",
            "time_to_first_item_ns": "250000000",
            "model_provider": "azure_openai",
        },
    ),
    "an event for each message, as before": (
        {"gen_ai.system": "openai", "gen_ai.request.model": "m", "gen_ai.usage.prompt_tokens": 3},
        [
            ("gen_ai.system.message", {"content": "Be brief."}),
            ("gen_ai.user.message", {"gen_ai.event.content": JSON({"content": "1 + 2?", "role": "user"})}),
            ("gen_ai.tool.message", {"content": "3", "id": "c1"}),
            ("gen_ai.choice", {"index": 0, "finish_reason": "stop", "message": JSON({"content": "3"})}),
        ],
        "llm",
        {
            "messages": [
                {"role": "system", "content": "Be brief."},
                {"role": "user", "content": "1 + 2?"},
                {"role": "tool", "content": "3", "tool_call_id": "c1"},
            ]
        },
        {"role": "assistant", "content": "3"},
        {"model_provider": "openai", "model_name": "m", "input_tokens": "3", "finish_reason": "stop"},
    ),
    "one event for the conversation": (
        CHAT,
        [
            ("gen_ai.content.prompt", {"gen_ai.prompt": JSON([{"role": "user", "content": "hi"}])}),
            ("gen_ai.content.completion", {"gen_ai.completion": "ho"}),
        ],
        "llm",
        {"messages": [{"role": "user", "content": "hi"}]},
        {"role": "assistant", "content": "ho"},
        {},
    ),
    "a tool": (
        {
            "gen_ai.operation.name": "execute_tool",
            "gen_ai.tool.name": "add",
            "gen_ai.tool.call.arguments": JSON({"a": 1}),
            "gen_ai.tool.call.result": "3",
        },
        [],
        "tool",
        {"a": 1},
        "3",
        {"gen_ai.tool.name": "add"},
    ),
    "an agent, whose tokens are sums of its calls": (
        {
            "gen_ai.operation.name": "invoke_agent",
            "gen_ai.agent.name": "Ann",
            "gen_ai.usage.input_tokens": 900,
            "gen_ai.input.messages": JSON([{"role": "user", "parts": [{"type": "text", "content": "go"}]}]),
        },
        [],
        "agent",
        {"messages": [{"role": "user", "content": "go"}]},
        None,
        {
            "gen_ai.operation.name": "invoke_agent",
            "gen_ai.agent.name": "Ann",
            "gen_ai.usage.input_tokens": "900",
        },
    ),
    "a retrieval": (
        {
            "gen_ai.operation.name": "retrieval",
            "gen_ai.retrieval.query.text": "Oslo",
            "gen_ai.retrieval.documents": JSON([{"id": "d1", "score": 0.5}]),
        },
        [],
        "retrieval",
        "Oslo",
        [{"id": "d1", "score": 0.5}],
        {},
    ),
    "OpenInference: parts, thinking and a tool's call": (
        {
            **LLM,
            "input.value": JSON({"messages": []}),
            "input.mime_type": "application/json",
            "llm.input_messages.0.message.role": "user",
            "llm.input_messages.0.message.contents.0.message_content.type": "text",
            "llm.input_messages.0.message.contents.0.message_content.text": "What is it?",
            "llm.input_messages.0.message.contents.1.message_content.type": "image",
            "llm.input_messages.0.message.contents.1.message_content.image.image.url": "https://x/y.png",
            "llm.input_messages.10.message.role": "tool",
            "llm.input_messages.10.message.content": "3",
            "llm.input_messages.10.message.tool_call_id": "c1",
            "llm.input_messages.2.message.role": "assistant",
            "llm.input_messages.2.message.tool_calls.0.tool_call.id": "c1",
            "llm.input_messages.2.message.tool_calls.0.tool_call.function.name": "add",
            "llm.input_messages.2.message.tool_calls.0.tool_call.function.arguments": '{"a": 1}',
            "llm.output_messages.0.message.role": "assistant",
            "llm.output_messages.0.message.contents.0.message_content.type": "reasoning",
            "llm.output_messages.0.message.contents.0.message_content.text": "Hm.",
            "llm.output_messages.0.message.contents.1.message_content.type": "text",
            "llm.output_messages.0.message.contents.1.message_content.text": "A dog.",
            "llm.invocation_parameters": JSON({"model": "asked", "temperature": 0, "api_key": "sk-canary"}),
            "llm.tools.0.tool.json_schema": JSON({"name": "add"}),
            "llm.model_name": "m",
            "llm.provider": "google",
            "llm.cost.total": 0.5,
            "llm.token_count.prompt": 3,
            "llm.token_count.completion": 4,
            "llm.token_count.prompt_details.audio": 1,
            "session.id": "s1",
        },
        [],
        "llm",
        {
            "messages": [
                {
                    "role": "user",
                    "content": [
                        {"type": "text", "text": "What is it?"},
                        {"type": "image", "url": "https://x/y.png"},
                    ],
                },
                {"role": "assistant", "tool_calls": [CALL]},
                {"role": "tool", "content": "3", "tool_call_id": "c1"},
            ],
            "tools": [{"name": "add"}],
            "temperature": 0,
        },
        {"role": "assistant", "content": "A dog.", "thinking": "Hm."},
        {
            "model_name": "m",
            "model_provider": "google",
            "cost_usd": "0.5",
            "input_tokens": "3",
            "output_tokens": "4",
            "total_tokens": "7",
            "llm.request.model_name": "asked",
            "llm.token_count.prompt_details.audio": "1",
            "session.id": "s1",
        },
    ),
    "OpenInference: only the request and the answer": (
        {
            **LLM,
            "input.value": JSON({"messages": [{"role": "developer", "content": "hi"}], "top_p": 1}),
            "output.value": "ho",
        },
        [],
        "llm",
        {"messages": [{"role": "system", "content": "hi"}], "top_p": 1},
        {"role": "assistant", "content": "ho"},
        {},
    ),
    "OpenInference: completions": (
        {
            **LLM,
            "llm.prompts.0.prompt.text": "Once",
            "llm.choices.0.completion.text": "upon",
            "llm.choices.1.completion.text": "more",
        },
        [],
        "llm",
        {"messages": [{"role": "user", "content": "Once"}]},
        [{"role": "assistant", "content": "upon"}, {"role": "assistant", "content": "more"}],
        {},
    ),
    "OpenInference: embeddings": (
        {
            "openinference.span.kind": "EMBEDDING",
            "embedding.embeddings.0.embedding.text": "one",
            "embedding.embeddings.0.embedding.vector": [0.1, 0.2],
            "embedding.model_name": "e",
        },
        [],
        "embedding",
        {"input": "one"},
        {"embeddings": 1, "dimensions": 2},
        {"model_name": "e"},
    ),
    "OpenInference: a retriever": (
        {
            "openinference.span.kind": "RETRIEVER",
            "input.value": "Oslo",
            "retrieval.documents.0.document.id": "d1",
            "retrieval.documents.0.document.score": 0.5,
            "retrieval.documents.0.document.content": "It rains.",
            "retrieval.documents.0.document.metadata": JSON({"page": 2}),
            "retrieval.documents.1.document.content": "It snows.",
        },
        [],
        "retrieval",
        "Oslo",
        [
            {"id": "d1", "score": 0.5, "content": "It rains.", "metadata": {"page": 2}},
            {"content": "It snows."},
        ],
        {"openinference.span.kind": "RETRIEVER"},
    ),
    "OpenInference: a reranker": (
        {
            "openinference.span.kind": "RERANKER",
            "reranker.query": "Oslo",
            "reranker.input_documents.0.document.content": "a",
            "reranker.output_documents.0.document.content": "a",
            "reranker.top_k": 1,
        },
        [],
        "retrieval",
        {"query": "Oslo", "documents": [{"content": "a"}]},
        [{"content": "a"}],
        {"openinference.span.kind": "RERANKER", "reranker.top_k": "1"},
    ),
    "OpenInference: a chain and its pictures": (
        {
            "openinference.span.kind": "CHAIN",
            "input.value": JSON({"question": "why?"}),
            "input.mime_type": "application/json",
            "input.images.0.image.url": "https://x/y.png",
            "output.value": "because",
            "metadata": JSON({"a": 1}),
            "tag.tags": ["x", "y"],
        },
        [],
        "workflow",
        {"value": {"question": "why?"}, "images": [{"url": "https://x/y.png"}]},
        "because",
        {"openinference.span.kind": "CHAIN", "metadata": '{"a": 1}', "tag.tags": '["x","y"]'},
    ),
    "OpenLLMetry: numbered messages": (
        {
            "llm.request.type": "chat",
            "gen_ai.system": "anthropic",
            "gen_ai.request.model": "m",
            "gen_ai.prompt.0.role": "user",
            "gen_ai.prompt.0.content": JSON([{"type": "text", "text": "hi"}]),
            "gen_ai.prompt.1.role": "assistant",
            "gen_ai.prompt.1.tool_calls.0.id": "c1",
            "gen_ai.prompt.1.tool_calls.0.name": "add",
            "gen_ai.prompt.1.tool_calls.0.arguments": '{"a": 1}',
            "gen_ai.prompt.2.role": "tool",
            "gen_ai.prompt.2.content": "3",
            "gen_ai.prompt.2.tool_call_id": "c1",
            "gen_ai.prompt.prompt_filter_results": "[]",
            "gen_ai.completion.0.role": "assistant",
            "gen_ai.completion.0.content": "ho",
            "gen_ai.completion.0.finish_reason": "end_turn",
            "llm.request.functions.0.name": "add",
            "llm.usage.total_tokens": 9,
            "llm.is_streaming": True,
            "llm.headers": "{'x-api-key': 'sk-canary'}",
        },
        [("llm.content.completion.chunk", {})],
        "llm",
        {
            "messages": [
                {"role": "user", "content": [{"type": "text", "text": "hi"}]},
                {"role": "assistant", "tool_calls": [CALL]},
                {"role": "tool", "content": "3", "tool_call_id": "c1"},
            ],
            "tools": [{"name": "add"}],
            "stream": True,
        },
        {"role": "assistant", "content": "ho"},
        {
            "model_name": "m",
            "model_provider": "anthropic",
            "total_tokens": "9",
            "finish_reason": "stop",
            "time_to_first_item_ns": "0",
            "gen_ai.prompt.prompt_filter_results": "[]",
        },
    ),
    "OpenLLMetry: a workflow": (
        {
            "traceloop.span.kind": "workflow",
            "traceloop.entity.name": "main",
            "traceloop.entity.input": JSON({"args": [1], "kwargs": {}}),
            "traceloop.entity.output": '"done"',
        },
        [],
        "workflow",
        {"args": [1], "kwargs": {}},
        '"done"',
        {"traceloop.entity.name": "main"},
    ),
    "none of them": (
        {"http.method": "GET", "http.request.header.authorization": ["Bearer sk-canary"], "span_kind": "x"},
        [("retry", {"n": 1})],
        "task",
        None,
        None,
        {"http.method": "GET", "otel.span_kind": "x"},
    ),
}


@pytest.mark.parametrize("told", TABLE.values(), ids=TABLE)
def test_what_becomes_of_attributes_and_events(told: Row, llmobs_spans: Any) -> None:
    attributes, events, kind, given_value, output, tags = told
    with tracing() as tracer:
        span = tracer.start_span("o1", attributes=attributes, start_time=1_000)
        for name, of_event in events:
            span.add_event(name, of_event, timestamp=1_000)
        span.end(end_time=2_000)
    found = llmobs_spans.named("o1")
    own = {name: value for name, value in found.tags.items() if name not in NOT_TOLD}
    assert (found.kind, found.input, found.output) == (kind, given_value, output)
    assert own == tags
    assert "sk-canary" not in json.dumps(found.wire)


def test_events_and_links_that_say_nothing_of_messages_are_tags(llmobs_spans: Any) -> None:
    with tracing() as tracer:
        other = tracer.start_span("o1")
        from opentelemetry.trace import Link

        span = tracer.start_span(
            "o2", links=[Link(other.get_span_context(), {"why": "caused by"})], start_time=10
        )
        span.add_event("retry", {"n": 1}, timestamp=15)
        span.end(end_time=20)
        other.end()
    tags = llmobs_spans.named("o2").tags
    assert json.loads(tags["otel.events"]) == [{"name": "retry", "at_ns": 5, "attributes": {"n": 1}}]
    context = other.get_span_context()
    assert json.loads(tags["otel.links"]) == [
        {
            "trace_id": f"{context.trace_id:032x}",
            "span_id": f"{context.span_id:016x}",
            "attributes": {"why": "caused by"},
        }
    ]


def test_what_opentelemetry_s_limits_cut_is_said(llmobs_spans: Any) -> None:
    with tracing(span_limits=SpanLimits(max_span_attributes=2)) as tracer:
        tracer.start_span("o1", attributes={"a": 1, "b": 2, "c": 3}).end()
    assert llmobs_spans.named("o1").tags["otel.dropped"] == "1"


# What a tracer says of an error: attributes, the exception's type and message; the tags that come of it.
ERRORS: dict[str, tuple[dict[str, Any], str, str, dict[str, str]]] = {
    "a status among the attributes": (
        {"http.response.status_code": 401},
        "Error",
        "Who are you?",
        {"status_code": "401", "cost_usd": "0"},
    ),
    "a status in the place of a type": (
        {"error.type": "529"},
        "Error",
        "Overloaded",
        {"status_code": "529", "cost_usd": "0"},
    ),
    "a status before the message": (
        {},
        "google.genai.errors.ClientError",
        "429 RESOURCE_EXHAUSTED. {'error': {}}",
        {"status_code": "429", "cost_usd": "0"},
    ),
    "an exception that is named after one": (
        {},
        "litellm.exceptions.RateLimitError",
        "litellm.RateLimitError: OpenAIException - Slow down.",
        {"status_code": "429", "cost_usd": "0"},
    ),
    "a failure of the provider's own": (
        {},
        "openai.InternalServerError",
        "Error code: 500 - Oh.",
        {"status_code": "500"},
    ),
    "a refusal in the middle of an answer": (
        {"gen_ai.output.messages": JSON([{"role": "assistant", "content": "Onc"}])},
        "anthropic.APIStatusError",
        "Error code: 529 - Overloaded",
        {"status_code": "529"},
    ),
    "a connection that broke": ({}, "openai.APITimeoutError", "Request timed out after 429 ms.", {}),
}


@pytest.mark.parametrize("told", ERRORS.values(), ids=ERRORS)
def test_a_call_that_was_refused_before_any_answer_costs_nothing(
    told: tuple[dict[str, Any], str, str, dict[str, str]], llmobs_spans: Any
) -> None:
    attributes, kind, message, expected = told
    with tracing() as tracer, experiment_span("row"):
        tracer.start_span("o1", attributes={**CHAT, "operation.cost": 0.5}).end()
        span = tracer.start_span("o2", attributes={**CHAT, "gen_ai.request.model": "m", **attributes})
        span.add_event("exception", {"exception.type": kind, "exception.message": message})
        span.end()
    found = llmobs_spans.named("o2").tags
    assert {name: found[name] for name in ("status_code", "cost_usd") if name in found} == expected
    # Whose cost is not known, makes that of all unknown.
    row = llmobs_spans.named("row").tags
    assert row.get("cost_usd") == ("0.5" if "cost_usd" in expected else None)


# --- nothing is lost ----------------------------------------------------------------------------------------

KINDS = (
    {},
    {"openinference.span.kind": "LLM"},
    {"openinference.span.kind": "EMBEDDING"},
    {"openinference.span.kind": "RETRIEVER"},
    {"openinference.span.kind": "TOOL"},
    {"gen_ai.operation.name": "chat"},
    {"gen_ai.operation.name": "embeddings"},
    {"gen_ai.operation.name": "execute_tool"},
    {"gen_ai.operation.name": "invoke_agent"},
    {"traceloop.span.kind": "workflow"},
    {"llm.request.type": "chat"},
)
# Names that the conventions know, with numbers or without.
KNOWN = sorted({name for told in TABLE.values() for name in told[0]} - {n for kind in KINDS for n in kind})
# Where the messages are there, the request and the answer as a whole are not kept; numbers of vectors never.
LEFT_OUT = ("input.value", "output.value", "input.mime_type", "output.mime_type")
NOT_KEPT = ("llm.headers", "http.request.header.authorization", "embedding.embeddings.0.embedding.vector")

scalars = st.one_of(
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=8),
)
shapes = st.recursive(
    scalars | st.none(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["role", "content", "parts", "type", "text", "id", "name", "arguments", "tool_calls", "x"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=6,
)
values = st.one_of(
    scalars,
    st.lists(st.text(max_size=5), max_size=3),
    st.lists(st.integers(0, 9), max_size=3),
    shapes.map(JSON),
    st.sampled_from(["{", "[", "[1", '{"a"', "null", '"x"', "\ud800"]),
)
names = st.one_of(
    st.sampled_from(KNOWN),
    st.sampled_from(KNOWN).map(lambda name: f"{name}.x"),
    st.sampled_from(KNOWN).map(lambda name: name.replace(".0.", ".99999999999.")),
    st.text(min_size=1, max_size=12),
    st.sampled_from(["parent_id", "span_kind", "model_name", "llm.input_messages", "gen_ai.prompt", "."]),
)


@given(
    kind=st.sampled_from(KINDS),
    attributes=st.dictionaries(names, values, max_size=8),
    event=st.sampled_from(
        ["gen_ai.choice", "gen_ai.user.message", "exception", "gen_ai.content.prompt", "e"]
    ),
)
@example(
    kind=KINDS[1],
    attributes={"llm.input_messages.0": "x", "llm.input_messages.0.message.role": "y"},
    event="e",
)
def test_no_attribute_makes_it_fail_and_every_span_is_recorded(
    kind: dict[str, str], attributes: dict[str, Any], event: str
) -> None:
    from llmobs_trace.capture import recorder as slot

    records: list[bytes] = []
    recorder = slot.Recorder(records.append, slot.Scope("e", "p", "d"))
    before, slot.current = slot.current, recorder
    faults = slot.faults.count
    try:
        with tracing() as tracer, experiment_span("row"):
            span = tracer.start_span("o1", attributes={**attributes, **kind})
            span.add_event(event, attributes)
            span.end()
    finally:
        slot.current = before
    assert slot.faults.count == faults, slot.faults.last
    assert len(records) == 2


@given(kind=st.sampled_from(KINDS), names=st.lists(names, unique=True, max_size=10), data=st.data())
def test_every_attribute_is_in_the_input_the_output_or_a_tag(
    kind: dict[str, str], names: list[str], data: st.DataObject
) -> None:
    """Each value holds a word of its own, by which it is found."""
    from llmobs_trace.capture import recorder as slot

    attributes: dict[str, Any] = {}
    words: dict[str, str] = {}
    for number, name in enumerate(names):
        if name.startswith(LEFT_OUT) or name.startswith(NOT_KEPT) or name.endswith(".vector"):
            continue
        word = words[name] = f"w{number}w"
        attributes[name] = data.draw(
            st.sampled_from(
                [
                    word,
                    [word],
                    JSON([{"role": "user", "parts": [{"type": "text", "content": word}]}]),
                    JSON([{"role": "user", "content": word}]),
                    JSON({"role": "user", "content": [{"type": "text", "text": word}]}),
                    JSON([[word]]),
                    JSON({"x": word}),
                ]
            )
        )
    records: list[bytes] = []
    before = slot.current
    slot.current = slot.Recorder(records.append, slot.Scope("e", "p", "d"))
    try:
        with tracing() as tracer:
            tracer.start_span("o1", attributes={**attributes, **kind}).end()
    finally:
        slot.current = before
    record = records[0].decode()
    assert {name: word for name, word in words.items() if word not in record} == {}
