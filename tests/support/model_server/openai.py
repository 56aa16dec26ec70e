"""Makes answers as OpenAI's API gives them: chat completions and their chunks, embeddings, errors."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from support.model_server.answers import Answer, events, of_json

ANSWERED_BY = "gpt-4.1-mini-2025-04-14"
USAGE = {
    "prompt_tokens": 12,
    "completion_tokens": 7,
    "total_tokens": 19,
    "prompt_tokens_details": {"cached_tokens": 4},
    "completion_tokens_details": {"reasoning_tokens": 2},
}
# What a span says of an answer with it.
TAGS = {
    "model_name": ANSWERED_BY,
    "model_provider": "openai",
    "input_tokens": "12",
    "output_tokens": "7",
    "total_tokens": "19",
    "cached_tokens": "4",
    "reasoning_tokens": "2",
    "finish_reason": "stop",
}


def chat(*messages: Mapping[str, Any], finish: str = "stop", usage: Any = USAGE, **more: Any) -> Answer:
    """A chat completion with a choice for each message."""
    choices = [
        {"index": index, "finish_reason": finish, "logprobs": None, "message": {"role": "assistant", **said}}
        for index, said in enumerate(messages)
    ]
    completion = {"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": ANSWERED_BY}
    return of_json({**completion, "choices": choices, "usage": usage, **more})


def chunk(delta: Mapping[str, Any] | None, finish: str | None = None, **more: Any) -> dict[str, Any]:
    """A chunk of a streamed completion; without a delta one without choices, as the last with usage is."""
    choices = [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": finish}]
    made = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": ANSWERED_BY}
    return {**made, "choices": choices, **more}


def chat_stream(texts: Iterable[str], *, finish: str = "stop", usage: Any = None, **how: Any) -> Answer:
    """A streamed completion of these texts, with the usage in an extra chunk where there is one."""
    first = chunk({"role": "assistant", "content": "", "refusal": None})
    last = [chunk({}, finish)] + ([chunk(None, usage=usage)] if usage is not None else [])
    return events(first, *(chunk({"content": text}) for text in texts), *last, **how)


def completion(*texts: str, usage: Any = USAGE) -> dict[str, Any]:
    """An older completion with a choice for each text, or a chunk of one."""
    choices = [
        {"index": index, "finish_reason": "stop", "logprobs": None, "text": text}
        for index, text in enumerate(texts)
    ]
    made = {"id": "cmpl-1", "object": "text_completion", "created": 1, "model": ANSWERED_BY}
    return {**made, "choices": choices, "usage": usage}


def embeddings(*vectors: Any) -> Answer:
    """Vectors, as lists of numbers or in base64."""
    data = [
        {"object": "embedding", "index": index, "embedding": vector} for index, vector in enumerate(vectors)
    ]
    usage = {"prompt_tokens": 5, "total_tokens": 5}
    return of_json({"object": "list", "data": data, "model": "text-embedding-3-small", "usage": usage})


def error(status: int, message: str, kind: str = "invalid_request_error", **headers: str) -> Answer:
    """An error in OpenAI's words."""
    headers = {"x_request_id": "req_1", **headers}
    return of_json(
        {"error": {"message": message, "type": kind, "param": None, "code": None}}, status, **headers
    )


def response(items: list[dict[str, Any]], status: str = "completed", **more: Any) -> dict[str, Any]:
    """A response of the Responses API."""
    usage = {
        "input_tokens": USAGE["prompt_tokens"],
        "output_tokens": USAGE["completion_tokens"],
        "total_tokens": USAGE["total_tokens"],
        "input_tokens_details": USAGE["prompt_tokens_details"],
        "output_tokens_details": USAGE["completion_tokens_details"],
    }
    made = {"id": "resp_1", "object": "response", "created_at": 1, "model": ANSWERED_BY, "status": status}
    more = {"tools": [], "tool_choice": "auto", "parallel_tool_calls": True, **more}
    return {**made, "output": items, "usage": None if status == "in_progress" else usage, **more}
