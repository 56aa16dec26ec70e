"""Turns an exception into the wire's error: its type, message and stack. User's thread, on the error path
only.
"""

from __future__ import annotations

from llmobs_trace.capture.frames import frames_of
from llmobs_trace.capture.message import is_its_own, message_of
from llmobs_trace.capture.traceback_text import stack_of
from llmobs_trace.encode import name_of


class Failure:
    """What is kept of an exception: three texts, no reference to the exception, its frames or their
    locals.
    """

    __slots__ = ("message", "stack", "type")

    def __init__(self, error: BaseException) -> None:
        self.type = name_of(type(error))
        self.message = message_of(error)
        self.stack = _stack(error)

    @classmethod
    def told(cls, type: str, message: str) -> Failure:
        """What somebody says went wrong, without an exception."""
        made = cls.__new__(cls)
        made.type, made.message, made.stack = type, message, ""
        return made


def _stack(error: BaseException) -> str:
    try:
        return stack_of(error)
    except BaseException as inner:
        if not is_its_own(inner, lambda: stack_of(error)):
            raise
        # An exception whose `__notes__` raises, a traceback at the recursion limit: the frames alone, else a
        # word.
        try:
            return frames_of(error.__traceback__)
        except Exception:
            return f"<the stack could not be read ({name_of(type(inner))})>"
