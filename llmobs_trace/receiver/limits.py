"""Lists how long and how much: the bounds of one connection, as data."""

from __future__ import annotations

from msgspec import Struct


class Limits(Struct, frozen=True):
    """The defaults are what `llmobs-trace serve` has; tests take shorter times."""

    max_body_bytes: int = 16 << 20
    # Of all bodies together, as they come and while they are looked at: one as large as this library's own
    # are, and small ones beside it; and what the oldest has beyond that. Room for two was no faster.
    max_held_bytes: int = 6 << 20
    max_connections: int = 512
    head_seconds: float = 10.0
    idle_seconds: float = 75.0
    # A body has so many seconds, and one more for every so many bytes of it that came.
    body_seconds: float = 10.0
    body_pace_bytes: int = 256 << 10
    write_seconds: float = 30.0
    # What is sent after we have answered and closed is thrown away for so long, so that the answer arrives.
    linger_seconds: float = 3.0
    # While another program keeps the store busy: less than clients wait.
    store_seconds: float = 10.0
