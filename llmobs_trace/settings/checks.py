"""Checks what a user gave for an option, and turns it into the option's own type, or says why not; set-up
only.
"""

from __future__ import annotations

import inspect
import os
import re
from collections.abc import Callable, Sequence
from typing import NoReturn
from urllib.parse import urlsplit

from llmobs_trace import not_errors as naming
from llmobs_trace.errors import did_you_mean
from llmobs_trace.settings.sites import SITES
from llmobs_trace.wire import id_problem, is_loopback


class Secret:
    """A key: given out by `reveal()` alone, and shown nowhere, pickled never."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        return self._value

    def __repr__(self) -> str:
        return "Secret(hidden)"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._value == other._value

    def __hash__(self) -> int:
        return hash(self._value)

    def __copy__(self) -> Secret:
        return self

    def __deepcopy__(self, memo: dict[int, object]) -> Secret:
        return self

    def __reduce__(self) -> NoReturn:
        raise TypeError("a key is not pickled: configure the other process from its own environment")


class Unfit(Exception):
    """Why a value won't do, in words that follow the option's name; never holds a secret."""


def shown(value: object) -> str:
    """Show a value that was given, briefly, and without running code of a type we don't know."""
    if value is None or type(value) in (bool, int, float, str):
        try:
            text = repr(value)
        except ValueError:  # an integer with more digits than Python cares to print
            text = "a huge integer"
        return text if len(text) <= 100 else f"{text[:80]}… ({len(text)} characters)"
    return f"a {type(value).__qualname__}"


def _refuse(value: object) -> NoReturn:
    raise Unfit(f"given {shown(value)}")


# --- Reading text from the environment ----------------------------------------------------------------------

_FLAGS = {
    **dict.fromkeys(("1", "true", "yes", "on"), True),
    **dict.fromkeys(("0", "false", "no", "off"), False),
}


def read_flag(text: str) -> object:
    return _FLAGS.get(text.strip().lower(), text)


def read_as(kind: type[float]) -> Callable[[str], object]:
    def read(text: str) -> object:
        try:
            return kind(text)
        except ValueError:
            return text

    return read


# --- Checks: a value of any type → a value of the option's type ---------------------------------------------


def flag(value: object) -> bool:
    if not isinstance(value, bool):
        _refuse(value)
    return value


def number(low: float, high: float, kind: type[float] = float) -> Callable[[object], float]:
    """With `int` as its kind a whole number."""

    def check(value: object) -> float:
        # A comparison of integers and floats is exact in Python, whatever their size; NaN is never within.
        if isinstance(value, bool) or not isinstance(value, (int, kind)) or not low <= value <= high:
            _refuse(value)
        return kind(value)

    return check


def text_of(value: object) -> str:
    if not isinstance(value, str):
        _refuse(value)
    # A str subclass, such as an enum's member, as the text that it is.
    return str.__str__(value).strip()


def identifier(value: object) -> str:
    problem = id_problem(value)
    if problem is not None:
        raise Unfit(f"given {shown(value)}, which {problem}")
    return text_of(value)


def key(value: object) -> Secret:
    if isinstance(value, Secret):
        value = value.reveal()
    if not isinstance(value, str):
        raise Unfit(f"given a {type(value).__qualname__}")
    text = text_of(value)
    if not text:
        raise Unfit("given an empty string")
    # It becomes an HTTP header; a line end would otherwise be refused later, in a message that shows the key.
    if not re.fullmatch(r"[\x21-\x7e]+", text):
        raise Unfit("given a string with spaces or characters that no HTTP header can hold (not shown)")
    return Secret(text)


def choice(allowed: tuple[str, ...]) -> Callable[[object], str]:
    def check(value: object) -> str:
        text = text_of(value).lower()
        if text not in allowed:
            _refuse(value)
        return text

    return check


def names(all_of_them: str, allowed: Sequence[str]) -> Callable[[object], tuple[str, ...]]:
    """Several names, as a list or with commas, in the order of those that are allowed."""

    def check(value: object) -> tuple[str, ...]:
        parts = value.split(",") if isinstance(value, str) else value
        if not isinstance(parts, (list, tuple, set, frozenset)):
            _refuse(value)
        given = {part.strip().lower() if isinstance(part, str) else _refuse(part) for part in parts}
        for part in given - {all_of_them, *allowed}:
            raise Unfit(f"given {shown(part)}, which is not known{did_you_mean(part, allowed)}")
        return tuple(name for name in allowed if name in given or all_of_them in given)

    return check


