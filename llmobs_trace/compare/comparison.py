"""Makes a `Comparison` of two experiments in a store. The thread that opened the store."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec
from msgspec import Struct

from llmobs_trace.compare import summary
from llmobs_trace.compare.builtin import row_amounts, row_errors
from llmobs_trace.compare.correction import holm
from llmobs_trace.compare.direction import Told, costly_word
from llmobs_trace.compare.evidence import gather
from llmobs_trace.compare.measure import Measured, measure
from llmobs_trace.compare.pairs import RowPair, Side, Watch, dataset_row, read_side, row_pairs
from llmobs_trace.compare.power import POWER
from llmobs_trace.compare.results import (
    AMOUNTS,
    BETTER,
    CANNOT_TELL,
    NO_DIFFERENT,
    NOT_JUDGED,
    ROW,
    WORSE,
    ComparedExperiment,
    Comparison,
    Kind,
    MetricResult,
    RowCounts,
    Verdict,
)
from llmobs_trace.compare.verdict import Judged, Question, judge
from llmobs_trace.errors import LLMObsTraceError
from llmobs_trace.store import queries
from llmobs_trace.store.store import Store

DEFAULT_MARGIN: Final = 0.05
# How the command line has what is said of a label.
OPTION_OF: Final[dict[Told, str]] = {
    "lower": "--lower-is-better",
    "higher": "--higher-is-better",
    "neither": "--not-judged",
}
_JUDGED: Final[frozenset[Kind]] = frozenset({"score", "boolean", "assessment", "errors"})


class Options(Struct, frozen=True):
    """What a comparison goes by.

    `margin` is a share: of the scale (of rates and scores from 0 to 1 that is their own unit; of other scores
    the range that was seen), for what rows took of the mean. `margins` are of labels, in their own unit, for
    what rows took a share. None is `DEFAULT_MARGIN`, and then no difference is too small to be better or
    worse. `directions` says of labels which of their values are better. `judge` names what is to decide
    that otherwise doesn't: less of it is better. With `passes_over`, an option for a label that neither
    experiment has, or that can't be followed, is no error.
    """

    directions: Mapping[str, Told] = msgspec.field(default_factory=dict)
    margin: float | None = None
    margins: Mapping[str, float] = msgspec.field(default_factory=dict)
    judge: frozenset[str] = frozenset()
    alpha: float = 0.05
    confidence: float = 0.95
    passes_over: bool = False


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
    pairs = row_pairs(side_a, side_b)
    metrics = compare_sides(side_a, side_b, options, pairs)
    if side_a is side_b:
        metrics = [_with_itself(metric) for metric in metrics]
    counts = _counted(side_a, side_b, pairs)
    if not counts.paired:
        metrics = [_without_rows(metric) for metric in metrics]
    return Comparison(
        a=ComparedExperiment(of_a.id, of_a.name, len(side_a.rows)),
        b=ComparedExperiment(of_b.id, of_b.name, len(side_b.rows)),
        rows=counts,
        verdict=overall(metrics),
        alpha=options.alpha,
        confidence=options.confidence,
        power=POWER,
        metrics=metrics,
    )


def row_counts(a: Side, b: Side) -> RowCounts:
    """Which rows of the dataset are in both, and which in one alone."""
    return _counted(a, b, row_pairs(a, b))


def _counted(a: Side, b: Side, pairs: Sequence[RowPair]) -> RowCounts:
    only_a, only_b = (len({dataset_row(key) for key in side.rows}) - len(pairs) for side in (a, b))
    runs_a, runs_b = sum(len(row.a) for row in pairs), sum(len(row.b) for row in pairs)
    others = sum(row.has_other_expected for row in pairs)
    return RowCounts(len(pairs), only_a, only_b, runs_a, runs_b, others)


def compare_sides(
    a: Side, b: Side, options: Options, pairs: Sequence[RowPair] | None = None
) -> list[MetricResult]:
    """A metric a label, by name, then our own. Recorded ones, row errors and what else is asked to decide
    share alpha between them. The rest of what rows took has verdicts of its own, which decide nothing:
    latency is the machine's as much as the program's, and what is cheaper is not better for it.
    """
    rows = row_pairs(a, b) if pairs is None else pairs
    recorded = sorted({*a.outcomes, *b.outcomes})
    ours = [row_errors(rows), *row_amounts(rows, recorded)]
    _check_labels(recorded, ours, options)
    measured = [measure(label, rows, a, b, _told(label, options)) for label in recorded]
    if not options.passes_over:
        _check_directions(measured, options)
    measured.append(ours[0])
    asked = [each for each in ours[1:] if _is_asked(each.label, options)]
    family = [each for each in measured if each.kind in _JUDGED and each.direction.better is not None]
    judged = iter(judge_together([*family, *asked], options))
    metrics = [
        summary.without_numbers(each, options.alpha, _share(each, options))
        if each.kind not in _JUDGED
        else next(judged)
        if each.direction.better is not None
        else _not_judged(each, options)
        for each in measured
    ]
    return metrics + [
        next(judged) if each in asked else judge_together([each], options)[0] for each in ours[1:]
    ]


def _is_asked(label: str, options: Options) -> bool:
    """Whether one of ours that decides nothing by itself is to decide."""
    return (
        not options.judge.isdisjoint((label, label.removeprefix(ROW)))
        or options.directions.get(label) == "lower"
    )


def _told(label: str, options: Options) -> Told | None:
    """What whoever asks says of a recorded label: of one that costs, to judge it is to say that less is."""
    told = options.directions.get(label)
    if told is None and label in options.judge and costly_word(label) is not None:
        return "lower"
    return told


def overall(metrics: Sequence[MetricResult]) -> Verdict:
    """The whole's verdict, by those that decide: worse if one is, else cannot tell if one is.

    Rows that raise can make it worse, and are no reason to doubt it: what they left out weighs in the others.
    """
    deciding = [metric for metric in metrics if metric.decides]
    recorded = [metric for metric in deciding if metric.weighs]
    if not recorded:
        # Nothing was judged that could have been: that rows didn't raise says nothing of what they came to.
        recorded = [metric for metric in metrics if metric.verdict == NOT_JUDGED] or deciding
    if any(metric.verdict == WORSE for metric in deciding):
        return WORSE
    if any(metric.verdict in (CANNOT_TELL, NOT_JUDGED) for metric in recorded):
        return CANNOT_TELL
    return BETTER if any(metric.verdict == BETTER for metric in deciding) else NO_DIFFERENT


def judge_together(family: Sequence[Measured], options: Options) -> list[MetricResult]:
    """The metrics of labels that share alpha between them."""
    evidences = [gather(each, options.alpha, options.confidence) for each in family]
    least = [evidence.least_p for evidence in evidences]
    adjusted = holm([evidence.p for evidence in evidences], least, options.alpha)
    sharing = max(1, sum(p <= options.alpha for p in least))
    metrics = []
    for each, evidence, p_adjusted in zip(family, evidences, adjusted, strict=True):
        question = Question(
            higher_is_better=each.direction.better == "higher",
            margin=_margin(each, options),
            tolerated=options.margin is not None or each.label in options.margins,
            width=each.highest - each.lowest,
            alpha=options.alpha,
            family=sharing,
        )
        verdict = judge(evidence, p_adjusted, question)
        result = summary.with_numbers(each, evidence, p_adjusted, question.margin, verdict)
        decides = each.kind not in AMOUNTS or _is_asked(each.label, options)
        metrics.append(msgspec.structs.replace(result, decides=decides))
    return metrics


def _not_judged(measured: Measured, options: Options) -> MetricResult:
    """Its numbers, and nothing that depends on which of them are better: nobody is alarmed by it either."""
    evidence = gather(measured, options.alpha, options.confidence)
    judged = Judged(NOT_JUDGED, measured.direction.why_not)
    return summary.with_numbers(measured, evidence, None, _margin(measured, options), judged)


def _margin(measured: Measured, options: Options) -> float:
    """In the unit in which differences are: for what rows took a logarithm."""
    if measured.kind in AMOUNTS:
        return math.log1p(_share(measured, options))
    if measured.label in options.margins:
        return options.margins[measured.label]
    # Halves, since the range of huge numbers is none.
    half = measured.highest / 2 - measured.lowest / 2
    return min(half * _share(measured, options), 8e307) * 2


def _share(measured: Measured, options: Options) -> float:
    named = options.margins.get(measured.label, options.margin)
    return DEFAULT_MARGIN if named is None else named


def _check_labels(recorded: Sequence[str], ours: Sequence[Measured], options: Options) -> None:
    if options.passes_over:
        return
    amounts = [each.label for each in ours if each.kind in AMOUNTS]
    everything = [*recorded, *(each.label for each in ours)]
    named = [
        (OPTION_OF[told], label, [*recorded, *amounts] if told == "lower" else recorded)
        for label, told in options.directions.items()
    ]
    named += [("--margin", label, everything) for label in options.margins]
    shorter = [label.removeprefix(ROW) for label in amounts]
    named += [("--judge", label, [*recorded, *amounts, *shorter]) for label in options.judge]
    for option, label, known in sorted(named):
        if label not in known:
            there = ", ".join(dict.fromkeys(known)) or "none"
            raise UnknownLabel(f"{option} names {label}, which neither experiment has; they have: {there}")


def _check_directions(measured: Sequence[Measured], options: Options) -> None:
    for each in measured:
        told = options.directions.get(each.label)
        if told in ("higher", "lower") and each.kind not in ("score", "boolean"):
            raise UnknownLabel(
                f"{OPTION_OF[told]} names {each.label}, which has neither numbers nor booleans to go by"
            )


def _without_rows(metric: MetricResult) -> MetricResult:
    """No number of rows settles it as long as none is in both."""
    return msgspec.structs.replace(metric, reason="no row is in both experiments", rows_needed=None)


def _with_itself(metric: MetricResult) -> MetricResult:
    if not metric.n:
        return metric
    return msgspec.structs.replace(
        metric, verdict=NO_DIFFERENT, reason="an experiment compared with itself", rows_needed=None
    )
