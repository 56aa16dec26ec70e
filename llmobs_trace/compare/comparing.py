"""Two experiments in a store come in, a `Comparison` goes out; the thread that opened the store."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec
from msgspec import Struct

from llmobs_trace.compare import summary
from llmobs_trace.compare.builtin import row_errors, row_latency
from llmobs_trace.compare.correction import holm
from llmobs_trace.compare.evidence import gather
from llmobs_trace.compare.measure import Measured, measure
from llmobs_trace.compare.pairs import Side, Watch, alone, read_side, row_pairs
from llmobs_trace.compare.power import POWER
from llmobs_trace.compare.results import (
    BETTER,
    CANNOT_TELL,
    NO_DIFFERENT,
    ROW_ERRORS,
    ROW_LATENCY,
    WORSE,
    Comparison,
    Experiment,
    Kind,
    Metric,
    Rows,
    Verdict,
)
from llmobs_trace.compare.verdict import Question, judge
from llmobs_trace.errors import LLMObsTraceError
from llmobs_trace.local import queries
from llmobs_trace.local.store import Store

DEFAULT_MARGIN: Final = 0.05
_JUDGED: Final[frozenset[Kind]] = frozenset({"score", "boolean", "assessment", "errors"})


class Options(Struct, frozen=True):
    """What a comparison goes by.

    `margin` is a share: of the scale (of rates and scores from 0 to 1 that is their own unit; of other scores
    the range that was seen), for latency of the mean. `margins` are of labels, in their own unit, for latency
    a share. None is `DEFAULT_MARGIN`, and then no difference is too small to be better or worse.
    """

    lower_is_better: frozenset[str] = frozenset()
    margin: float | None = None
    margins: Mapping[str, float] = msgspec.field(default_factory=dict)
    alpha: float = 0.05
    confidence: float = 0.95


class UnknownLabel(LLMObsTraceError, LookupError):
    """An option names a label that neither experiment has, or that has nothing to go by."""


def compare(
    store: Store, a: str, b: str, options: Options | None = None, *, watch: Watch | None = None
) -> Comparison:
    """B against A, over the rows that both have. Ids as `find_experiment` takes them; `watch` sees metrics as
    they are read.

    Raises `UnknownExperiment`, `AmbiguousExperiment`, and `UnknownLabel` for a label in the options.

        with Store(path, read_only=True) as store, store.snapshot():
            comparison = compare(store, "3fd6", "latest")
    """
    options = Options() if options is None else options
    of_a, of_b = queries.find_experiment(store, a), queries.find_experiment(store, b)
    side_a = read_side(store, of_a.id, watch)
    side_b = side_a if of_a.id == of_b.id else read_side(store, of_b.id, watch)
    metrics = compare_sides(side_a, side_b, options)
    if side_a is side_b:
        metrics = [_with_itself(metric) for metric in metrics]
    elif not side_a.rows.keys() & side_b.rows.keys():
        metrics = [_without_rows(metric) for metric in metrics]
    only_a, repeats_a = alone(side_a, side_b)
    only_b, repeats_b = alone(side_b, side_a)
    return Comparison(
        a=Experiment(of_a.id, of_a.name, len(side_a.rows)),
        b=Experiment(of_b.id, of_b.name, len(side_b.rows)),
        rows=Rows(len(side_a.rows) - only_a, only_a, only_b, repeats_a, repeats_b),
        verdict=overall(metrics),
        alpha=options.alpha,
        confidence=options.confidence,
        power=POWER,
        metrics=metrics,
    )


def compare_sides(a: Side, b: Side, options: Options) -> list[Metric]:
    """A metric a label, by name, then our own. Recorded ones and row errors share alpha between them. Latency
    is the machine's as much as the program's: its verdict is its own, and decides nothing.
    """
    rows = row_pairs(a, b)
    measured = [
        measure(label, rows, a, b, lower_is_better=label in options.lower_is_better)
        for label in _labels(a, b, options)
    ]
    _check_directions(measured, options)
    measured.append(row_errors(rows))
    family = [each for each in measured if each.kind in _JUDGED]
    judged = iter(judge_together(family, options))
    metrics = [
        next(judged)
        if each.kind in _JUDGED
        else summary.without_numbers(each, options.alpha, _share(each, options))
        for each in measured
    ]
    return [*metrics, *judge_together([row_latency(rows)], options)]


def overall(metrics: Sequence[Metric]) -> Verdict:
    """The whole's verdict, by those that decide: worse if one is, else cannot tell if one is.

    Rows that raise can make it worse, and are no reason to doubt it: what they left out weighs in the others.
    """
    deciding = [metric for metric in metrics if metric.decides]
    recorded = [metric for metric in deciding if not metric.builtin] or deciding
    if any(metric.verdict == WORSE for metric in deciding):
        return WORSE
    if any(metric.verdict == CANNOT_TELL for metric in recorded):
        return CANNOT_TELL
    return BETTER if any(metric.verdict == BETTER for metric in deciding) else NO_DIFFERENT


def judge_together(family: Sequence[Measured], options: Options) -> list[Metric]:
    """The metrics of labels that share alpha between them."""
    evidences = [gather(each, options.alpha, options.confidence) for each in family]
    least = [evidence.least_p for evidence in evidences]
    adjusted = holm([evidence.p for evidence in evidences], least, options.alpha)
    sharing = max(1, sum(p <= options.alpha for p in least))
    metrics = []
    for each, evidence, p_adjusted in zip(family, evidences, adjusted, strict=True):
        question = Question(
            higher_is_better=each.direction == "higher",
            margin=_margin(each, options),
            tolerated=options.margin is not None or each.label in options.margins,
            width=each.highest - each.lowest,
            alpha=options.alpha,
            family=sharing,
        )
        verdict = judge(evidence, p_adjusted, question)
        metrics.append(summary.with_numbers(each, evidence, p_adjusted, question.margin, verdict))
    return metrics


def _margin(measured: Measured, options: Options) -> float:
    """In the unit in which differences are: for latency a logarithm."""
    if measured.kind == "latency":
        return math.log1p(_share(measured, options))
    if measured.label in options.margins:
        return options.margins[measured.label]
    # Halves, since the range of huge numbers is none.
    half = measured.highest / 2 - measured.lowest / 2
    return min(half * _share(measured, options), 8e307) * 2


def _share(measured: Measured, options: Options) -> float:
    named = options.margins.get(measured.label, options.margin)
    return DEFAULT_MARGIN if named is None else named


def _labels(a: Side, b: Side, options: Options) -> list[str]:
    labels = sorted({*a.outcomes, *b.outcomes})
    for option, named, known in (
        ("--lower-is-better", options.lower_is_better, labels),
        ("--margin", options.margins, [*labels, ROW_ERRORS, ROW_LATENCY]),
    ):
        for label in sorted(set(named) - set(known)):
            there = ", ".join(known) or "none"
            raise UnknownLabel(f"{option} names {label}, which neither experiment has; they have: {there}")
    return labels


def _check_directions(measured: Sequence[Measured], options: Options) -> None:
    for each in measured:
        if each.label in options.lower_is_better and each.kind not in ("score", "boolean"):
            raise UnknownLabel(
                f"--lower-is-better names {each.label}, which has neither numbers nor booleans to go by"
            )


def _without_rows(metric: Metric) -> Metric:
    """No number of rows settles it as long as none is in both."""
    return msgspec.structs.replace(metric, reason="no row is in both", rows_needed=None)


def _with_itself(metric: Metric) -> Metric:
    if not metric.n:
        return metric
    return msgspec.structs.replace(
        metric, verdict=NO_DIFFERENT, reason="an experiment compared with itself", rows_needed=None
    )
