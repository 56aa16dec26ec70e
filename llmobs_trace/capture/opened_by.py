"""Finds which of the entries that one object has open is the one that is left now. User's thread."""

from __future__ import annotations

from types import FrameType
from typing import Any, TypeVar, cast

from llmobs_trace.capture import active
from llmobs_trace.capture.entry import Active

E = TypeVar("E", bound="Active | None")


def take(entries: list[E], opened_by: object, frame: FrameType | None) -> E | None:
    """Remove and give the entry that is left, of several that one object has open, as by recursion, in tasks
    or in threads: the last that this frame, else this task or thread, made, else one that is active nowhere.
    """
    entry = _own(entries, opened_by, frame)
    try:
        entries.remove(entry)  # in one step, whatever other threads open and leave meanwhile
    except ValueError:
        return None  # somebody else's, who left it just now
    return entry


def _own(entries: list[E], opened_by: object, frame: FrameType | None) -> E:
    chain = active.current_chain()
    # Where its owner stands: thousands of tasks may have the same object open.
    blocks = active._blocks.get(id(frame))
    in_frame = [reference() for reference in blocks.refs] if blocks is not None else []
    for found in (*in_frame[::-1], *chain.spans[::-1]):
        if getattr(found, "_opened_by", None) is opened_by:
            own = cast(E, found)
            if own is not None and (own._frame is None or own._frame is frame):
                return own
    if entries[0] is None or entries[0]._chain is None:
        return entries[0]  # one that is active nowhere is as good as any other
    # Opened elsewhere, or left out of order.
    latest = entries[::-1]
    found_here: list[Any] = (
        [entry for entry in latest if entry is not None and entry._frame is frame is not None]
        or [entry for entry in latest if entry is not None and entry._chain is chain]
        or [entry for entry in latest if entry is None or entry._chain is None]
    )
    elsewhere: E = (found_here or latest)[0]
    return elsewhere
