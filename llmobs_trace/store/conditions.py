r"""Reads conditions on rows, as `toxicity>=0.3`, and writes them; on any thread.

    FIELD OP VALUE     OP is one of = != < <= > >=

A field is a word of `WORDS`, `tag.KEY`, or a metric's label. A label or key stands in double quotes where it
is such a word or has blanks, quotes or the signs of an OP in it; a value where it begins with a quote or `=`,
has blanks at its ends, or is to be taken as text though it reads as something else: `tone="missing"`. Within
quotes `\"`, `\\` and `\n` are a quote, a backslash and the end of a line. `pages/conditions.js` reads alike.

A row that lacks the field meets `!=` alone, which holds wherever `=` does not.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from typing import Final, Literal

from msgspec import Struct

from llmobs_trace.errors import ConfigurationError

What = Literal["number", "duration", "status", "text"]

# Each with what it is compared with.
WORDS: Final[dict[str, What]] = {
    "status": "status",
    "error": "text",
    "latency": "duration",
    "input_tokens": "number",
    "output_tokens": "number",
    "cost_usd": "number",
    "kind": "text",
    "name": "text",
    "row_id": "text",
    "text": "text",
}
START: Final = "start"  # what rows are sorted by where nothing else is said
# What a row's metric may have become, beside a number or a category.
BECAME: Final = ("pass", "fail", "failed", "missing", "n/a", "true", "false")
MOST_CHARACTERS: Final = 1000
MOST: Final = 30  # conditions at once
_FORM: Final = "a condition is FIELD OP VALUE, as toxicity>=0.3, tag.language=en or error=any"
_FIELDS: Final = f"fields: a metric's label, tag.KEY, {', '.join(WORDS)}"
_STATUSES: Final = ("ok", "error")
_UNITS_NS: Final = {"": 1e9, "ms": 1e6, "s": 1e9, "m": 60e9, "h": 3600e9}

# Named one by one: the pages' regular expressions call other characters blank.
_BLANKS: Final = " \t\n\r\f\v"
_QUOTED: Final = r'"(?:[^"\\]|\\.)*"'
_BARE: Final = rf'[^{_BLANKS}"=!<>]+'
_FIELD: Final = rf"(?P<tag>tag\.)?(?:(?P<quoted>{_QUOTED})|(?P<bare>{_BARE}))"
_CONDITION: Final = re.compile(rf"{_FIELD}[{_BLANKS}]*(?P<sign>!=|<=|>=|=|<|>)(?P<value>.*)", re.DOTALL)
_LONE_FIELD: Final = re.compile(_FIELD, re.DOTALL)
_WHOLE_QUOTED: Final = re.compile(_QUOTED, re.DOTALL)
_BARE_VALUE: Final = re.compile(r'[^"=\n][^\n]*')
_NUMBER: Final = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_DURATION: Final = re.compile(rf"({_NUMBER.pattern})[ ]?(ms|s|m|h|)")


class ConditionError(ConfigurationError):
    """A condition, or what to sort by, can't be read."""


class Field(Struct, frozen=True):
    """What a condition is about; `name` is the label or the key."""

    word: str  # one of `WORDS`, `metric`, `tag`, and to sort by, `start`
    name: str = ""


class Condition(Struct, frozen=True):
    """One condition; a quoted value is text, whatever it reads as."""

    field: Field
    sign: str
    value: str
    is_quoted: bool = False

    @property
    def number(self) -> float | None:
        """The value as a number; None where it is none."""
        return None if self.is_quoted else as_number(self.value)

    @property
    def became(self) -> str | None:
        """Of a label, which of `BECAME` is meant."""
        return None if self.is_quoted or self.value not in BECAME else self.value

    @property
    def duration_ns(self) -> float | None:
        """The value as a time, in whole nanoseconds."""
        found = None if self.is_quoted else _DURATION.fullmatch(self.value)
        if found is None:
            return None
        duration_ns = float(found[1]) * _UNITS_NS[found[2]] + 0.5
        return float(math.floor(duration_ns)) if math.isfinite(duration_ns) else None


class Sort(Struct, frozen=True):
    """What rows are sorted by; those without it come last, either way."""

    field: Field = Field(START)
    is_descending: bool = False


def as_number(text: str) -> float | None:
    """A number, as conditions and tags write it; None for anything else, and for what is not finite."""
    number = float(text) if _NUMBER.fullmatch(text) else math.nan
    return number if math.isfinite(number) else None


# --- Reading ------------------------------------------------------------------------------------------------


