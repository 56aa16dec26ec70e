"""Reads OpenTelemetry's GenAI conventions: those of today, with whole messages in attributes, and the older
ones, with an event for each message. Any thread.

https://github.com/open-telemetry/semantic-conventions-genai
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any, Final, Literal

import msgspec

from llmobs_trace.model_calls.conventions.chat import (
    call_of,
    conversation,
    only_text,
    plain,
    put_together,
    texts,
)
from llmobs_trace.model_calls.conventions.names import Names, Tagged
from llmobs_trace.model_calls.conventions.reading import (
    Reading,
    as_list,
    is_amount,
    is_count,
    is_list_of_texts,
    is_text,
    read_json,
)
from llmobs_trace.model_calls.messages import finish_reason, media, message
from llmobs_trace.wire import FIRST_ITEM_TAG, Kind

OPERATION: Final = "gen_ai.operation.name"

# Operation -> kind.
OPERATIONS: Final[dict[str, Kind]] = {
    "chat": "llm",
    "generate_content": "llm",
    "text_completion": "llm",
    "llm_request": "llm",  # OpenLLMetry's
    "embeddings": "embedding",
    "retrieval": "retrieval",
    "vector_db_retrieve": "retrieval",  # OpenLLMetry's
    "execute_tool": "tool",
    "create_agent": "agent",
    "invoke_agent": "agent",
    "invoke_workflow": "workflow",
    "execute_task": "task",  # OpenLLMetry's
}

MODELS: Final = ("gen_ai.response.model", "gen_ai.request.model")
PROVIDERS: Final = ("gen_ai.provider.name", "gen_ai.system")

# Tag of a model call <- attributes, the one that counts first, and what fits.
TAGS: Final = {
    "input_tokens": (("gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens"), is_count),
    "output_tokens": (("gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens"), is_count),
    "total_tokens": (("gen_ai.usage.total_tokens", "llm.usage.total_tokens"), is_count),
    "cached_tokens": (
        ("gen_ai.usage.cache_read.input_tokens", "gen_ai.usage.cache_read_input_tokens"),
        is_count,
    ),
    "cache_written_tokens": (
        ("gen_ai.usage.cache_creation.input_tokens", "gen_ai.usage.cache_creation_input_tokens"),
        is_count,
    ),
    "reasoning_tokens": (
        (
            "gen_ai.usage.reasoning.output_tokens",
            "gen_ai.usage.reasoning_tokens",
            "llm.usage.reasoning_tokens",
        ),
        is_count,
    ),
    "model_name": (MODELS, is_text),
    "model_provider": (PROVIDERS, is_text),
    "cost_usd": (("gen_ai.usage.cost", "operation.cost"), is_amount),
}
DIMENSIONS: Final = "gen_ai.embeddings.dimension.count"
FINISHED: Final = "gen_ai.response.finish_reasons"
FIRST_CHUNK_SECONDS: Final = "gen_ai.response.time_to_first_chunk"

# Attributes of this kind are a call's parameters: `gen_ai.request.temperature` is `temperature`.
PARAMETERS: Final = "gen_ai.request."
OTHER_PARAMETERS: Final = {
    "gen_ai.output.type": "output_type",
    "gen_ai.request.choice.count": "n",
}

# What a tool, a retrieval and a task were given and gave.
INPUTS: Final = ("gen_ai.tool.call.arguments", "gen_ai.retrieval.query.text", "gen_ai.task.input")
OUTPUTS: Final = ("gen_ai.tool.call.result", "gen_ai.task.output")

# Event -> the role of its message.
ROLES_OF_EVENTS: Final = {
    "gen_ai.system.message": "system",
    "gen_ai.user.message": "user",
    "gen_ai.assistant.message": "assistant",
    "gen_ai.tool.message": "tool",
}
CHOICE: Final = "gen_ai.choice"
# Events whose attributes are read like the span's own.
DETAILS: Final = frozenset(
    {"gen_ai.client.inference.operation.details", "gen_ai.content.prompt", "gen_ai.content.completion"}
)
_OF_AN_EVENT: Final = frozenset(
    {"gen_ai.system", "gen_ai.provider.name", "event.name", "index", "gen_ai.message.index"}
)

_NOTHING_MORE: Final[dict[str, Any]] = {}
_OF_A_MESSAGE: Final = frozenset({"role", "parts"})
_PLAIN_ROLES: Final = ("system", "user", "assistant", "tool")
_MEDIA: Final = frozenset({"blob", "uri", "file"})


def kind_of(attributes: Mapping[str, Any]) -> Kind | None:
    """What kind of span it is, by its operation."""
    return OPERATIONS.get(str(attributes.get(OPERATION)))


def read_genai(reading: Reading) -> None:
    """Take what these conventions say. The kind is known already."""
    for take in reading.names.told(_steps):
        take(reading)
    if reading.is_model_call:
        read_model_call(reading)


def _take_asked(reading: Reading) -> None:
    _take_messages(reading, "gen_ai.input.messages", reading.messages)


def _take_answered(reading: Reading) -> None:
    _take_messages(reading, "gen_ai.output.messages", reading.answers)


class _Text(msgspec.Struct, forbid_unknown_fields=True, tag_field="type", tag="text"):
    content: Annotated[str, msgspec.Meta(min_length=1)]


class _Said(msgspec.Struct, forbid_unknown_fields=True):
    """A message of one text, as those of most conversations without tools."""

    role: Literal["system", "user", "assistant", "tool"]
    parts: tuple[_Text]
    finish_reason: str | None = None


_read_said = msgspec.json.Decoder(list[_Said]).decode


def _take_messages(reading: Reading, name: str, to: list[Any]) -> None:
    try:
        said = _read_said(reading.left[name])
    except Exception:  # other messages, or no JSON: read one by one, which takes three times as long
        said = None
    if said is not None:
        del reading.left[name]
        for each in said:
            made = {"role": each.role, "content": each.parts[0].content}
            if each.finish_reason is not None:
                made["finish_reason"] = each.finish_reason
                reading.take_ended(made)
            to.append(made)
    elif (found := as_list(reading.left[name])) is not None:
        del reading.left[name]
        for each in found:
            to += plain_messages(reading, each)


def _take_instructions(reading: Reading) -> None:
    if (told := reading.take("gen_ai.system_instructions")) is not None:
        reading.messages[:0] = _instructions(told)


def _take_tools(reading: Reading) -> None:
    if (tools := as_list(reading.left["gen_ai.tool.definitions"])) is not None:
        del reading.left["gen_ai.tool.definitions"]
        reading.tools.extend(tools)


def _take_documents(reading: Reading) -> None:
    documents = as_list(reading.left["gen_ai.retrieval.documents"])
    if documents is not None and reading.kind == "retrieval":
        del reading.left["gen_ai.retrieval.documents"]
        reading.documents.extend(documents)


# Attribute -> what takes it.
_TAKEN_BY: Final[dict[str, Callable[[Reading], None]]] = {
    "gen_ai.input.messages": _take_asked,
    "gen_ai.output.messages": _take_answered,
    "gen_ai.system_instructions": _take_instructions,
    "gen_ai.tool.definitions": _take_tools,
    "gen_ai.retrieval.documents": _take_documents,
}


def _steps(names: Names) -> tuple[Callable[[Reading], None], ...]:
    """What takes those that are there."""
    return tuple(take for name, take in _TAKEN_BY.items() if name in names.all)


def read_model_call(reading: Reading) -> None:
    """Tokens, model, provider and parameters. An agent's are sums of its calls, and stay what they are."""
    reading.take_tags(reading.names.told(_tagged))
    if FINISHED in reading.left and (finished := reading.take(FINISHED, is_list_of_texts)) is not None:
        reading.tags["finish_reason"] = ",".join(
            dict.fromkeys(finish_reason(each) or "" for each in finished)
        )
    if FIRST_CHUNK_SECONDS in reading.left:
        seconds = reading.take(FIRST_CHUNK_SECONDS, lambda told: is_amount(told) and told < 1e9)
        if seconds is not None:
            reading.tags[FIRST_ITEM_TAG] = round(seconds * 1e9)
    if reading.kind == "embedding":
        if (dimensions := reading.take(DIMENSIONS, is_count)) is not None:
            reading.embeddings["dimensions"] = dimensions
        if reading.messages and reading.input is None:
            reading.input, reading.messages = texts(reading.messages), []
    for name, parameter in reading.names.told(_parameters):
        if (given := reading.take(name)) is not None:
            reading.parameters.setdefault(parameter, read_json(given))


