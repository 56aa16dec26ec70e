"""Turns providers' messages, parts, tool calls and reasons into one plain chat shape. Any thread.

A message is `{"role", "content", "tool_calls", "tool_call_id", "thinking", "refusal"}`, members that are
empty left out; what else a provider's message carries stays under its own name. `role` is `system`, `user`,
`assistant` or `tool`. `content` is a text or a list of parts, each `{"type", …}`. One of the types `image`,
`audio` and `file` has its `data` in base64 beside a `media_type`, or a `url`, which is a data URL where that
is what the caller gave; its `name` where it has one. A tool call is `{"id", "name", "arguments"}`, its
arguments an object, or the text where that is no JSON.

The tables below say which provider's word becomes what; what they don't know stays as it is.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

from llmobs_trace.model_calls.dialect import Unread, read

_decode = msgspec.json.Decoder().decode

# Provider's role -> ours.
ROLES: Final[dict[str, str]] = {
    "developer": "system",  # OpenAI's newer word
    "model": "assistant",  # Gemini
    "function": "tool",  # OpenAI's older one
}

# Provider's reason for the end -> ours: OpenAI's chat completions and responses, Anthropic's, Gemini's.
FINISH_REASONS: Final[dict[str, str]] = {
    "function_call": "tool_calls",
    "max_output_tokens": "length",
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "tool_call": "tool_calls",  # OpenTelemetry's conventions
    "STOP": "stop",
    "MAX_TOKENS": "length",
    "SAFETY": "content_filter",
    "RECITATION": "content_filter",
    "BLOCKLIST": "content_filter",
    "PROHIBITED_CONTENT": "content_filter",
    "SPII": "content_filter",
    "IMAGE_SAFETY": "content_filter",
    "IMAGE_PROHIBITED_CONTENT": "content_filter",
    "IMAGE_RECITATION": "content_filter",
    "MODEL_ARMOR": "content_filter",
}

# Provider's kind of part -> ours, and the member whose own members take its place in the part.
PARTS: Final[dict[str, tuple[str, str | None]]] = {
    "image_url": ("image", "image_url"),  # OpenAI's chat: {"image_url": {"url": …, "detail": …}}
    "input_audio": ("audio", "input_audio"),  # {"input_audio": {"data": …, "format": …}}
    "file": ("file", "file"),  # {"file": {"file_data": …, "filename": …}}
    "input_text": ("text", None),  # OpenAI's responses
    "output_text": ("text", None),
    "input_image": ("image", None),
    "input_file": ("file", None),
    "document": ("file", "source"),  # Anthropic's
    "image": ("image", "source"),
}

_SHOWN_BYTES: Final = 64 * 1024

# Provider's member of such media -> ours.
MEDIA: Final[dict[str, str]] = {
    "image_url": "url",  # OpenAI's responses
    "file_url": "url",
    "file_data": "data",
    "filename": "name",
    "mime_type": "media_type",  # Gemini's
    "file_uri": "url",
    "uri": "url",  # of a file that was uploaded
    "display_name": "name",
}

_PLAIN_ROLES = frozenset({"system", "user", "assistant", "tool"})


def finish_reason(word: Any) -> str | None:
    """Why an answer ended, in the words that all providers share; another of the provider's stays."""
    if word is None:
        return None
    text = word if type(word) is str else str(getattr(word, "value", word))
    return FINISH_REASONS.get(text, text)


def message(role: str | None, content: Any = None, **more: Any) -> dict[str, Any]:
    """A plain message; what is None or empty is left out."""
    made: dict[str, Any] = {"role": "assistant" if role is None else role}
    if isinstance(role, str) and role in ROLES:
        made["role"] = ROLES[role]
    if content is not None and content != [] and content != "":
        made["content"] = content
    for name, value in more.items():
        if value is not None and value != "" and value != []:
            made[name] = value
    return made


def tool_call(id: Any, name: Any, arguments: Any) -> dict[str, Any]:
    """A plain tool call; arguments that come as a text are read."""
    call = {"id": id, "name": name, "arguments": parsed(arguments)}
    return {member: value for member, value in call.items() if value is not None}


def parsed(text: Any) -> Any:
    """What a JSON text says where it is an object; anything else as it is."""
    if not isinstance(text, str):
        return text
    try:
        found = _decode(text)
    except Exception:  # no JSON, or cut off in the middle
        return text
    return found if isinstance(found, dict) else text


def parts(content: Any) -> Any:
    """A message's content: a text as it is, a list of a provider's parts as plain ones."""
    if isinstance(content, (str, Mapping)) or not isinstance(content, Iterable):
        return content
    return [part(given) for given in content]


