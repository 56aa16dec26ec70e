"""Sums up one metric's measurement, evidence and verdict for people and programs. Pure."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Final

import msgspec

from llmobs_trace.compare import categories
from llmobs_trace.compare.evidence import Evidence
from llmobs_trace.compare.intervals import Interval, tango
from llmobs_trace.compare.measure import Measured, Pair, State, Tally, new_tally, repeats
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
    found = categories.changes(pairs, _SHOWN)
    most = tango(found.changed, 0, found.rows, 1 - 2 * alpha)
    if most is not None and most[1] <= share:
        judged = Judged(NO_DIFFERENT, "surely a smaller share of rows changed than the margin")
    elif found.changed:
        judged = Judged(
            CANNOT_TELL, "no category is better than another; with assessments there is a verdict"
        )
    else:
        judged = Judged(CANNOT_TELL, "no row changed, but they are too few to say that none would")
    return msgspec.structs.replace(
        _counted(measured, judged),
        dataset_rows=found.rows,
        wins=found.changed,
        ties=found.rows - found.changed,
        margin=share,
        p=found.p,
        test=found.test,
        agreement=found.agreement,
        categories=found.table,
        flips=found.flips,
    )


def _counted(measured: Measured, judged: Judged) -> MetricResult:
    states = Counter(_together(pair.state_a, pair.state_b) for pair in measured.pairs)
    of_a, of_b = measured.tallies or _tallies(measured.pairs)
    better = measured.direction.better
    return MetricResult(
        label=measured.label,
        builtin=measured.builtin,
        kind=measured.kind,
        direction=better,
        direction_from=measured.direction.source,
        decides=better is not None,
        n=states["scored"],
        failed=states["failed"],
        missing=states["missing"],
        not_applicable=states["not applicable"],
        scored_a=of_a["scored"],
        scored_b=of_b["scored"],
        failed_a=of_a["failed"],
        failed_b=of_b["failed"],
        missing_a=of_a["missing"],
        missing_b=of_b["missing"],
        not_applicable_a=of_a["not applicable"],
        not_applicable_b=of_b["not applicable"],
        dataset_rows=0,
        passed_a=measured.passed_a,
        passed_b=measured.passed_b,
        spread_a=measured.spreads[0],
        spread_b=measured.spreads[1],
        # That surely nothing changed can be said of categories, too.
        judged=judged.verdict != NOT_JUDGED and (better is not None or judged.verdict != CANNOT_TELL),
        verdict=judged.verdict,
        reason=judged.reason,
        rows_needed=judged.rows_needed,
    )


def _together(a: State, b: State) -> State:
    """What a row came to on both sides: scored only if both are."""
    for state in ("failed", "missing", "not applicable"):
        if state in (a, b):
            return state
    return "scored"


def _tallies(pairs: Sequence[Pair]) -> tuple[Tally, Tally]:
    of_a, of_b = new_tally(), new_tally()
    for pair in pairs:
        repeats([(pair.state_a, pair.a)], of_a)
        repeats([(pair.state_b, pair.b)], of_b)
    return of_a, of_b


def _shown(interval: Interval | None, relative: bool) -> Interval | None:
    if interval is None or not relative:
        return interval
    return (_factor(interval[0]), _factor(interval[1]))


def _factor(logarithm: float) -> float:
    return math.expm1(min(logarithm, 700.0))
