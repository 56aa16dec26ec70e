"""Holds a span's attributes while they are read: what is understood is taken out, and what is left stays a
tag. Any thread.

So nothing is lost: a value that is not what its name promises is not taken, and stays under its own name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

import msgspec

from llmobs_trace.model_calls.conventions.names import Tagged, names_of
from llmobs_trace.model_calls.messages import finish_reason
from llmobs_trace.wire import Kind

# The kinds that have tokens and a model.
MODEL_CALLS: Final = frozenset({"llm", "embedding"})

_decode = msgspec.json.Decoder().decode
_ABSENT: Final = object()


class Reading:
    """What is known of a span so far. `left` are the attributes that nobody has taken; `names` are those of
    all.
    """

    __slots__ = (
        "answers",
        "beside",
        "documents",
        "embeddings",
        "input",
        "kind",
        "left",
        "messages",
        "names",
        "output",
        "parameters",
        "tags",
        "tools",
    )

    def __init__(self, attributes: dict[str, Any]) -> None:
        self.left = attributes.copy()
        self.names = names_of(tuple(attributes))
        self.kind: Kind | None = None
        self.input: Any = None
        self.output: Any = None
        self.messages: list[Any] = []
        self.answers: list[Any] = []
        self.tools: list[Any] = []
        self.parameters: dict[str, Any] = {}
        self.documents: list[Any] = []
        self.embeddings: dict[str, Any] = {}
        # What else there is of the input and of the output.
        self.beside: dict[str, dict[str, Any]] = {"input": {}, "output": {}}
        self.tags: dict[str, Any] = {}

    @property
    def is_model_call(self) -> bool:
        return self.kind in MODEL_CALLS

    def take(self, name: str, fits: Callable[[Any], bool] | None = None) -> Any:
        """An attribute, taken out; None where there is none, or where it does not fit and stays."""
        found = self.left.get(name, _ABSENT)
        if found is _ABSENT or (fits is not None and not fits(found)):
            return None
        del self.left[name]
        return found

    def tag(self, tag: str, value: Any, name: str) -> None:
        """Tag the span, unless a tag of this name is there already: then the attribute stays what it was."""
        if value is None:
            return
        if self.tags.setdefault(tag, value) != value:
            self.left.setdefault(name, value)

    def take_tags(self, said: Iterable[Tagged]) -> None:
        """The first of several attributes that say the same becomes a tag; others that differ stay."""
        left, tags = self.left, self.tags
        for tag, name, fits in said:
            value = left.get(name)
            if value is not None and fits(value) and tags.setdefault(tag, value) == value:
                del left[name]

    def take_values(self, inputs: Iterable[str], outputs: Iterable[str]) -> None:
        """The first of several attributes are the input and the output, where nothing else takes that place:
        a model call's messages, documents, embeddings.
        """
        is_llm = self.kind == "llm"
        for name in inputs:
            if self.input is None and name in self.left and not (is_llm and self.messages):
                self.input = read_json(self.take(name))
        for name in outputs:
            if (
                self.output is None
                and name in self.left
                and not ((is_llm and self.answers) or self.documents or self.embeddings)
            ):
                self.output = read_json(self.take(name))

    def take_ended(self, message: dict[str, Any]) -> None:
        """Tag a model call with why its answer ended; a message that ended otherwise keeps its reason."""
        ended = message.get("finish_reason")
        if self.is_model_call and is_text(ended):
            reason = finish_reason(ended)
            if self.tags.setdefault("finish_reason", reason) == reason:
                del message["finish_reason"]

    def take_numbered(self, prefix: str) -> list[Any]:
        """What attributes named `prefix.0.role`, `prefix.0.content` and so on are flattened from."""
        tree: dict[str, Any] = {}
        for name in self.names.numbered.get(prefix, ()):
            path = name[len(prefix) + 1 :].split(".")
            if name in self.left and _plant(tree, path, self.left[name]):
                del self.left[name]
        grown = _grown(tree) if tree else []
        return grown if isinstance(grown, list) else [grown]


class _Branch(dict[str, Any]):
    """What other branches or values hang on; a value that is a mapping is none."""


def _plant(tree: dict[str, Any], path: Sequence[str], value: Any) -> bool:
    """Put a value in its place; False where another is in the way."""
    for step in path[:-1]:
        tree = tree.setdefault(step, _Branch())
        if type(tree) is not _Branch:
            return False
    return tree.setdefault(path[-1], value) is value


def _is_number(step: str) -> bool:
    return step.isdecimal() and step.isascii()


def _grown(tree: Any) -> Any:
    """Branches that are numbered throughout are lists, in the order of their numbers."""
    if type(tree) is not _Branch and type(tree) is not dict:
        return tree
    grown = {name: _grown(inside) for name, inside in tree.items()}
    if grown and all(_is_number(name) for name in grown):
        return [
            grown[name] for name in sorted(grown, key=lambda name: (len(name.lstrip("0")), name.lstrip("0")))
        ]
    return grown


# --- what fits ----------------------------------------------------------------------------------------------


def is_count(value: Any) -> bool:
    return type(value) is int and value >= 0


def is_amount(value: Any) -> bool:
    return type(value) in (int, float) and value >= 0


def is_text(value: Any) -> bool:
    return type(value) is str and value != ""


def is_list_of_texts(value: Any) -> bool:
    return isinstance(value, (list, tuple)) and all(type(each) is str for each in value) and bool(value)


def read_json(value: Any) -> Any:
    """What a JSON text says, where it is an object or a list; anything else as it is."""
    if type(value) is not str or value[:1] not in ("{", "["):
        return value
    try:
        return _decode(value)
    except Exception:  # a text that only looks like it
        return value


def as_list(value: Any) -> list[Any] | None:
    """A list, or the JSON text of one; None where it is neither."""
    found = read_json(value)
    return found if type(found) is list else list(found) if isinstance(found, tuple) else None


def one_or_all(found: list[Any]) -> Any:
    """The one thing of a list of one, as most have it."""
    return found[0] if len(found) == 1 else found