def _tagged(names: Names) -> tuple[Tagged, ...]:
    return names.tagged(TAGS)


def _parameters(names: Names) -> tuple[tuple[str, str], ...]:
    """The attributes that are parameters, and which."""
    others = [(name, parameter) for name, parameter in OTHER_PARAMETERS.items() if name in names.all]
    return (
        *others,
        *[
            (name, name[len(PARAMETERS) :])
            for name in names.in_order
            if name.startswith(PARAMETERS) and name not in MODELS
        ],
    )


# --- messages -----------------------------------------------------------------------------------------------


def plain_messages(reading: Reading, given: Any) -> list[Any]:
    """A message with its parts as plain ones: the results of several tools are a message each."""
    if type(given) is not dict and not isinstance(given, Mapping):
        return [plain(given)]
    parts = given.get("parts")
    if not isinstance(parts, (list, tuple)):
        return [plain(given)]
    members = _NOTHING_MORE
    if len(given) > 2:
        members = {name: value for name, value in given.items() if name not in _OF_A_MESSAGE}
        reading.take_ended(members)
    text = _text_of(parts[0]) if len(parts) == 1 and not members else None
    if text is not None and given.get("role") in _PLAIN_ROLES:
        return [{"role": given["role"], "content": text}]  # as most are
    content: list[Any] = []
    calls: list[Any] = []
    thinking: list[str] = []
    results: list[Any] = []
    for part in parts:
        kind = part.get("type") if isinstance(part, Mapping) else None
        if kind == "tool_call":
            calls.append(call_of({name: value for name, value in part.items() if name != "type"}))
        elif kind == "tool_call_response":
            results.append(_result(part))
        elif kind == "reasoning" and part.keys() == {"type", "content"} and type(part["content"]) is str:
            thinking.append(part["content"])
        else:
            content.append(_part(part))
    role = given.get("role")
    if results and role == "tool" and not (content or calls or thinking or members):
        return results
    found = put_together(role, content, members, tool_calls=calls, thinking="\n".join(thinking))
    return [*results, found]


