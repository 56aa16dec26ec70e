"""Makes answers as Anthropic's API gives them: messages, their events, Bedrock's frames of them, errors."""

from __future__ import annotations

import base64
import binascii
import json
import struct
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from support.model_server.answers import Answer, events, of_json

ANSWERED_BY = "claude-haiku-4-5-20251001"
USAGE = {
    "input_tokens": 10,
    "cache_read_input_tokens": 300,
    "cache_creation_input_tokens": 2000,
    "output_tokens": 7,
    "output_tokens_details": {"thinking_tokens": 4},
}
# What a span says of an answer with it that ended in a call of a tool.
TAGS = {
    "model_name": ANSWERED_BY,
    "model_provider": "anthropic",
    "input_tokens": "2310",
    "output_tokens": "7",
    "total_tokens": "2317",
    "cached_tokens": "300",
    "cache_written_tokens": "2000",
    "reasoning_tokens": "4",
    "finish_reason": "tool_calls",
}

Cut = Callable[[str], Iterable[str]]


def text(words: str, **more: Any) -> dict[str, Any]:
    """A block of text."""
    return {"type": "text", "text": words, **more}


def tool_use(id: str, name: str, given: Mapping[str, Any], kind: str = "tool_use") -> dict[str, Any]:
    """A block that calls a tool."""
    return {"type": kind, "id": id, "name": name, "input": dict(given)}


def message(
    *blocks: Mapping[str, Any], stop: str = "end_turn", usage: Any = USAGE, **more: Any
) -> dict[str, Any]:
    """A message of these blocks."""
    made = {"id": "msg_1", "type": "message", "role": "assistant", "model": ANSWERED_BY}
    return {**made, "content": [*blocks], "stop_reason": stop, "stop_sequence": None, "usage": usage, **more}


def whole(*blocks: Mapping[str, Any], **more: Any) -> Answer:
    """The answer that is this message at once."""
    return of_json(message(*blocks, **more), request_id="req_1")


def in_halves(words: str) -> list[str]:
    """Two pieces of a text."""
    return [words[: len(words) // 2], words[len(words) // 2 :]]


def events_of(message: Mapping[str, Any], cut: Cut = in_halves) -> list[dict[str, Any]]:
    """The events that say what a message says, its texts cut into pieces."""
    usage = message["usage"]
    begun = {**message, "content": [], "stop_reason": None, "usage": {**usage, "output_tokens": 1}}
    made: list[dict[str, Any]] = [{"type": "message_start", "message": begun}, {"type": "ping"}]
    for index, block in enumerate(message["content"]):
        start, deltas = _block(block, cut)
        made.append({"type": "content_block_start", "index": index, "content_block": start})
        made += [{"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas]
        made.append({"type": "content_block_stop", "index": index})
    counted = {name: usage[name] for name in ("output_tokens", "output_tokens_details") if name in usage}
    ended = {
        name: message[name] for name in ("stop_reason", "stop_sequence", "stop_details") if name in message
    }
    made.append({"type": "message_delta", "delta": ended, "usage": counted})
    made.append({"type": "message_stop"})
    return made


def _block(block: Mapping[str, Any], cut: Cut) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """How a block begins, and what comes of it afterwards."""
    start = dict(block)
    if block["type"] == "text":
        start["text"] = ""
        deltas = [{"type": "text_delta", "text": piece} for piece in cut(block["text"])]
        citations = start.pop("citations", None) or ()
        return start, deltas + [{"type": "citations_delta", "citation": each} for each in citations]
    if block["type"] == "thinking":
        start |= {"thinking": "", "signature": ""}
        deltas = [{"type": "thinking_delta", "thinking": piece} for piece in cut(block["thinking"])]
        return start, [*deltas, {"type": "signature_delta", "signature": block["signature"]}]
    if "input" in block:
        start["input"] = {}
        given = json.dumps(block["input"]) if block["input"] else ""
        return start, [{"type": "input_json_delta", "partial_json": piece} for piece in ("", *cut(given))]
    return start, []


def streamed(made: Iterable[Mapping[str, Any]], **how: Any) -> Answer:
    """The answer that is these events, one after the other."""
    return events(*((each["type"], each) for each in made), ends=None, headers={"request-id": "req_1"}, **how)


def error(status: int, words: str, kind: str, **headers: str) -> Answer:
    """An error in Anthropic's words."""
    body = {"type": "error", "error": {"type": kind, "message": words}, "request_id": "req_1"}
    return of_json(body, status, **{"request_id": "req_1", **headers})


def error_event(words: str, kind: str = "overloaded_error") -> dict[str, Any]:
    """An error in the midst of a stream."""
    return {"type": "error", "error": {"type": kind, "message": words}}


def framed(made: Iterable[Mapping[str, Any]]) -> Answer:
    """The same events as Bedrock frames them."""
    return Answer(content_type="application/vnd.amazon.eventstream", pieces=[_frame(each) for each in made])


def _frame(event: Mapping[str, Any]) -> bytes:
    payload = json.dumps({"bytes": base64.b64encode(json.dumps(event).encode()).decode()}).encode()
    named = {":event-type": "chunk", ":content-type": "application/json", ":message-type": "event"}
    headers = b"".join(
        struct.pack("!B", len(name)) + name.encode() + struct.pack("!BH", 7, len(value)) + value.encode()
        for name, value in named.items()
    )
    prelude = struct.pack("!II", 16 + len(headers) + len(payload), len(headers))
    framed = prelude + struct.pack("!I", binascii.crc32(prelude)) + headers + payload
    return framed + struct.pack("!I", binascii.crc32(framed))
