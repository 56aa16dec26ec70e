"""Reads the calls of anthropic's messages: beta ones, those over Bedrock and Vertex. User's thread.

============================  ==============================================================================
Anthropic's                   ours
============================  ==============================================================================
``system``                    a message of the role ``system``
``text``                      text; with citations, or several of them, parts ``text`` with all they hold
``thinking``                  ``thinking``; ``redacted_thinking`` is ``[redacted]``
``tool_use``                  ``tool_calls``; so are calls that the server itself carries out
                              (``server_tool_use``, ``mcp_tool_use``)
``tool_result``               a message of the role ``tool``; what the server's own tools gave is a part
                              ``tool_result`` of the answer
``image``, ``document``       parts ``image`` and ``file`` with the members of their source
``container_upload``          a part ``file``
any other block               a part, as it is
``stop_details``              ``refusal``: why no answer was given
``signature``                 left out: it means something to the provider alone
============================  ==============================================================================

The provider's ``input_tokens`` leave out what its cache gave and took; ours are all of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from llmobs_trace.model_calls.clients import Client, Place
from llmobs_trace.model_calls.dialect import Answered, Asked, Fold, Operation, Unread, read
from llmobs_trace.model_calls.messages import (
    finish_reason,
    members_of,
    message,
    part,
    tool_call,
)
from llmobs_trace.model_calls.stainless import Requests, counting_retries
from llmobs_trace.model_calls.text import Text
from llmobs_trace.model_calls.wrappers import wrapped, wrapped_coroutine

CLIENT: Final = Client("anthropic", since="0.43.0")
PROVIDER: Final = "anthropic"

_CALLS = frozenset({"tool_use", "server_tool_use", "mcp_tool_use"})
_IN_MESSAGES = ("model", "system", "messages")


class Messages:
    """`messages.create`, `.parse` and `.stream`."""

    operation: Operation = "chat"

    def asked(self, arguments: Mapping[str, Any], /) -> Asked:
        messages = [
            *_plain("system", arguments.get("system")),
            *_conversation(arguments.get("messages")),
        ]
        parameters = {name: value for name, value in arguments.items() if name not in _IN_MESSAGES}
        model = arguments.get("model")
        return Asked(None if model is None else str(model), PROVIDER, {"messages": messages, **parameters})

    def answered(self, response: Any, /) -> Answered:
        return _answered(members_of(response) or {})

    def fold(self) -> Fold:
        return Events()


class Events:
    """A stream's events, put together into its message."""

    def __init__(self) -> None:
        self._message: dict[str, Any] = {}
        self._blocks: dict[int, Block] = {}
        self._usage: dict[str, Any] = {}

    def add(self, event: Any, /) -> None:
        # Most events are a piece of a block, of the client's own class: read by attributes, without a call,
        # that takes a third of the time.
        if type(event) is not dict and event.type == "content_block_delta":
            delta = event.delta
            if delta.type == "text_delta":
                block = self._blocks.get(event.index)
                if block is not None and block.text is not None:
                    block.text.write(delta.text)
                    return
        kind = read(event, "type")
        if kind == "content_block_delta":
            self._block(event).add(read(event, "delta"))
        elif kind == "content_block_start":
            self._block(event).start(read(event, "content_block"))
        elif kind == "message_start":
            self._message |= _given(read(event, "message"))
            self._usage |= _given(self._message.get("usage"))
        elif kind == "message_delta":
            self._message |= _given(read(event, "delta"))
            # Counts are of all so far; what a later one leaves out stays as it was.
            self._usage |= _given(read(event, "usage"))
        elif kind not in _SILENT:
            raise Unread(f"no known event: {kind}")

    def _block(self, event: Any) -> Block:
        index = read(event, "index")
        if type(index) is not int:
            raise Unread("no block")
        block = self._blocks.get(index)
        if block is None:
            block = self._blocks[index] = Block()
        return block

    def answered(self) -> Answered:
        blocks = [self._blocks[index].whole() for index in sorted(self._blocks)]
        return _answered({**self._message, "content": blocks, "usage": self._usage})


