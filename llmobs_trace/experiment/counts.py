"""Counts what came of the steps, so that no denominator shrinks: for each label, rows x repeats = scored +
failed + missing + those it does not apply to. Used under the run's lock.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import fsum, isfinite
from typing import Any, NamedTuple

from llmobs_trace.experiment.steps import Ended, Evaluated, Kept

# The error of a label that more than one evaluator gave for a row.
TWICE = "two evaluators gave this label for one row"


@dataclass(frozen=True)
class ScoreSummary:
    """What an experiment's rows came to in one label. All counts are of rows x repeats.

    >>> from llmobs_trace.evaluators import exact_match
    >>> sums = Experiment("sums", dataset=[("4", "4"), ("5", "6")], task=str.strip, evaluators=[exact_match])
    >>> print(sums.run(progress=False).scores["exact_match"])
    scored 2 · mean 0.5

    - `scored`, `failed` (the evaluator raised), `missing` (it did not run: the task raised, or the row is
      left; or it raised before it came to this label), `not_applicable` (it said None, or ended without this
      label)
    - `mean`: of the scored ones' numbers; of truth values the share that is true; None of categories
    - `passed`: how many were assessed as a pass; None where none was assessed
    - `worst`, `best`: the mean, if all that failed or are missing had come to the least or the greatest
      value; None where these are not known
    - `categories`: how often each was given
    """

    label: str
    scored: int
    failed: int
    missing: int
    not_applicable: int
    mean: float | None = None
    passed: int | None = None
    worst: float | None = None
    best: float | None = None
    categories: Mapping[str, int] = field(default_factory=dict)

    def __str__(self) -> str:
        parts = [f"scored {self.scored:,}"]
        parts += [
            f"{name} {count:,}"
            for name, count in (
                ("failed", self.failed),
                ("missing", self.missing),
                ("does not apply", self.not_applicable),
            )
            if count
        ]
        if self.mean is not None:
            whatever = self.worst is not None and self.worst != self.best
            spread = f" ({self.worst:.3g} to {self.best:.3g} whatever those had been)" if whatever else ""
            parts.append(f"mean {self.mean:.3g}{spread}")
        return " · ".join(parts)


class RunningMean(NamedTuple):
    """What the numbers of a label have come to so far."""

    label: str
    total: float
    squares: float
    numbers: int
    are_booleans: bool


@dataclass
class _Label:
    evaluator: str | None
    scored: int = 0
    failed: int = 0
    not_applicable: int = 0  # where the evaluator says so
    given: int = 0  # where it ended without an error, whatever it gave: elsewhere it was silent
    numbers: int = 0
    parts: list[float] = field(default_factory=list)  # whose sum is that of the numbers, exactly
    squares: float = 0.0
    are_booleans: bool = True
    passed: int = 0
    assessed: int = 0
    categories: Counter[str] = field(default_factory=Counter)


class Counts:
    """Sums over the steps of a run, kept as they end."""

    def __init__(self, bounds: Mapping[str, tuple[float, float]] | None = None) -> None:
        self.ended = 0
        self.raised = 0
        self._in_order: Counter[str] = Counter()  # rows on which an evaluator ended without an error
        self._labels: dict[str, _Label] = {}
        self._bounds = bounds or {}
        # The commonest errors, each with a row that had it; of texts without end the first are kept.
        self.errors: Counter[str] = Counter()
        self.error_rows: dict[str, str] = {}

    def task(self, ended: Ended) -> None:
        """A row's task came to its end."""
        self.ended += 1
        if ended.error is not None:
            self.raised += 1
            self._error(f"{ended.error.type}: {ended.error.message}", ended.row)

    def evaluator(self, evaluated: Evaluated) -> None:
        """An evaluator came to its end on a row."""
        evaluator, in_order = evaluated.evaluator, evaluated.ended_in_order
        self._in_order[evaluator] += in_order
        for kept in evaluated.metrics:
            label = self._labels.get(kept.label)
            if label is None:
                label = self._labels[kept.label] = _Label(evaluator)
            if kept.error == TWICE and label.evaluator != evaluator:
                continue  # of the two errors one counts: it is one row
            label.given += in_order
            if kept.error is not None:
                label.failed += 1
                self._error(f"{kept.label}: {kept.error}", evaluated.row)
            elif kept.not_applicable:
                label.not_applicable += 1
            else:
                _add(label, kept)

    def _error(self, text: str, row: str) -> None:
        short = text.partition("\n")[0][:200]
        if short in self.errors or len(self.errors) < 1000:
            self.errors[short] += 1
            self.error_rows.setdefault(short, row)

    def scores(self, units: int, evaluators: Sequence[str]) -> dict[str, ScoreSummary]:
        """By label; `units` is how many rows x repeats there are."""
        found: dict[str, ScoreSummary] = {}
        given = {label.evaluator for label in self._labels.values()}
        for evaluator in evaluators:
            # One that gives labels of its own has none of its name.
            if evaluator not in self._labels and evaluator not in given:
                not_applicable = self._in_order[evaluator]
                found[evaluator] = ScoreSummary(evaluator, 0, 0, units - not_applicable, not_applicable)
            for name, label in self._labels.items():
                if label.evaluator == evaluator:
                    found[name] = self._summary(name, label, units)
        return found

    def running_mean(self, evaluators: Sequence[str]) -> RunningMean | None:
        """Of the first evaluator's first label that has numbers; read while others write."""
        for evaluator in evaluators:
            for name, label in list(self._labels.items()):
                if label.evaluator == evaluator and label.numbers:
                    return RunningMean(
                        name, fsum(label.parts), label.squares, label.numbers, label.are_booleans
                    )
        return None

    def labels_with_silence(self) -> dict[str, set[str]]:
        """By evaluator, the labels that it did not give on all rows on which it ended without an error."""
        found: dict[str, set[str]] = {}
        for name, label in self._labels.items():
            if label.evaluator is not None and self._silent(label):
                found.setdefault(label.evaluator, set()).add(name)
        return found

    def _silent(self, label: _Label) -> int:
        return max(self._in_order[label.evaluator or ""] - label.given, 0)

    def _summary(self, name: str, label: _Label, units: int) -> ScoreSummary:
        not_applicable = label.not_applicable + self._silent(label)
        missing = units - label.scored - label.failed - not_applicable
        total = fsum(label.parts)
        mean = total / label.numbers if label.numbers else None
        bounds = (
            (0.0, 1.0) if label.numbers and label.are_booleans else self._bounds.get(label.evaluator or "")
        )
        worst = best = None
        unknown = label.failed + missing
        if bounds is not None and label.numbers + unknown:
            worst, best = ((total + unknown * bound) / (label.numbers + unknown) for bound in bounds)
        elif mean is not None and not unknown:
            worst = best = mean
        return ScoreSummary(
            name,
            label.scored,
            label.failed,
            missing,
            not_applicable,
            mean,
            label.passed if label.assessed else None,
            worst,
            best,
            dict(label.categories),
        )


def _add(label: _Label, kept: Kept) -> None:
    label.scored += 1
    value: Any = kept.value
    if isinstance(value, (bool, int, float)):
        label.numbers += 1
        _add_exactly(label.parts, float(value))
        label.squares += float(value) * float(value)
        label.are_booleans = label.are_booleans and isinstance(value, bool)
    elif isinstance(value, str) and (value in label.categories or len(label.categories) < 1000):
        label.categories[value] += 1
    if kept.assessment is not None:
        label.assessed += 1
        label.passed += kept.assessment == "pass"


def _add_exactly(parts: list[float], number: float) -> None:
    """Add to what `parts` sum up to, so that the order in which rows end changes no digit of a mean.
    (Shewchuk, "Adaptive Precision Floating-Point Arithmetic", 1997.)
    """
    kept = 0
    for part in parts:
        larger, smaller = (number, part) if abs(number) >= abs(part) else (part, number)
        number = larger + smaller
        if not isfinite(number):
            break
        if rest := smaller - (number - larger):
            parts[kept] = rest
            kept += 1
    parts[kept if isfinite(number) else 0 :] = [number]
