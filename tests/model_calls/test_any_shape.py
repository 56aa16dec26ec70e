"""Whatever of a request or an answer is missing, of another type or in another order: the caller is not
disturbed, and every text that was there is recorded. Over all dialects, on values.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from llmobs_trace import RecordedSpans
from llmobs_trace.model_calls.anthropic import Messages
from llmobs_trace.model_calls.call import begin_call, streamed
from llmobs_trace.model_calls.dialect import Dialect
from llmobs_trace.model_calls.google_genai import EmbedContent, GenerateContent
from llmobs_trace.model_calls.openai import ChatCompletions, Embeddings
from llmobs_trace.model_calls.responses import Responses
from llmobs_trace.model_calls.streams import watched

types = pytest.importorskip("google.genai", reason="google-genai needs Python 3.11").types

Shape = Any  # what JSON can say


@dataclass(frozen=True)
class Case:
    """One dialect: a request, a whole answer and the chunks of one. A text that must not be lost is `~…~`."""

    name: str
    dialect: Dialect
    request: dict[str, Any]
    response: dict[str, Any]
    chunks: tuple[dict[str, Any], ...] = ()
    made: Callable[[dict[str, Any]], Any] | None = None  # the client's own object of an answer or a chunk

    def __repr__(self) -> str:
        return self.name


# --- what providers send ------------------------------------------------------------------------------------

_PICTURE = {"type": "image_url", "image_url": {"url": "~https://a/b.png~", "detail": "low"}}
_OPENAI_CALL = {
    "id": "c1",
    "type": "function",
    "function": {"name": "~weather~", "arguments": '{"city": "~Oslo~"}'},
}


def _delta(index: int = 0, **delta: Any) -> dict[str, Any]:
    return {"id": "1", "model": "m", "choices": [{"index": index, "delta": delta, "finish_reason": None}]}


OPENAI = Case(
    "openai",
    ChatCompletions(),
    {
        "model": "gpt",
        "messages": [
            {"role": "system", "content": "~system~"},
            {"role": "user", "content": [{"type": "text", "text": "~user~"}, _PICTURE]},
            {"role": "assistant", "content": None, "tool_calls": [_OPENAI_CALL]},
            {"role": "tool", "tool_call_id": "c1", "content": "~result~"},
        ],
        "tools": [{"type": "function", "function": {"name": "~weather~", "description": "~says it~"}}],
        "temperature": 0.5,
    },
    {
        "id": "1",
        "model": "m",
        "choices": [
            {
                "index": 0,
                "finish_reason": "stop",
                "message": {
                    "role": "assistant",
                    "content": "~answer~",
                    "refusal": "~refusal~",
                    "tool_calls": [_OPENAI_CALL],
                },
            },
            {"index": 1, "finish_reason": "length", "message": {"role": "assistant", "content": "~second~"}},
        ],
        "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3},
    },
    (
        _delta(role="assistant", content=""),
        _delta(content="~one~"),
        _delta(content="~two~"),
        _delta(1, content="~second~"),
        _delta(refusal="~refusal~"),
        _delta(
            tool_calls=[{"index": 0, "id": "c1", "function": {"name": "~weather~", "arguments": '{"city":'}}]
        ),
        _delta(tool_calls=[{"index": 0, "function": {"arguments": ' "~Oslo~"}'}}]),
        {"id": "1", "model": "m", "choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 2}},
    ),
)

_CITED = {"type": "output_text", "text": "~answer~", "annotations": [{"type": "url_citation", "url": "~u~"}]}
_ITEMS = [
    {"type": "reasoning", "id": "r1", "summary": [{"type": "summary_text", "text": "~thought~"}]},
    {"type": "message", "id": "m1", "role": "assistant", "status": "completed", "content": [_CITED]},
    {
        "type": "function_call",
        "id": "f1",
        "call_id": "c1",
        "name": "~weather~",
        "arguments": '{"city": "~Oslo~"}',
    },
    {"type": "web_search_call", "id": "w1", "action": {"query": "~query~"}},
]


def _event(kind: str, **more: Any) -> dict[str, Any]:
    return {"type": f"response.{kind}", "output_index": 0, **more}


RESPONSES = Case(
    "responses",
    Responses(),
    {
        "model": "gpt",
        "instructions": "~system~",
        "input": [
            {"role": "user", "content": [{"type": "input_text", "text": "~user~"}]},
            *_ITEMS,
            {"type": "function_call_output", "call_id": "c1", "output": "~result~"},
        ],
        "tools": [{"type": "function", "name": "~weather~"}],
    },
    {"id": "1", "model": "m", "status": "completed", "output": _ITEMS, "usage": {"input_tokens": 1}},
    (
        _event("created", response={"id": "1", "model": "m", "status": "in_progress", "output": []}),
        _event("output_item.added", item={"type": "message", "role": "assistant", "content": []}),
        _event("output_text.delta", delta="~one~"),
        _event("output_text.delta", delta="~two~"),
        _event("output_item.added", output_index=1, item={"type": "function_call", "name": "~weather~"}),
        _event("function_call_arguments.delta", output_index=1, delta='{"city": "~Oslo~"}'),
        _event("output_item.done", output_index=2, item=_ITEMS[3]),
        _event("reasoning_summary_text.delta", output_index=3, delta="~thought~"),
        _event("refusal.delta", output_index=4, delta="~refusal~"),
    ),
)

_BLOCKS = [
    {"type": "thinking", "thinking": "~thought~", "signature": "s"},
    {"type": "text", "text": "~answer~"},
    {"type": "tool_use", "id": "c1", "name": "~weather~", "input": {"city": "~Oslo~"}},
]

ANTHROPIC = Case(
    "anthropic",
    Messages(),
    {
        "model": "claude",
        "system": [{"type": "text", "text": "~system~"}],
        "messages": [
            {"role": "user", "content": "~user~"},
            {"role": "assistant", "content": _BLOCKS},
            {
                "role": "user",
                "content": [
                    {
                        "type": "tool_result",
                        "tool_use_id": "c1",
                        "content": [{"type": "text", "text": "~result~"}],
                    },
                    {"type": "image", "source": {"type": "url", "url": "~https://a/b.png~"}},
                ],
            },
        ],
        "tools": [{"name": "~weather~", "input_schema": {"type": "object"}}],
        "max_tokens": 5,
    },
    {
        "id": "1",
        "type": "message",
        "role": "assistant",
        "model": "m",
        "content": _BLOCKS,
        "stop_reason": "end_turn",
        "usage": {"input_tokens": 1, "output_tokens": 2},
    },
    (
        {
            "type": "message_start",
            "message": {"role": "assistant", "model": "m", "content": [], "usage": {"input_tokens": 1}},
        },
        {"type": "content_block_start", "index": 0, "content_block": {"type": "thinking", "thinking": ""}},
        {
            "type": "content_block_delta",
            "index": 0,
            "delta": {"type": "thinking_delta", "thinking": "~thought~"},
        },
        {"type": "content_block_start", "index": 1, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 1, "delta": {"type": "text_delta", "text": "~one~"}},
        {"type": "content_block_delta", "index": 1, "delta": {"type": "text_delta", "text": "~two~"}},
        {"type": "content_block_stop", "index": 1},
        {
            "type": "content_block_start",
            "index": 2,
            "content_block": {"type": "tool_use", "id": "c1", "name": "~weather~", "input": {}},
        },
        {
            "type": "content_block_delta",
            "index": 2,
            "delta": {"type": "input_json_delta", "partial_json": '{"city": "~Oslo~"}'},
        },
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 2}},
        {"type": "message_stop"},
    ),
)

_PARTS = [
    {"text": "~thought~", "thought": True},
    {"text": "~answer~"},
    {"functionCall": {"id": "c1", "name": "~weather~", "args": {"city": "~Oslo~"}}},
    {"executableCode": {"code": "~1+1~", "language": "PYTHON"}},
]


def _candidate(*parts: dict[str, Any], index: int = 0, **more: Any) -> dict[str, Any]:
    candidate = {"index": index, "content": {"role": "model", "parts": [*parts]}, **more}
    return {"candidates": [candidate], "modelVersion": "m", "usageMetadata": {"promptTokenCount": 1}}


GEMINI = Case(
    "gemini",
    GenerateContent(),
    {
        "model": "gemini",
        "contents": [
            {
                "role": "user",
                "parts": [{"text": "~user~"}, {"inlineData": {"mimeType": "image/png", "data": "~AA~"}}],
            },
            {"role": "model", "parts": _PARTS},
            {
                "role": "user",
                "parts": [{"functionResponse": {"name": "~weather~", "response": {"result": "~result~"}}}],
            },
            "~more~",
        ],
        "config": {
            "system_instruction": {"parts": [{"text": "~system~"}]},
            "tools": [{"function_declarations": [{"name": "~weather~", "description": "~says it~"}]}],
            "temperature": 0.5,
        },
    },
    _candidate(*_PARTS, finishReason="STOP", finishMessage="~told~"),
    (
        *(_candidate(part) for part in _PARTS),
        _candidate({"text": "~one~"}),
        _candidate({"text": "~two~"}),
        _candidate({"text": "~second~"}, index=1),
        _candidate({"functionCall": {"name": "~book~", "willContinue": True}}),
        _candidate({"functionCall": {"partialArgs": [{"jsonPath": "$.a", "stringValue": "~piece~"}]}}),
        _candidate(finishReason="STOP"),
    ),
    types.GenerateContentResponse.model_validate,
)

EMBEDDED: tuple[Case, ...] = (
    Case(
        "openai embeddings",
        Embeddings(),
        {"model": "e", "input": ["~one~", "~two~"], "dimensions": 2},
        {"model": "m", "data": [{"index": 0, "embedding": [0.1, 0.2]}], "usage": {"prompt_tokens": 1}},
    ),
    Case(
        "gemini embeddings",
        EmbedContent(),
        {"model": "e", "contents": ["~one~", {"parts": [{"text": "~two~"}]}], "config": {"title": "~t~"}},
        {"embeddings": [{"values": [0.1, 0.2], "statistics": {"token_count": 2}}]},
    ),
)
CHATS = (OPENAI, RESPONSES, ANTHROPIC, GEMINI)
CASES = (*CHATS, *EMBEDDED)

# --- what may be wrong with it ------------------------------------------------------------------------------


def places(shape: Shape, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if at:
        yield at
    inside = shape.items() if isinstance(shape, dict) else enumerate(shape) if isinstance(shape, list) else ()
    for name, value in inside:
        yield from places(value, (*at, name))


EDITS: dict[str, Callable[[Any], Any]] = {
    "none": lambda value: None,
    "listed": lambda value: [value],
    "named": lambda value: {"x": value},
    "number": lambda value: 7,
    "true": lambda value: True,
    "text": lambda value: "text",
    "nothing in it": lambda value: type(value)() if isinstance(value, (dict, list, str)) else [],
    "twice": lambda value: [value, copy.deepcopy(value)],
}


@st.composite
def edited(draw: st.DrawFn, shape: Shape, at_most: int = 3) -> Shape:
    """The shape with some of it missing, or of another type."""
    shape = copy.deepcopy(shape)
    for _ in range(draw(st.integers(0, at_most))):
        all_places = list(places(shape))
        if not all_places:
            break
        *way, last = draw(st.sampled_from(all_places))
        owner = shape
        for step in way:
            owner = owner[step]
        kind = draw(st.sampled_from(("missing", *EDITS)))
        note(f"{kind}: {(*way, last)}")
        if kind == "missing":
            del owner[last]
        else:
            owner[last] = EDITS[kind](owner[last])
    return shape


def texts(*shapes: Shape) -> set[str]:
    return {text for shape in shapes for text in re.findall("~.*?~", json.dumps(shape))}


def lost(spans: RecordedSpans, *shapes: Shape) -> set[str]:
    (span,) = spans
    recorded = json.dumps([span.input, span.output])
    assert span.status == "ok"
    spans.clear()
    return {text for text in texts(*shapes) if text not in recorded}


every_case = pytest.mark.parametrize("case", CASES, ids=str)
every_chat = pytest.mark.parametrize("case", CHATS, ids=str)
unhurried = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


@every_case
@given(data=st.data())
@unhurried
def test_no_text_of_a_request_is_lost_whatever_else_is_missing_or_wrong(
    llmobs_spans: RecordedSpans, case: Case, data: st.DataObject
) -> None:
    request = data.draw(edited(case.request))
    call = begin_call(case.dialect, request, None)
    assert call is not None
    call.answered(case.response)
    assert not lost(llmobs_spans, {name: value for name, value in request.items() if name != "model"})


@every_case
@given(data=st.data())
@unhurried
def test_no_text_of_an_answer_is_lost_whatever_else_is_missing_or_wrong(
    llmobs_spans: RecordedSpans, case: Case, data: st.DataObject
) -> None:
    response = data.draw(edited(case.response))
    call = begin_call(case.dialect, case.request, None)
    assert call is not None
    call.answered(response)
    assert not lost(llmobs_spans, response)


@every_chat
@given(data=st.data())
@unhurried
def test_no_text_of_a_stream_is_lost_whatever_is_missing_or_wrong_or_out_of_order(
    llmobs_spans: RecordedSpans, case: Case, data: st.DataObject
) -> None:
    chunks: list[Any] = data.draw(edited(list(case.chunks)))
    chunks = data.draw(st.one_of(st.just(chunks), st.permutations(chunks)))
    call = begin_call(case.dialect, case.request, None)
    assert call is not None
    came = list(watched(streamed(call), iter(chunks)))
    assert all(came is given for came, given in zip(came, chunks, strict=True))
    assert not lost(llmobs_spans, chunks)
