"""Puts how far a run is into one line: `capitals  37/48 rows · 2 failed · 1.9 rows/s · 6 s left · exact_match
86% ± 9 · waiting 12 s (429)`. The calling thread; `Pace` alone knows a clock.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable

from llmobs_trace.experiment.counts import RunningMean

# Rows of so long ago say how fast it is now.
_WINDOW_SECONDS = 30.0
_LEAST_SECONDS = 1.0
_Z = 1.959964  # of 95%


class Pace:
    """How many rows a second ended lately."""

    def __init__(self, ended: int, now: float) -> None:
        self._seen = deque([(now, ended)])

    def rate(self, ended: int, now: float) -> float | None:
        """None before there is anything to say."""
        while len(self._seen) > 1 and now - self._seen[1][0] > _WINDOW_SECONDS:
            self._seen.popleft()
        since, before = self._seen[0]
        if now - self._seen[-1][0] >= _LEAST_SECONDS:
            self._seen.append((now, ended))
        if now - since < _LEAST_SECONDS or ended <= before:
            return None
        return (ended - before) / (now - since)


def progress_text(
    name: str,
    ended: int,
    units: int,
    *,
    failed: int = 0,
    rate: float | None = None,
    score: RunningMean | None = None,
    repeats: int = 1,
    waits: float = 0.0,
) -> str:
    """The line; what there is nothing to say of is left out.

    >>> progress_text("capitals", 37, 48, failed=2, rate=1.9)
    'capitals  37/48 rows · 2 failed · 1.9 rows/s · 6 s left'
    """
    parts = [f"{name}  {ended:,}/{units:,} rows"]
    if failed:
        parts.append(f"{failed:,} failed")
    if rate is not None:
        parts.append(f"{rate:,.1f} rows/s" if rate < 100 else f"{rate:,.0f} rows/s")
        if ended < units:
            parts.append(f"{_span((units - ended) / rate)} left")
    if score is not None:
        parts.append(score_text(score, repeats))
    if waits:
        parts.append(f"waiting {waits:.0f} s (429)")
    return " · ".join(parts)


def score_text(score: RunningMean, repeats: int) -> str:
    """A label's mean so far with its 95% interval; of truth values in percent.

    >>> score_text(RunningMean("exact_match", 32.0, 32.0, 37, are_booleans=True), 1)
    'exact_match 86% ± 11'
    """
    mean, reach = score.total / score.numbers, interval(score, repeats)
    about = reach is not None and math.isfinite(reach)
    if score.are_booleans:
        return f"{score.label} {mean:.0%}" + (f" ± {100 * reach:.0f}" if about and reach is not None else "")
    return f"{score.label} {mean:.3g}" + (f" ± {reach:.2g}" if about and reach is not None else "")


def interval(score: RunningMean, repeats: int) -> float | None:
    """How far the mean may be off. Repeats of a row count as one, as if all of them were alike."""
    rows = score.numbers / repeats
    mean = score.total / score.numbers
    if score.are_booleans:  # Wilson's: at 100%, too, there is something left to doubt
        spread = math.sqrt(mean * (1 - mean) / rows + _Z**2 / (4 * rows**2))
        return _Z * spread / (1 + _Z**2 / rows)
    if rows < 2:
        return None
    variance = max(0.0, score.squares / score.numbers - mean * mean) * rows / (rows - 1)
    return _Z * math.sqrt(variance / rows)


def _span(seconds: float) -> str:
    """So much time, in two units at most."""
    whole = round(seconds)
    parts: Iterable[tuple[int, str]] = ((whole // 3600, "h"), (whole // 60 % 60, "min"), (whole % 60, "s"))
    said = [f"{count} {unit}" for count, unit in parts if count]
    return " ".join(said[:2]) or "0 s"