def site(value: object) -> str:
    text = text_of(value).lower()
    if text in SITES:
        return text
    raise Unfit(f"given {shown(value)}, which is not known{did_you_mean(_without_url(text), SITES)}")


def _without_url(text: str) -> str:
    """`https://app.datadoghq.eu/llm`, `us3` and `eu` mean a site, too: said in a hint, not taken silently."""
    host = text.split("://")[-1].split("/")[0]
    for prefix in ("app.", "api."):
        host = host.removeprefix(prefix)
    return host if "." in host else next((site for site in SITES if host in site.split(".")), host)


def base_url(value: object) -> str:
    text = text_of(value)
    # These may hold a password or a key, so that from here on the value may be shown.
    for mark, part in (("@", "a user name or a password"), ("?", "a query"), ("#", "a fragment")):
        if mark in text:
            raise Unfit(f"given a URL with {part} (not shown)")
    # Only what every URL parser reads alike: a backslash or a control character means different hosts to
    # different readers, and the keys would go to the other one.
    if not re.fullmatch(r"[A-Za-z0-9._~:/\[\]%!$&'()*+,;=-]+", text):
        _refuse(value)
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
    except ValueError:
        host = port = None
        parts = urlsplit("")
    if parts.scheme not in ("http", "https") or not host or "%" in host or port == 0:
        _refuse(value)
    # Looking such a name up raises where the request is made, and not as a name that is unknown.
    if not all(0 < len(label) < 64 for label in host.removesuffix(".").split(".")):
        _refuse(value)
    if parts.scheme == "http" and not is_loopback(host):
        raise Unfit(
            f"given {shown(value)}, which would send the keys in the clear: http:// goes to loopback only"
        )
    # Put together again from what was checked, so that what is checked is what is used.
    address = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{address}{'' if port is None else f':{port}'}{parts.path.rstrip('/')}"


# In an environment, what switches something off, or on; nobody's directory is called so.
_OFF = frozenset({"off", "0", "no", "false", "none", "null", "memory", ":memory:"})
_ON = frozenset({"on", "1", "yes", "true"})


def path(value: object) -> str:
    if not isinstance(value, (str, os.PathLike)):
        _refuse(value)
    text = os.fspath(value)
    if not isinstance(text, str) or not text.strip() or "\x00" in text:
        _refuse(value)
    # As other libraries name databases: a file of such a name is not what was meant.
    if "://" in text or text.strip() == ":memory:":
        raise Unfit(f"given {shown(text)}, which is no path")
    if isinstance(value, str) and text.strip().lower() in _OFF | _ON:
        raise Unfit(
            f"given {shown(text)}, which names no place; for a file of that name write ./{text.strip()}"
        )
    try:
        return os.path.abspath(os.path.expanduser(text))
    except OSError:
        raise Unfit(f"given {shown(text)}, which is relative to a working directory that is gone") from None


def path_or_off(value: object) -> str | None:
    """A directory, or None for `None` and what means off."""
    if value is None or (isinstance(value, str) and value.strip().lower() in _OFF):
        return None
    return path(value)


def not_errors(value: object) -> naming.NotErrors:
    try:
        return naming.NotErrors.of(value)
    except naming.Unfit as unfit:
        part = unfit.given
    raise Unfit(f"given {f'the class {part.__qualname__}' if isinstance(part, type) else shown(part)}")


def redactor(value: object) -> Callable[[str, object], object]:
    if not callable(value):
        _refuse(value)
    for called in (value, type(value).__call__):
        if inspect.iscoroutinefunction(called) or inspect.isasyncgenfunction(called):
            raise Unfit(
                f"given {shown(value)} that is async; a redactor runs at the traced call, without a loop"
            )
        if inspect.isgeneratorfunction(called):
            raise Unfit(f"given {shown(value)} that yields; a redactor returns what is to be recorded")
    try:
        signature = inspect.signature(value)
    except (ValueError, TypeError):  # some builtins don't say
        return value
    try:
        signature.bind("field", "value")
    except TypeError:
        raise Unfit(f"given {shown(value)} that can't be called as redact(field, value)") from None
    return value
