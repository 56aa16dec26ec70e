"""Checks an output against a JSON schema, of which it knows the part that is used to describe answers, and
refuses the rest at once. Any thread.

The words are those of JSON Schema 2020-12 (https://json-schema.org/draft/2020-12): validation of types,
numbers, texts, lists and objects, their combinations, and `$ref` within the schema.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec

from llmobs_trace.errors import ConfigurationError, did_you_mean

_Problems = Iterator[str]
_NOTES = {"$schema", "$id", "$comment", "title", "description", "default", "examples", "deprecated", "format"}
_NOTES |= {"readOnly", "writeOnly", "$defs", "definitions"}


def json_schema(schema: Mapping[str, Any]) -> Callable[..., Any]:
    """Whether the output, an object or a text of JSON, is as a JSON schema says; the reasoning says where
    not.

    >>> check = json_schema({"type": "object", "required": ["queue"]})
    >>> check(output={"queue": "billing"}).value
    True
    >>> check(output="{}").reasoning
    "$: 'queue' is missing"

    Raises `ConfigurationError` for a word of JSON Schema that it does not know.
    """
    from llmobs_trace.experiment.score import Score

    whole = msgspec.to_builtins(schema)
    _refuse_unknown(whole, "$", whole)

    def json_schema(output: Any) -> Score:
        if isinstance(output, str):
            try:
                output = msgspec.json.decode(output)
            except msgspec.DecodeError as error:
                return Score(False, assessment="fail", reasoning=f"$: no JSON: {error}")
        problem = next(problems(output, whole, "$", whole), None)
        return Score(problem is None, assessment="pass" if problem is None else "fail", reasoning=problem)

    return json_schema


def problems(value: Any, schema: Any, where: str, whole: Any) -> _Problems:
    """What of a value is not as a schema says, each with its place."""
    if schema is False:
        yield f"{where}: nothing is allowed here"
    if not isinstance(schema, dict):
        return
    for word, expected in schema.items():
        check = _CHECKS.get(word)
        if check is not None:
            yield from check(value, expected, where, schema, whole)


def _refuse_unknown(schema: Any, where: str, whole: Any) -> None:
    if isinstance(schema, bool):
        return
    if not isinstance(schema, dict):
        raise ConfigurationError(f"json_schema: {where} is a {type(schema).__name__}, not a schema")
    for word, expected in schema.items():
        if word not in _CHECKS and word not in _NOTES and word not in _PARTNERS:
            near = did_you_mean(word, _CHECKS)
            raise ConfigurationError(
                f"json_schema: {where} has {word!r}, which is not known here{near}; known are "
                f"{', '.join(sorted(_CHECKS))}"
            )
        if word in ("pattern", "patternProperties"):
            for pattern in [expected] if word == "pattern" else expected:
                try:
                    re.compile(pattern)
                except re.error as error:
                    raise ConfigurationError(f"json_schema: {where}: {pattern!r}: {error}") from None
        if word == "$ref":
            _resolve(expected, whole)
        for name, below in _below(word, expected):
            _refuse_unknown(below, f"{where}.{name}", whole)


def _below(word: str, expected: Any) -> Iterator[tuple[str, Any]]:
    """The schemas that stand within a word's value."""
    if word in ("properties", "patternProperties", "$defs", "definitions", "dependentSchemas"):
        yield from ((f"{word}.{name}", below) for name, below in expected.items())
    elif word in ("allOf", "anyOf", "oneOf", "prefixItems"):
        yield from ((f"{word}[{number}]", below) for number, below in enumerate(expected))
    elif word in ("items", "additionalProperties", "not", "contains", "propertyNames", "if", "then", "else"):
        yield word, expected


def _resolve(reference: Any, whole: Any) -> Any:
    found = whole
    parts = reference.split("/") if isinstance(reference, str) else [""]
    if parts[0] != "#":
        raise ConfigurationError(f"json_schema: $ref {reference!r} is not within the schema ('#/…')")
    for part in parts[1:]:
        name = part.replace("~1", "/").replace("~0", "~")
        if not isinstance(found, dict) or name not in found:
            raise ConfigurationError(f"json_schema: $ref {reference!r} leads nowhere")
        found = found[name]
    return found


# --- Words, one check each ----------------------------------------------------------------------------------

