"""Reads an exception's message, whatever its `__str__` does. User's thread, on the error path only."""

from __future__ import annotations

from collections.abc import Callable

from llmobs_trace.encode import name_of


def message_of(error: BaseException) -> str:
    """An exception's message as text."""
    # `str` of an exception is what Python itself prints of it; one that raises is named by its type.
    try:
        return str.__str__(str(error))
    except BaseException as inner:
        if not is_its_own(inner, lambda: str(error)):
            raise
        return f"<{name_of(type(error))}: its message could not be read ({name_of(type(inner))})>"


def is_its_own(raised: BaseException, ask: Callable[[], object]) -> bool:
    """Whether the exception that is asked raised this itself, which may be a `SystemExit` or a
    `KeyboardInterrupt` too: that must not take the exception's place.

    Ctrl-C, and what a signal's handler raises, may come in just then and are the program's. Those come once,
    and what can't be read raises each time: so it is asked again.
    """
    if isinstance(raised, Exception):
        return True
    try:
        ask()
    except BaseException:
        return True
    return False
