"""A callable in, a mapper out: from a call's arguments to an object of them by name. Compiled once for each
function.

`inspect.Signature.bind` costs 4.6 µs a call. The mapper is a function with the same parameters whose body is
the object, so that the interpreter binds the arguments itself (0.2 µs), defaults included, and a call that
doesn't fit raises `TypeError`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

Mapper = Callable[..., dict[str, Any]]

_PREFIX = "_llmobs_default_"


def mapper(function: Callable[..., Any], *, receiver: bool = False) -> Mapper:
    """The mapper of `function`; what it gives is empty where there is nothing to record.

    A first parameter that is the `receiver` of a method, or is named `self` or `cls`, is taken but not
    recorded.
    """
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except Exception:
        return _unnamed  # a builtin that does not tell, a `__signature__` that raises
    recorded = [
        p.name
        for place, p in enumerate(parameters)
        if place
        or p.kind not in (_POSITIONAL_ONLY, _POSITIONAL)
        or not (receiver or p.name in ("self", "cls"))
    ]
    try:
        return _compile(parameters, recorded)
    except SyntaxError:
        return _unnamed  # names that are no identifiers: a signature made by hand


_POSITIONAL_ONLY = inspect.Parameter.POSITIONAL_ONLY
_POSITIONAL = inspect.Parameter.POSITIONAL_OR_KEYWORD
_VAR_POSITIONAL = inspect.Parameter.VAR_POSITIONAL
_KEYWORD_ONLY = inspect.Parameter.KEYWORD_ONLY
_VAR_KEYWORD = inspect.Parameter.VAR_KEYWORD
_STARS: dict[Any, str] = {_VAR_POSITIONAL: "*", _VAR_KEYWORD: "**"}


def _compile(parameters: list[inspect.Parameter], recorded: list[str]) -> Mapper:
    defaults: dict[str, object] = {}
    written: list[str] = []
    kinds = [p.kind for p in parameters]
    for place, parameter in enumerate(parameters):
        text = _STARS.get(parameter.kind, "") + parameter.name
        if parameter.default is not inspect.Parameter.empty:
            name = f"{_PREFIX}{place}"
            defaults[name] = parameter.default
            text += f"={name}"
        if parameter.kind is _KEYWORD_ONLY and _VAR_POSITIONAL not in kinds and "*" not in written:
            written.append("*")
        written.append(text)
        if parameter.kind is _POSITIONAL_ONLY and _POSITIONAL_ONLY not in kinds[place + 1 :]:
            written.append("/")
    body = ", ".join(f"{name!r}: {name}" for name in recorded)
    source = f"def arguments({', '.join(written)}): return {{{body}}}"
    namespace: dict[str, Any] = dict(defaults)
    exec(
        compile(source, "<llmobs_trace arguments>", "exec"), namespace
    )  # names are identifiers: checked by the parser
    made: Mapper = namespace["arguments"]
    return made


def _unnamed(*args: object, **kwargs: object) -> dict[str, object]:
    return {"args": args, "kwargs": kwargs} if args or kwargs else {}
