"""Reads the calls of google-genai: contents, candidates, chunks, embeddings. User's thread.

One call is one answer of the model. Automatic function calling sends the results of the model's calls back to
it until it makes no more, all within one ``generate_content``: each of those answers is a call, with
messages, tokens and time of its own, and the functions run between them, beside them in the tree and not
below. So what is wrapped is the method below that loop. An answer that the client continues by itself with
further requests (``automatic_continuation``) comes to the caller as one, its tokens added up: it is one call.

===================================  ===============================================================
Gemini's                             ours
===================================  ===============================================================
``system_instruction``               a message of the role ``system``
role ``model``                       ``assistant``; turns of it in a row (a chat keeps each chunk of
                                     a stream as one) are one message
``text``, the same with ``thought``  text, joined where it is the model's; ``thinking``
``function_call``                    one of ``tool_calls``; arguments that come in pieces are put
                                     together
``function_response``                a message of the role ``tool``; of a response that is an
                                     ``output`` or a ``result`` and no more, that alone, else all of
                                     it as JSON
``inline_data``, ``file_data``       a part ``image``, ``audio`` or ``file``
any other                            a part of its name, with what is in it
``prompt_feedback``                  ``refusal``: why no answer was given
``finish_message``                   ``refusal`` too where the answer was held back, else as it is
``citation_metadata`` and the like   as they are
``thought_signature``                left out: bytes that mean something to the provider alone
===================================  ===============================================================
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from llmobs_trace.encode import encode
from llmobs_trace.model_calls.dialect import Answered, Asked, Fold, Operation
from llmobs_trace.model_calls.gemini_parts import (
    Turn,
    fields,
    items,
    known,
    listed,
    media_part,
    member,
    plain,
)
from llmobs_trace.model_calls.messages import ROLES, finish_reason, message

# The client's own doings, no parameters of the model's; the first has headers in it, keys among them.
_NOT_PARAMETERS: Final = frozenset(
    {
        "http_options",
        "should_return_http_response",
        "automatic_function_calling",
        "automatic_continuation",
        "system_instruction",
        "tools",
    }
)
_OF_A_RESPONSE: Final = frozenset(
    {
        "automatic_function_calling_history",
        "candidates",
        "create_time",
        "model_status",
        "model_version",
        "parsed",
        "prompt_feedback",
        "response_id",
        "sdk_http_response",
        "usage_metadata",
    }
)
_OF_A_CONTENT: Final = frozenset({"parts", "role"})
_OF_A_RESULT: Final = frozenset({"id", "name", "parts", "response", "scheduling", "will_continue"})
_OF_EMBEDDINGS: Final = frozenset(
    {"embeddings", "metadata", "sdk_http_response", "truncated", "usage_metadata"}
)
# What of a candidate says where its answer comes from, and how likely it was.
_SOURCES: Final = ("citation_metadata", "grounding_metadata", "url_context_metadata", "logprobs_result")
_OF_A_CANDIDATE: Final = frozenset(
    {
        "avg_logprobs",
        "content",
        "continuation_token",
        "finish_message",
        "finish_reason",
        "index",
        "safety_ratings",
        "token_count",
        *_SOURCES,
    }
)


class GenerateContent:
    """``generate_content``, its stream, and what chats make of them."""

    operation: Operation = "chat"

    def asked(self, arguments: Mapping[str, Any], /) -> Asked:
        contents, config = arguments.get("contents"), arguments.get("config")
        provider, model = _model(arguments.get("model"))
        system, tools = member(config, "system_instruction"), member(config, "tools")
        given: dict[str, Any]
        try:
            given = {"messages": _messages(contents, system)}
        except Exception:  # of no form that the client takes: as it is, but for the client's own options
            given = {"contents": contents, "system_instruction": plain(system)}
        if tools:
            given["tools"] = [_tool(tool) for tool in listed(tools)]
        return Asked(model, provider, {**given, **_parameters(config)})

    def answered(self, response: Any, /) -> Answered:
        raw = member(member(response, "sdk_http_response"), "body")
        if raw and member(response, "candidates") is None:  # asked for with `should_return_http_response`
            response = json.loads(raw)
        fold = self.fold()
        fold.add(response)
        return fold.answered()

    def fold(self) -> Fold:
        return _Chunks()


class EmbedContent:
    """``embed_content``: how many vectors of how many numbers, not the vectors."""

    operation: Operation = "embeddings"

    def asked(self, arguments: Mapping[str, Any], /) -> Asked:
        contents, config = arguments.get("contents"), arguments.get("config")
        provider, model = _model(arguments.get("model"))
        texts = [_embedded(item) for item in listed(contents)]
        given = texts if isinstance(contents, list) or len(texts) != 1 else texts[0]
        return Asked(model, provider, {"input": given, **_parameters(config)})

    def answered(self, response: Any, /) -> Answered:
        embeddings = items(known(response, _OF_EMBEDDINGS).get("embeddings"))
        dimensions = len(listed(member(embeddings[0], "values"))) if embeddings else None
        counted = [member(member(embedding, "statistics"), "token_count") for embedding in embeddings]
        usage = member(response, "usage_metadata")
        input_tokens = _whole(member(usage, "prompt_token_count"))
        if input_tokens is None and counted and None not in counted:
            input_tokens = _whole(sum(counted))
        return Answered(
            {"embeddings": len(embeddings), "dimensions": dimensions},
            {"input_tokens": input_tokens, "total_tokens": _whole(member(usage, "total_token_count"))},
        )

    def fold(self) -> Fold:
        raise TypeError("embeddings are not streamed")


# --- What was asked -----------------------------------------------------------------------------------------


def _model(name: Any) -> tuple[str, str | None]:
    """The publisher and the model that a name or a resource's path says."""
    if not isinstance(name, str):
        return "google", None
    path = name.split("/")
    if len(path) >= 2 and path[-2] == "models":
        publisher = path[-3] if len(path) >= 4 and path[-4] == "publishers" else "google"
        return publisher, path[-1]
    if len(path) == 2 and path[0] not in ("tunedModels", "endpoints"):
        return path[0], path[1]
    return "google", name


