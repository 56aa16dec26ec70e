"""Decides what becomes of a call that failed: whether and when it is made again, or whether the run ends. The
run's threads.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from llmobs_trace.experiment import remote
from llmobs_trace.experiment.limits import (
    backoff,
    is_quota_used_up,
    is_rate_limit,
    is_transient,
    status_of,
)
from llmobs_trace.experiment.throttle import Stopping, Throttle
from llmobs_trace.experiment.work import Stop, Work


@dataclass
class Retries:
    """How often one call is made again, and was. A 429 uses up none."""

    most: int
    used: int = 0


def pause_before_another(
    work: Work, throttle: Throttle, error: BaseException, retries: Retries, started: float
) -> float | None:
    """After how many seconds of its own a call that failed is tried again; None where it is not. Raises
    `Stopping` where the provider ends the run, or the executor.
    """
    if isinstance(error, remote.LostWorker):
        if error.is_final:
            end_for(work, f"the executor is broken: {error}")
        return 0.0
    if is_quota_used_up(error):
        end_for(work, f"what was paid for is used up: {error}")
    if is_rate_limit(error) and retries.most > 0:
        pause, without_success = throttle.limited(error, started)
        if pause > work.options.max_wait:
            until = time.strftime("%H:%M", time.localtime(time.time() + pause))
            end_for(work, f"the provider asks to wait until {until}")
        if without_success > work.options.max_wait:
            end_for(work, f"nothing has succeeded for {work.options.max_wait:g} s, but 429")
        return 0.0  # the throttle has all of them wait
    if (status_of(error) or 0) >= 500:
        throttle.struggled()
    if retries.used < retries.most and _passes(work, error):
        retries.used += 1
        return backoff(retries.used - 1)
    return None


def _passes(work: Work, error: BaseException) -> bool:
    try:
        return is_transient(error, work.options.retry_on)
    except Exception as fault:  # the user's `retry_on`
        work.say(f"retry_on raised {type(fault).__name__} for {type(error).__name__}: it is not tried again")
        return is_transient(error)


def end_for(work: Work, why: str) -> None:
    """End the run for a reason that time may mend: the same command continues. Raises `Stopping`."""
    work.end(Stop("interrupted", why, 3))
    raise Stopping
