"""Defines what the doctor says of one thing that it looked at; data alone."""

from __future__ import annotations

from msgspec import Struct


class Check(Struct, frozen=True):
    """One thing looked at; `ok` is None where what was found says neither yes nor no."""

    what: str
    ok: bool | None
    detail: str
