"""An exception in, the wire's error out: its type, message and stack, as JSON. User's thread, on the error
path only.

The stack is the standard library's own text, chained causes and exception groups included.
"""

from __future__ import annotations

import functools
import os
import traceback
from types import FunctionType
from typing import Any

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


def message_of(error: BaseException) -> str:
    """An exception's message as text."""
    # `str` of an exception is what Python itself prints of it; one that raises is named by its type.
    try:
        return str.__str__(str(error))
    except Exception as inner:
        return f"<{type(error).__name__}: its message could not be read ({type(inner).__name__})>"


def _stack(error: BaseException) -> str:
    try:
        told = _told(traceback.TracebackException.__init__).from_exception(
            error, limit=-_MAX_FRAMES, compact=True
        )
        _leave_out_our_frames(told)
        return "".join(told.format())
    except Exception as inner:
        # An exception whose `__str__` raises, a traceback at the recursion limit: the frames alone, else a
        # word.
        try:
            return "".join(traceback.format_tb(error.__traceback__, limit=-_MAX_FRAMES))
        except Exception:
            return f"<the stack could not be read ({type(inner).__name__})>"


@functools.lru_cache(maxsize=2)
def _told(init: Any) -> type[traceback.TracebackException]:
    """The standard library's text without its "Did you mean …?", for which 3.12 and later ask the user's
    objects: `dir` of the one that lacks an attribute, an attribute of `self` where a name is not defined.

    `init` is `TracebackException.__init__`, which the backport of exception groups exchanges.
    """
    names = {**init.__globals__, "_compute_suggestion_error": lambda *asked: None}
    quiet = FunctionType(init.__code__, names, init.__name__, init.__defaults__, init.__closure__)
    quiet.__kwdefaults__ = init.__kwdefaults__
    kind = type("TracebackException", (traceback.TracebackException,), {"__init__": quiet})
    # By these names it makes those of the causes, the contexts and a group's members.
    names["TracebackException"] = names["PatchedTracebackException"] = kind
    return kind


def _leave_out_our_frames(told: traceback.TracebackException) -> None:
    """A wrapper's own frame is no part of the user's program."""
    pending: list[traceback.TracebackException | None] = [told]
    while pending:
        found = pending.pop()
        if found is not None:
            found.stack[:] = [frame for frame in found.stack if not frame.filename.startswith(_OURS)]
            pending += [found.__cause__, found.__context__, *(getattr(found, "exceptions", None) or ())]
