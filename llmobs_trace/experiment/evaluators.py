"""Prepares evaluators, and turns what one says of a row into metric records. Any thread."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar, overload

import msgspec

from llmobs_trace.capture.metric import metric_record, value_record
from llmobs_trace.capture.recorder import Recorder, Scope
from llmobs_trace.encode import encode
from llmobs_trace.errors import ConfigurationError
from llmobs_trace.experiment import parameters
from llmobs_trace.experiment.fingerprints import fingerprint_of
from llmobs_trace.experiment.parameters import Callee
from llmobs_trace.experiment.score import Judged, Passes, Score
from llmobs_trace.experiment.steps import Code, Kept

F = TypeVar("F", bound=Callable[..., Any])
_OPTIONS = "_llmobs_trace_evaluator"


@dataclass(frozen=True)
class EvaluatorOptions:
    """What `@evaluator` says of a function."""

    label: str | None = None
    passes: Passes | None = None
    version: str | None = None
    retries: int | None = None
    timeout: float | None = None
    remote: bool = False
    lower_is_better: bool | None = None
    bounds: tuple[float, float] | None = None


@overload
def evaluator(function: F, /) -> F: ...
@overload
def evaluator(
    *,
    label: str | None = None,
    passes: Passes | None = None,
    version: str | None = None,
    retries: int | None = None,
    timeout: float | None = None,
    remote: bool = False,
    lower_is_better: bool | None = None,
) -> Callable[[F], F]: ...
def evaluator(
    function: Any = None,
    /,
    *,
    label: str | None = None,
    passes: Passes | None = None,
    version: str | None = None,
    retries: int | None = None,
    timeout: float | None = None,
    remote: bool = False,
    lower_is_better: bool | None = None,
) -> Any:
    """Say more of an evaluator than its function can; the function stays as it is.

    >>> @evaluator(label="short", passes=0.5, lower_is_better=False)
    ... def brevity(output: str) -> float:
    ...     return 1 / max(len(output.split()), 1)
    >>> brevity("Paris")
    1.0

    - `label`: the metric's name; by default the function's
    - `passes`: a number from which on a value passes, or a function that says whether it does
    - `version`: change it where the evaluator changes in a way that its code does not show
    - `retries`, `timeout` (seconds): as those of `Experiment.run`, for this evaluator
    - `remote`: run it on the executor too
    - `lower_is_better`: whether lower values are the better ones

    Raises `ConfigurationError` for what makes no sense.
    """
    if label is not None and (not isinstance(label, str) or not label.strip()):
        raise ConfigurationError(f"label: given {label!r}; expected a text")
    if passes is not None and not callable(passes) and not isinstance(passes, (int, float)):
        raise ConfigurationError(f"passes: given {passes!r}; expected a number or a function")
    if timeout is not None and not (isinstance(timeout, (int, float)) and timeout > 0):
        raise ConfigurationError(f"timeout: given {timeout!r}; expected seconds above 0")
    if retries is not None and (not isinstance(retries, int) or retries < 0):
        raise ConfigurationError(f"retries: given {retries!r}; expected a number from 0")
    options = EvaluatorOptions(label, passes, version, retries, timeout, remote, lower_is_better)

    def mark(marked: F) -> F:
        if not callable(marked) and not hasattr(marked, "evaluate"):
            raise ConfigurationError(f"evaluator: given {marked!r}; expected a function")
        try:
            setattr(marked, _OPTIONS, options)
        except (AttributeError, TypeError):
            kind = type(marked).__name__
            raise ConfigurationError(f"evaluator: a {kind} can't be marked; wrap it in a function") from None
        return marked

    return mark if function is None else mark(function)


@dataclass(frozen=True)
class Evaluator:
    """An evaluator that is ready to run."""

    callee: Callee
    label: str
    options: EvaluatorOptions
    code: Code

    @property
    def asks_for_errors(self) -> bool:
        return "error" in self.callee.by_name.values()

    @property
    def asks_for_spans(self) -> bool:
        return "spans" in self.callee.by_name.values()


def prepared(given: Sequence[Any]) -> list[Evaluator]:
    """The evaluators of an experiment. Raises `ConfigurationError`, two of one name included."""
    if isinstance(given, (str, bytes)) or not hasattr(given, "__iter__"):
        given = [given]
    evaluators = [_prepared(each) for each in given]
    labels = [each.label for each in evaluators]
    for label in labels:
        if labels.count(label) > 1:
            raise ConfigurationError(
                f"evaluators: {labels.count(label)} are called {label!r}; name one by @evaluator(label=…)"
            )
    return evaluators


def _prepared(given: Any) -> Evaluator:
    callee = parameters.evaluator(given)
    options = getattr(given, _OPTIONS, None)
    if not isinstance(options, EvaluatorOptions):
        options = EvaluatorOptions(version=_text_or_none(getattr(given, "version", None)))
    bounds = getattr(given, "bounds", None)
    if isinstance(bounds, tuple):
        options = replace(options, bounds=bounds)
    label = options.label or callee.name
    fingerprint = fingerprint_of(given, options.version)
    return Evaluator(callee, label, options, Code(label, fingerprint, options.version))


def _text_or_none(value: object) -> str | None:
    return value if isinstance(value, str) else None


# --- Metrics ------------------------------------------------------------------------------------------------


def metric_records(
    recorder: Recorder,
    scope: Scope,
    span_id: str,
    metrics: Sequence[Judged],
    *,
    tags: Mapping[str, str] | None = None,
    timestamp_ms: int | None = None,
) -> list[bytes]:
    """A record for each metric, as it is journalled."""
    made: list[bytes] = []
    for one in metrics:
        score = one.score
        if one.encoded is not None and tags is None and timestamp_ms is None and _is_value_alone(score):
            record = value_record(recorder, scope, span_id, one.label, one.metric_type, one.encoded)
        else:
            record = metric_record(
                recorder,
                scope,
                span_id,
                one.label,
                score.value,
                one.metric_type,
                score.assessment if one.applies else None,
                score.reasoning,
                {**(tags or {}), **(score.tags or {})},
                score.metadata,
                one.error,
                timestamp_ms,
                score.lower_is_better,
                not_applicable=not one.applies,
            )
        if record is not None:
            made.append(record)
    return made


def _is_value_alone(score: Score) -> bool:
    return (
        score.assessment is None
        and score.reasoning is None
        and score.metadata is None
        and score.tags is None
        and score.lower_is_better is None
    )


def kept(one: Judged) -> Kept:
    """What is kept of a metric for counting."""
    if not one.applies:
        return Kept(one.label, reasoning=one.score.reasoning, not_applicable=True)
    value = None if one.error is not None else _plain(one.score.value)
    return Kept(one.label, value, one.error, one.score.assessment, one.score.reasoning)


def _plain(value: Any) -> Any:
    """A value as it comes back from disk."""
    kind = type(value)
    if kind is bool or (kind is float and math.isfinite(value)):
        return value
    return msgspec.json.decode(encode(value))


def with_direction(metrics: list[Judged], lower_is_better: bool | None) -> list[Judged]:
    """The metrics, with what `@evaluator` says of which values are better, where they don't say it."""
    if lower_is_better is None:
        return metrics
    return [
        one
        if one.score.lower_is_better is not None
        else msgspec.structs.replace(one, score=replace(one.score, lower_is_better=lower_is_better))
        for one in metrics
    ]


__all__ = ["Evaluator", "EvaluatorOptions", "Score", "evaluator", "kept", "metric_records", "prepared"]
