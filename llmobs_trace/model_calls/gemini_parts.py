"""Puts Gemini's parts together into one message: texts, thoughts, function calls, media. User's thread.

Parts come as the client's models, or as dicts with the names of those or of the wire (`inlineData`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final

from llmobs_trace.encode import encode
from llmobs_trace.model_calls.dialect import Unread
from llmobs_trace.model_calls.messages import media, message, tool_call
from llmobs_trace.model_calls.text import Text

_MAX_DEPTH: Final = 32
_HUMP: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_OF_A_FILE: Final = ("uri", "file_uri", "mime_type", "display_name")
_OF_A_CALL: Final = frozenset({"args", "id", "name", "partial_args", "will_continue"})
_OF_A_PIECE: Final = frozenset(
    {"bool_value", "json_path", "null_value", "number_value", "string_value", "will_continue"}
)
_TEXT_ALONE: Final = {"text"}
_NOTHING: Final[dict[str, Any]] = {}


class Turn:
    """Parts of one role as they come, together a message. The model's text is joined, as its chunks cut it
    anywhere; a text of the user's is a part of its own."""

    __slots__ = ("_calls", "_parts", "_role", "_thinking")

    def __init__(self, role: str) -> None:
        self._role = role
        self._calls: list[_Call] = []
        self._parts: list[Any] = []  # a text that may go on is a `Text`
        self._thinking: Text | None = None

    def add(self, part: Any) -> None:
        if isinstance(part, str):
            self._text(part)
            return
        given = fields(part)
        if getattr(part, "__pydantic_fields_set__", None) == _TEXT_ALONE:  # most chunks' only one
            self._text(given["text"])
            return
        thought = given.get("thought")
        media: dict[str, Any] | None = None
        beside: dict[str, Any] | None = None
        for name, value in given.items():
            if value is None:
                continue
            if name == "text":
                self._think(value) if thought else self._text(value)
            elif name == "function_call":
                self._call(value)
            elif name in ("inline_data", "file_data"):
                media = media_part(value)
            elif name not in ("thought", "thought_signature"):
                beside = beside or {}
                beside[name] = value
        if media is not None or beside is not None or given is _NOTHING:
            self._other(part, media, beside or {})

    def _other(self, part: Any, media: dict[str, Any] | None, beside: dict[str, Any]) -> None:
        """Adds media, with what is said of it beside it, and whatever else a part may be."""
        if "image" in type(part).__name__.lower():  # PIL's
            self._parts.append({"type": "image", "data": part})
            return
        if beside.keys() & {"uri", "file_uri"}:  # a file that was uploaded
            media, beside = media_part({name: beside.get(name) for name in _OF_A_FILE}), {}
        elif not beside and media is None:
            self._parts.append({"type": type(part).__name__, "value": part})
        if media is not None:
            self._parts.append({**media, **{name: plain(value) for name, value in beside.items()}})
            return
        for name, value in beside.items():
            value = plain(value)
            named = isinstance(value, dict) and "type" not in value
            self._parts.append({"type": name, **(value if named else {"value": value})})

    def _text(self, text: Any) -> None:
        if not text:
            return
        if not isinstance(text, str):
            text = encode(text).decode()
        if self._role != "assistant":
            self._parts.append(text)
        elif self._parts and type(self._parts[-1]) is Text:
            self._parts[-1].write(text)
        else:
            self._parts.append(_text(text))

    def _think(self, text: str) -> None:
        if self._thinking is None:
            self._thinking = Text()
        self._thinking.write(text)

    def _call(self, given: Any) -> None:
        if not (self._calls and self._calls[-1].goes_on and member(given, "name") is None):
            self._calls.append(_Call())
        self._calls[-1].add(given)

    def content(self) -> Any:
        """The parts, or the text where it is all there is."""
        parts = [str(part) if isinstance(part, Text) else part for part in self._parts]
        if len(parts) == 1 and isinstance(parts[0], str):
            return parts[0]
        return [{"type": "text", "text": part} if isinstance(part, str) else part for part in parts]

    def has_calls(self) -> bool:
        return bool(self._calls)

    def message(self, **more: Any) -> dict[str, Any]:
        thinking = None if self._thinking is None else str(self._thinking)
        calls = [call.plain() for call in self._calls]
        return message(self._role, self.content(), thinking=thinking, tool_calls=calls, **more)

    def close(self, messages: list[dict[str, Any]]) -> None:
        """Add the message, where there is one."""
        made = self.message()
        if len(made) > 1:
            messages.append(made)