def _parameters(config: Any) -> dict[str, Any]:
    """What of a configuration is the model's."""
    if config is not None and not isinstance(config, dict) and not hasattr(config, "__dict__"):
        return {"config": config}
    return {
        name: plain(value)
        for name, value in fields(config).items()
        if value is not None and name not in _NOT_PARAMETERS
    }


def _messages(contents: Any, system: Any) -> list[dict[str, Any]]:
    messages: list[dict[str, Any]] = []
    said_by, turn = "system", Turn("system")
    for part in _parts(system):
        turn.add(part)
    for role, parts in _turns(contents):
        if not said_by == role == "assistant":
            turn.close(messages)
            said_by, turn = role, Turn(role)
        for part in parts:
            result = member(part, "function_response")
            if result is None:
                turn.add(part)
            else:
                turn.close(messages)
                turn = Turn(role)
                messages.append(_result(result))
    turn.close(messages)
    return messages


def _turns(contents: Any) -> Iterator[tuple[str, list[Any]]]:
    """The role and parts of each turn; parts that stand alone are gathered as the client gathers them."""
    loose: list[Any] = []
    loose_role = "user"
    for item in listed(contents):
        is_turn = (
            isinstance(item, list) or member(item, "parts") is not None or member(item, "role") is not None
        )
        role = "user" if member(item, "function_call") is None else "assistant"
        if loose and (is_turn or role != loose_role):
            yield loose_role, loose
            loose = []
        if not is_turn:
            loose.append(item)
            loose_role = role
        else:
            yield _role(member(item, "role")), _parts(item)
    if loose:
        yield loose_role, loose


def _role(given: Any) -> str:
    role = ROLES.get(given, given) if isinstance(given, str) else None
    return role if role in ("assistant", "system") else "user"


def _parts(content: Any) -> list[Any]:
    """The parts of a content, or of what the client would make one of."""
    parts = member(content, "parts")
    return listed(content if parts is None and member(content, "role") is None else parts)


def _result(result: Any) -> dict[str, Any]:
    """A function's result as a message."""
    told = known(result, _OF_A_RESULT)
    value = told.get("response")
    if isinstance(value, dict) and len(value) == 1:
        value = next((value[name] for name in ("output", "result") if name in value), value)
    content: Any = value if value is None or isinstance(value, str) else encode(value).decode()
    files = [fields(part) for part in items(told.get("parts"))]
    if files:
        text = [{"type": "text", "text": content}] if content else []
        content = text + [media_part(file.get("inline_data") or file.get("file_data")) for file in files]
    return message("tool", content, tool_call_id=told.get("id"), name=told.get("name"))


