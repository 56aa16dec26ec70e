"""Says on stderr how far a run is: one line that changes in a terminal, one now and then elsewhere. The
calling thread.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from typing import TextIO

_PAUSE_SECONDS = 0.2
_PIPE_SECONDS = 30.0
_ERASE = "\r\x1b[K"


class ProgressLine:
    """`text` makes the line of the counts at that moment."""

    def __init__(self, text: Callable[[], str], share: Callable[[], float], wanted: bool | None) -> None:
        self._stream: TextIO | None = None if wanted is False else sys.stderr
        self._text = text
        self._share = share
        self._shown_at = time.monotonic()
        self._share_shown = 0.0
        self._is_shown = False
        self._is_terminal = self._stream is not None and self._can_change(self._stream)

    @staticmethod
    def _can_change(stream: TextIO) -> bool:
        try:
            return stream.isatty() and os.environ.get("TERM") != "dumb"
        except ValueError:  # it is closed
            return False

    def tick(self) -> None:
        """Show where the run is, if it is time to."""
        if self._stream is None:
            return
        now = time.monotonic()
        if self._is_terminal:
            if now - self._shown_at >= _PAUSE_SECONDS:
                self._shown_at, self._is_shown = now, True
                self._write(f"{_ERASE}{self._cut(self._text())}")
            return
        share = self._share()
        if share - self._share_shown >= 0.1 or now - self._shown_at >= _PIPE_SECONDS:
            self._shown_at, self._share_shown = now, share
            self._write(f"{self._text()}\n")

    def say(self, text: str) -> None:
        """A line that stays, above the one that changes."""
        if self._stream is not None:
            self._write(f"{_ERASE if self._is_shown else ''}{text}\n")

    def end(self) -> None:
        """Take the changing line away."""
        if self._is_shown:
            self._is_shown = False
            self._write(_ERASE)

    def _cut(self, text: str) -> str:
        try:
            columns = os.get_terminal_size(self._stream.fileno()).columns  # type: ignore[union-attr]
        except (OSError, ValueError):
            return text
        return text if len(text) < columns else text[: max(columns - 2, 0)] + "…"

    def _write(self, text: str) -> None:
        try:
            self._stream.write(text)  # type: ignore[union-attr]
            self._stream.flush()  # type: ignore[union-attr]
        except (OSError, ValueError):
            self._stream = None  # nobody reads it any more
