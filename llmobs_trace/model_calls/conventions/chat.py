"""Brings messages to the plain chat shape, where they are in a shape that is known; others stay as they are.
Any thread.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from llmobs_trace.model_calls.conventions.reading import one_or_all, read_json
from llmobs_trace.model_calls.messages import chat_message, message, tool_call

_OF_A_CALL = frozenset({"id", "type", "index", "function"})
_OF_A_FUNCTION = frozenset({"name", "arguments"})
_OF_A_PLAIN_CALL = frozenset({"id", "name", "arguments"})


def plain(given: Any, role: str | None = None) -> Any:
    """A message in the shape of OpenAI's; `role` is whose it is where it does not say so."""
    if not isinstance(given, Mapping):
        return given
    members = dict(given) if role is None else {"role": role, **given}
    calls = members.get("tool_calls")
    own_calls = None
    if isinstance(calls, list) and calls and all(_is_flat_call(call) for call in calls):
        own_calls = [call_of(members_of_call) for members_of_call in members.pop("tool_calls")]
    if not _is_in_shape(members):
        return dict(given) if role is None else {"role": role, **given}
    made = chat_message(members)
    return made if own_calls is None else {**made, "tool_calls": own_calls}


def call_of(members: Mapping[str, Any]) -> dict[str, Any]:
    """A tool call of `id`, `name`, `arguments` and whatever else it has."""
    made = tool_call(members.get("id"), members.get("name"), members.get("arguments"))
    return {**made, **{name: value for name, value in members.items() if name not in _OF_A_PLAIN_CALL}}


def _is_flat_call(call: Any) -> bool:
    return isinstance(call, Mapping) and "function" not in call and "custom" not in call


def _is_in_shape(members: Mapping[str, Any]) -> bool:
    if type(members.get("role")) is not str:
        return False
    content = members.get("content")
    if not (content is None or isinstance(content, str)) and not (
        isinstance(content, list) and all(_is_part(part) for part in content)
    ):
        return False
    calls, call = members.get("tool_calls"), members.get("function_call")
    return (calls is None or (isinstance(calls, list) and all(_is_call(each) for each in calls))) and (
        call is None or _is_function(call)
    )


def _is_part(part: Any) -> bool:
    return isinstance(part, str) or (isinstance(part, Mapping) and type(part.get("type")) is str)


def _is_call(call: Any) -> bool:
    return isinstance(call, Mapping) and call.keys() <= _OF_A_CALL and _is_function(call.get("function"))


def _is_function(function: Any) -> bool:
    return isinstance(function, Mapping) and function.keys() <= _OF_A_FUNCTION


def put_together(role: Any, content: list[Any], more: Mapping[str, Any], **ours: Any) -> dict[str, Any]:
    """A message of parts: what it has beside the members that it is made of stays under its own name."""
    said = only_text(content)
    made = message(role if type(role) is str else None, said, **ours)
    if role is not None and type(role) is not str:
        made["role"] = role
    odd = {name: value for name, value in more.items() if value is not None}
    clash = {name: odd.pop(name) for name in list(odd) if name in made}
    return {**made, **odd, **({"more": clash} if clash else {})}


def only_text(content: list[Any]) -> Any:
    """One text and nothing else is the content itself."""
    if len(content) == 1 and isinstance(content[0], dict):
        text = content[0].get("text")
        if content[0] == {"type": "text", "text": text}:
            return text
    return content or None


def conversation(said: Any, role: str) -> list[Any]:
    """A whole conversation in one value: messages, or what somebody said."""
    found = read_json(said)
    if isinstance(found, Mapping):
        found = [found]
    if not isinstance(found, (list, tuple)):
        return [message(role, found)]
    return [plain(each, role) for each in found]


def texts(found: Iterable[Any]) -> Any:
    """What was embedded, of messages that say it: their contents, unless they say more."""
    found = list(found)
    if all(
        isinstance(each, Mapping) and each == {"role": "user", "content": each.get("content")}
        for each in found
    ):
        return one_or_all([each.get("content") for each in found])
    return one_or_all(found)