def _tool(tool: Any) -> Any:
    if not callable(tool) or isinstance(tool, type) or not hasattr(tool, "__name__"):
        return plain(tool)
    declared = {"name": tool.__name__, "description": tool.__doc__}
    return {name: value for name, value in declared.items() if value}


def _embedded(item: Any) -> Any:
    """A text, or the parts of what is more than one."""
    turn = Turn("user")
    for part in _parts(item):
        turn.add(part)
    return turn.content()


# --- What came back -----------------------------------------------------------------------------------------


class _Candidate:
    __slots__ = ("_more", "_reason", "_told", "turn")

    def __init__(self) -> None:
        self.turn = Turn("assistant")
        self._reason: Any = None
        self._told: Any = None
        self._more: dict[str, Any] = {}

    def add(self, given: dict[str, Any]) -> None:
        for part in items(known(given.get("content"), _OF_A_CONTENT).get("parts")):
            self.turn.add(part)
        self._reason = given.get("finish_reason") or self._reason
        self._told = given.get("finish_message") or self._told
        for name in _SOURCES:
            if given.get(name) is not None:
                self._more[name] = given[name]

    def message(self) -> dict[str, Any]:
        held_back = self.reason() == "content_filter"
        more = {name: plain(value) for name, value in self._more.items()}
        more["refusal" if held_back else "finish_message"] = self._told
        return self.turn.message(**more)

    def reason(self) -> str | None:
        reason = finish_reason(self._reason)
        if reason == "stop" and self.turn.has_calls():
            return "tool_calls"
        return None if reason == "FINISH_REASON_UNSPECIFIED" else reason


class _Chunks:
    """Chunks, each a response with what is new in it; a whole response is the only chunk of its kind."""

    __slots__ = ("_candidates", "_feedback", "_model", "_usage")

    def __init__(self) -> None:
        self._candidates: dict[int, _Candidate] = {}
        self._feedback: Any = None
        self._model: Any = None
        self._usage: Any = None

    def add(self, chunk: Any, /) -> None:
        told = known(chunk, _OF_A_RESPONSE)
        for position, given in enumerate(items(told.get("candidates"))):
            new = known(given, _OF_A_CANDIDATE)
            index = new.get("index")
            index = index if isinstance(index, int) else position
            candidate = self._candidates.get(index)
            if candidate is None:
                candidate = self._candidates[index] = _Candidate()
            candidate.add(new)
        # What a chunk tells of the call as a whole is all of it so far.
        self._usage = told.get("usage_metadata") or self._usage
        self._model = told.get("model_version") or self._model
        self._feedback = told.get("prompt_feedback") or self._feedback

    def answered(self) -> Answered:
        candidates = [self._candidates[index] for index in sorted(self._candidates)]
        messages = [candidate.message() for candidate in candidates]
        reason = candidates[0].reason() if candidates else None
        if (blocked := member(self._feedback, "block_reason")) is not None:
            reason = reason or "content_filter"
            told = member(self._feedback, "block_reason_message") or getattr(blocked, "value", blocked)
            messages = messages or [message("assistant", refusal=told)]
        tags = {"model_name": _model(self._model)[1], **_tokens(self._usage), "finish_reason": reason}
        return Answered(messages[0] if len(messages) == 1 else messages or None, tags)


def _tokens(usage: Any) -> dict[str, int | None]:
    """What thinking took is beside the answer's tokens, except from some models, where the total tells."""
    prompt = _whole(member(usage, "prompt_token_count"))
    of_tools = _whole(member(usage, "tool_use_prompt_token_count"))
    answer = _whole(member(usage, "candidates_token_count"))
    thoughts = _whole(member(usage, "thoughts_token_count"))
    total = _whole(member(usage, "total_token_count"))
    asked = None if prompt is None else prompt + (of_tools or 0)
    within = thoughts is not None and answer is not None and asked is not None and asked + answer == total
    counted = [count for count in (answer, None if within else thoughts) if count is not None]
    return {
        "input_tokens": asked,
        "output_tokens": sum(counted) if counted else None,
        "total_tokens": total,
        "cached_tokens": _whole(member(usage, "cached_content_token_count")),
        "reasoning_tokens": thoughts,
    }


def _whole(value: Any) -> int | None:
    return int(value) if isinstance(value, (int, float)) else None