class Block:
    """One block of a message, as far as its deltas have come. `text` is where a text's are written."""

    __slots__ = ("_citations", "_start", "_texts", "text")

    def __init__(self) -> None:
        self._start: dict[str, Any] = {}
        # By the block's member: one buffer for all of its deltas, and not an object each.
        self._texts: dict[str, Text] = {}
        self._citations: list[Any] = []
        self.text: Text | None = None

    def start(self, block: Any) -> None:
        """What the block begins with; pieces may have come before."""
        begun = members_of(block)
        if begun is None or type(begun.get("type")) is not str:
            raise Unread("no block")
        self._start |= begun

    def add(self, delta: Any) -> None:
        kind = read(delta, "type")
        if (names := _TEXTS.get(kind)) is not None:
            kind, name = names
            if (text := read(delta, name)) is not None:
                if name not in self._texts:
                    self._start.setdefault("type", kind)
                    self._texts[name] = Text()
                    self.text = self._texts.get("text")
                self._texts[name].write(text)
        elif kind == "citations_delta":
            self._citations.append(read(delta, "citation"))
        elif kind != "signature_delta":
            raise Unread(f"no known piece: {kind}")

    def whole(self) -> dict[str, Any]:
        block = dict(self._start)
        for name, buffer in self._texts.items():
            if name == "partial_json":
                # A call without arguments has one empty fragment.
                block["input"] = str(buffer) or block.get("input")
            else:
                block[name] = f"{block.get(name) or ''}{buffer}"
        if self._citations:
            block["citations"] = [*(block.get("citations") or ()), *self._citations]
        return block


# Events that say nothing of the message.
_SILENT: Final = frozenset({"content_block_stop", "message_stop", "ping"})
# A delta's type -> the type of its block, and the member that holds its piece of text.
_TEXTS: Final = {
    "text_delta": ("text", "text"),
    "input_json_delta": ("tool_use", "partial_json"),
    "thinking_delta": ("thinking", "thinking"),
    "compaction_delta": ("compaction", "content"),
}


def _answered(response: Mapping[str, Any]) -> Answered:
    reason = response.get("stop_reason")
    refusal = None
    if reason == "refusal":
        details = response.get("stop_details")
        refusal = read(details, "explanation") or read(details, "category")
    output = _message("assistant", response.get("content"), refusal)
    return Answered(
        output,
        {
            "model_name": response.get("model"),
            **_tokens(response.get("usage")),
            "finish_reason": finish_reason(reason),
        },
    )


def _tokens(usage: Any) -> dict[str, int | None]:
    """What a usage counts, under the tags' names."""
    try:
        counted = [read(usage, name) for name in _COUNTS]
        thought = read(read(usage, "output_tokens_details"), "thinking_tokens")
        for_an_hour = read(read(usage, "cache_creation"), "ephemeral_1h_input_tokens")
    except Unread:
        return {}
    given, answered, cached, kept = (count if type(count) is int else None for count in counted)
    if given is not None:
        given += (cached or 0) + (kept or 0)
    return {
        "input_tokens": given,
        "output_tokens": answered,
        "total_tokens": None if given is None or answered is None else given + answered,
        "cached_tokens": cached,
        "cache_written_tokens": kept or None,
        "cache_written_1h_tokens": for_an_hour or None,
        "reasoning_tokens": thought,
    }


_COUNTS: Final = (
    "input_tokens",
    "output_tokens",
    "cache_read_input_tokens",
    "cache_creation_input_tokens",
)


def _conversation(given: Any) -> list[Any]:
    # Something that can be iterated once is the client's to iterate.
    if not isinstance(given, (list, tuple)):
        return [] if given is None else [given]
    return [
        plain
        for each in given
        for plain in ([each] if _is_other(each) else _plain(read(each, "role"), read(each, "content")))
    ]


