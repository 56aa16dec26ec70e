"""Keeps what a signal handler records while the library is being set up. The thread that sets up.

Setting up takes some milliseconds, imports above all. A handler's span that came in meanwhile would begin it
once more, within itself, and again with each further signal.
"""

from __future__ import annotations

import secrets

from llmobs_trace.capture.recorder import Recorder, Scope
from llmobs_trace.encode import encode_text


class Early:
    """A recorder for as long as there is none. The ids are not known yet: others stand in their places."""

    def __init__(self) -> None:
        first, second, third = (f"early-{secrets.token_hex(8)}" for _ in range(3))
        self._ids = (first, second, third)
        self._lines: list[bytes] = []
        self.recorder = Recorder(self._lines.append, Scope(*self._ids))

    @property
    def has_records(self) -> bool:
        """Whether anything waits."""
        return bool(self._lines)

    def hand_over(self, recorder: Recorder) -> None:
        """From now on everything goes there, and so does what came until now."""
        ids = zip(self._ids, recorder.scope.ids, strict=True)
        names = [(encode_text(mine), encode_text(its)) for mine, its in ids]

        def append(line: bytes) -> None:
            for mine, its in names:
                line = line.replace(mine, its, 1)
            recorder.append(line)

        self.recorder.append = append
        while self._lines:
            append(self._lines.pop(0))
