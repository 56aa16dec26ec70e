"""Compares an output with what was expected: texts, numbers, whether it is JSON. Any thread."""

from __future__ import annotations

import math
import re
import string
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any

import msgspec

from llmobs_trace.errors import ConfigurationError

# What tells a call with options, which makes an evaluator, from the call of the evaluator.
_NO: Any = object()


def exact_match(
    output: Any = _NO, expected_output: Any = None, *, casefold: bool = False, strip: bool = False
) -> Any:
    """Whether the output equals the expected output. `casefold=True` takes upper and lower case, `strip=True`
    white space around a text for the same.

    >>> exact_match(output="Paris", expected_output="Paris")
    True
    >>> exact_match(casefold=True, strip=True)(output=" paris", expected_output="Paris")
    True
    """
    if output is _NO:
        return partial(exact_match, casefold=casefold, strip=strip)
    expected = _expected(expected_output)
    return bool(_same(output, casefold, strip) == _same(expected, casefold, strip))


def contains(
    output: Any = _NO, expected_output: Any = None, *, casefold: bool = False, strip: bool = False
) -> Any:
    """Whether the output's text contains the expected one; of a list of texts, each of them.

    >>> contains(output="It is Paris.", expected_output="Paris")
    True
    >>> contains(casefold=True)(output="Paris and Rome", expected_output=["rome", "paris"])
    True
    """
    if output is _NO:
        return partial(contains, casefold=casefold, strip=strip)
    expected = _expected(expected_output)
    parts = list(expected) if isinstance(expected, (list, tuple, set)) else [expected]
    text = _same(_text(output, "output"), casefold, strip)
    return all(
        _same(_text(_expected(part), "expected output"), casefold, strip) in text for part in _expected(parts)
    )


def one_of(*choices: Any, output: Any = _NO, expected_output: Any = None, **options: bool) -> Any:
    """Whether the output is one of the choices; without any, one of the expected output's, a list.

    >>> one_of("yes", "no")(output="no")
    True
    >>> one_of(output="4", expected_output=["4", "four"])
    True
    """
    unknown = [name for name in options if name not in ("casefold", "strip")]
    if unknown:
        raise ConfigurationError(f"one_of: no such option {unknown[0]!r}; there are casefold and strip")
    if output is _NO:
        return partial(_is_one_of, choices=choices, **options)
    return _is_one_of(output, expected_output, choices, **options)


def _is_one_of(
    output: Any,
    expected_output: Any = None,
    choices: tuple[Any, ...] = (),
    casefold: bool = False,
    strip: bool = False,
) -> bool:
    allowed = choices or _expected(expected_output)
    if isinstance(allowed, str) or not isinstance(allowed, (list, tuple, set, frozenset)):
        raise ValueError(f"the expected output is a {type(allowed).__name__}, not a list of choices")
    return _same(output, casefold, strip) in [_same(choice, casefold, strip) for choice in allowed]


_is_one_of.__name__ = "one_of"


def regex(pattern: str, *, flags: int = 0) -> Callable[..., bool]:
    """Whether a regular expression is found in the output.

    >>> regex(r"[0-9]+ km")(output="It is 12 km.")
    True

    Raises `ConfigurationError` where the pattern is none.
    """
    try:
        compiled = re.compile(pattern, flags)
    except (re.error, TypeError) as error:
        raise ConfigurationError(f"regex: {pattern!r} is no pattern: {error}") from None

    def regex(output: Any) -> bool:
        return compiled.search(_text(output, "output")) is not None

    return regex


def json_valid(output: Any) -> bool:
    """Whether the output is JSON: a text that can be read as JSON, or an object or a list already.

    >>> json_valid(output='{"queue": "billing"}')
    True
    """
    if isinstance(output, (dict, list)):
        return True
    try:
        msgspec.json.decode(_text(output, "output"))
    except (msgspec.DecodeError, RecursionError):
        return False
    return True


