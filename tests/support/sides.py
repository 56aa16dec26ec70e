"""Experiments as a comparison reads them, made from values: no store in between."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from llmobs_trace.compare.pairs import Outcome, ScoredRow, Side

FAILED = "failed"
# A value as it would be recorded, FAILED for an evaluator that failed, None for a row without the metric. A
# category is a one-item list, since a string is a failure.
Value = bool | float | str | list[str] | None


def side(
    labels: Mapping[str, Sequence[Value]],
    *,
    rows: int | None = None,
    passed: Mapping[str, Sequence[bool | None]] | None = None,
    errors: Sequence[int] = (),
) -> Side:
    """One experiment whose n-th row is `row n`; `passed` are the assessments of a label."""
    count = max([len(values) for values in labels.values()], default=0) if rows is None else rows
    made = {
        (f"row {number}", 1): ScoredRow(number, f"span {number}", 1_000_000 + number, number in errors)
        for number in range(count)
    }
    outcomes: dict[str, dict[int, Outcome]] = {}
    types: dict[str, dict[str, int]] = {}
    for label, values in labels.items():
        for number, value in enumerate(values):
            if value is None:
                continue
            outcome = outcomes.setdefault(label, {}).setdefault(number, Outcome())
            if value == FAILED:
                outcome.failed = 1
                continue
            kind = {bool: "boolean", list: "categorical"}.get(type(value), "score")
            counts = types.setdefault(label, {})
            counts[kind] = counts.get(kind, 0) + 1
            if isinstance(value, list):
                outcome.categories = tuple(value)
            else:
                assert not isinstance(value, str)
                outcome.numbers, outcome.total = 1, float(value)
            judged = passed[label][number] if passed is not None and label in passed else None
            if judged is not None:
                outcome.assessed, outcome.passed = 1, int(judged)
    return Side(made, outcomes, types)
