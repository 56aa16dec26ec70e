"""Says for a block to whom root spans belong that are opened within it. User's thread, and what that starts.

It stands where open spans do, so that threads, tasks and jobs that are started in the block have it too, and
others don't; but it is nobody's parent.
"""

from __future__ import annotations

from types import FrameType

from llmobs_trace.capture import active
from llmobs_trace.capture.entry import Active, Carried
from llmobs_trace.capture.recorder import Scope
from llmobs_trace.capture.span import clock_ns


def begin_roots(scope: Scope, frame: FrameType) -> Active:
    """From now on, roots that are opened within the block that `frame` entered belong to `scope`."""
    entry = Carried("", "", scope, False)
    entry._opened_ns = clock_ns()
    active.place(entry, active.current_chain(), frame)
    return entry


def end_roots(entry: Active) -> None:
    """The end of the block."""
    active.leave(entry)