def part(given: Any) -> Any:
    """One part of a message's content as a plain one; what the table does not know stays as it is."""
    if isinstance(given, str):
        return {"type": "text", "text": given}
    kind = read(given, "type")
    found = PARTS.get(kind) if isinstance(kind, str) else None
    members = members_of(given)
    if found is None or members is None:
        return given
    made, nested = {**members, "type": found[0]}, found[1]
    if nested is not None and nested in made:
        inside = members_of(made[nested])
        if inside is not None:
            del made[nested]
            made = {**{name: value for name, value in inside.items() if name != "type"}, **made}
        elif nested != found[0] or isinstance(made[nested], str):
            made["url"] = made.pop(nested)
    if found[0] == "text":
        return {name: value for name, value in made.items() if value is not None}
    return media(found[0], made)


def media(kind: str | None, given: Mapping[str, Any]) -> dict[str, Any]:
    """A picture, a sound or a file as a plain part; where nobody says which of them, its media type does."""
    made = {MEDIA.get(name, name): value for name, value in given.items() if value is not None}
    if isinstance(form := made.pop("format", None), str):  # OpenAI's of a sound
        made["media_type"] = "audio/mpeg" if form == "mp3" else f"audio/{form}"
    data = made.get("data")
    # Larger ones are cut where they are recorded, and need no base64 for it.
    if isinstance(data, (bytes, bytearray)) and len(data) <= _SHOWN_BYTES:
        made["data"] = base64.b64encode(data).decode()
    elif isinstance(data, str) and data[:5] == "data:":
        made["url"] = made.pop("data")
    if kind is None:
        kind = str(made.get("media_type")).partition("/")[0]
        kind = kind if kind in ("image", "audio") else "file"
    return {**made, "type": kind}


def members_of(thing: Any) -> dict[str, Any] | None:
    """The members of a mapping or of a client's object, None left out; None where it is neither."""
    if type(thing) is dict:
        return dict(thing)
    try:
        fields, extra = thing.__dict__, thing.__pydantic_extra__
        if extra:
            fields = {**fields, **extra}
    except AttributeError:  # no pydantic model
        if isinstance(thing, Mapping):
            return dict(thing)
        try:
            fields = vars(thing)
        except TypeError:
            return None
    return {name: value for name, value in fields.items() if value is not None and name[:1] != "_"}


def chat_messages(given: Any) -> Any:
    """Messages of OpenAI's chat completions, which most other providers take too, as plain ones."""
    if type(given) is not list and (isinstance(given, (str, Mapping)) or not isinstance(given, Iterable)):
        return given
    return [chat_message(each) for each in given]


def chat_message(given: Any) -> Any:
    """The same of one message."""
    if type(given) is dict and len(given) == 2:
        role = given.get("role")
        if type(role) is str and role in _PLAIN_ROLES and type(given.get("content")) is str:
            return given  # as most are
    members = members_of(given)
    if members is None or "role" not in members:
        return given
    if len(members) == 3 and members.get("annotations") == []:  # as OpenAI's answers have it
        del members["annotations"]
    role, content = members.pop("role"), members.pop("content", None)
    if not members and type(role) is str and role in _PLAIN_ROLES and type(content) is str and content:
        return {"role": role, "content": content}
    calls = chat_tool_calls(members.pop("tool_calls", None), members.pop("function_call", None))
    refusal = members.pop("refusal", None)
    thinking = _first(members, "reasoning_content", "reasoning")
    audio = members.pop("audio", None)
    content = parts(content)
    if audio is not None:
        sound = {"type": "audio", **(members_of(audio) or {"id": audio})}
        content = [
            *([{"type": "text", "text": content}] if isinstance(content, str) else content or []),
            sound,
        ]
    return message(role, content, tool_calls=calls, thinking=thinking, refusal=refusal, **members)


def chat_tool_calls(given: Any, function_call: Any = None) -> list[dict[str, Any]] | None:
    """Tool calls of OpenAI's chat completions as plain ones; an older API had a single `function_call`."""
    calls = []
    for each in listed(given):
        function, custom = read(each, "function"), read(each, "custom")
        called, arguments = (custom, "input") if function is None else (function, "arguments")
        only(called, "name", arguments)
        calls.append(tool_call(read(each, "id"), read(called, "name"), read(called, arguments)))
    if function_call is not None and not isinstance(function_call, str):
        only(function_call, "name", "arguments")
        calls.append(tool_call(None, read(function_call, "name"), read(function_call, "arguments")))
    return calls or None


def listed(value: Any) -> Iterable[Any]:
    """What is a list of things, or nothing. Raises `Unread` where it is one thing."""
    if type(value) is list:  # an abstract class takes ten times as long to say so
        return value
    if value is None:
        return ()
    if isinstance(value, (str, Mapping)) or not isinstance(value, Iterable):
        raise Unread(f"no list: {type(value).__name__}")
    return value


def only(thing: Any, *names: str) -> None:
    """Raises `Unread` where a mapping has others than these, which would be lost."""
    if isinstance(thing, Mapping) and not thing.keys() <= {*names}:
        raise Unread(f"more than {', '.join(names)}")


def _first(members: dict[str, Any], *names: str) -> Any:
    """The first of several members that is there as a text, all taken out."""
    found = [members.pop(name) for name in names if isinstance(members.get(name), str)]
    return found[0] if found else None