def read(text: str) -> Condition:
    """Raises `ConditionError`, which names the condition and says what would do."""
    found = _CONDITION.fullmatch(_checked(text, "condition").strip(_BLANKS))
    if found is None:
        raise _wrong(text, f"{_FORM}; {_FIELDS}")
    field = _field(found, text)
    value, is_quoted = _value(found["value"].strip(_BLANKS), text)
    condition = Condition(field, found["sign"], value, is_quoted)
    if (problem := _problem(condition)) is not None:
        raise _wrong(text, problem)
    return condition


def read_all(texts: Iterable[str]) -> list[Condition]:
    """The same of several; at most `MOST`."""
    found = [read(text) for text in texts]
    if len(found) > MOST:
        raise ConditionError(f"{len(found)} conditions; at most {MOST} are taken at once")
    return found


def read_sort(text: str) -> Sort:
    """`FIELD`, or `-FIELD` from the highest down; `start` is when a row began."""
    checked = _checked(text, "sort").strip(_BLANKS)
    is_descending = checked.startswith("-")
    if (field := checked.removeprefix("-")) == START:
        return Sort(Field(START), is_descending)
    found = _LONE_FIELD.fullmatch(field)
    if found is None or field == "text":
        fields = ", ".join((START, *(word for word in WORDS if word != "text")))
        raise ConditionError(
            f"sort by {text[:200]!r}: give a field, with a minus before it to begin with the highest;"
            f" fields: a metric's label, tag.KEY, {fields}"
        )
    return Sort(_field(found, text), is_descending)


def _checked(text: str, what: str) -> str:
    if len(text) > MOST_CHARACTERS:
        raise ConditionError(
            f"{what} {text[:40]!r}… has {len(text):,} characters; at most {MOST_CHARACTERS:,} are read"
        )
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ConditionError(f"{what} {text[:200]!r} is no Unicode text") from None
    return text


def _wrong(text: str, what: str) -> ConditionError:
    return ConditionError(f"condition {text[:200]!r}: {what}")


def _field(found: re.Match[str], text: str) -> Field:
    name = _unquoted(found["quoted"]) if found["quoted"] is not None else found["bare"]
    if found["tag"] is not None:
        if name in WORDS and WORDS[name] == "number":
            raise _wrong(text, f"write {name}: it is a field, and no tag")
        return Field("tag", name)
    if found["bare"] is not None and name.startswith("tag."):
        raise _wrong(text, "name the tag's key, as tag.language")
    return Field(name) if found["bare"] in WORDS else Field("metric", name)


def _value(text: str, condition: str) -> tuple[str, bool]:
    if _WHOLE_QUOTED.fullmatch(text):
        return _unquoted(text), True
    if not text:
        raise _wrong(condition, f'it has no value; the empty text is "". {_FORM}')
    if not _BARE_VALUE.fullmatch(text):
        raise _wrong(condition, "put the value in double quotes, and a backslash before each quote within it")
    return text, False


def _problem(condition: Condition) -> str | None:
    """Why a condition says nothing that could hold."""
    word, is_order = condition.field.word, condition.sign not in ("=", "!=")
    what = WORDS.get(word)
    if what == "number" and condition.number is None:
        return f"{word} is compared with a number"
    if what == "duration" and condition.duration_ns is None:
        return f"{word} is compared with a time: seconds, or as 250ms, 1.5s, 2m"
    if what == "status" and (is_order or condition.value not in _STATUSES):
        return "status=ok, status=error, status!=ok and status!=error are possible"
    if what == "text" and is_order:
        return f"{word} is compared with = or !="
    if what is None and is_order and condition.number is None:
        return f"{condition.sign} takes a number"
    return None


def _unquoted(text: str) -> str:
    return re.sub(r"\\(.)", lambda found: "\n" if found[1] == "n" else found[1], text[1:-1], flags=re.DOTALL)


# --- Writing ------------------------------------------------------------------------------------------------


def write(condition: Condition) -> str:
    """The condition as it is read, on one line."""
    value = _quoted(condition.value) if condition.is_quoted else condition.value
    return f"{write_field(condition.field)}{condition.sign}{value}"


def write_field(field: Field) -> str:
    """A field as it is read."""
    if field.word not in ("metric", "tag"):
        return field.word
    is_tag = field.word == "tag"
    is_plain = re.fullmatch(_BARE, field.name) and (
        is_tag or not (field.name in WORDS or field.name == START or field.name.startswith(("tag.", "-")))
    )
    return ("tag." if is_tag else "") + (field.name if is_plain else _quoted(field.name))


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