class _Call:
    """A function call, whole or with its arguments in pieces: a value each, at its place within them."""

    __slots__ = ("_arguments", "_pieces", "_told", "goes_on")

    def __init__(self) -> None:
        self._told: dict[str, Any] = {}
        self._arguments: Any = None
        self._pieces: dict[str, Any] = {}  # by place; a text that goes on is a `Text`
        self.goes_on = False

    def add(self, given: Any) -> None:
        told = known(given, _OF_A_CALL)
        for name in ("id", "name"):
            if told.get(name) is not None:
                self._told[name] = told[name]
        if told.get("args") is not None:
            self._arguments = told["args"]
        for piece in items(told.get("partial_args")):
            self._add_piece(known(piece, _OF_A_PIECE))
        self.goes_on = bool(told.get("will_continue"))

    def _add_piece(self, piece: dict[str, Any]) -> None:
        place, text = str(piece.get("json_path")), piece.get("string_value")
        if text is None:
            number = piece.get("number_value")
            self._pieces[place] = piece.get("bool_value") if number is None else number
        elif isinstance(self._pieces.get(place), Text):
            self._pieces[place].write(text)
        else:
            self._pieces[place] = _text(text)

    def plain(self) -> dict[str, Any]:
        arguments = plain(self._arguments)
        if self._pieces:
            arguments = dict(arguments) if isinstance(arguments, dict) else {}
            for place, value in self._pieces.items():
                _put(arguments, place, str(value) if isinstance(value, Text) else value)
        return tool_call(self._told.get("id"), self._told.get("name"), {} if arguments is None else arguments)


_STEP: Final = re.compile(r"\.([^.\[\]]+)|\[(\d+)\]|\[(['\"])(.*?)\3\]")


def _put(arguments: dict[str, Any], path: str, value: Any) -> None:
    """Puts a value at ``$.cities[0].name``; at a place that can't be, under the path as it is."""
    steps = [int(index) if index else name or quoted for name, index, _, quoted in _STEP.findall(path)]
    if not steps:
        arguments[path] = value
        return
    at: Any = arguments
    for step, following in zip(steps, [*steps[1:], None], strict=True):
        below = value if following is None else [] if isinstance(following, int) else {}
        if isinstance(at, list) and isinstance(step, int) and step <= len(at):
            if step == len(at):
                at.append(below)
            elif following is None:
                at[step] = value
            at = at[step]
        elif isinstance(at, dict) and isinstance(step, str):
            at = at.setdefault(step, below)
        else:
            arguments[path] = value
            return


def _text(first: str) -> Text:
    text = Text()
    text.write(first)
    return text


def media_part(given: Any) -> dict[str, Any]:
    """A blob, or a file that is elsewhere, as a part."""
    found = fields(given)
    if found is _NOTHING:
        raise Unread("no media")
    return media(None, {name: plain(value) for name, value in found.items()})


def listed(value: Any) -> list[Any]:
    return [] if value is None else list(value) if isinstance(value, (list, tuple)) else [value]


def fields(value: Any) -> dict[str, Any]:
    """What a model of the client's, or a dict in its place, has by name."""
    if isinstance(value, dict):
        return {_snake(name): item for name, item in value.items()}
    return getattr(value, "__dict__", _NOTHING)


def known(value: Any, names: frozenset[str]) -> dict[str, Any]:
    """The same of what may have these and no others, whose texts would be lost. Raises `Unread`."""
    if value is None:
        return _NOTHING
    found = fields(value)
    if found is _NOTHING or (isinstance(value, dict) and not found.keys() <= names):
        raise Unread(f"neither a model nor a dict of {', '.join(sorted(names))}")
    return found


def items(value: Any) -> Sequence[Any]:
    """What must be a list, where it is there. Raises `Unread`."""
    if value is None:
        return ()
    if isinstance(value, (list, tuple)):
        return value
    raise Unread("no list")


@lru_cache(maxsize=256)
def _snake(name: Any) -> str:
    """A name as the client's models have it: a dict may have it as the wire does."""
    return _HUMP.sub("_", str(name)).lower()


def member(value: Any, name: str) -> Any:
    """One of these; None where it was not given."""
    return fields(value).get(name)


def plain(value: Any, depth: int = 0) -> Any:
    """The same without the members that a model has and nobody gave."""
    if depth > _MAX_DEPTH:
        return value
    if isinstance(value, dict):
        return {name: plain(item, depth + 1) for name, item in value.items()}
    if isinstance(value, list):
        return [plain(item, depth + 1) for item in value]
    if hasattr(type(value), "model_fields"):
        given = fields(value).items()
        return {name: plain(item, depth + 1) for name, item in given if item is not None}
    return value
