"""Names the exit codes, and how a command that can't go on says so; on any thread."""

from __future__ import annotations

from typing import Final

PROGRAM: Final = "llmobs-trace"
DONE, NO, MISUSE, CANNOT_TELL = 0, 1, 2, 3
# As a shell says of a program that ended by SIGINT, and of one that wrote to a closed pipe: neither was done.
INTERRUPTED, PIPE_CLOSED = 130, 141


class Refusal(Exception):
    """A command can't go on: what to say, and the exit code."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code
