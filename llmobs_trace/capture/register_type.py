"""Registers how values of a type are recorded. User's thread."""

from __future__ import annotations

import inspect
import threading
from collections.abc import Callable
from typing import Any, TypeVar

from llmobs_trace.capture import recorder as slot
from llmobs_trace.encode import PLAIN, derives, marker, teach, type_name
from llmobs_trace.errors import ConfigurationError

T = TypeVar("T")


def register_type(type: type[T], function: Callable[[T], object]) -> None:
    """Say how values of a type are recorded: as what `function` makes of each.

    >>> class Passage:
    ...     def __init__(self, title, text):
    ...         self.title, self.text = title, text
    >>> register_type(Passage, lambda passage: {"title": passage.title, "words": len(passage.text.split())})

    Without it an object of an ordinary class is recorded as its name. The function gets the value, on the
    thread of the traced call, and its answer is recorded like any value: a text, a dict, an object of another
    registered type. It holds for classes that derive from `type` too, the nearest one first, and goes before
    what this library knows of a type by itself; registered for `object`, after it. Where it raises, the value
    is recorded as its type's name and a line is logged. A second registration replaces the first.

    Raises `ConfigurationError` where `type` is no class, or one whose values are plain JSON already, and
    where `function` can't be called.
    """
    _check(type, function)
    teach(type, _guarded(function, type_name(type)))


def _check(kind: Any, function: Any) -> None:
    if not derives(_type(kind), _type):
        given = f"{kind!r:.80}"
        raise ConfigurationError(
            f"register_type: given {given}, which is no class: give the class whose values are meant"
        )
    if any(kind is plain for plain in PLAIN):
        raise ConfigurationError(
            f"register_type: {type_name(kind)} is recorded as it is, always: register a class of your own, "
            "which may derive from it"
        )
    if not callable(function) or inspect.iscoroutinefunction(function):
        raise ConfigurationError(
            f"register_type: given {function!r:.80} for {type_name(kind)}: give a plain function that takes "
            "a value and returns what is recorded of it"
        )


_type = type  # the public function's argument has its name
_running = threading.local()


def _guarded(function: Callable[[Any], object], name: str) -> Callable[[Any], object]:
    """The same function; a fault in it leaves the type's name."""

    def read(value: Any) -> object:
        # It may call a traced function, whose arguments come here too: asking again would never end.
        if getattr(_running, "now", False):
            return marker(value)
        _running.now = True
        try:
            answer = function(value)
        except BaseException as error:
            # Interrupts and cancellations are not its own.
            if not isinstance(error, (Exception, SystemExit, GeneratorExit)):
                raise
            # Not what the exception says: that may be the value.
            slot.say(
                f"the function registered for {name} raised {_type(error).__name__}: "
                "such values are recorded as their type's name"
            )
            return marker(value)
        finally:
            _running.now = False
        return marker(value) if answer is value else answer

    return read
