"""What a comparison says, as types: the JSON of the command line and of the viewer; pure.

Comparison ─┬─ a, b          the two experiments
            ├─ rows          how many are in both, and in one alone
            └─ metrics       one a label, and two of our own: `row errors` and `row latency`
"""

from __future__ import annotations

from typing import Final, Literal

from msgspec import Struct

Verdict = Literal["better", "worse", "no different", "cannot tell"]
BETTER: Final = "better"
WORSE: Final = "worse"
NO_DIFFERENT: Final = "no different"
CANNOT_TELL: Final = "cannot tell"

Kind = Literal["score", "boolean", "assessment", "category", "json", "errors", "latency"]

ROW_ERRORS: Final = "row errors"
ROW_LATENCY: Final = "row latency"


class Experiment(Struct, frozen=True):
    """One of the two."""

    id: str
    name: str | None
    rows: int


class Rows(Struct, frozen=True):
    """Which rows there are to compare."""

    paired: int  # in both
    only_a: int
    only_b: int
    # Of those in one alone, which the other has, too, but not so many times.
    repeats_a: int = 0
    repeats_b: int = 0


class Metric(Struct, frozen=True, kw_only=True):
    """One label, or one of our own measures. Everything is B against A: a `difference` above zero is B's
    being higher, and `better` is B's being better.

    Every paired row is one of: scored on both sides (`n`), `failed` on at least one, `missing` on at least
    one.
    """

    label: str
    builtin: bool
    kind: Kind
    direction: Literal["higher", "lower"] | None  # which is better; None where neither is
    decides: bool  # whether its verdict goes into the whole's
    n: int
    failed: int
    missing: int
    failed_a: int
    failed_b: int
    missing_a: int
    missing_b: int
    dataset_rows: int  # distinct ones among the n: repeats of a row count once, as their mean
    mean_a: float | None = None  # of scores; the share of true or of pass; latency: the geometric mean, in ns
    mean_b: float | None = None
    difference: float | None = None  # latency: relative, 0.1 for 10% longer
    interval: tuple[float, float] | None = None  # of the difference, at the comparison's `confidence`
    interval_method: str | None = None
    bounds: tuple[float, float] | None = (
        None  # of the difference, whatever failed and missing rows had come to
    )
    margin: float | None = None  # differences within ± this are none; in the difference's unit
    p: float | None = None  # of the rows scored on both sides
    p_adjusted: float | None = None  # with failed rows at their worst, and corrected over the metrics
    test: str | None = None
    wins: int = 0  # dataset rows where B is better; of a category, where it differs
    losses: int = 0
    ties: int = 0
    passed_a: int | None = None  # rows that were assessed to pass, whatever the verdict goes by
    passed_b: int | None = None
    agreement: float | None = None  # of a category: the share of rows with the same one
    categories: list[tuple[str, int, int]] | None = None  # (category, rows of A, rows of B)
    flips: list[tuple[str, str, int]] | None = None  # (A's, B's, rows), the most frequent first
    # False where neither is better, and rows are not what lacks: `verdict` is then `cannot tell`.
    judged: bool
    verdict: Verdict
    reason: str  # why, in a few words
    rows_needed: int | None = (
        None  # that would settle it, with a power of 80%, if further rows are like these
    )


class Comparison(Struct, frozen=True, kw_only=True):
    """B against A."""

    a: Experiment
    b: Experiment
    rows: Rows
    verdict: Verdict  # worse if any that decides is; else cannot tell if any is; else better if any is
    alpha: float  # the chance of a false alarm, of all recorded metrics together
    confidence: float
    power: float
    metrics: list[Metric]

    @property
    def recorded(self) -> list[Metric]:
        """The metrics that the experiments recorded."""
        return [metric for metric in self.metrics if not metric.builtin]
