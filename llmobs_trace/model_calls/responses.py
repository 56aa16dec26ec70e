"""Reads OpenAI's Responses API: its items as messages, its events as an answer. Any thread.

What its items become, in what is asked and in what is answered; the protocol's bookkeeping (an item's id,
type and status) is left out:

- `message` -> a message; parts of text without annotations as text
- `function_call`, `custom_tool_call` -> a tool call of an assistant's message, neighbours in one message
- `function_call_output`, `custom_tool_call_output` -> a message of role `tool`
- `reasoning` -> an assistant's `thinking`
- anything else (a web search, a picture, a call by MCP) -> a part of an assistant's message, as it is
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from llmobs_trace.model_calls.dialect import Answered, Asked, Fold, Operation, Unread, read
from llmobs_trace.model_calls.messages import finish_reason, listed, members_of, message, part, tool_call
from llmobs_trace.model_calls.text import Text

_CALLS: Final[dict[str, str]] = {"function_call": "arguments", "custom_tool_call": "input"}
_RESULTS: Final = ("function_call_output", "custom_tool_call_output")
_BOOKKEEPING: Final = ("type", "id", "status", "role", "content", "phase")


class Responses:
    """`POST /responses`."""

    operation: Operation = "chat"

    def asked(self, arguments: Mapping[str, Any]) -> Asked:
        messages = []
        instructions = arguments.get("instructions")
        if isinstance(instructions, str):
            messages.append(message("system", instructions))
        elif instructions is not None:
            messages += item_messages(instructions)
        given = arguments.get("input")
        messages += [message("user", given)] if isinstance(given, str) else item_messages(given)
        more = {name: value for name, value in arguments.items() if name not in _READ}
        return Asked(arguments.get("model"), "openai", {"messages": messages, **more})

    def answered(self, response: Any) -> Answered:
        return _answer(response, listed(read(response, "output")))

    def fold(self) -> Fold:
        return ResponsesFold()


_READ: Final = ("model", "instructions", "input")


def item_messages(items: Any) -> list[dict[str, Any]]:
    """A conversation's items as messages. Raises `Unread` where they are none."""
    messages: list[dict[str, Any]] = []
    spoken: list[Any] = []  # items that stand in one message of the assistant's
    for item in listed(items):
        kind = _kind(item)
        if kind == "message" and read(item, "role") != "assistant":
            messages += [*_assistant(spoken), _message(item)]
            spoken = []
        elif kind in _RESULTS:
            messages += _assistant(spoken)
            spoken = []
            output = read(item, "output")
            content = output if isinstance(output, str) else _content(output)
            messages.append(message("tool", content, tool_call_id=read(item, "call_id")))
        else:
            if kind == "message" and any(_kind(each) == "message" for each in spoken):
                messages += _assistant(spoken)  # each message stays one
                spoken = []
            spoken.append(item)
    return messages + _assistant(spoken)


def _kind(item: Any) -> str:
    kind = read(item, "type") or "message"
    if type(kind) is not str:
        raise Unread("no item")
    return kind


def _message(item: Any) -> dict[str, Any]:
    members = members_of(item) or {}
    more = {name: value for name, value in members.items() if name not in _BOOKKEEPING}
    return message(read(item, "role"), _content(read(item, "content")), **more)


def _content(parts: Any) -> Any:
    """A text where it is one part of nothing but text; else plain parts."""
    if isinstance(parts, (str, Mapping)) or not isinstance(parts, Iterable):
        return parts
    plain = [_part(each) for each in parts]
    if len(plain) == 1 and isinstance(plain[0], dict) and plain[0].keys() == {"type", "text"}:
        return plain[0]["text"]
    return plain


def _part(given: Any) -> Any:
    made = part(given)
    if isinstance(made, dict):
        return {name: value for name, value in made.items() if value not in ([], None)}
    return made


def _assistant(items: list[Any]) -> list[dict[str, Any]]:
    """Neighbouring items of the assistant's as one message; none where there are none."""
    if not items:
        return []
    parts: list[Any] = []
    calls: list[dict[str, Any]] = []
    thoughts: list[str] = []
    refusals: list[str] = []
    more: dict[str, Any] = {}
    for item in items:
        kind = _kind(item)
        if kind == "message":
            content = read(item, "content")
            for each in [content] if isinstance(content, str) else listed(content):
                refusal = None if isinstance(each, str) else read(each, "refusal")
                if refusal is None:
                    parts.append(_part(each))
                else:
                    refusals.append(str(refusal))
            others = members_of(item) or {}
            more.update({name: value for name, value in others.items() if name not in _BOOKKEEPING})
        elif kind in _CALLS and not read(item, "name") and not read(item, _CALLS[kind]):
            parts.append(members_of(item))
        elif kind in _CALLS:
            calls.append(tool_call(read(item, "call_id"), read(item, "name"), read(item, _CALLS[kind])))
        elif kind == "reasoning":
            for text in [*listed(read(item, "content")), *listed(read(item, "summary"))]:
                if (thought := read(text, "text")) is None:
                    parts.append(text)
                else:
                    thoughts.append(str(thought))
        else:
            members = members_of(item) or {"value": item}
            parts.append({name: value for name, value in members.items() if name not in ("id", "status")})
    return [
        message(
            "assistant",
            _content(parts),
            tool_calls=calls,
            thinking="\n\n".join(thoughts),
            refusal="\n\n".join(refusals),
            **more,
        )
    ]