_IS: dict[str, Callable[[Any], bool]] = {
    "null": lambda value: value is None,
    "boolean": lambda value: isinstance(value, bool),
    "integer": lambda value: _is_number(value) and float(value).is_integer(),
    "number": lambda value: _is_number(value),
    "string": lambda value: isinstance(value, str),
    "array": lambda value: isinstance(value, (list, tuple)),
    "object": lambda value: isinstance(value, Mapping),
}


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def equal(first: Any, second: Any) -> bool:
    """Equality as JSON has it: a truth value is no number."""
    if isinstance(first, bool) or isinstance(second, bool):
        return first is second
    if isinstance(first, Mapping) and isinstance(second, Mapping):
        return first.keys() == second.keys() and all(equal(first[key], second[key]) for key in first)
    if isinstance(first, (list, tuple)) and isinstance(second, (list, tuple)):
        return len(first) == len(second) and all(map(equal, first, second))
    return bool(first == second)


_Check = Callable[[Any, Any, str, Any, Any], _Problems]


def _type(value: Any, expected: Any, where: str, *_: Any) -> _Problems:
    names = [expected] if isinstance(expected, str) else expected
    if not any(_IS[name](value) for name in names):
        yield f"{where}: {_shown(value)} is not of type {' or '.join(names)}"


def _enum(value: Any, expected: Any, where: str, *_: Any) -> _Problems:
    if not any(equal(value, one) for one in expected):
        yield f"{where}: {_shown(value)} is not one of {_shown(expected)}"


def _const(value: Any, expected: Any, where: str, *_: Any) -> _Problems:
    if not equal(value, expected):
        yield f"{where}: {_shown(value)} is not {_shown(expected)}"


def _number_check(words: str, holds: Callable[[Any, Any], bool]) -> _Check:
    def check(value: Any, expected: Any, where: str, *_: Any) -> _Problems:
        if _is_number(value) and not holds(value, expected):
            yield f"{where}: {value} is not {words} {expected}"

    return check


def _length_check(kind: Any, words: str, holds: Callable[[int, int], bool]) -> _Check:
    def check(value: Any, expected: Any, where: str, *_: Any) -> _Problems:
        if isinstance(value, kind) and not holds(len(value), expected):
            yield f"{where}: {_shown(value)} {words} {expected}"

    return check


def _pattern(value: Any, expected: Any, where: str, *_: Any) -> _Problems:
    if isinstance(value, str) and re.search(expected, value) is None:
        yield f"{where}: {_shown(value)} does not match {expected!r}"


def _required(value: Any, expected: Any, where: str, *_: Any) -> _Problems:
    if isinstance(value, Mapping):
        yield from (f"{where}: {name!r} is missing" for name in expected if name not in value)


def _properties(value: Any, expected: Any, where: str, _: Any, whole: Any) -> _Problems:
    if isinstance(value, Mapping):
        for name, below in expected.items():
            if name in value:
                yield from problems(value[name], below, f"{where}.{name}", whole)


def _pattern_properties(value: Any, expected: Any, where: str, _: Any, whole: Any) -> _Problems:
    if isinstance(value, Mapping):
        for name, one in value.items():
            for pattern, below in expected.items():
                if re.search(pattern, str(name)):
                    yield from problems(one, below, f"{where}.{name}", whole)


def _additional(value: Any, expected: Any, where: str, schema: Any, whole: Any) -> _Problems:
    if not isinstance(value, Mapping):
        return
    for name, one in value.items():
        is_known = name in schema.get("properties", {}) or any(
            re.search(pattern, str(name)) for pattern in schema.get("patternProperties", {})
        )
        if not is_known and expected is False:
            yield f"{where}: {name!r} is not expected"
        elif not is_known:
            yield from problems(one, expected, f"{where}.{name}", whole)


def _property_names(value: Any, expected: Any, where: str, _: Any, whole: Any) -> _Problems:
    if isinstance(value, Mapping):
        for name in value:
            yield from problems(name, expected, f"{where}.{name}", whole)


def _dependent(value: Any, expected: Any, where: str, *_: Any) -> _Problems:
    if isinstance(value, Mapping):
        for name, others in expected.items():
            if name in value:
                yield from (
                    f"{where}: {one!r} is missing beside {name!r}" for one in others if one not in value
                )


def _items(value: Any, expected: Any, where: str, schema: Any, whole: Any) -> _Problems:
    if isinstance(value, (list, tuple)):
        for number in range(len(schema.get("prefixItems", ())), len(value)):
            yield from problems(value[number], expected, f"{where}[{number}]", whole)


