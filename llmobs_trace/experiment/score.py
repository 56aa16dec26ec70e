"""Turns what an evaluator returns into metrics: nothing is dropped, nothing becomes zero. Any thread.

| returned | becomes |
|---|---|
| a truth value, a number, a text | one metric: boolean, score, categorical |
| a mapping | one JSON metric; of `Score`s: several, labelled `evaluator.key` |
| a `Score`, or an object with `score` or `value` | one metric with its label, else the evaluator's |
| a list or generator of these | several |
| None | none: the evaluator does not apply to this row |
| anything else, an exception | a metric with an error |
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from msgspec import Struct, structs

from llmobs_trace.capture.message import message_of
from llmobs_trace.capture.metric import typed
from llmobs_trace.errors import ConfigurationError
from llmobs_trace.wire import ASSESSMENTS, Assessment, MetricType

# Says whether a value passes: at least this much, or what a function says.
Passes = float | Callable[[Any], bool]


@dataclass(frozen=True)
class Score:
    """What an evaluator says of a row, with more than a bare value can say.

    >>> Score(0.8, assessment="pass", reasoning="quotes the passage").value
    0.8

    - `value`: a truth value, a number, a text (one of several categories) or a mapping; None: the evaluator
      does not apply to this row
    - `label`: the metric's name; by default the evaluator's
    - `assessment`: `pass` or `fail`
    - `reasoning`: why, a text
    - `metadata`, `tags`: mappings of names to values
    - `lower_is_better`: whether lower values are the better ones
    """

    value: Any
    label: str | None = None
    assessment: Assessment | None = None
    reasoning: str | None = None
    metadata: Mapping[str, Any] | None = None
    tags: Mapping[str, Any] | None = None
    lower_is_better: bool | None = None

    def __post_init__(self) -> None:
        if self.assessment is not None and self.assessment not in ASSESSMENTS:
            raise ConfigurationError(f"assessment: given {self.assessment!r}; expected 'pass' or 'fail'")


_NO_SCORE = Score(None)


class Judged(Struct, frozen=True):
    """One metric of a row before it is recorded: a score, an error, or that the evaluator does not apply.

    `encoded` is the score's value as JSON, where that was looked at already.
    """

    label: str
    score: Score = _NO_SCORE
    metric_type: MetricType = "score"
    error: str | None = None
    encoded: bytes | None = None

    @property
    def applies(self) -> bool:
        return self.error is not None or self.score.value is not None


def judged(returned: object, label: str, *, passes: Passes | None = None) -> list[Judged]:
    """The metrics that come of what an evaluator returned. Never raises."""
    if type(returned) in _BARE and passes is None:
        return [_judged_score(_bare(returned), label)]
    try:
        metrics = [_assessed(one, passes) for one in _each(returned, label)]
    except BaseException as error:  # a generator of the user's, or a property
        return [failed(label, error)]
    if not metrics:
        return [Judged(label)]
    labels = [one.label for one in metrics]
    return [
        Judged(one.label, error=f"the evaluator gave {labels.count(one.label)} scores of one label")
        if labels.count(one.label) > 1
        else one
        for one in {one.label: one for one in metrics}.values()
    ]


def failed(label: str, error: BaseException, **metadata: Any) -> Judged:
    """What becomes of an evaluator that raised: a metric with an error, and where that came from."""
    stack = "".join(traceback.format_exception(error))
    own = getattr(error, "metadata", None)
    own = own if isinstance(own, Mapping) else {}
    told = {"error_type": type(error).__name__, "stack": stack, **own, **metadata}
    return Judged(label, Score(None, metadata=told), error=f"{type(error).__name__}: {message_of(error)}")


# What most evaluators return.
_BARE = frozenset({bool, float, int, str})


def _bare(value: object) -> Score:
    """A score that is a value alone. Its other fields are the class's: to set each as a frozen dataclass does
    takes as long as all else that is done with it.
    """
    score = object.__new__(Score)
    score.__dict__["value"] = value
    return score


def _each(returned: object, label: str) -> Iterator[Judged]:
    if isinstance(returned, Score):
        yield _judged_score(returned, label)
    elif isinstance(returned, Mapping):
        if returned and all(isinstance(value, Score) for value in returned.values()):
            for key, value in returned.items():
                yield _judged_score(replace(value, label=value.label or f"{label}.{key}"), label)
        else:
            yield _judged_score(Score(returned), label)
    elif isinstance(returned, (bool, int, float, str)) or returned is None:
        yield _judged_score(Score(returned), label)
    elif isinstance(returned, BaseException):
        yield failed(label, returned)
    elif (read := _read(returned)) is not None:
        yield _judged_score(read, label)
    elif isinstance(returned, (list, tuple, Iterator)):
        for number, one in enumerate(returned, start=1):
            if isinstance(one, Score) or _read(one) is not None:
                yield from _each(one, label)
            else:
                kind = type(one).__name__
                yield Judged(label, error=f"returned a list whose item {number} is a {kind}, not a Score")
    else:
        encoded = typed(returned, None)
        if encoded[0] in ("score", "boolean") and encoded[2] is None:  # numpy's numbers, Decimal
            yield Judged(label, Score(returned), encoded[0])
        else:
            yield Judged(label, error=f"returned a {type(returned).__name__}: {returned!r:.200}")


def _read(returned: object) -> Score | None:
    """Another library's result, by the attributes that it has."""
    if isinstance(returned, (type, list, tuple, Iterator)):
        return None
    for attribute in ("score", "value"):
        if hasattr(returned, attribute) and not callable(getattr(returned, attribute)):
            if attribute == "value" and not any(
                hasattr(returned, own) for own in ("name", "label", "reasoning")
            ):
                return None
            return Score(
                getattr(returned, attribute),
                label=_text(returned, "name") or _text(returned, "label"),
                assessment=said if (said := getattr(returned, "assessment", None)) in ASSESSMENTS else None,
                reasoning=_text(returned, "reasoning") or _text(returned, "reason"),
                metadata=found if isinstance(found := getattr(returned, "metadata", None), Mapping) else None,
            )
    return None


def _text(found: object, attribute: str) -> str | None:
    value = getattr(found, attribute, None)
    return value if isinstance(value, str) and value.strip() else None


def _judged_score(score: Score, label: str) -> Judged:
    label = score.label or label
    if score.value is None:
        return Judged(label, score)
    kind, encoded, problem = typed(score.value, None)
    if problem is not None:
        return Judged(label, replace(score, value=None), kind, problem)
    return Judged(label, score, kind, None, encoded)


def _assessed(one: Judged, passes: Passes | None) -> Judged:
    if passes is None or one.error is not None or one.score.value is None or one.score.assessment is not None:
        return one
    does = passes(one.score.value) if callable(passes) else one.score.value >= passes
    return structs.replace(one, score=replace(one.score, assessment="pass" if does else "fail"))
