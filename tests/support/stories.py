"""A call in, its story out: what it returned, or all there is to know of the exception that left it."""

from __future__ import annotations

import os
import types
from pathlib import Path

import llmobs_trace

PACKAGE = str(Path(llmobs_trace.__file__).parent) + os.sep


class Unequal(Exception):
    """An exception of the user's: compared by identity."""


def fresh(error):
    """One exception object serves several runs: forget the last."""
    error.__cause__ = error.__context__ = error.__traceback__ = None
    error.__suppress_context__ = False
    if hasattr(error, "__notes__"):
        del error.__notes__
    return error


def frames(error):
    """Which functions an exception passed, outermost first: ours apart from the user's."""
    ours, theirs = [], []
    trace = error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        (ours if code.co_filename.startswith(PACKAGE) else theirs).append((code.co_name, trace.tb_lineno))
        trace = trace.tb_next
    return ours, theirs


def told(act, *args, ours_at_most=1):
    """("returned", value), or ("raised", the exception, its surroundings, its frames but for one of ours)."""
    try:
        return "returned", act(*args)
    except BaseException as error:
        ours, theirs = frames(error)
        assert len(ours) <= ours_at_most, f"{len(ours)} frames of ours: {ours}"
        return (
            "raised",
            error if isinstance(error, Unequal) else (type(error), str(error)),
            error.__cause__ if isinstance(error.__cause__, Unequal) else repr(error.__cause__),
            error.__context__ if isinstance(error.__context__, Unequal) else repr(error.__context__),
            error.__suppress_context__,
            getattr(error, "__notes__", None),
            theirs,
        )


@types.coroutine
def one_step(value=None):
    """Await once, of nobody in particular."""
    return (yield value)


def step_through(awaitable, steps=50):
    """Run an awaitable without a loop."""
    iterator = awaitable.__await__()
    for _ in range(steps):
        try:
            next(iterator)
        except StopIteration as stop:
            return stop.value
    raise AssertionError("it goes on")
