"""Judges a run: whether what it came to is enough, is not, or can't be told. Any thread."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from llmobs_trace.errors import ConfigurationError, did_you_mean
from llmobs_trace.experiment.counts import ScoreSummary

Outcome = Literal["pass", "fail", "cannot tell"]
# A name of our own beside the labels: the share of rows whose task raised.
ROW_ERRORS = "row errors"
_EXIT_CODES: dict[Outcome, int] = {"pass": 0, "fail": 1, "cannot tell": 3}


@dataclass(frozen=True)
class Bound:
    """What a mean must come to: made by `at_least` or `at_most`.

    >>> print(at_least(0.8))
    >= 0.8
    """

    limit: float
    is_least: bool

    def outcome(self, worst: float, best: float) -> Outcome:
        """Whether it holds for all values between the two, for none, or only for some."""
        low, high = min(worst, best), max(worst, best)
        holds_low, holds_high = self._holds(low), self._holds(high)
        if holds_low == holds_high:
            return "pass" if holds_low else "fail"
        return "cannot tell"

    def _holds(self, value: float) -> bool:
        return value >= self.limit if self.is_least else value <= self.limit

    def __str__(self) -> str:
        return f"{'>=' if self.is_least else '<='} {self.limit:g}"


def at_least(limit: float) -> Bound:
    """A gate: the mean is at least this, whatever failed and missing rows had come to.

    >>> at_least(0.8)
    Bound(limit=0.8, is_least=True)
    """
    return Bound(_number(limit), True)


def at_most(limit: float) -> Bound:
    """A gate: the mean is at most this, whatever failed and missing rows had come to.

    >>> at_most(0.02)
    Bound(limit=0.02, is_least=False)
    """
    return Bound(_number(limit), False)


def _number(limit: object) -> float:
    if isinstance(limit, bool) or not isinstance(limit, (int, float)) or limit != limit:
        raise ConfigurationError(f"given {limit!r}; expected a number")
    return float(limit)


@dataclass(frozen=True)
class GateVerdict:
    """What the gates say: `outcome`, one line a gate in `lines`, and the `exit_code` for a program.

    >>> result = Experiment("sums", dataset=[("2+2?", "4")], task=str.upper).run(progress=False)
    >>> verdict = result.gate({"row errors": at_most(0.02)})
    >>> verdict.outcome, verdict.exit_code
    ('pass', 0)
    """

    outcome: Outcome
    lines: tuple[str, ...] = ()

    @property
    def exit_code(self) -> int:
        """0 passed, 1 failed, 3 can't be told."""
        return _EXIT_CODES[self.outcome]

    def __str__(self) -> str:
        return "\n".join(self.lines)


def judge(
    gates: Mapping[str, Bound], scores: Mapping[str, ScoreSummary], *, units: int, failed: int, left: int
) -> GateVerdict:
    """Each gate, and the worst of them. `units` are rows x repeats, of which some `failed`, some are `left`.
    Raises `ConfigurationError` for a name that the run does not have.
    """
    outcomes: list[Outcome] = []
    lines: list[str] = []
    for name, bound in gates.items():
        if not isinstance(bound, Bound):
            raise ConfigurationError(f"gate: {name!r} is {bound!r}; expected at_least(…) or at_most(…)")
        if name == ROW_ERRORS:
            outcome = bound.outcome(failed / units, (failed + left) / units) if units else "cannot tell"
            why = f"{failed:,} of {units:,} rows, {left:,} left"
        else:
            outcome, why = _score(scores, name, bound)
        outcomes.append(outcome)
        lines.append(f"{name} {bound}: {outcome} ({why})")
    return GateVerdict(together(outcomes), tuple(lines))


def together(outcomes: list[Outcome]) -> Outcome:
    """Of several the one that counts: a failure, else a doubt."""
    if "fail" in outcomes:
        return "fail"
    return "cannot tell" if "cannot tell" in outcomes else "pass"


def _score(scores: Mapping[str, ScoreSummary], name: str, bound: Bound) -> tuple[Outcome, str]:
    score = scores.get(name)
    if score is None:
        known = (*scores, ROW_ERRORS)
        near = did_you_mean(name, known)
        raise ConfigurationError(f"gate: there is no score {name!r}{near}; there are {', '.join(known)}")
    if score.mean is None:
        return "cannot tell", "there are no numbers" if score.scored else "nothing was scored"
    if score.worst is None or score.best is None:
        return "cannot tell", f"{_unknown(score)}, of a score without known bounds"
    return bound.outcome(score.worst, score.best), f"{score}"


def _unknown(score: ScoreSummary) -> str:
    return f"{score.failed + score.missing:,} failed or missing"
