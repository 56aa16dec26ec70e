"""Counts a span that another tracer has current among the active ones. User's thread.

Such a tracer keeps its current span in a place of its own, and says nothing when that changes: it has to be
asked. Whoever knows it `listen`s; from then on the table of blocks is never empty, which is how `active`
knows to look further, and nobody else pays for the question.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable

from llmobs_trace.capture import active
from llmobs_trace.capture.entry import Active, Chain, FrameBlocks


class CurrentElsewhere(FrameBlocks):
    """A span that another tracer has current, whatever is on the stack; `outer` is what it was opened in.

    What is opened inside it stays active when it is current no more.
    """

    __slots__ = ()

    is_on_stack = False

    def __init__(self, entry: Active, outer: FrameBlocks | None) -> None:
        self.outer = outer
        self.refs = [weakref.ref(entry)]

    def innermost(self) -> Active | None:
        """Ended or not: a task goes on in the context in which it was made."""
        return self.refs[0]()


def listen(current: Callable[[Chain | None], CurrentElsewhere | None] | None) -> None:
    """Ask `current` which span another tracer has current, unless the given chain shows that already; None in
    its place ends that.
    """
    active._elsewhere = current
    if current is None:
        active._blocks.pop(active.NO_FRAME, None)
    else:
        active._blocks[active.NO_FRAME] = FrameBlocks(None)
