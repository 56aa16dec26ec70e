"""Finds out what can be known of a callable before its first call. User's thread."""

from __future__ import annotations

import functools
import inspect
from typing import Any

from llmobs_trace.capture.arguments import Mapper, mapper, unnamed
from llmobs_trace.capture.span_arguments import UNSET, SpanOptions
from llmobs_trace.errors import ConfigurationError


class Plan:
    """What is known of a decorated callable before its first call."""

    __slots__ = ("arguments", "capture_input", "capture_output", "name", "options", "receiver", "written_in")

    def __init__(
        self, name: str, options: SpanOptions, arguments: Mapper, receiver: bool, written_in: str
    ) -> None:
        self.name = name
        self.options = options
        self.arguments = arguments
        self.receiver = receiver  # whether the first argument is a method's, whatever its name
        self.written_in = written_in  # the qualified name of the class or function around it
        # An input given to the decorator takes the arguments' place. None: as `configure` says.
        self.capture_input = options.capture_input if options.given_input is UNSET else False
        self.capture_output = options.capture_output

    def __reduce__(self) -> tuple[Any, ...]:
        """In another process the arguments are read anew, of the function that arrives there."""
        return Plan, (self.name, self.options, unnamed, self.receiver, self.written_in)

    @classmethod
    def of(
        cls,
        wrapped: Any,
        options: SpanOptions,
        name: str | None = None,
        *,
        receiver: bool = False,
        follow: bool = True,
    ) -> Plan:
        """Check that `wrapped` can be decorated, and read its name and parameters: those that it states where
        it wraps another, or, without `follow`, its own.
        """
        function = function_of(wrapped)
        if inspect.isclass(wrapped):
            raise ConfigurationError(
                f"experiment_span decorates functions; {wrapped.__qualname__} is a class: name its methods"
            )
        if not callable(function):
            raise ConfigurationError(
                f"experiment_span decorates functions, and this is a {type(wrapped).__name__}; "
                'a name is a string: experiment_span("name")'
            )
        receiver = receiver or isinstance(wrapped, classmethod)
        arguments = mapper(function, receiver=receiver, follow=follow)
        qualname = _qualname_of(function)
        own_name = qualname.rpartition("<locals>.")[2]
        written_in = qualname.rpartition(".")[0]
        return cls(name or options.name or own_name, options, arguments, receiver, written_in)


def function_of(wrapped: Any) -> Any:
    """What a classmethod or staticmethod is of, also where another decorator's proxy stands for one."""
    return wrapped.__func__ if isinstance(wrapped, (classmethod, staticmethod)) else wrapped


def _qualname_of(function: Any) -> str:
    while isinstance(function, functools.partial):
        function = function.func
    name = getattr(function, "__qualname__", None)
    return name if isinstance(name, str) else type(function).__qualname__
