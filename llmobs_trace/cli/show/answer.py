"""Finds the words of an answer in what a span recorded, whichever provider's shape it has; on any thread.

A message's text, the tools that it calls, what it refuses; where there is none of these, the value's JSON.
Read by its members alone: what a user recorded by hand may look like anything.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

_Value = Any

# Where each provider's whole response has the message: OpenAI, Gemini, Cohere and Ollama, OpenAI's responses.
_INSIDE: Final = ("choices", "candidates", "message", "output", "content", "parts", "text", "value")
_DEEPEST: Final = 8
CALLS: Final = "calls "


class _Called(str):
    """A tool that is called, with what it is given."""


def answer(output: bytes, characters: int) -> str:
    """The beginning of the words in an output's JSON; "" for null."""
    said, *calls = answers(output, characters)
    calls = [call.removeprefix(CALLS) for call in calls]
    called = CALLS + ", ".join(calls) if calls else ""
    return f"{said} {called}".strip()[:characters]


def answers(output: bytes, characters: int) -> list[str]:
    """The same with each tool that is called by itself, after what is said, which may be ""."""
    try:
        words = list(_words(msgspec.json.decode(output), 0))
    except (msgspec.DecodeError, RecursionError):
        words = []
    said = _on_one_line(" ".join(word for word in words if type(word) is not _Called), characters)
    calls = [CALLS + word for word in words if type(word) is _Called]
    if not said and not calls and output != b"null":
        said = output[: 4 * characters].decode(errors="ignore")
    return [each[:characters] for each in (said, *calls)]


def thinking(output: bytes, characters: int) -> str:
    """The beginning of what a model thought before it answered; "" where nobody told."""
    try:
        found = msgspec.json.decode(output)
    except (msgspec.DecodeError, RecursionError):
        return ""
    while isinstance(found, list) and found:
        found = found[0]
    thought = found.get("thinking") if isinstance(found, dict) else None
    return _on_one_line(thought, characters)[:characters] if isinstance(thought, str) else ""


def _on_one_line(words: str, characters: int) -> str:
    """The beginning, a blank in the place of line breaks and indents."""
    return " ".join(words[: 4 * characters].split())


def _words(value: _Value, depth: int) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif depth < _DEEPEST and isinstance(value, list):
        if value and all(isinstance(each, dict) and "role" in each for each in value):
            # Of a conversation its last word; of several choices, all the assistant's, the first.
            is_choice = all(each["role"] == "assistant" for each in value)
            yield from _of_object(value[0 if is_choice else -1], depth + 1)
        elif value and all(isinstance(each, (dict, str)) for each in value):
            for each in value:
                yield from _part(each, depth + 1)
    elif depth < _DEEPEST and isinstance(value, dict):
        yield from _of_object(value, depth)


def _of_object(value: Mapping[str, _Value], depth: int) -> Iterator[str]:
    count, dimensions = value.get("embeddings"), value.get("dimensions")
    if isinstance(count, int) and isinstance(dimensions, int):
        yield f"{count} embedding{'' if count == 1 else 's'} of {dimensions} dimensions"
        return
    for name in ("refusal", *_INSIDE):
        if value.get(name):
            found = value[name]
            if name in ("choices", "candidates"):
                found = _first_answer(found)
            yield from _words(found, depth + 1)
            break
    calls = value.get("tool_calls")
    for call in calls if isinstance(calls, list) else ():
        if isinstance(call, dict):
            yield _call(call)


def _first_answer(choices: _Value) -> _Value:
    """A question of several choices has texts too, which nobody said."""
    first = choices[0] if isinstance(choices, list) and choices else None
    is_said = isinstance(first, dict) and not first.keys().isdisjoint(("message", "content", "finish_reason"))
    return first if is_said else None


def _part(part: _Value, depth: int) -> Iterator[str]:
    """One piece of a message's content, or of a response: its text, or what it is."""
    if isinstance(part, str):
        yield part
        return
    kind = part.get("type")
    called = part.get("function_call") or part.get("functionCall")
    if isinstance(called, dict):
        yield _call(called)
    elif kind in ("tool_use", "function_call"):
        yield _call(part)
    elif kind in ("thinking", "redacted_thinking", "reasoning") or part.get("thought") is True:
        return
    elif isinstance(part.get("text"), str):
        yield part["text"]
    elif "role" in part or "content" in part:
        yield from _of_object(part, depth)
    elif isinstance(kind, str):
        yield f"[{kind}]"


def _call(call: Mapping[str, _Value]) -> _Called:
    called = call.get("function")
    if isinstance(called, dict):
        call = called
    given = next((call[name] for name in ("arguments", "input", "args") if call.get(name)), "")
    if not isinstance(given, str):
        given = msgspec.json.encode(given).decode()
    return _Called(f"{call.get('name') or 'a tool'}({given})")
