"""Says on stderr how far a run is: one line that changes in a terminal and in a notebook, one now and then
elsewhere. The calling thread.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from typing import Any, TextIO

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
        self._cell = None if self._stream is None or self._is_terminal else _notebook_cell()

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
        if self._is_terminal or self._cell is not None:
            if now - self._shown_at >= _PAUSE_SECONDS:
                self._shown_at, self._is_shown = now, True
                self._change(self._text())
            return
        share = self._share()
        if share - self._share_shown >= 0.1 or now - self._shown_at >= _PIPE_SECONDS:
            self._shown_at, self._share_shown = now, share
            self._write(f"{self._text()}\n")

    def say(self, text: str) -> None:
        """A line that stays, above the one that changes."""
        if self._stream is not None:
            self._write(f"{_ERASE if self._is_shown and self._is_terminal else ''}{text}\n")

    def end(self) -> None:
        """Take the changing line away."""
        if self._is_shown:
            self._is_shown = False
            self._change("")

    def _change(self, text: str) -> None:
        if self._cell is None:
            self._write(f"{_ERASE}{self._cut(text)}")
        else:
            with suppress(Exception):  # the notebook's own, which may be gone
                self._cell(text)

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


def _notebook_cell() -> Callable[[str], None] | None:
    """What changes a line of a notebook's cell; None where this is no notebook. No widget, so that every
    front end shows it.
    """
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    if shell is None or not hasattr(shell, "kernel"):
        return None
    display = import_module("IPython.display").display
    handle: Any = None

    def change(text: str) -> None:
        nonlocal handle
        shown = {"text/plain": text}
        if handle is None:
            handle = display(shown, raw=True, display_id=True)
        else:
            handle.update(shown, raw=True)

    return change
