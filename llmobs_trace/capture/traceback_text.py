"""Writes an exception's stack in the standard library's own words, causes and groups included. User's
thread, on the error path only.

Programs wrap an exception at each level that it passes, in another or in a group: what is told of a chain and
of a group is bounded, or a level would cost the more the deeper it is.
"""

from __future__ import annotations

import builtins
import functools
import sys
import traceback
from types import FunctionType
from typing import Any

from llmobs_trace.capture.frames import frames_of
from llmobs_trace.capture.message import message_of

_HEADER = "Traceback (most recent call last):\n"
_CAUSE = "\nThe above exception was the direct cause of the following exception:\n\n"
_CONTEXT = "\nDuring handling of the above exception, another exception occurred:\n\n"
_LEFT_OUT = "… [more exceptions are left out] …\n"

# So many exceptions of one stack are told: of a longer chain its first and its last, of groups the nearest.
_MAX_TOLD = 40

# The standard library's own bounds for groups.
_GROUP_WIDTH, _GROUP_DEPTH = 15, 10

# What the standard library says more of than type and message.
_OF_MORE_WORDS = (SyntaxError, ImportError, NameError, AttributeError)


def stack_of(error: BaseException) -> str:
    """An exception's stack as text, without our own frames."""
    chain, joints = _chain(error)
    if chain is None:
        return "".join(_group(error).format())
    texts = [_text(each) for each in chain]
    return "".join(part for each in zip(texts, joints, strict=True) for part in each)


def _chain(error: BaseException) -> tuple[list[BaseException] | None, list[str]]:
    """An exception's causes and contexts and itself, in the order that they are told in, each with what is
    told after it; None where one is a group.
    """
    group = _group_type()
    chain: list[BaseException] = []
    joints = [""]
    seen: set[int] = set()
    each: BaseException | None = error
    while each is not None:
        if issubclass(type(each), group):
            return None, []
        chain.append(each)
        seen.add(id(each))
        cause, context = _before(each, seen)
        joints.append(_CAUSE if cause is not None else _CONTEXT)
        each = cause if cause is not None else context
    joints.pop()
    if len(chain) > _MAX_TOLD:
        half = _MAX_TOLD // 2
        del chain[half:-half]
        joints[half:-half] = []
        joints[half] += _LEFT_OUT + joints[half]
    return chain[::-1], joints[::-1]


def _before(error: BaseException, seen: set[int]) -> tuple[BaseException | None, BaseException | None]:
    """The cause or the context that is told before an exception, unless it is told already."""
    cause, context = error.__cause__, error.__context__
    if cause is not None and id(cause) not in seen:
        return cause, None
    if context is None or error.__suppress_context__ or id(context) in seen:
        return None, None
    return None, context


def _text(error: BaseException) -> str:
    """An exception without those before it."""
    frames = frames_of(error.__traceback__)
    return (_HEADER if frames else "") + frames + _last_line(error)


def _last_line(error: BaseException) -> str:
    kind = type(error)
    if issubclass(kind, _OF_MORE_WORDS) or getattr(error, "__notes__", None) is not None:
        return "".join(_told(error).format_exception_only())
    name, module, message = kind.__qualname__, kind.__module__, message_of(error)
    if module not in ("__main__", "builtins"):
        name = f"{module if isinstance(module, str) else '<unknown>'}.{name}"
    return f"{name}: {message}\n" if message else f"{name}\n"


# --- groups -------------------------------------------------------------------------------------------------


def _group(error: BaseException) -> Any:
    """What the standard library tells of an exception where one is a group, whose members are indented."""
    group = _group_type()
    told = _with_frames(error)
    pending: list[tuple[Any, BaseException, int]] = [(told, error, 0)]
    seen = {id(error)}
    left = _MAX_TOLD

    def with_more(its_error: BaseException | None, depth: int) -> Any:
        """What is told of another one, which is looked at later."""
        nonlocal left
        if its_error is None:
            return None
        left -= 1
        if left <= 0:
            return _LeftOut()
        seen.add(id(its_error))
        each = _with_frames(its_error)
        pending.append((each, its_error, depth))
        return each

    while pending:
        each, its_error, depth = pending.pop()
        cause, context = _before(its_error, seen)
        each.__cause__, each.__context__ = with_more(cause, depth), with_more(context, depth)
        if issubclass(type(its_error), group):
            members = its_error.exceptions  # type: ignore[attr-defined]
            # The others are counted only.
            shown = members[:_GROUP_WIDTH] if depth < _GROUP_DEPTH else ()
            rest = [None] * (len(members) - len(shown))
            each.exceptions = [*(with_more(member, depth + 1) for member in shown), *rest]
    return told


def _group_type() -> Any:
    """The base of all groups; before 3.11 the backport's, once somebody has loaded it."""
    found = getattr(builtins, "BaseExceptionGroup", None)
    if found is None:
        found = getattr(sys.modules.get("exceptiongroup"), "BaseExceptionGroup", ())
    return found


def _with_frames(error: BaseException) -> Any:
    told = _told(error)
    frames = frames_of(error.__traceback__)
    told.stack = _Formatted([frames] if frames else [])  # type: ignore[list-item]
    return told


class _Formatted(traceback.StackSummary):
    """A stack that is text already."""

    def format(self, **how: Any) -> list[str]:
        return list(self)  # type: ignore[arg-type]


class _LeftOut:
    """What stands for one that is left out, where the standard library asks what is told of it."""

    __cause__ = __context__ = exceptions = None
    __suppress_context__ = True
    stack = ()

    def format_exception_only(self, **how: Any) -> list[str]:
        return [_LEFT_OUT]

    def format(self, *, _ctx: Any, **how: Any) -> Any:
        return _ctx.emit(_LEFT_OUT)


def _told(error: BaseException) -> Any:
    """What the standard library tells of an exception alone, without its frames."""
    quiet = _quiet(traceback.TracebackException.__init__)
    # Where something is seen already, it leaves the chain and the members to its caller.
    told = quiet(type(error), error, None, limit=0, compact=True, _seen=set())
    told.__cause__ = told.__context__ = told.exceptions = None
    return told


@functools.lru_cache(maxsize=2)
def _quiet(init: Any) -> Any:
    """The standard library's text without its "Did you mean …?", for which 3.12 and later ask the user's
    objects: `dir` of the one that lacks an attribute, an attribute of `self` where a name is not defined.

    `init` is `TracebackException.__init__`, which the backport of exception groups exchanges.
    """
    names = {**init.__globals__, "_compute_suggestion_error": lambda *asked: None}
    quiet = FunctionType(init.__code__, names, init.__name__, init.__defaults__, init.__closure__)
    quiet.__kwdefaults__ = init.__kwdefaults__
    return type("TracebackException", (traceback.TracebackException,), {"__init__": quiet})