def close_to(*, rel: float = 1e-9, abs: float = 0.0) -> Callable[..., bool]:
    """Whether the output is the expected number, but for a share (`rel`) or an amount (`abs`) of difference,
    as `math.isclose` has it. A text that is a number counts as one.

    >>> close_to(rel=0.01)(output="3.14", expected_output=3.1415)
    True
    """
    if not (isinstance(rel, (int, float)) and isinstance(abs, (int, float)) and rel >= 0 and abs >= 0):
        raise ConfigurationError(f"close_to: given rel={rel!r}, abs={abs!r}; expected numbers from 0")

    def close_to(output: Any, expected_output: Any) -> bool:
        expected = _number(_expected(expected_output), "expected output")
        return math.isclose(_number(output, "output"), expected, rel_tol=rel, abs_tol=abs)

    return close_to


def edit_similarity(
    output: Any = _NO, expected_output: Any = None, *, casefold: bool = False, strip: bool = False
) -> Any:
    """1 minus the edits (insertions, deletions, replacements of a character: Levenshtein, 1966) that make one
    text the other, as a share of the longer one's length.

    >>> edit_similarity(output="Pari", expected_output="Paris")
    0.8
    """
    if output is _NO:
        return partial(edit_similarity, casefold=casefold, strip=strip)
    given = _same(_text(output, "output"), casefold, strip)
    expected = _same(_text(_expected(expected_output), "expected output"), casefold, strip)
    return 1.0 - edit_distance(given, expected) / max(len(given), len(expected))


def edit_distance(first: str, second: str) -> int:
    """The least number of edits between two texts, by the bit vectors of Hyyrö (2003), "A bit-vector
    algorithm for computing Levenshtein and Damerau edit distances": a row of the table is one integer.
    """
    if not first or not second:
        return len(first) or len(second)
    places: dict[str, int] = {}
    for place, character in enumerate(first):
        places[character] = places.get(character, 0) | 1 << place
    last = 1 << (len(first) - 1)
    every = (last << 1) - 1
    up, down, distance = every, 0, len(first)
    for character in second:
        match = places.get(character, 0)
        diagonal = (((match & up) + up) ^ up) | match | down
        rising = down | ~(diagonal | up) & every
        falling = up & diagonal
        distance += bool(rising & last) - bool(falling & last)
        rising = rising << 1 & every | 1
        falling = falling << 1 & every
        up = falling | ~(diagonal | rising) & every
        down = rising & diagonal
    return distance


def token_f1(output: Any, expected_output: Any) -> Any:
    """The harmonic mean of precision and recall over words, lower case, without punctuation and articles, as
    SQuAD defines it (Rajpurkar et al., 2016; its published evaluation script).

    >>> token_f1(output="in Paris", expected_output="Paris").value
    0.6666666666666666
    """
    from llmobs_trace.experiment.score import Score

    given = _words(_text(output, "output"))
    expected = _words(_text(_expected(expected_output), "expected output"))
    if not expected:
        raise ValueError("the expected output has no words to compare with")
    shared = sum((Counter(given) & Counter(expected)).values())
    value = 2 * shared / (len(given) + len(expected))
    # Of most metrics with "token" in their name less is better: of this one it has to be said.
    return Score(value, lower_is_better=False)


_ARTICLES = re.compile(r"\b(a|an|the)\b", re.UNICODE)
_NO_PUNCTUATION = str.maketrans("", "", string.punctuation)


def _words(text: str) -> list[str]:
    return _ARTICLES.sub(" ", text.lower().translate(_NO_PUNCTUATION)).split()


# --- What there is to compare -------------------------------------------------------------------------------


def _expected(value: Any) -> Any:
    if value is None or (isinstance(value, (str, list, tuple, dict, set)) and not value):
        raise ValueError("there is no expected output to compare with")
    return value


def _text(value: Any, what: str) -> str:
    if not isinstance(value, str):
        raise TypeError(f"the {what} is a {type(value).__name__}, not a text")
    return value


def _number(value: Any, what: str) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise TypeError(f"the {what} is no number: {value!r:.100}") from None
    if math.isnan(number):
        raise ValueError(f"the {what} is not a number")
    return number


def _same(value: Any, casefold: bool, strip: bool) -> Any:
    """A text as it is compared; anything else as it is."""
    if not isinstance(value, str):
        return value
    value = value.strip() if strip else value
    return value.casefold() if casefold else value
