"""Judges evidence: one of four verdicts, with its reason and what would settle it. Pure.

What it goes by:

    better, worse   the adjusted p is at most alpha. With a stated tolerance, not where the difference surely
                    is smaller than that
    no different    two one-sided tests at alpha, that is, the interval at 1 - 2 alpha, lies within the margin
    cannot tell     everything else, and whatever failed rows could turn
"""

from __future__ import annotations

from msgspec import Struct

from llmobs_trace.compare import power
from llmobs_trace.compare.evidence import Asked, Evidence
from llmobs_trace.compare.intervals import Interval
from llmobs_trace.compare.results import BETTER, CANNOT_TELL, NO_DIFFERENT, WORSE, Verdict


class Judged(Struct, frozen=True):
    """A verdict, why, and how many rows would settle it."""

    verdict: Verdict
    reason: str
    rows_needed: int | None = None


class Question(Struct, frozen=True):
    """What the verdict goes by, beside the evidence."""

    higher_is_better: bool
    margin: float
    tolerated: bool  # the margin was stated: a surely smaller difference is none, however significant
    width: float  # of the scale
    alpha: float
    family: int  # how many metrics alpha is shared by


def judge(evidence: Evidence, p_adjusted: float, question: Question) -> Judged:
    """The verdict on one label with numbers.

    `p_adjusted` is `evidence.p`, corrected for the other labels that are judged with it.
    """
    scored = evidence.scored
    if not scored.count:
        return Judged(CANNOT_TELL, "no row was scored on both sides", _planned(question))
    verdict = _verdict(scored.mean, p_adjusted, evidence.inner, question)
    if verdict == CANNOT_TELL:
        return _undecided(evidence, p_adjusted, question)
    if verdict == NO_DIFFERENT:
        return Judged(verdict, _why_none(scored))
    reason = f"p {_p(p_adjusted)}"
    if evidence.one_sided:
        reason += f", whatever the {_lacking(evidence)} would have scored"
    return Judged(verdict, reason)


def _verdict(mean: float, p_adjusted: float, inner: Interval | None, question: Question) -> Verdict:
    within = inner is not None and -question.margin <= inner[0] and inner[1] <= question.margin
    if p_adjusted <= question.alpha and mean and not (within and question.tolerated):
        return BETTER if (mean > 0) == question.higher_is_better else WORSE
    return NO_DIFFERENT if within else CANNOT_TELL


def _undecided(evidence: Evidence, p_adjusted: float, question: Question) -> Judged:
    scored = evidence.scored
    if evidence.one_sided:
        # What Holm's method multiplied the p by, as far as can be seen; at least by nothing.
        factor = p_adjusted / evidence.p if 0 < evidence.p < 1 else float(question.family)
        alone = _verdict(scored.mean, min(1.0, scored.p * max(1.0, factor)), scored.inner, question)
        if alone != CANNOT_TELL:
            return Judged(
                CANNOT_TELL,
                f'the scored rows alone say "{alone}", but {_lacking(evidence)} could turn it: run those'
                " again",
            )
    needed = _needed(scored, evidence.two_outcomes, question)
    reason = (
        "too few rows to tell the difference from chance"
        if scored.p < 1
        else "too few rows to rule a difference out"
    )
    if evidence.one_sided:
        reason += f", and {_lacking(evidence)}"
    return Judged(CANNOT_TELL, reason, needed)


def _needed(scored: Asked, two_outcomes: bool, question: Question) -> int | None:
    if not scored.wins + scored.losses:
        share = question.margin / question.width if question.width else 1.0
        needed = power.unchanged_rows_to_bound(share, question.alpha)
        return None if needed is None else max(needed, scored.count + 1)
    if scored.count < 2:
        return _planned(question)
    alpha = question.alpha / max(1, question.family)
    if two_outcomes:
        found = power.flips_to_find(scored.wins / scored.count, scored.losses / scored.count, alpha)
    else:
        found = power.rows_to_find(scored.mean, scored.deviation, alpha)
    if question.tolerated and abs(scored.mean) <= question.margin:
        found = None  # finding it is not the question
    bound = power.rows_to_bound(scored.mean, scored.deviation, question.margin, question.alpha)
    ways = [each for each in (found, bound) if each is not None]
    return max(min(ways), scored.count + 1) if ways else None


def _planned(question: Question) -> int | None:
    """Before anything is known: as if the differences' deviation were half of the scale."""
    return power.rows_to_bound(0.0, question.width / 2, question.margin, question.alpha)


def _why_none(scored: Asked) -> str:
    if not scored.wins + scored.losses:
        return f"the same on all {_rows(scored.count)}"
    return "surely within the margin"


def _lacking(evidence: Evidence) -> str:
    what = "without all of their scores" if evidence.partly else "without a score on one side"
    return f"{_rows(evidence.one_sided)} {what}"


def _rows(count: int) -> str:
    return "1 row" if count == 1 else f"{count:,} rows"


def _p(p: float) -> str:
    return "< 0.0001" if p < 0.0001 else f"{p:.2g}"
