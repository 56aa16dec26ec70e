"""Fails a share of requests on purpose, as the user asked for. The loop's thread.

A seed makes the same sequence again; with one client, which request fails is then always the same.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import Final

from msgspec import Struct

from llmobs_trace.receiver.http import Reply
from llmobs_trace.receiver.problems import Headers, problem, too_many_requests

SERVER_ERRORS: Final = (500, 502, 503, 504)
_WORDS: Final = "rehearsed: nothing is wrong, and nothing was kept"


class Script(Struct, frozen=True):
    """Percentages of requests; times. Together the percentages are at most 100.

    `too_many_percent`: 429, to be tried again after `retry_after_seconds`. `server_error_percent`: one of
    `SERVER_ERRORS`. `drop_percent`: closed without an answer, every other time after the events were kept.
    `latency_ms`: from, to. `rate`: so many requests in so many seconds, and 429 for those beyond.
    """

    too_many_percent: float = 0.0
    server_error_percent: float = 0.0
    drop_percent: float = 0.0
    latency_ms: tuple[float, float] = (0.0, 0.0)
    retry_after_seconds: int = 1
    rate: tuple[int, int] | None = None
    seed: int | None = None


class Fate(Struct, frozen=True):
    """What happens to one request: `instead` is answered in place of anything, `headers` go with what is."""

    latency_seconds: float = 0.0
    instead: Reply | None = None
    drop_before: bool = False
    drop_after: bool = False
    headers: Headers = ()


class Rehearsal:
    """Deals out fates; `clock` is in seconds."""

    def __init__(self, script: Script, clock: Callable[[], float] = time.monotonic) -> None:
        self._script = script
        self._random = random.Random(script.seed)
        self._clock = clock
        self._window_began = clock()
        self._window_count = 0

    def next(self) -> Fate:
        """The fate of the next request."""
        script = self._script
        latency_seconds = self._random.uniform(*script.latency_ms) / 1000
        drawn = self._random.uniform(0, 100)
        status = self._random.choice(SERVER_ERRORS)
        kept_first = self._random.random() < 0.5
        within, headers = self._rate()
        if not within:
            return Fate(latency_seconds, too_many_requests(headers))
        if drawn < script.too_many_percent:
            return Fate(latency_seconds, too_many_requests(_told(1, 1, 0, script.retry_after_seconds)))
        drawn -= script.too_many_percent
        if drawn < script.server_error_percent:
            return Fate(latency_seconds, problem(status, _WORDS))
        drawn -= script.server_error_percent
        if drawn < script.drop_percent:
            return Fate(latency_seconds, drop_before=not kept_first, drop_after=kept_first)
        return Fate(latency_seconds, headers=headers)

    def _rate(self) -> tuple[bool, Headers]:
        """Whether the next request is within the rate, and what its sender is told of it."""
        if self._script.rate is None:
            return True, ()
        most, period_seconds = self._script.rate
        now = self._clock()
        if now - self._window_began >= period_seconds:
            self._window_began, self._window_count = now, 0
        self._window_count += 1
        left_seconds = max(1, round(self._window_began + period_seconds - now + 0.5))
        within = self._window_count <= most
        told = _told(most, period_seconds, max(0, most - self._window_count), left_seconds)
        return within, told[:-1] if within else told


def _told(most: int, period_seconds: int, left: int, reset_seconds: int) -> Headers:
    """The headers of Datadog's rate limits; the last one is everybody's."""
    return (
        ("X-RateLimit-Limit", str(most)),
        ("X-RateLimit-Period", str(period_seconds)),
        ("X-RateLimit-Remaining", str(left)),
        ("X-RateLimit-Reset", str(reset_seconds)),
        ("X-RateLimit-Name", "llm_obs_experiment_events"),
        ("Retry-After", str(reset_seconds)),
    )
