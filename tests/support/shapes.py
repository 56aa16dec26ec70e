"""One exchange with a model, as each provider's client hands it over and a program may record it by hand."""

from __future__ import annotations

import base64
import json
import struct
import zlib
from collections.abc import Callable
from typing import Any, NamedTuple


def _picture() -> str:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 8, 8, 8, 2, 0, 0, 0)
    pixels = zlib.compress(b"".join(b"\0" + b"\x40\x80\xc0" * 8 for _ in range(8)))
    whole = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
    return base64.b64encode(whole).decode()


PNG = _picture()
DATA_URL = f"data:image/png;base64,{PNG}"
LEFT_OUT = "[image/png, 5,242,880 bytes, 0123456789abcdef]"


class Exchange(NamedTuple):
    """What is said in it by the system, by the user, who shows a picture, by the model, a tool, the model."""

    system: str = "Be brief."
    question: str = "What is the weather there?"
    thought: str = "A tool knows."
    tool: str = "get_weather"
    name: str = "city"
    city: str = "Oslo"
    call_id: str = "call_1"
    result: str = "sleet"
    answer: str = "It sleets."


Shape = Callable[[Exchange], tuple[Any, Any]]


def plain(say: Exchange) -> tuple[Any, Any]:
    """As model calls are recorded where they are traced."""
    call = {"id": say.call_id, "name": say.tool, "arguments": {say.name: say.city}}
    messages = [
        {"role": "system", "content": say.system},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": say.question},
                {"type": "image", "media_type": "image/png", "data": PNG},
            ],
        },
        {"role": "assistant", "thinking": say.thought, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": say.call_id, "content": say.result},
    ]
    return {"messages": messages, "temperature": 0.2}, {"role": "assistant", "content": say.answer}


def _openai_call(say: Exchange) -> dict[str, Any]:
    arguments = json.dumps({say.name: say.city})
    return {"id": say.call_id, "type": "function", "function": {"name": say.tool, "arguments": arguments}}


def openai_chat(say: Exchange) -> tuple[Any, Any]:
    message = {"refusal": None, "annotations": [], "audio": None, "function_call": None, "tool_calls": None}
    messages = [
        {"role": "developer", "content": say.system},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": say.question},
                {"type": "image_url", "image_url": {"url": DATA_URL}},
            ],
        },
        {"role": "assistant", "reasoning_content": say.thought, "tool_calls": [_openai_call(say)]},
        {"role": "tool", "tool_call_id": say.call_id, "content": say.result},
    ]
    choice = {"index": 0, "message": {"role": "assistant", "content": say.answer, **message}}
    return messages, {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "model": "gpt-4.1-mini",
        "choices": [{**choice, "finish_reason": "stop", "logprobs": None}],
        "usage": {"prompt_tokens": 12, "completion_tokens": 7, "total_tokens": 19},
    }


def ollama(say: Exchange) -> tuple[Any, Any]:
    call = {"id": say.call_id, "function": {"name": say.tool, "arguments": {say.name: say.city}}}
    messages = [
        {"role": "system", "content": say.system},
        {"role": "user", "content": say.question, "images": [PNG]},
        {"role": "assistant", "content": "", "thinking": say.thought, "tool_calls": [call]},
        {"role": "tool", "content": say.result, "tool_name": say.tool, "tool_call_id": say.call_id},
    ]
    answer = {"role": "assistant", "content": say.answer}
    return {"model": "qwen3-vl", "messages": messages}, {"model": "qwen3-vl", "message": answer, "done": True}


def openai_responses(say: Exchange) -> tuple[Any, Any]:
    arguments = _openai_call(say)["function"]["arguments"]
    given = [
        {
            "role": "user",
            "content": [
                {"type": "input_text", "text": say.question},
                {"type": "input_image", "image_url": DATA_URL},
            ],
        },
        {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": say.thought}]},
        {"type": "function_call", "call_id": say.call_id, "name": say.tool, "arguments": arguments},
        {"type": "function_call_output", "call_id": say.call_id, "output": say.result},
    ]
    said = {"type": "output_text", "text": say.answer, "annotations": []}
    return {"instructions": say.system, "input": given, "model": "gpt-5"}, {
        "id": "resp_1",
        "object": "response",
        "status": "completed",
        "output": [{"id": "msg_1", "type": "message", "role": "assistant", "content": [said]}],
        "usage": {"input_tokens": 30, "output_tokens": 12},
    }


def anthropic(say: Exchange) -> tuple[Any, Any]:
    messages = [
        {
            "role": "user",
            "content": [
                {"type": "text", "text": say.question},
                {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}},
            ],
        },
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": say.thought, "signature": "EqQB"},
                {"type": "tool_use", "id": say.call_id, "name": say.tool, "input": {say.name: say.city}},
            ],
        },
        {
            "role": "user",
            "content": [
                {
                    "type": "tool_result",
                    "tool_use_id": say.call_id,
                    "content": [{"type": "text", "text": say.result}],
                }
            ],
        },
    ]
    return {"system": say.system, "messages": messages, "max_tokens": 100}, {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude-sonnet-4-5",
        "content": [{"type": "text", "text": say.answer}],
        "stop_reason": "end_turn",
        "usage": {"input_tokens": 20, "output_tokens": 15},
    }


def gemini(say: Exchange) -> tuple[Any, Any]:
    contents = [
        {
            "role": "user",
            "parts": [{"text": say.question}, {"inline_data": {"mime_type": "image/png", "data": PNG}}],
        },
        {
            "role": "model",
            "parts": [
                {"text": say.thought, "thought": True},
                {"function_call": {"id": say.call_id, "name": say.tool, "args": {say.name: say.city}}},
            ],
        },
        {
            "role": "user",
            "parts": [
                {"function_response": {"id": say.call_id, "name": say.tool, "response": {"it": say.result}}}
            ],
        },
    ]
    content = {"role": "model", "parts": [{"text": say.answer}]}
    return {"system_instruction": {"parts": [{"text": say.system}]}, "contents": contents}, {
        "candidates": [{"content": content, "finish_reason": "STOP", "index": 0}],
        "usage_metadata": {"prompt_token_count": 9, "candidates_token_count": 8},
        "model_version": "gemini-2.5-flash",
    }


def bedrock(say: Exchange) -> tuple[Any, Any]:
    messages = [
        {"role": "user", "content": [{"text": say.question}, {"type": "image", "url": DATA_URL}]},
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": say.thought},
                {"toolUse": {"toolUseId": say.call_id, "name": say.tool, "input": {say.name: say.city}}},
            ],
        },
        {
            "role": "user",
            "content": [{"toolResult": {"toolUseId": say.call_id, "content": [{"text": say.result}]}}],
        },
    ]
    message = {"role": "assistant", "content": [{"text": say.answer}]}
    return {"system": [{"text": say.system}], "messages": messages}, {
        "output": {"message": message},
        "stopReason": "end_turn",
        "usage": {"inputTokens": 3},
    }


SHAPES: dict[str, Shape] = {
    "plain": plain,
    "openai_chat": openai_chat,
    "openai_responses": openai_responses,
    "anthropic": anthropic,
    "gemini": gemini,
    "bedrock": bedrock,
    "ollama": ollama,
}
