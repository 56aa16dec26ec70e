"""The same machine and receiver that the promises have."""

from __future__ import annotations

from promises.conftest import machine, receiver

__all__ = ["machine", "receiver"]