def _answer(response: Any, items: Iterable[Any]) -> Answered:
    said = _assistant(list(items))
    usage = read(response, "usage")
    given, made = read(usage, "input_tokens_details"), read(usage, "output_tokens_details")
    tags = {
        "model_name": read(response, "model"),
        "input_tokens": read(usage, "input_tokens"),
        "output_tokens": read(usage, "output_tokens"),
        "total_tokens": read(usage, "total_tokens"),
        "cached_tokens": read(given, "cached_tokens"),
        "reasoning_tokens": read(made, "reasoning_tokens"),
        "finish_reason": _finish(response, said),
    }
    error = read(response, "error")
    failure = (str(read(error, "code")), str(read(error, "message"))) if error is not None else None
    return Answered(said[0] if said else None, tags, failure)


def _finish(response: Any, said: list[dict[str, Any]]) -> str | None:
    status = read(response, "status")
    if status == "completed":
        return "tool_calls" if said and "tool_calls" in said[0] else "stop"
    if status == "incomplete":
        return finish_reason(read(read(response, "incomplete_details"), "reason") or status)
    return finish_reason(status) if status != "in_progress" else None


class ResponsesFold:
    """The events of a streamed response. The last one has all of it; until then items are whole when they are
    done, and what is being written is put together.
    """

    def __init__(self) -> None:
        self._response: Any = None
        self._is_whole = False
        self._items: dict[int, Any] = {}
        self._written: dict[int, dict[str, Text]] = {}  # by item: what each kind of delta came to
        self._failure: tuple[str, str] | None = None

    def add(self, event: Any) -> None:
        kind = event["type"] if type(event) is dict else event.type
        target = _DELTAS.get(kind)
        if target is not None:
            index = _index(event)
            written = self._written.get(index)
            if written is None:
                written = self._written[index] = {}
            buffer = written.get(target)
            if buffer is None:
                buffer = written[target] = Text()
            buffer.write(event["delta"] if type(event) is dict else event.delta)
        elif kind in ("response.output_item.added", "response.output_item.done"):
            index, item = _index(event), read(event, "item")
            if members_of(item) is None or not _kind(item):
                raise Unread("no item")
            self._items[index] = item
            if kind == "response.output_item.done":
                self._written.pop(index, None)
        elif kind == "error":
            self._failure = (str(read(event, "code")), str(read(event, "message")))
        elif (response := read(event, "response")) is not None:
            if members_of(response) is None:
                raise Unread("no response")
            self._response = response
            self._is_whole = kind in _LAST
        elif not str(kind).startswith("response."):
            raise Unread("no known event")

    def answered(self) -> Answered:
        if self._is_whole and (output := read(self._response, "output")):
            answer = _answer(self._response, output)
        else:
            items = [self._item(index) for index in sorted({*self._items, *self._written})]
            answer = _answer(self._response, items)
        return answer if self._failure is None else answer._replace(failure=self._failure)

    def _item(self, index: int) -> Any:
        """An item, whole or as far as it was written."""
        item, written = self._items.get(index), self._written.get(index)
        if not written:
            return item
        texts = {name: str(buffer) for name, buffer in written.items()}
        made: dict[str, Any] = {**(members_of(item) or {"type": "message"})}
        if "text" in texts or "refusal" in texts:
            said = {"type": "output_text", "text": texts["text"]} if "text" in texts else None
            refused = {"type": "refusal", "refusal": texts["refusal"]} if "refusal" in texts else None
            made["content"] = [each for each in (said, refused) if each is not None]
        if "thinking" in texts:
            made["summary"] = [{"text": texts["thinking"]}]
        for name in ("arguments", "input"):
            if name in texts:
                made[name] = texts[name]
        return made


def _index(event: Any) -> int:
    index = read(event, "output_index")
    if type(index) is not int:
        raise Unread("no item")
    return index


# Events that bring a piece of text -> which text of the item it is a piece of.
_DELTAS: Final[dict[str, str]] = {
    "response.output_text.delta": "text",
    "response.refusal.delta": "refusal",
    "response.reasoning_summary_text.delta": "thinking",
    "response.reasoning_text.delta": "thinking",
    "response.function_call_arguments.delta": "arguments",
    "response.custom_tool_call_input.delta": "input",
}
_LAST: Final = ("response.completed", "response.incomplete", "response.failed")
