"""Defines what a comparison says, as types: the JSON of the command line and of the viewer. Pure.

Comparison ─┬─ a, b          the two experiments
            ├─ rows          how many are in both, and in one alone
            └─ metrics       one a label, and our own: `row errors`, `row latency`, and tokens and cost where
                             any row says them
"""

from __future__ import annotations

import math
from typing import Final, Literal

from msgspec import Struct

Verdict = Literal["better", "worse", "no different", "cannot tell", "not judged"]
BETTER: Final = "better"
WORSE: Final = "worse"
NO_DIFFERENT: Final = "no different"
CANNOT_TELL: Final = "cannot tell"
NOT_JUDGED: Final = "not judged"

Better = Literal["higher", "lower"]
# Who says which is better: see `direction`.
Source = Literal["said", "recorded", "assessments", "assumed"]

Kind = Literal["score", "boolean", "assessment", "category", "json", "errors", "latency", "tokens", "cost"]
# What rows took: compared by factors, and deciding nothing unless somebody asks.
AMOUNTS: Final[frozenset[Kind]] = frozenset({"latency", "tokens", "cost"})

ROW_ERRORS: Final = "row errors"
ROW_LATENCY: Final = "row latency"
INPUT_TOKENS: Final = "input_tokens"
OUTPUT_TOKENS: Final = "output_tokens"
COST: Final = "cost_usd"
# Before the label of one of ours where it is also that of a recorded metric.
ROW: Final = "row "


class ComparedExperiment(Struct, frozen=True):
    """One of the two."""

    id: str
    name: str | None
    rows: int


class RowCounts(Struct, frozen=True):
    """Which rows of the dataset there are to compare."""

    paired: int  # in both
    only_a: int
    only_b: int
    # Of the rows in both, how often they ran, all together: as many as there are, where none ran twice.
    runs_a: int
    runs_b: int
    other_expected: int = 0  # of the rows in both, those that have another expected output in B


class Spread(Struct, frozen=True):
    """How much one side differs though nothing changed; None is unknown."""

    repeats: float | None = None  # the standard deviation of a row's repeats about their mean
    judge: float | None = None  # the part of it that is the judge's, as its votes on one answer say
    agreement: float | None = None  # of categories: the share of repeats that say what most of their row do
    judge_agreement: float | None = None  # the same of a judge's votes

    @property
    def task(self) -> float | None:
        """The rest: what is the task's own."""
        if self.repeats is None or self.judge is None:
            return None
        return math.sqrt(max(0.0, self.repeats**2 - self.judge**2))


class MetricResult(Struct, frozen=True, kw_only=True):
    """One label, or one of our own measures. Everything is B against A: a `difference` above zero is B's
    being higher, and `better` is B's being better.

    Every paired row is one of: scored on both sides (`n`); of the others, `failed` on at least one side,
    `missing` on at least one, or it does `not_apply`. A row counts once, however often it ran, and is judged
    by the mean of its repeats. What ends in `_a` and `_b` counts rows x repeats: scored, failed, missing and
    not applicable are all of them.
    """

    label: str
    builtin: bool
    kind: Kind
    direction: Better | None  # which is better; None where neither is, or nobody said which
    direction_from: Source | None  # who says so; None where nobody does, and of our own measures
    decides: bool  # whether its verdict goes into the whole's
    n: int
    failed: int
    missing: int
    not_applicable: int = 0
    scored_a: int
    scored_b: int
    failed_a: int
    failed_b: int
    missing_a: int
    missing_b: int
    not_applicable_a: int = 0
    not_applicable_b: int = 0
    dataset_rows: int  # those of the n that there are numbers or categories of
    mean_a: float | None = (
        None  # of scores; the share of true or of pass; of amounts the geometric mean, of latency in ns
    )
    mean_b: float | None = None
    total_a: float | None = None  # of tokens and cost, over the rows scored on both sides
    total_b: float | None = None
    difference: float | None = None  # of amounts: relative, 0.1 for 10% more
    interval: tuple[float, float] | None = None  # of the difference, at the comparison's `confidence`
    interval_method: str | None = None
    bounds: tuple[float, float] | None = (
        None  # of the difference, whatever failed and missing rows had come to
    )
    margin: float | None = None  # differences within ± this are none; in the difference's unit
    p: float | None = None  # of the rows scored on both sides
    p_adjusted: float | None = None  # with failed rows at their worst, and corrected over the metrics
    test: str | None = None
    # Dataset rows where B is better; where it is higher, if neither is better; of a category, where it
    # differs.
    wins: int = 0
    losses: int = 0
    ties: int = 0
    passed_a: int | None = None  # rows x repeats assessed to pass, whatever the verdict goes by
    passed_b: int | None = None
    spread_a: Spread | None = None  # None where no row ran twice, and no judge voted twice
    spread_b: Spread | None = None
    agreement: float | None = None  # of a category: the share of rows with the same one on both sides
    categories: list[tuple[str, int, int]] | None = None  # (category, rows of A, rows of B)
    flips: list[tuple[str, str, int]] | None = None  # (A's, B's, rows), the most frequent first
    # False where more rows would not help: nobody said which is better (`not judged`), or neither is, as of
    # categories and JSON (`cannot tell`).
    judged: bool
    verdict: Verdict
    reason: str  # why, in a few words
    rows_needed: int | None = (
        None  # that would settle it, with a power of 80%, if further rows are like these
    )

    @property
    def weighs(self) -> bool:
        """Whether it was recorded, or asked to decide: not to know it is not to know the whole."""
        return not self.builtin or (self.decides and self.kind in AMOUNTS)


class Comparison(Struct, frozen=True, kw_only=True):
    """B against A."""

    a: ComparedExperiment
    b: ComparedExperiment
    rows: RowCounts
    # Worse if any that decides is; else cannot tell if any is, or if no recorded one is judged; else better
    # if any is.
    verdict: Verdict
    alpha: float  # the chance of a false alarm, of all recorded metrics together
    confidence: float
    power: float
    metrics: list[MetricResult]

    @property
    def recorded(self) -> list[MetricResult]:
        """The metrics that the experiments recorded."""
        return [metric for metric in self.metrics if not metric.builtin]
