"""Reads OpenAI's chat completions, responses, older completions and embeddings, and names what of its client
is wrapped. Any thread.

Other providers that speak the protocol are read the same: what they add (a price, a text of reasoning) is
looked for by its name.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary

from llmobs_trace.model_calls.clients import Client, Place
from llmobs_trace.model_calls.dialect import (
    Answered,
    Asked,
    Dialect,
    Fold,
    Operation,
    Unread,
    members,
    read,
    said,
)
from llmobs_trace.model_calls.messages import (
    chat_message,
    chat_messages,
    finish_reason,
    listed,
    members_of,
    message,
    only,
    tool_call,
)
from llmobs_trace.model_calls.responses import Responses
from llmobs_trace.model_calls.stainless import Requests, counting_retries
from llmobs_trace.model_calls.text import Text
from llmobs_trace.model_calls.wrappers import wrapped, wrapped_coroutine

CLIENT: Final = Client("openai", since="1.93.0")

# Part of a base URL's host -> whose model it is, in ddtrace's words where it has one.
PROVIDERS: Final[dict[str, str]] = {
    "azure": "azure_openai",
    "deepseek": "deepseek",
    "openrouter": "openrouter",
}


# By client: the base URL that was asked last, and its provider.
_providers: WeakKeyDictionary[Any, tuple[Any, str]] = WeakKeyDictionary()


def provider_of(client: Any) -> str:
    """Whose model a client object speaks to."""
    url = getattr(client, "_base_url", None)
    known = _providers.get(client)
    if known is None or known[0] is not url:
        host = urlsplit(str(getattr(client, "base_url", ""))).hostname or ""
        found = next((provider for part, provider in PROVIDERS.items() if part in host), "openai")
        is_azure = "Azure" in type(client).__name__
        known = _providers[client] = url, PROVIDERS["azure"] if is_azure else found
    return known[1]


def usage_tags(usage: Any) -> dict[str, Any]:
    """The tokens, and the price where the provider states it, of chat completions and of embeddings."""
    its = members(usage)
    if not its:
        return {}
    given, made = members(its.get("prompt_tokens_details")), members(its.get("completion_tokens_details"))
    cached = given.get("cached_tokens")
    return {
        "input_tokens": its.get("prompt_tokens"),
        "output_tokens": its.get("completion_tokens"),
        "total_tokens": its.get("total_tokens"),
        "cached_tokens": its.get("prompt_cache_hit_tokens") if cached is None else cached,
        "cache_written_tokens": given.get("cache_creation_tokens") or given.get("cache_write_tokens"),
        "reasoning_tokens": made.get("reasoning_tokens"),
        "cost_usd": its.get("cost"),  # OpenRouter's
    }


def parameters(arguments: Mapping[str, Any], *but: str) -> dict[str, Any]:
    """The arguments as they were given, without those that are read by themselves."""
    return {name: value for name, value in arguments.items() if name not in but}


# --- chat completions ---------------------------------------------------------------------------------------


class ChatCompletions:
    """`POST /chat/completions`."""

    operation: Operation = "chat"

    def asked(self, arguments: Mapping[str, Any]) -> Asked:
        given = {"messages": None, **arguments}
        given["messages"] = chat_messages(given["messages"])
        return Asked(given.pop("model", None), "openai", given)

    def answered(self, response: Any) -> Answered:
        its = said(response)
        choices = [_choice(choice) for choice in listed(its.get("choices"))]
        return _answer(its.get("model"), choices, its.get("usage"))

    def fold(self) -> Fold:
        return ChatFold()


def _choice(choice: Any) -> tuple[Any, Any]:
    its = said(choice)
    given = its.get("message")
    if given is None:
        raise Unread("a choice without a message")
    made = chat_message(given)
    if isinstance(made, dict):
        made.pop("parsed", None)  # the content once more, as an object of the caller's
        if (logprobs := its.get("logprobs")) is not None:
            made["logprobs"] = logprobs
    return made, its.get("finish_reason")


def _answer(model: Any, choices: list[tuple[Any, Any]], usage: Any) -> Answered:
    messages = [message for message, _ in choices]
    tags = usage_tags(usage)
    tags["model_name"] = model
    tags["finish_reason"] = finish_reason(choices[0][1]) if choices else None
    return Answered(messages[0] if len(messages) == 1 else messages or None, tags)


class _Choice:
    """What the chunks of one choice come to."""

    __slots__ = ("calls", "finish", "more", "refusal", "role", "text", "thinking")

    def __init__(self) -> None:
        self.role: str | None = None
        self.text: Text | None = None
        self.thinking: Text | None = None
        self.refusal: Text | None = None
        self.calls: dict[int, list[Any]] = {}  # by index: id, name, arguments
        self.more: dict[str, Any] = {}
        self.finish: Any = None

    def message(self) -> dict[str, Any]:
        # Some begin a call, and say nothing of it.
        calls = [
            tool_call(id, name, str(arguments))
            for _, (id, name, arguments) in sorted(self.calls.items())
            if id or name or str(arguments)
        ]
        return message(
            self.role,
            _text(self.text),
            tool_calls=calls,
            thinking=_text(self.thinking),
            refusal=_text(self.refusal),
            **{name: str(value) if type(value) is Text else value for name, value in self.more.items()},
        )


def _text(written: Text | None) -> str | None:
    return None if written is None else str(written)


class ChatFold:
    """The chunks of a streamed chat completion."""

    def __init__(self) -> None:
        self._choices: dict[int, _Choice] = {}
        self._model: Any = None
        self._usage: Any = None

    def add(self, chunk: Any) -> None:
        # Most chunks are a choice with some text, of the client's own class: read by attributes, without a
        # call, that takes a third of the time.
        if type(chunk) is not dict:
            for choice in chunk.choices:
                delta = choice.delta
                content = delta.content
                if (
                    content
                    and delta.tool_calls is None
                    and choice.finish_reason is None
                    and (found := self._choices.get(choice.index)) is not None
                    and found.text is not None
                    and not getattr(delta, "__pydantic_extra__", None)
                ):
                    found.text.write(content)
                else:
                    self._add(choice, delta)
            if (usage := getattr(chunk, "usage", None)) is not None:
                self._usage = usage
            if self._model is None:
                self._model = chunk.model
            return
        if chunk.keys().isdisjoint(("choices", "usage")):
            raise Unread("a chunk without choices")
        for choice in listed(chunk.get("choices")):
            self._add(choice, read(choice, "delta"))
        self._usage = chunk.get("usage") or self._usage
        self._model = self._model or chunk.get("model")

    def answered(self) -> Answered:
        choices = [(choice.message(), choice.finish) for _, choice in sorted(self._choices.items())]
        return _answer(self._model, choices, self._usage)

    def _add(self, choice: Any, delta: Any) -> None:
        index = read(choice, "index") or 0
        if type(index) is not int:
            raise Unread("an index that is none")
        found = self._choices.get(index)
        if found is None:
            found = self._choices[index] = _Choice()
        found.finish = read(choice, "finish_reason") or found.finish
        if delta is None:  # as Azure's, which say that a filter has looked at the text
            _add_others(found.more, choice, _CHOICE)
            return
        found.role = found.role or read(delta, "role")
        found.text = _written(found.text, read(delta, "content"))
        found.refusal = _written(found.refusal, read(delta, "refusal"))
        thought = read(delta, "reasoning_content")
        found.thinking = _written(found.thinking, thought or read(delta, "reasoning"))
        for call in listed(read(delta, "tool_calls")):
            _add_call(found.calls, call)
        function = read(delta, "function_call")  # an older API's only one
        if function is not None:
            _add_call(found.calls, {"index": 0, "function": function})
        if (annotations := read(delta, "annotations")) is not None:
            found.more.setdefault("annotations", []).extend(listed(annotations))
        if (audio := read(delta, "audio")) is not None:
            _add_audio(found.more.setdefault("audio", {"type": "audio"}), audio)
        _add_others(found.more, delta, _DELTA)


_CHOICE: Final = ("index", "finish_reason", "delta", "logprobs")
_DELTA: Final = (
    "role",
    "content",
    "refusal",
    "reasoning_content",
    "reasoning",
    "tool_calls",
    "function_call",
    "annotations",
    "audio",
)


def _written(to: Text | None, text: Any) -> Text | None:
    if text is None or (to is None and text == ""):
        return to
    if not isinstance(text, str):
        raise Unread(f"no text: {type(text).__name__}")
    to = to or Text()
    to.write(text)
    return to


def _add_call(calls: dict[int, list[Any]], call: Any) -> None:
    index = read(call, "index")
    function = read(call, "function") or read(call, "custom")
    only(call, "index", "id", "type", "function", "custom")
    only(function, "name", "arguments", "input")
    if index is None:  # some providers send each call whole, without a number
        index = len(calls)
    if type(index) is not int:
        raise Unread("an index that is none")
    known = calls.get(index)
    if known is None:
        known = calls[index] = [None, None, Text()]
    known[0] = known[0] or read(call, "id")
    known[1] = known[1] or read(function, "name")
    _written(known[2], read(function, "arguments") or read(function, "input"))


def _add_others(known: dict[str, Any], thing: Any, names: tuple[str, ...]) -> None:
    """What a provider adds of its own: texts joined, of all else a list, lists one after the other."""
    for name, value in (members_of(thing) or {}).items():
        if value is None or value == "" or name in names or name.startswith("content_filter"):
            continue
        before = known.get(name, Text() if isinstance(value, str) else [])
        if isinstance(value, str) and isinstance(before, Text):
            before.write(value)
        else:
            before = [str(before)] if isinstance(before, Text) else before
            before = [*before, *(value if isinstance(value, list) else [value])]
        known[name] = before


def _add_audio(known: dict[str, Any], audio: Any) -> None:
    for name in ("id", "data", "transcript"):
        if isinstance(text := read(audio, name), str):
            known[name] = text if name == "id" else known.get(name, "") + text


def is_usage_alone(chunk: Any) -> bool:
    """Whether a chunk is the extra one that says nothing but the usage."""
    return not read(chunk, "choices") and read(chunk, "usage") is not None


# --- older completions --------------------------------------------------------------------------------------


class TextCompletions(ChatCompletions):
    """`POST /completions`, of a text by a text: a chat of one message."""

    operation: Operation = "text_completion"

    def asked(self, arguments: Mapping[str, Any]) -> Asked:
        given = parameters(arguments, "model")
        # Several prompts, or tokens, are no message, and stay as they were given.
        if isinstance(given.get("prompt"), str):
            given = {"messages": [message("user", given.pop("prompt"))], **given}
        return Asked(arguments.get("model"), "openai", given)

    def answered(self, response: Any) -> Answered:
        return super().answered(_as_chat(response, "message"))

    def fold(self) -> Fold:
        return TextFold()


class TextFold(ChatFold):
    """The chunks of a streamed one."""

    def add(self, chunk: Any) -> None:
        super().add(_as_chat(chunk, "delta"))


def _as_chat(told: Any, where: str) -> dict[str, Any]:
    """A completion or a chunk of it, with each choice's text where a chat's has it."""
    its = dict(said(told))
    if "choices" in its:
        choices = [dict(said(choice)) for choice in listed(its["choices"])]
        its["choices"] = [
            {**choice, where: {"role": "assistant", "content": choice.pop("text", None)}}
            for choice in choices
        ]
    return its


# --- embeddings ---------------------------------------------------------------------------------------------


class Embeddings:
    """`POST /embeddings`: how many there are and of how many numbers, not the numbers."""

    operation: Operation = "embeddings"

    def asked(self, arguments: Mapping[str, Any]) -> Asked:
        given = parameters(arguments, "model")
        if given.get("encoding_format") == "base64":
            del given["encoding_format"]  # the client's own choice, where the caller made none
        return Asked(arguments.get("model"), "openai", given)

    def answered(self, response: Any) -> Answered:
        found = read(response, "data") or ()
        tags = {"model_name": read(response, "model"), **usage_tags(read(response, "usage"))}
        dimensions = _dimensions(read(found[0], "embedding")) if found else None
        return Answered({"embeddings": len(found), "dimensions": dimensions}, tags)

    def fold(self) -> Fold:
        raise TypeError("embeddings are not streamed")


def _dimensions(vector: Any) -> int | None:
    """How many numbers a vector has: a list or an array, or their 32 bits each in base64."""
    if isinstance(vector, str):
        return (len(vector) * 3 // 4 - vector[-2:].count("=")) // 4
    return len(vector) if hasattr(vector, "__len__") else None


# --- what is wrapped ----------------------------------------------------------------------------------------

DIALECTS: Final[dict[str, Dialect]] = {
    "/chat/completions": ChatCompletions(),
    "/completions": TextCompletions(),
    "/responses": Responses(),
    "/embeddings": Embeddings(),
}
# Responses always say their usage.
_ASKING_FOR_USAGE: Final = ({"stream_options": {"include_usage": True}}, is_usage_alone)
USAGE: Final = {"/chat/completions": _ASKING_FOR_USAGE, "/completions": _ASKING_FOR_USAGE}
REQUESTS: Final = Requests(CLIENT, DIALECTS, provider_of, USAGE)
CLIENT.places = (
    Place("openai._base_client", "SyncAPIClient.request", lambda its: wrapped(its, REQUESTS)),
    Place("openai._base_client", "AsyncAPIClient.request", lambda its: wrapped_coroutine(its, REQUESTS)),
    Place("openai._base_client", "SyncAPIClient._sleep_for_retry", counting_retries, is_needed=False),
    Place("openai._base_client", "AsyncAPIClient._sleep_for_retry", counting_retries, is_needed=False),
)
