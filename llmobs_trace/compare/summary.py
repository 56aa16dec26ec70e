"""Sums up one metric's measurement, evidence and verdict for people and programs. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import msgspec

from llmobs_trace.compare import categories
from llmobs_trace.compare.evidence import Evidence
from llmobs_trace.compare.intervals import Interval, tango
from llmobs_trace.compare.measure import Measured
from llmobs_trace.compare.results import AMOUNTS, CANNOT_TELL, NO_DIFFERENT, NOT_JUDGED, MetricResult
from llmobs_trace.compare.verdict import Judged

_SHOWN: Final = 50  # categories, and ways from one to another


def with_numbers(
    measured: Measured, evidence: Evidence, p_adjusted: float | None, margin: float, judged: Judged
) -> MetricResult:
    """The metric of a label with numbers; `p_adjusted` is None where it is not judged."""
    counted = _counted(measured, judged)
    scored = evidence.scored
    if not scored.count:
        return counted
    wins, losses = scored.wins, scored.losses
    if measured.direction.better == "lower":
        wins, losses = losses, wins
    both = [(pair.a, pair.b) for pair in measured.pairs if pair.a is not None and pair.b is not None]
    mean_a, mean_b = (sum(each[side] / len(both) for each in both) for side in (0, 1))
    relative = measured.kind in AMOUNTS
    return msgspec.structs.replace(
        counted,
        dataset_rows=scored.count,
        mean_a=math.exp(mean_a) if relative else mean_a,
        mean_b=math.exp(mean_b) if relative else mean_b,
        total_a=_total(measured, [a for a, _ in both]),
        total_b=_total(measured, [b for _, b in both]),
        difference=math.expm1(scored.mean) if relative else scored.mean,
        interval=_shown(scored.interval, relative),
        interval_method=scored.interval_method,
        bounds=_shown(evidence.bounds, relative),
        margin=math.expm1(margin) if relative else margin,
        p=scored.p,
        p_adjusted=p_adjusted,
        test=f"sign flips: {scored.test}",
        wins=wins,
        losses=losses,
        ties=scored.count - wins - losses,
    )


def _total(measured: Measured, logarithms: Sequence[float]) -> float | None:
    """Of tokens and cost, which add up over rows as time doesn't that may have been the same."""
    if measured.kind not in ("tokens", "cost"):
        return None
    total = math.fsum(math.exp(each) for each in logarithms)
    return float(round(total)) if measured.kind == "tokens" else total


def without_numbers(measured: Measured, alpha: float, share: float) -> MetricResult:
    """The metric of a category or of JSON: what changed, and nothing that is better or worse."""
    pairs = measured.categories
    if measured.kind != "category":
        return _counted(measured, Judged(CANNOT_TELL, "JSON is counted, not compared"))
    if not pairs:
        return _counted(measured, Judged(CANNOT_TELL, "no row was scored on both sides"))
    changed = sum(a != b for a, b in pairs)
    most = tango(changed, 0, len(pairs), 1 - 2 * alpha)
    if most is not None and most[1] <= share:
        judged = Judged(NO_DIFFERENT, "surely a smaller share of rows changed than the margin")
    elif changed:
        judged = Judged(
            CANNOT_TELL, "no category is better than another; with assessments there is a verdict"
        )
    else:
        judged = Judged(CANNOT_TELL, "no row changed, but they are too few to say that none would")
    p, test = categories.symmetry(pairs)
    return msgspec.structs.replace(
        _counted(measured, judged),
        dataset_rows=len(pairs),
        wins=changed,
        ties=len(pairs) - changed,
        margin=share,
        p=p,
        test=test,
        agreement=1 - changed / len(pairs),
        categories=categories.table(pairs, _SHOWN),
        flips=categories.flips(pairs, _SHOWN),
    )


def _counted(measured: Measured, judged: Judged) -> MetricResult:
    states = [(pair.state_a, pair.state_b) for pair in measured.pairs]
    better = measured.direction.better
    return MetricResult(
        label=measured.label,
        builtin=measured.builtin,
        kind=measured.kind,
        direction=better,
        direction_from=measured.direction.source,
        decides=better is not None,
        n=sum(state == ("scored", "scored") for state in states),
        failed=sum("failed" in state for state in states),
        missing=sum("missing" in state and "failed" not in state for state in states),
        failed_a=sum(a == "failed" for a, _ in states),
        failed_b=sum(b == "failed" for _, b in states),
        missing_a=sum(a == "missing" for a, _ in states),
        missing_b=sum(b == "missing" for _, b in states),
        dataset_rows=0,
        passed_a=measured.passed_a,
        passed_b=measured.passed_b,
        # That surely nothing changed can be said of categories, too.
        judged=judged.verdict != NOT_JUDGED and (better is not None or judged.verdict != CANNOT_TELL),
        verdict=judged.verdict,
        reason=judged.reason,
        rows_needed=judged.rows_needed,
    )


def _shown(interval: Interval | None, relative: bool) -> Interval | None:
    if interval is None or not relative:
        return interval
    return (_factor(interval[0]), _factor(interval[1]))


def _factor(logarithm: float) -> float:
    return math.expm1(min(logarithm, 700.0))
