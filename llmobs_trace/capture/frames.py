"""Writes the frames of a traceback as the standard library does. User's thread, on the error path only.

Each decorated function and each block that an exception leaves tells of its stack, which is one frame or two
longer each time. To format all of it each time costs the square of the depth: so the text of the stacks told
last is kept, and a longer one adds its own frames to it. Stacks are known again by their frames' code and the
places in it. Those and texts are all that is kept, no frame and no exception.
"""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable
from operator import attrgetter
from types import CodeType, TracebackType
from typing import NamedTuple, TypeVar

from llmobs_trace.capture.sources import may_be_read

T = TypeVar("T")

_OURS = os.path.dirname(__file__) + os.sep

# A longer stack keeps its inner end.
_MAX_FRAMES = 200
# How often a line is shown where it follows itself, as by recursion: `traceback`'s own rule.
_SHOWN_REPEATS = 3
# How many stacks, and frames, are kept: a few hundred kilobytes.
_KEPT_STACKS, _KEPT_FRAMES = 16, 1024


class _Frame(NamedTuple):
    """One frame as text; of the same `place` as another it is a repetition. None where it is ours."""

    code: CodeType  # so that nothing else is known by its id
    place: tuple[str, int | None, str] | None
    text: str | None


class _Stack(NamedTuple):
    """A stack told before: how to know it again, and its text but for the outermost frames of one place,
    which a longer stack may repeat.
    """

    codes: list[CodeType]  # so that nothing else is known by their ids
    ids: list[int]
    places: list[int]
    first: _Run
    rest: str


class _Run(NamedTuple):
    """Frames of one place that follow each other."""

    place: tuple[str, int | None, str] | None
    repeats: int
    shown: tuple[str, ...]

    def text(self) -> str:
        more = self.repeats - _SHOWN_REPEATS
        told = f"  [Previous line repeated {more} more time{'s' if more > 1 else ''}]\n" if more > 0 else ""
        return "".join(self.shown) + told


_NOTHING = _Stack([], [], [], _Run(None, 0, ()), "")

# By the innermost frame's code and the place in it.
_stacks: dict[tuple[int, int], _Stack] = {}
# By code and the place in it.
_texts: dict[tuple[int, int], _Frame] = {}

_code_of: Callable[[TracebackType], CodeType] = attrgetter("tb_frame.f_code")
# What the text of a frame depends on: from 3.11 on the instruction, before that the line.
_place_of: Callable[[TracebackType], int] = attrgetter(
    "tb_lasti" if sys.version_info >= (3, 11) else "tb_lineno"
)


def frames_of(trace: TracebackType | None) -> str:
    """The frames of a traceback as text: what is known of it already, and the others before that."""
    steps: list[TracebackType] = []
    while trace is not None:
        steps.append(trace)
        trace = trace.tb_next
    if not steps:
        return ""
    del steps[:-_MAX_FRAMES]
    codes = list(map(_code_of, steps))
    ids, places = list(map(id, codes)), list(map(_place_of, steps))
    known = _stacks.get((ids[-1], places[-1]), _NOTHING)
    new = len(steps) - len(known.ids)
    if new < 0 or ids[new:] != known.ids or places[new:] != known.places:
        known, new = _NOTHING, len(steps)
    if new:
        first, rest = _longer(known, [_frame(step) for step in steps[:new]])
        known = _Stack(codes, ids, places, first, rest)
        # Somebody's own traceback may say a line without its instruction.
        if -1 not in places:
            _keep(_stacks, _KEPT_STACKS, (ids[-1], places[-1]), known)
    return known.first.text() + known.rest


def _longer(known: _Stack, frames: list[_Frame]) -> tuple[_Run, str]:
    """A stack's first run and the text of its rest, with other frames before what is known."""
    first, rest = known.first, known.rest
    for frame in reversed(frames):
        if frame.text is None:
            continue
        if frame.place == first.place:
            shown = (frame.text, *first.shown[: _SHOWN_REPEATS - 1])
            first = _Run(first.place, first.repeats + 1, shown)
        else:
            rest = first.text() + rest
            first = _Run(frame.place, 1, (frame.text,))
    return first, rest


def _frame(step: TracebackType) -> _Frame:
    code, place = step.tb_frame.f_code, _place_of(step)
    frame = _texts.get((id(code), place))
    if frame is None:
        frame = _formatted(step, code)
        if place != -1:
            _keep(_texts, _KEPT_FRAMES, (id(code), place), frame)
    return frame


def _keep(kept: dict[tuple[int, int], T], at_most: int, key: tuple[int, int], value: T) -> None:
    if len(kept) >= at_most:
        kept.clear()
    kept[key] = value


def _formatted(step: TracebackType, code: CodeType) -> _Frame:
    """A frame as the standard library tells of it."""
    if code.co_filename.startswith(_OURS):
        return _Frame(code, None, None)
    alone = TracebackType(None, step.tb_frame, step.tb_lasti, step.tb_lineno)
    told = traceback.TracebackException(BaseException, None, alone, lookup_lines=False).stack  # type: ignore[arg-type]
    (summary,) = told
    filename, line, name = summary.filename, summary.lineno, summary.name
    if not may_be_read(filename):
        told[0] = traceback.FrameSummary(filename, line, name, lookup_line=False, line="")
    return _Frame(code, (filename, line, name), "".join(told.format()))
