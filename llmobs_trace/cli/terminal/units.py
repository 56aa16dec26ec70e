"""Writes numbers as a person reads them; on any thread."""

from __future__ import annotations

import math
from datetime import datetime, timezone


def duration(nanoseconds: int) -> str:
    """`850 ns`, `12.3 µs`, `4.5 ms`, `1.20 s`, `3 m 05 s`, `2 h 03 m`."""
    if nanoseconds < 0:
        return f"-{duration(-nanoseconds)}"
    if nanoseconds < 1_000:
        return f"{nanoseconds} ns"
    for unit, size in (("µs", 1_000), ("ms", 1_000_000)):
        if nanoseconds < size * 999.95:
            return f"{nanoseconds / size:.1f} {unit}"
    seconds = nanoseconds / 1_000_000_000
    if seconds < 59.995:
        return f"{seconds:.2f} s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60} m {whole % 60:02} s"
    minutes = whole // 60
    return f"{minutes // 60} h {minutes % 60:02} m"


def moment(since_epoch_ns: int | None) -> str:
    """Local time, to the second, and how far it is from UTC, since times are compared with other machines':
    `2026-03-01 14:05:09+01:00`; `-` for none, and where it is beyond the calendar.
    """
    if since_epoch_ns is None:
        return "-"
    try:
        utc = datetime.fromtimestamp(since_epoch_ns // 1_000_000_000, timezone.utc)
        return utc.astimezone().isoformat(" ")
    except (OverflowError, ValueError, OSError):
        return "-"


def number(value: float) -> str:
    """Up to four significant digits: `0.8333`, `12.5`, `3`, `1.2e+09`."""
    return f"{value:.4g}"


def dollars(amount: float) -> str:
    """`$0`, `$0.000423`, `$0.0123`, `$0.50`, `$1.23`, `$1,234`: up to three digits that say something."""
    if amount <= 0 or amount >= 999.995:
        return f"${amount:,.0f}" if amount < 1e15 else f"${amount:.3g}"
    if amount < 1e-9:
        return f"${amount:.2g}"
    digits = 2 if amount >= 1 else 2 - math.floor(math.log10(amount))
    whole, _, decimals = f"{amount:.{digits}f}".partition(".")
    return f"${whole}.{decimals.rstrip('0'):0<2}"


def size(count_bytes: int) -> str:
    """`512 bytes`, `8 KiB`, `12.3 MiB`, `4 GiB`."""
    if count_bytes < 1024:
        return counted(count_bytes, "byte")
    for unit, of in (("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30)):
        if count_bytes < 1000 * of or unit == "GiB":
            break
    return f"{round(count_bytes / of, 1):g} {unit}"


def counted(count: int, what: str) -> str:
    """`1 span`, `2,000 spans`, `3 processes`."""
    return f"{count:,} {what}" if count == 1 else f"{count:,} {what}{'es' if what.endswith('s') else 's'}"


def share(part: int, whole: int) -> str:
    """`38 (95%)`; 100% for nothing less than all, 0% for nothing more than none."""
    if not whole:
        return str(part)
    percent = round(100 * part / whole)
    if part < whole:
        percent = min(percent, 99)
    if part:
        percent = max(percent, 1)
    return f"{part} ({percent}%)"
