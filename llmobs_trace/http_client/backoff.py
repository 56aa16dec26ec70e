"""Decides when to try again: growing delays with full jitter, and what the server asks for. Pure, any thread.

Full jitter (a delay anywhere from zero to the bound) spreads the programs that one outage hit together; see
"Exponential Backoff And Jitter" in the AWS Architecture Blog for its measurements against other kinds.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Final

from msgspec import Struct

# A server that asks for more gets this much: a wrong header must not stop delivery for good.
MAX_ASKED_SECONDS: Final = 3600.0


class Pace(Struct, frozen=True, kw_only=True):
    """How fast delays grow, in seconds: the first is at most `base`, none is more than `cap`.

    `pause` and `pause_cap` are the same for an experiment whose delivery is paused.
    """

    base_seconds: float = 1.0
    cap_seconds: float = 30.0
    pause_seconds: float = 60.0
    pause_cap_seconds: float = 600.0


def retry_delay(failures: int, chance: float, pace: Pace) -> float:
    """Seconds until the next try after so many failures in a row (1 or more); `chance` is from [0, 1)."""
    return chance * _grown(pace.base_seconds, pace.cap_seconds, failures)


def pause_delay(failures: int, chance: float, pace: Pace) -> float:
    """Seconds until a paused experiment is tried again: half the bound at least, as somebody must act."""
    return (0.5 + chance / 2) * _grown(pace.pause_seconds, pace.pause_cap_seconds, failures)


def asked_delay(asked_seconds: float, chance: float) -> float:
    """Seconds to wait where the server asked for some: never less, and spread a little after the moment."""
    return asked_seconds + chance * min(1.0, asked_seconds / 10)


def asked_seconds(status: int, headers: Mapping[str, str], now_s: float) -> float | None:
    """How long the server asks to be left alone, by its headers (lower case); None where it doesn't.

    `Retry-After` holds seconds or a date; a date is compared with the server's own `Date`, if it sent one,
    since its clock and ours (`now_s`, seconds since the epoch) may differ. `X-RateLimit-Reset` holds
    seconds until the limit is reset; Datadog sends it on other answers too, where it only counts if nothing
    remains.
    """
    asked = _retry_after(headers, now_s)
    if asked is None and (status == 429 or headers.get("x-ratelimit-remaining", "").strip() == "0"):
        asked = _seconds(headers.get("x-ratelimit-reset", ""))
    return None if asked is None else min(asked, MAX_ASKED_SECONDS)


def _retry_after(headers: Mapping[str, str], now_s: float) -> float | None:
    text = headers.get("retry-after", "")
    seconds = _seconds(text)
    if seconds is not None:
        return seconds
    at_s = _date(text)
    if at_s is None:
        return None
    server_now_s = _date(headers.get("date", ""))
    return max(0.0, at_s - (now_s if server_now_s is None else server_now_s))


def _seconds(text: str) -> float | None:
    try:
        seconds = float(text)
    except ValueError:
        return None
    return seconds if math.isfinite(seconds) and seconds >= 0 else None


def _date(text: str) -> float | None:
    if not text:
        return None
    try:
        return parsedate_to_datetime(text).timestamp()
    except Exception:  # of which kinds is a matter of the Python
        return None


def _grown(base: float, cap: float, failures: int) -> float:
    # Beyond 2**60 the power says no more than the cap, and a float can't hold it for ever.
    return float(min(cap, base * 2 ** min(failures - 1, 60)))
