"""Decides what is tried again and when: which errors pass, how long to wait, how many calls at once. Any
thread; nothing here waits.
"""

from __future__ import annotations

import email.utils
import random
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

TRANSIENT_STATUSES = frozenset({408, 409, 425, 429, *range(500, 600)})
# By the name of the class: no client is imported to be asked.
_TRANSPORT_ERRORS = {
    "httpx": "TransportError",
    "httpcore": "NetworkError",
    "requests": "ConnectionError",
    "aiohttp": "ClientConnectionError",
    "openai": "APIConnectionError",
    "anthropic": "APIConnectionError",
}
_SHORTEST_SECONDS, _LONGEST_SECONDS = 1.0, 60.0

RetryOn = Callable[[BaseException], bool] | tuple[type[BaseException], ...]


def status_of(error: BaseException) -> int | None:
    """The HTTP status that an exception carries, whoever's it is; None where there is none. Only integers
    count: a text with digits is a message.
    """
    response = getattr(error, "response", None)
    for holder, name in (
        (error, "status_code"),
        (error, "status"),
        (error, "code"),
        (response, "status_code"),
        (response, "status"),
    ):
        found = getattr(holder, name, None)
        if isinstance(found, int) and not isinstance(found, bool):
            return int(found)
    return None


def is_rate_limit(error: BaseException) -> bool:
    """Whether the provider asks for fewer requests."""
    return status_of(error) == 429 or _is_called(error, "RateLimitError")


def is_quota_used_up(error: BaseException) -> bool:
    """Whether waiting won't help: what was paid for is used up."""
    body = getattr(error, "body", None)
    inner = body.get("error", body) if isinstance(body, Mapping) else None
    said = [getattr(error, name, None) for name in ("code", "type")]
    if isinstance(inner, Mapping):
        said += [inner.get("code"), inner.get("type")]
    return "insufficient_quota" in said


def is_transient(error: BaseException, retry_on: RetryOn | None = None) -> bool:
    """Whether the same call may succeed later."""
    if retry_on is not None:
        asked = isinstance(error, retry_on) if isinstance(retry_on, tuple) else retry_on(error)
        if asked:
            return True
    if isinstance(error, AttemptTimeout):
        return False
    status = status_of(error)
    if status is not None and status in TRANSIENT_STATUSES:
        return True
    if isinstance(error, (ConnectionError, TimeoutError)):
        return True
    return _is_called(error, "RateLimitError") or any(
        base.__module__.partition(".")[0] in _TRANSPORT_ERRORS
        and base.__name__ == _TRANSPORT_ERRORS[base.__module__.partition(".")[0]]
        for base in type(error).__mro__
    )


def _is_called(error: BaseException, name: str) -> bool:
    return any(base.__name__ == name for base in type(error).__mro__)


class AttemptTimeout(TimeoutError):
    """An attempt took longer than the run's own `timeout`: it is not tried again unless `retry_on` says
    so.
    """


# --- How long to wait ---------------------------------------------------------------------------------------


def asked_to_wait(error: BaseException, now: float | None = None) -> float | None:
    """The seconds that the response of an exception asks to wait, by its headers; None where it does not."""
    headers = getattr(getattr(error, "response", None), "headers", None)
    if headers is None or not hasattr(headers, "get"):
        return None
    found = _milliseconds(_header(headers, "retry-after-ms"))
    if found is not None:
        return found
    after = _header(headers, "retry-after")
    if after is not None:
        seconds = _number(after)
        if seconds is not None:
            return seconds
        try:
            until = email.utils.parsedate_to_datetime(after).timestamp()
        except (TypeError, ValueError):
            return None
        return max(until - (time.time() if now is None else now), 0.0)
    resets = [
        seconds
        for name in ("x-ratelimit-reset", "x-ratelimit-reset-requests", "x-ratelimit-reset-tokens")
        if (seconds := _reset(_header(headers, name), time.time() if now is None else now)) is not None
    ]
    return max(resets, default=None)


def _header(headers: Any, name: str) -> str | None:
    value = headers.get(name)
    if value is None:
        value = headers.get(name.title())
    return value if isinstance(value, str) else None


def _number(text: str | None) -> float | None:
    try:
        value = float(text) if text is not None else None
    except ValueError:
        return None
    return value if value is not None and 0.0 <= value < 1e9 else None


def _milliseconds(text: str | None) -> float | None:
    value = _number(text)
    return None if value is None else value / 1000


_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)")
_SPELT = re.compile(rf"(?:{_PART.pattern})+")


def _reset(text: str | None, now: float) -> float | None:
    """`12`, `0.5`, `1m30s`, `250ms`, or seconds since the epoch."""
    if text is None:
        return None
    try:
        value = float(text)
    except ValueError:
        return _spelt(text)
    return max(value - now, 0.0) if value > 1e9 else max(value, 0.0)


def _spelt(text: str) -> float | None:
    if _SPELT.fullmatch(text.strip()) is None:
        return None
    return sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(text))


def backoff(tried: int, draw: Callable[[], float] = random.random) -> float:
    """Seconds before the next attempt: anything up to 1 s, doubled with each that failed, at most 60 s. The
    full jitter of Amazon's "Exponential Backoff and Jitter" (Brooker, 2015).
    """
    return float(draw() * min(_SHORTEST_SECONDS * 2.0 ** min(tried, 10), _LONGEST_SECONDS))


# --- How many at once ---------------------------------------------------------------------------------------


@dataclass
class Width:
    """How many calls of one function may run at once: halved by a 429, grown by one after as many successes
    as it is wide, while it is the limit that binds. Used under the schedule's lock.
    """

    most: int
    now: int = 0
    paused_until: float = 0.0  # monotonic; 0 where nothing pauses
    _succeeded: int = field(default=0, repr=False)
    _holds_until: float = field(default=0.0, repr=False)
    _limited: int = field(default=0, repr=False)  # 429s in a row, for the backoff

    def __post_init__(self) -> None:
        self.now = self.now or self.most

    def limited(self, error: BaseException, started: float, now: float) -> float:
        """A 429 of a call that started then: the seconds for which nothing new may start."""
        asked = asked_to_wait(error)
        # Those that were in flight when the first one came say nothing new.
        if started >= self._holds_until or self._limited == 0:
            self.now = max(self.now // 2, 1)
            self._limited += 1
            self._succeeded = 0
            self._holds_until = now
        pause = asked if asked is not None else backoff(self._limited - 1)
        self.paused_until = max(self.paused_until, now + pause)
        return pause

    def succeeded(self, *, binds: bool) -> None:
        """A call came to its end; `binds` says whether others waited for the width alone."""
        self._limited = 0
        if self.now >= self.most or not binds:
            return
        self._succeeded += 1
        if self._succeeded >= self.now:
            self.now += 1
            self._succeeded = 0

    def struggled(self) -> None:
        """A 5xx: the width is kept, and grows later."""
        self._succeeded = 0