def _is_other(given: Any) -> bool:
    """Whether it is no message."""
    return isinstance(given, Mapping) and "content" not in given and given.keys() != {"role"}


def _plain(role: str | None, content: Any) -> list[dict[str, Any]]:
    """A message as plain ones: each result of a tool is one of its own."""
    if content is None:
        return []
    if not isinstance(content, (list, tuple)):
        return [message(role, content)]
    made: list[dict[str, Any]] = []
    others: list[Any] = []
    for block in content:
        if read(block, "type") == "tool_result":
            if others:
                made.append(_message(role, others))
                others = []
            made.append(_tool_result(block))
        else:
            others.append(block)
    if others or not made:
        made.append(_message(role, others))
    return made


def _message(role: str | None, content: Any, refusal: Any = None) -> dict[str, Any]:
    """The plain message of a list of blocks."""
    calls, thinking, parts = [], [], []
    for block in content or ():
        kind = read(block, "type")
        if kind in _CALLS:
            calls.append(tool_call(read(block, "id"), read(block, "name"), read(block, "input")))
        elif kind == "thinking":
            thinking.append(read(block, "thinking") or "")
        elif kind == "redacted_thinking":
            thinking.append("[redacted]")
        else:
            parts.append(_part(block, kind))
    return message(
        role, _content(parts), tool_calls=calls, thinking="\n\n".join(map(str, thinking)), refusal=refusal
    )


def _tool_result(block: Any) -> dict[str, Any]:
    content = read(block, "content")
    if isinstance(content, (list, tuple)):
        content = _content([_part(each, read(each, "type")) for each in content])
    return message(
        "tool", content, tool_call_id=read(block, "tool_use_id"), is_error=read(block, "is_error") or None
    )


def _content(parts: list[Any]) -> Any:
    """A single text is the content itself, where nothing else is said of it."""
    if len(parts) == 1 and type(parts[0]) is dict and parts[0].keys() == {"type", "text"}:
        return parts[0]["text"]
    return parts


def _part(block: Any, kind: Any) -> Any:
    if kind == "document" and read(source := read(block, "source"), "type") == "text":
        # Its data is a text, and no file's bytes.
        rest = {name: value for name, value in _given(block).items() if name != "source"}
        return {
            **rest,
            "type": "file",
            "media_type": read(source, "media_type"),
            "text": read(source, "data"),
        }
    if kind == "container_upload":
        return {**_given(block), "type": "file"}
    if isinstance(kind, str) and kind.endswith("_tool_result"):
        rest = _given(block)
        return {
            "type": "tool_result",
            "tool_call_id": rest.pop("tool_use_id", None),
            "content": rest.get("content"),
        }
    members = _given(block)
    members.pop("parsed_output", None)  # the text once more, as an object of the caller's
    return part(members)


def _given(thing: Any) -> dict[str, Any]:
    """The members of a mapping or of a client's object that say anything."""
    return {name: _bare(value) for name, value in (members_of(thing) or {}).items() if value is not None}


def _bare(value: Any) -> Any:
    """The client's objects within a value as mappings, without what says nothing."""
    if isinstance(value, list):
        return [_bare(each) for each in value]
    return _given(value) if hasattr(value, "__pydantic_fields_set__") else value


# --- what is wrapped ----------------------------------------------------------------------------------------

_MESSAGES: Final = Messages()
_REQUESTS: Final = Requests(
    CLIENT, {"/v1/messages": _MESSAGES, "/v1/messages?beta=true": _MESSAGES}, lambda client: PROVIDER
)
CLIENT.places = (
    Place("anthropic._base_client", "SyncAPIClient.request", lambda its: wrapped(its, _REQUESTS)),
    Place("anthropic._base_client", "AsyncAPIClient.request", lambda its: wrapped_coroutine(its, _REQUESTS)),
    Place("anthropic._base_client", "BaseClient._calculate_retry_timeout", counting_retries, is_needed=False),
)