def _text_of(part: Any) -> str | None:
    """The text of a part that is one, and nothing else."""
    if type(part) is dict and len(part) == 2 and part.get("type") == "text":
        text = part.get("content")
        return text if type(text) is str and text else None
    return None


def _result(part: Mapping[str, Any]) -> dict[str, Any]:
    more = dict(part)
    del more["type"]
    said = more.pop("response") if "response" in more else more.pop("result", None)
    if said is not None and not isinstance(said, str):
        said = [{"type": "tool_result", "content": said}]
    return {**message("tool", said, tool_call_id=more.pop("id", None)), **more}


def _part(part: Any) -> Any:
    if not isinstance(part, Mapping):
        return {"type": "text", "text": part} if isinstance(part, str) else part
    members = dict(part)
    kind = members.get("type")
    if kind == "text" and "content" in members and "text" not in members:
        members["text"] = members.pop("content")
    elif type(kind) is str and kind in _MEDIA:
        modality = str(members.pop("modality", None))
        if kind == "blob":
            members["data"] = members.pop("content", None)
        if modality not in ("image", "audio", "None"):
            members["modality"] = modality
        return media(modality if modality in ("image", "audio") else "file", members)
    return members


def _instructions(told: Any) -> list[Any]:
    """System instructions: parts, or messages, or a text."""
    found = read_json(told)
    if isinstance(found, Mapping):
        found = [found]
    if not isinstance(found, (list, tuple)):
        return [message("system", found)]
    if any(isinstance(each, Mapping) and "role" in each for each in found):
        return [plain(each, "system") for each in found]
    content = only_text([_part(each) for each in found])
    return [message("system", content)] if content else []


# --- the older form -----------------------------------------------------------------------------------------


def read_event(reading: Reading, name: str, attributes: Mapping[str, Any]) -> bool:
    """Take what an event says of a message; False where it is none of these."""
    if name in DETAILS:
        return _read_details(reading, attributes)
    if name not in ROLES_OF_EVENTS and name != CHOICE:
        return False
    members = {key: read_json(value) for key, value in attributes.items() if key not in _OF_AN_EVENT}
    body = members.pop("gen_ai.event.content", None)
    if isinstance(body, Mapping):
        members = {**body, **members}
    elif body is not None:
        members.setdefault("content", body)
    if name == CHOICE:
        _read_choice(reading, members)
    else:
        members.setdefault("role", ROLES_OF_EVENTS[name])
        if "id" in members and members["role"] == "tool":
            members["tool_call_id"] = members.pop("id")
        reading.messages.append(plain(members))
    return True


def _read_choice(reading: Reading, members: dict[str, Any]) -> None:
    reading.take_ended(members)
    members.pop("index", None)
    said = members.pop("message", None)
    if isinstance(said, Mapping):
        members = {**said, **members}
    elif said is not None:
        members.setdefault("content", said)
    members.setdefault("role", "assistant")
    reading.answers.append(plain(members))


def _read_details(reading: Reading, attributes: Mapping[str, Any]) -> bool:
    inner = Reading(dict(attributes))
    inner.kind = reading.kind
    read_genai(inner)
    for name, to, role in (
        ("gen_ai.prompt", inner.messages, "user"),
        ("gen_ai.completion", inner.answers, "assistant"),
    ):
        if (said := inner.take(name)) is not None:
            to.extend(conversation(said, role))
    if inner.left.keys() - _OF_AN_EVENT or inner.input is not None:
        return False  # it says more than a conversation, and is kept as it is
    reading.messages.extend(inner.messages)
    reading.answers.extend(inner.answers)
    reading.tools.extend(inner.tools)
    reading.documents.extend(inner.documents)
    for ours, its in (
        (reading.tags, inner.tags),
        (reading.parameters, inner.parameters),
        (reading.embeddings, inner.embeddings),
    ):
        for name, value in its.items():
            ours.setdefault(name, value)
    return True
