"""Corrects the p values of several metrics for their number. Pure.

Holm's step-down method (Scand. J. Statist. 6, 1979): the chance of even one false alarm in the family stays
at the level, however the metrics depend on each other; as metrics of the same rows, they do. (Benjamini and
Hochberg's keeps the share of false ones among the alarms, which is the wrong promise for a gate: one alarm
stops it.)

A metric whose p can't be small, whichever way its few differences fall, can't raise a false alarm either: it
doesn't count (Tarone, Biometrics 46, 1990, in its simplest form).
"""

from __future__ import annotations

from collections.abc import Sequence


def holm(ps: Sequence[float], least_ps: Sequence[float], alpha: float) -> list[float]:
    """The adjusted p of each, in the order given.

    >>> holm([0.01, 0.04, 0.03, 1.0], [0, 0, 0, 0.25], alpha=0.05)
    [0.03, 0.06, 0.06, 1.0]
    """
    family = sorted((p, index) for index, p in enumerate(ps) if least_ps[index] <= alpha)
    adjusted = list(ps)
    running = 0.0
    for rank, (p, index) in enumerate(family):
        running = max(running, min(1.0, (len(family) - rank) * p))
        adjusted[index] = running
    return adjusted
