"""Reads OpenLLMetry's conventions: its workflows, tasks and tools, and the messages that its older releases
number. Any thread.

https://github.com/traceloop/openllmetry: `opentelemetry-semantic-conventions-ai`
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from llmobs_trace.model_calls.conventions.chat import conversation, plain, texts
from llmobs_trace.model_calls.conventions.names import Names
from llmobs_trace.model_calls.conventions.reading import Reading, is_text, read_json
from llmobs_trace.model_calls.messages import finish_reason
from llmobs_trace.wire import Kind

SPAN_KIND: Final = "traceloop.span.kind"
REQUEST_TYPE: Final = "llm.request.type"

_PREFIXES: Final = ("gen_ai.prompt", "gen_ai.completion", "llm.request.functions")

# Their kind -> ours.
KINDS: Final[dict[str, Kind]] = {
    "workflow": "workflow",
    "task": "task",
    "agent": "agent",
    "tool": "tool",
    "unknown": "task",
}
REQUEST_TYPES: Final[dict[str, Kind]] = {
    "chat": "llm",
    "completion": "llm",
    "embedding": "embedding",
    "rerank": "retrieval",
}

ENTITY_INPUT: Final = "traceloop.entity.input"
ENTITY_OUTPUT: Final = "traceloop.entity.output"

# Attribute -> parameter of a model call.
PARAMETERS: Final = {
    "llm.frequency_penalty": "frequency_penalty",
    "llm.presence_penalty": "presence_penalty",
    "llm.top_k": "top_k",
    "llm.chat.stop_sequences": "stop",
    "llm.is_streaming": "stream",
    "gen_ai.is_streaming": "stream",
    "llm.user": "user",
    "gen_ai.user": "user",
    "llm.request.repetition_penalty": "repetition_penalty",
    "llm.request.reasoning_effort": "reasoning_effort",
}
FINISHED: Final = (
    "gen_ai.response.finish_reason",
    "gen_ai.response.stop_reason",
    "llm.response.finish_reason",
    "llm.response.stop_reason",
)


def kind_of(attributes: Mapping[str, Any]) -> Kind | None:
    """What kind of span it is, by theirs, or by what was requested."""
    found = KINDS.get(str(attributes.get(SPAN_KIND)))
    return found or REQUEST_TYPES.get(str(attributes.get(REQUEST_TYPE)))


def read_openllmetry(reading: Reading) -> None:
    """Take what these conventions say. The kind is known already."""
    if not reading.names.told(_is_used):
        return
    # What another convention said already is not said once more: such attributes stay what they are.
    if reading.kind == "embedding" and reading.input is None:
        found = [_message(reading, each, "user") for each in _numbered(reading, "gen_ai.prompt")]
        reading.input = texts(found) if found else None
    for prefix, to, role in (
        ("gen_ai.prompt", reading.messages, "user"),
        ("gen_ai.completion", reading.answers, "assistant"),
    ):
        if not to:
            to.extend(_message(reading, each, role) for each in _numbered(reading, prefix))
    reading.tools.extend(_numbered(reading, "llm.request.functions"))
    if not reading.is_model_call:
        return
    for name, parameter in PARAMETERS.items():
        if name in reading.left and (given := reading.take(name)) is not None:
            reading.parameters.setdefault(parameter, given)
    for name in FINISHED:
        if name in reading.left and (ended := reading.take(name, is_text)) is not None:
            reading.tag("finish_reason", finish_reason(ended), name)


def _is_used(names: Names) -> bool:
    """Whether any of these names is there."""
    return any(
        name in PARAMETERS or name in FINISHED or name.startswith(_PREFIXES) for name in names.in_order
    )


def _numbered(reading: Reading, prefix: str) -> list[Any]:
    """What is numbered, else a whole conversation in one value. Other names, as of Azure's filters, stay."""
    found = reading.take_numbered(prefix)
    if found:
        return found
    role = "user" if prefix.endswith("prompt") else "assistant"
    whole = reading.take(prefix)
    return [] if whole is None else conversation(whole, role)


def _message(reading: Reading, each: Any, role: str) -> Any:
    if not isinstance(each, dict):
        return each
    members = dict(each)
    reading.take_ended(members)
    content = read_json(members.get("content"))
    if isinstance(content, list) and all(isinstance(part, dict) and "type" in part for part in content):
        members["content"] = content
    return plain(members, role)
