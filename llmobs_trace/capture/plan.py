"""A callable in, what is known of it before its first call out. User's thread."""

from __future__ import annotations

import functools
import inspect
from typing import Any

from llmobs_trace.capture.arguments import Mapper, mapper
from llmobs_trace.capture.options import UNSET, SpanOptions
from llmobs_trace.errors import ConfigurationError


class Plan:
    """What is known of a decorated callable before its first call."""

    __slots__ = ("arguments", "capture_input", "capture_output", "name", "options")

    def __init__(self, name: str, options: SpanOptions, arguments: Mapper) -> None:
        self.name = name
        self.options = options
        self.arguments = arguments
        # An input given to the decorator takes the arguments' place. None: as `configure` says.
        self.capture_input = options.capture_input if options.given_input is UNSET else False
        self.capture_output = options.capture_output

    @classmethod
    def of(cls, wrapped: Any, options: SpanOptions, name: str | None = None) -> Plan:
        """Check that `wrapped` can be decorated, and read its name and parameters."""
        function = wrapped.__func__ if isinstance(wrapped, (classmethod, staticmethod)) else wrapped
        if inspect.isclass(wrapped):
            raise ConfigurationError(
                f"experiment_span decorates functions; {wrapped.__qualname__} is a class: name its methods"
            )
        if not callable(function):
            raise ConfigurationError(
                f"experiment_span decorates functions, and this is a {type(wrapped).__name__}; "
                'a name is a string: experiment_span("name")'
            )
        arguments = mapper(function, receiver=isinstance(wrapped, classmethod))
        return cls(name or options.name or _name_of(function), options, arguments)


def _name_of(function: Any) -> str:
    """`__qualname__` from the last `<locals>.` on: `C.method`, `helper`."""
    while isinstance(function, functools.partial):
        function = function.func
    name = getattr(function, "__qualname__", None)
    if not isinstance(name, str):
        name = type(function).__qualname__
    return name.rpartition("<locals>.")[2]
