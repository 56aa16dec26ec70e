"""An exception in, the wire's error out: its type, message and stack, as JSON. User's thread, on the error
path only.

The stack is the standard library's own text, chained causes and exception groups included.
"""

from __future__ import annotations

import os
import traceback

from llmobs_trace.encode import encode_text

_OURS = os.path.dirname(__file__) + os.sep

# A stack deeper than this keeps both of its ends (`traceback`'s own rule for repeated frames comes first).
_MAX_FRAMES = 200


class Failure:
    """What is kept of an exception: three texts, no reference to the exception, its frames or their
    locals.
    """

    __slots__ = ("message", "stack", "type")

    def __init__(self, error: BaseException) -> None:
        self.type = type(error).__name__
        self.message = message_of(error)
        self.stack = _stack(error)

    def encoded(self) -> dict[str, bytes]:
        return {
            "type": encode_text(self.type),
            "message": encode_text(self.message),
            "stack": encode_text(self.stack),
        }


def message_of(error: BaseException) -> str:
    """An exception's message as text."""
    # `str` of an exception is what Python itself prints of it; one that raises is named by its type.
    try:
        return str.__str__(str(error))
    except Exception as inner:
        return f"<{type(error).__name__}: its message could not be read ({type(inner).__name__})>"


def _stack(error: BaseException) -> str:
    try:
        told = traceback.TracebackException.from_exception(error, limit=-_MAX_FRAMES, compact=True)
        # The wrapper's own frame is no part of the user's program.
        told.stack[:] = [frame for frame in told.stack if not frame.filename.startswith(_OURS)]
        return "".join(told.format())
    except Exception as inner:
        # An exception whose `__str__` raises, a traceback at the recursion limit: the frames alone, else a
        # word.
        try:
            return "".join(traceback.format_tb(error.__traceback__, limit=-_MAX_FRAMES))
        except Exception:
            return f"<the stack could not be read ({type(inner).__name__})>"
