"""Figures in, markdown out: the table of goals, and the tracers side by side."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from benchmarks.field import Standing
from benchmarks.figures import Figure, microseconds
from benchmarks.goals import GOALS


def goals_table(figures: Sequence[Figure]) -> list[str]:
    """One row a goal that was measured or should have been, in the order of the goals."""
    lines = [
        "| what | goal | measured | spread | met | of which |",
        "|---|---|---|---|---|---|",
    ]
    by_goal = {figure.goal: figure for figure in figures}
    for key, goal in GOALS.items():
        figure = by_goal.get(key)
        if figure is None:
            continue
        if not figure.values:
            lines.append(f"| {goal.what} | {goal.wanted} | | | not measured | {_cell(figure.note)} |")
            continue
        met = "" if goal.limit is None else "yes" if goal.met(figure.median) else "**no**"
        lines.append(
            f"| {goal.what} | {goal.wanted} | {number(figure.median)}{goal.unit} "
            f"| {_spread(figure.values)} | {met} | {_cell(figure.note)} |"
        )
    return lines


def field_table(standings: Sequence[Standing]) -> list[str]:
    """One row a tracer."""
    lines = [
        "| tracer | µs a call | CPU µs a span, all threads | end to end, spans a second, nothing lost "
        "| lost when recording flat out | bytes on the wire a span |",
        "|---|---|---|---|---|---|",
    ]
    for standing in standings:
        name = f"{standing.peer.title} {standing.version}".strip()
        if standing.reason:
            lines.append(f"| {name} | {_cell(standing.reason)} | | | | |")
            continue
        rate = statistics.median(standing.whole_rates)
        paced = " (flushed every 500)" if standing.lost else ""
        lost = f"{standing.lost:,} of {standing.recorded:,}" if standing.lost else "none"
        lines.append(
            f"| {name} | {microseconds(standing.call_seconds)} | {microseconds(standing.cpu_seconds)} "
            f"| {f'{rate:,.0f}{paced}' if rate else 'loses some even so'} | {lost} "
            f"| {standing.bytes_a_call:,.0f} |"
        )
    return lines


def unmet(figures: Sequence[Figure]) -> list[str]:
    """The goals that were measured and missed."""
    return [figure.goal for figure in figures if figure.values and not GOALS[figure.goal].met(figure.median)]


def number(value: float) -> str:
    """With as many digits as a reader takes in."""
    return f"{value:.2f}" if abs(value) < 10 else f"{value:.1f}" if abs(value) < 100 else f"{value:,.0f}"


def _spread(values: Sequence[float]) -> str:
    return "one run" if len(values) == 1 else f"{number(min(values))} to {number(max(values))}"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