def _prefix_items(value: Any, expected: Any, where: str, _: Any, whole: Any) -> _Problems:
    if isinstance(value, (list, tuple)):
        for number, (one, below) in enumerate(zip(value, expected, strict=False)):
            yield from problems(one, below, f"{where}[{number}]", whole)


def _unique(value: Any, expected: Any, where: str, *_: Any) -> _Problems:
    if expected and isinstance(value, (list, tuple)):
        for number, one in enumerate(value):
            if any(equal(one, other) for other in value[:number]):
                yield f"{where}[{number}]: {_shown(one)} comes twice"


def _contains(value: Any, expected: Any, where: str, schema: Any, whole: Any) -> _Problems:
    if isinstance(value, (list, tuple)):
        found = sum(_holds(one, expected, whole) for one in value)
        least, most = schema.get("minContains", 1), schema.get("maxContains")
        if found < least or (most is not None and found > most):
            yield f"{where}: {found} items are as expected"


def _all_of(value: Any, expected: Any, where: str, _: Any, whole: Any) -> _Problems:
    for below in expected:
        yield from problems(value, below, where, whole)


def _any_of(value: Any, expected: Any, where: str, _: Any, whole: Any) -> _Problems:
    if not any(_holds(value, below, whole) for below in expected):
        yield f"{where}: {_shown(value)} is as none of anyOf says"


def _one_of(value: Any, expected: Any, where: str, _: Any, whole: Any) -> _Problems:
    if (count := sum(_holds(value, below, whole) for below in expected)) != 1:
        yield f"{where}: {_shown(value)} is as {count} of oneOf say"


def _not(value: Any, expected: Any, where: str, _: Any, whole: Any) -> _Problems:
    if _holds(value, expected, whole):
        yield f"{where}: {_shown(value)} is as it must not be"


def _if(value: Any, expected: Any, where: str, schema: Any, whole: Any) -> _Problems:
    branch = "then" if _holds(value, expected, whole) else "else"
    if branch in schema:
        yield from problems(value, schema[branch], where, whole)


def _reference(value: Any, expected: Any, where: str, _: Any, whole: Any) -> _Problems:
    yield from problems(value, _resolve(expected, whole), where, whole)


def _holds(value: Any, schema: Any, whole: Any) -> bool:
    return next(problems(value, schema, "$", whole), None) is None


def _is_multiple(value: Any, of: Any) -> bool:
    quotient = value / of
    return bool(quotient == int(quotient))


def _shown(value: Any) -> str:
    return repr(value) if len(repr(value)) <= 80 else f"{value!r:.77}…"


_ARRAY = (list, tuple)
# Words that only another one reads.
_PARTNERS = {"then", "else", "minContains", "maxContains"}
_CHECKS: dict[str, _Check] = {
    "type": _type,
    "enum": _enum,
    "const": _const,
    "minimum": _number_check("at least", lambda value, least: bool(value >= least)),
    "maximum": _number_check("at most", lambda value, most: bool(value <= most)),
    "exclusiveMinimum": _number_check("more than", lambda value, least: bool(value > least)),
    "exclusiveMaximum": _number_check("less than", lambda value, most: bool(value < most)),
    "multipleOf": _number_check("a multiple of", _is_multiple),
    "minLength": _length_check(str, "is shorter than", lambda length, least: length >= least),
    "maxLength": _length_check(str, "is longer than", lambda length, most: length <= most),
    "minItems": _length_check(_ARRAY, "has fewer items than", lambda length, least: length >= least),
    "maxItems": _length_check(_ARRAY, "has more items than", lambda length, most: length <= most),
    "minProperties": _length_check(Mapping, "has fewer members than", lambda length, least: length >= least),
    "maxProperties": _length_check(Mapping, "has more members than", lambda length, most: length <= most),
    "pattern": _pattern,
    "required": _required,
    "properties": _properties,
    "patternProperties": _pattern_properties,
    "additionalProperties": _additional,
    "propertyNames": _property_names,
    "dependentRequired": _dependent,
    "items": _items,
    "prefixItems": _prefix_items,
    "uniqueItems": _unique,
    "contains": _contains,
    "allOf": _all_of,
    "anyOf": _any_of,
    "oneOf": _one_of,
    "not": _not,
    "if": _if,
    "$ref": _reference,
}
