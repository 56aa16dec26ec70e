"""Maps a call's arguments to an object of them by name, by code made once for each function. User's thread.

`inspect.Signature.bind` costs 4.6 µs a call. The mapper is a function with the same parameters whose body is
the object, so that the interpreter binds the arguments itself (0.2 µs), defaults included, and a call that
the function does not take raises `TypeError`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from types import FunctionType
from typing import Any

Mapper = Callable[..., dict[str, Any]]

_PREFIX = "_llmobs_default_"


def mapper(function: Callable[..., Any], *, receiver: bool = False, follow: bool = True) -> Mapper:
    """The mapper of `function`; what it gives is empty where there is nothing to record.

    A first parameter that is the `receiver` of a method, or is named `self` or `cls`, is taken but not
    recorded. A function that says what it wraps states that one's parameters; without `follow` its own count.
    """
    try:
        parameters = list(inspect.signature(function, follow_wrapped=follow).parameters.values())
    except Exception:
        return unnamed  # a builtin that does not tell, a `__signature__` that raises
    has_receiver = bool(parameters) and (
        parameters[0].kind in (_POSITIONAL_ONLY, _POSITIONAL)
        and (receiver or parameters[0].name in ("self", "cls"))
    )
    try:
        stated = _compile(parameters, [p.name for p in parameters[has_receiver:]])
    except SyntaxError:
        return unnamed  # names that are no identifiers: a signature made by hand
    own = _own(function) if follow else None
    return stated if own is None else _either(stated, own, has_receiver)


def _own(function: Callable[..., Any]) -> Mapper | None:
    """A mapper that takes what the function does, where that is not what it states: a decorator beneath ours
    has its `wraps` state the function's parameters, and passes others on.
    """
    if not isinstance(function, FunctionType) or not {"__wrapped__", "__signature__"} & vars(function).keys():
        return None
    bare = FunctionType(function.__code__, {}, closure=function.__closure__)
    bare.__defaults__, bare.__kwdefaults__ = function.__defaults__, function.__kwdefaults__
    return _compile(list(inspect.signature(bare).parameters.values()), [])


def _either(stated: Mapper, own: Mapper, has_receiver: bool) -> Mapper:
    def arguments(*args: object, **kwargs: object) -> dict[str, object]:
        own(*args, **kwargs)
        try:
            return stated(*args, **kwargs)
        except TypeError:
            return unnamed(*args[has_receiver:], **kwargs)

    return arguments


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


def unnamed(*args: object, **kwargs: object) -> dict[str, object]:
    return {"args": args, "kwargs": kwargs} if args or kwargs else {}
