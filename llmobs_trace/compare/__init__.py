"""Compares two experiments, with one of four verdicts a metric: better, worse, no different, or cannot
tell; none of what nobody said is better high or low. The way of a comparison:

    pairs       a store → rows side by side, and what each came to under each label
    measure     the outcomes of one label → comparable pairs of numbers
      direction   a label, and what is said of it → which of its values are better
    builtin     the rows themselves → the same: whether they raised, how long they took
    evidence    pairs of numbers → test and intervals, failed rows at their worst and at their best
      signflip    the exact paired test
      intervals   the bootstrap and the score interval
      tails       the distributions they need
    correction  several p → what holds for all of them together
    verdict     evidence → a verdict, why, and how many rows would settle it
      power       rows that settle a question
    categories  pairs of categories → what changed
    spread      what a row's repeats, and a judge's votes, came to → how much these differ
    summary     all of that → one `MetricResult`
    results     what a comparison says, as types
    comparison  the whole way

Nothing here draws a random number: the same two experiments give the same answer, to the last digit.
"""

from __future__ import annotations

from llmobs_trace.compare.comparison import DEFAULT_MARGIN, OPTION_OF, Options, UnknownLabel, compare
from llmobs_trace.compare.results import Comparison, MetricResult, Verdict

__all__ = [
    "DEFAULT_MARGIN",
    "OPTION_OF",
    "Comparison",
    "MetricResult",
    "Options",
    "UnknownLabel",
    "Verdict",
    "compare",
]
