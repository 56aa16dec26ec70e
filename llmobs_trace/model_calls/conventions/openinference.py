"""Reads OpenInference's conventions: messages, tools and documents flattened into attributes. Any thread.

https://arize-ai.github.io/openinference/spec/semantic_conventions.html
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from llmobs_trace.model_calls.conventions.chat import call_of, plain, put_together
from llmobs_trace.model_calls.conventions.names import Names, Tagged
from llmobs_trace.model_calls.conventions.reading import (
    Reading,
    is_amount,
    is_count,
    is_text,
    one_or_all,
    read_json,
)
from llmobs_trace.model_calls.messages import finish_reason, media, message, tool_call
from llmobs_trace.wire import Kind

SPAN_KIND: Final = "openinference.span.kind"

# Their kind -> ours.
KINDS: Final[dict[str, Kind]] = {
    "LLM": "llm",
    "EMBEDDING": "embedding",
    "CHAIN": "workflow",
    "RETRIEVER": "retrieval",
    "RERANKER": "retrieval",
    "TOOL": "tool",
    "AGENT": "agent",
    "GUARDRAIL": "task",
    "EVALUATOR": "task",
    "PROMPT": "task",
    "DECISION": "task",
    "UNKNOWN": "task",
}

MODELS: Final = (
    "llm.response.model_name",
    "llm.model_name",
    "embedding.model_name",
    "llm.request.model_name",
)
PROVIDERS: Final = ("llm.provider", "llm.system")

# Tag of a model call <- attributes, the one that counts first, and what fits.
TAGS: Final = {
    "input_tokens": (("llm.token_count.prompt",), is_count),
    "output_tokens": (("llm.token_count.completion",), is_count),
    "total_tokens": (("llm.token_count.total",), is_count),
    "cached_tokens": (("llm.token_count.prompt_details.cache_read",), is_count),
    "cache_written_tokens": (("llm.token_count.prompt_details.cache_write",), is_count),
    "reasoning_tokens": (("llm.token_count.completion_details.reasoning",), is_count),
    "model_name": (MODELS, is_text),
    "model_provider": (PROVIDERS, is_text),
    "cost_usd": (("llm.cost.total",), is_amount),
}
FINISHED: Final = "llm.finish_reason"
INVOCATION: Final = ("llm.invocation_parameters", "embedding.invocation_parameters")

_HEADS: Final = frozenset({"llm", "input", "output", "retrieval", "reranker", "embedding"})

# The whole request and answer as the client had them; where there are messages too, they say it again.
VALUES: Final = ("input", "output")

# A document's and a message's members are flattened with a prefix of their own: `document.id`.
_WRAPPED: Final = frozenset(
    {"message", "message_content", "tool_call", "tool", "document", "embedding", "image"}
)
_CONTENTS: Final = {"image": "image", "audio": "audio", "video": "file", "document": "file"}


def kind_of(attributes: Mapping[str, Any]) -> Kind | None:
    """What kind of span it is, by theirs."""
    return KINDS.get(str(attributes.get(SPAN_KIND)).upper())


def read_openinference(reading: Reading) -> None:
    """Take what these conventions say. The kind is known already."""
    if _HEADS.isdisjoint(reading.names.heads):
        return
    said = {name: _value(reading, name) for name in VALUES}
    for name, to in (("llm.input_messages", reading.messages), ("llm.output_messages", reading.answers)):
        to.extend(_message(each) for each in _unwrapped(reading.take_numbered(name)))
    for name, to, role in (
        ("llm.prompts", reading.messages, "user"),
        ("llm.choices", reading.answers, "assistant"),
    ):
        to.extend(_completion(each, role) for each in _unwrapped(reading.take_numbered(name)))
    reading.tools.extend(_tool(each) for each in _unwrapped(reading.take_numbered("llm.tools")))
    for name in ("retrieval.documents", "reranker.output_documents"):
        reading.documents.extend(_document(each) for each in _unwrapped(reading.take_numbered(name)))
    if reading.kind == "retrieval":
        _read_reranked(reading)
    for name, found in (("input", said["input"]), ("output", said["output"])):
        if found is not None and getattr(reading, name) is None:
            setattr(reading, name, found)
    if reading.is_model_call:
        _read_model_call(reading)


def _value(reading: Reading, name: str) -> Any:
    """`input.value`, read as its type says; beside it, what else of that side there is."""
    is_json = reading.take(f"{name}.mime_type", is_text) == "application/json"
    found = reading.take(f"{name}.value")
    found = read_json(found) if is_json or type(found) is str else found
    more = {part: _unwrapped(reading.take_numbered(f"{name}.{part}")) for part in ("images", "documents")}
    reading.beside[name].update({part: each for part, each in more.items() if each})
    return found


def _read_model_call(reading: Reading) -> None:
    reading.take_tags(reading.names.told(_tagged))
    if (ended := reading.take(FINISHED, is_text)) is not None:
        reading.tag("finish_reason", finish_reason(ended), FINISHED)
    for name in INVOCATION:
        given = read_json(reading.left.get(name))
        if isinstance(given, dict):
            del reading.left[name]
            reading.parameters = {**given, **reading.parameters}
    # As with the client's own arguments, the model is what the span is named after, and no parameter.
    if is_text(reading.parameters.get("model")):
        reading.tag("model_name", reading.parameters.pop("model"), "llm.request.model_name")
    if reading.kind == "embedding":
        _read_embeddings(reading)


def _tagged(names: Names) -> tuple[Tagged, ...]:
    return names.tagged(TAGS)


def _read_embeddings(reading: Reading) -> None:
    """What was embedded, and how many numbers each became; not the numbers."""
    found = _unwrapped(reading.take_numbered("embedding.embeddings"))
    items = [each if isinstance(each, dict) else {"text": each} for each in found]
    vectors = [each.pop("vector") for each in items if "vector" in each]
    if any(items):
        is_text_alone = all(each.keys() <= {"text"} for each in items)
        reading.input = one_or_all([each.get("text") for each in items] if is_text_alone else items)
    if found:
        reading.embeddings["embeddings"] = len(vectors) or len(found)
        reading.output = None if vectors else reading.output  # the numbers once more
    sizes = {len(each) for each in vectors if isinstance(each, (list, tuple))}
    if len(sizes) == 1:
        reading.embeddings["dimensions"] = sizes.pop()


def _read_reranked(reading: Reading) -> None:
    query, documents = reading.take("reranker.query"), reading.take_numbered("reranker.input_documents")
    if documents:
        reading.input = {"query": query, "documents": [_document(each) for each in _unwrapped(documents)]}
    elif query is not None:
        reading.input = query


# --- what was flattened -------------------------------------------------------------------------------------


def _unwrapped(found: Any) -> list[Any]:
    """A list of things, each without the prefix that its attributes had."""
    if found is None:
        return []
    items = found if isinstance(found, list) else [found]
    return [_inner(each) for each in items]


def _inner(each: Any) -> Any:
    if isinstance(each, list):
        return [_inner(inside) for inside in each]
    if not isinstance(each, dict):
        return each
    if len(each) == 1:
        ((name, inside),) = each.items()
        if name in _WRAPPED and isinstance(inside, dict):
            each = inside
    return {name: _inner(inside) for name, inside in each.items()}


def _message(each: Any) -> Any:
    if not isinstance(each, dict):
        return each
    members = dict(each)
    role, said = members.pop("role", None), members.pop("content", None)
    calls = [_call(call) for call in _listed(members.pop("tool_calls", None))]
    name, arguments = (
        members.pop("function_call_name", None),
        members.pop("function_call_arguments_json", None),
    )
    if name is not None or arguments is not None:
        calls.append(tool_call(None, name, arguments))
    thinking, content = [], []
    for part in _listed(members.pop("contents", None)):
        if isinstance(part, dict) and part.get("type") == "reasoning" and part.keys() == {"type", "text"}:
            thinking.append(str(part["text"]))
        else:
            content.append(_part(part))
    if said is not None:
        content.insert(0, {"type": "text", "text": said} if isinstance(said, str) else said)
    return put_together(role, content, members, tool_calls=calls, thinking="\n".join(thinking))


def _call(call: Any) -> Any:
    function = call.get("function") if isinstance(call, dict) else None
    if not isinstance(function, dict) or "name" in call or "arguments" in call:
        return call
    return call_of({**{name: value for name, value in call.items() if name != "function"}, **function})


def _part(part: Any) -> Any:
    if not isinstance(part, dict):
        return part
    kind = part.get("type")
    inside = part.get(kind) if isinstance(kind, str) else None
    if type(kind) is str and kind in _CONTENTS and isinstance(inside, dict):
        more = {name: value for name, value in part.items() if name not in ("type", kind)}
        if not more.keys() & inside.keys():
            return media(_CONTENTS[kind], {**inside, **more})
    return part


def _completion(each: Any, role: str) -> Any:
    """A prompt or an answer of the older completions."""
    if isinstance(each, dict) and len(each) == 1:
        (inside,) = each.values()
        if isinstance(inside, dict) and inside.keys() == {"text"}:
            return message(role, inside["text"])
        if isinstance(inside, str):
            return message(role, inside)
    return each


def _tool(each: Any) -> Any:
    if isinstance(each, dict) and "json_schema" in each:
        schema = read_json(each["json_schema"])
        more = {name: value for name, value in each.items() if name != "json_schema"}
        if not more:
            return schema
        if isinstance(schema, dict) and not more.keys() & schema.keys():
            return {**more, **schema}
    return each


def _document(each: Any) -> Any:
    if isinstance(each, dict) and "metadata" in each:
        return {**each, "metadata": read_json(each["metadata"])}
    return each


def _listed(found: Any) -> list[Any]:
    return [] if found is None else found if isinstance(found, list) else [found]


# --- where there are no messages, but the client's own request ----------------------------------------------


def asked_in(value: Any) -> dict[str, Any]:
    """A model call's input where only its request is told: messages as they are in most providers' requests,
    else a text that somebody said.
    """
    if isinstance(value, dict):
        if isinstance(value.get("messages"), list):
            return {**value, "messages": [plain(each) for each in value["messages"]]}
        return value
    if isinstance(value, list) and all(isinstance(each, dict) and "role" in each for each in value):
        return {"messages": [plain(each) for each in value]}
    return {"messages": [message("user", value)]}


def answered_in(value: Any) -> Any:
    """A model call's output where only the answer as a whole is told."""
    if isinstance(value, dict):
        return plain(value)
    return message("assistant", value) if isinstance(value, str) else value
