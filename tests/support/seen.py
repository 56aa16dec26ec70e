"""Says of what a client gave or raised what can be compared with another time: its type, and its members."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

# What differs from one call to the next.
_OF_THE_MOMENT = ("date", "elapsed")


def seen(value: Any) -> Any:
    """A value's type and what it holds, as plain values."""
    if value is None or isinstance(value, (bool, int, float, str, bytes)):
        return value
    if isinstance(value, (list, tuple)):
        return type(value).__name__, [seen(each) for each in value]
    if isinstance(value, dict):
        return {key: seen(each) for key, each in value.items() if key not in _OF_THE_MOMENT}
    if isinstance(value, BaseException):
        return raised(value)
    kind = f"{type(value).__module__}.{type(value).__qualname__}"
    if hasattr(value, "model_dump"):
        inside = {name: seen(each) for name, each in vars(value).items()}
        private = {name: seen(each) for name, each in (value.__pydantic_private__ or {}).items()}
        return kind, inside, private, sorted(value.__pydantic_fields_set__), seen(value.__pydantic_extra__)
    response = getattr(value, "http_response", None) or getattr(value, "response", None)
    if response is not None:
        headers = {name: text for name, text in response.headers.items() if name not in _OF_THE_MOMENT}
        return kind, response.status_code, headers, type(response).__qualname__
    return kind


def raised(error: BaseException | None) -> Any:
    """An exception, with what it came from."""
    if error is None:
        return None
    told = {name: seen(each) for name, each in vars(error).items() if name not in ("response", "request")}
    origins = raised(error.__cause__), raised(error.__context__), error.__suppress_context__
    return type(error).__qualname__, seen(error.args), told, origins


def outcome(call: Callable[[], Any]) -> Any:
    """What a call gives, or raises."""
    try:
        return seen(call())
    except BaseException as error:
        return raised(error)
