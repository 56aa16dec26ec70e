"""Lists how values of types are read whose modules need not be loaded. User's thread.

Nothing is imported: where a module was never loaded there is no value of its types. What asks a class's own
methods for a text does so of that class alone, since a subclass may override them.
"""

from __future__ import annotations

import re
from typing import Any, Final

from llmobs_trace.encode.peek import (
    ABSENT,
    class_attribute,
    derives,
    instance_dict,
    of_module,
    slot,
    stored_fields,
    type_name,
    undecorated,
)
from llmobs_trace.encode.reader import MAX_VALUES, Reader, Shape, head
from llmobs_trace.encode.stdlib_types import integer

_SECRET: Final = "**********"
_MATCH_MAX: Final = 8192  # of a longer one the span tells the length


def loaded_reader(cls: type) -> Reader | None:
    """A class in, its reader out where one of these modules made it; else None."""
    for module, name, subclasses_too, reader in _LOADED:
        known = of_module(module, name)
        if cls is known or (subclasses_too and derives(cls, known)):
            return reader
    return None


def _fraction(value: Any) -> str:
    return f"{integer(slot(value, '_numerator'))}/{integer(slot(value, '_denominator'))}"


def _array(value: Any) -> Any:
    kind = of_module("array", "array")
    first = kind.__getitem__(value, slice(MAX_VALUES))
    return head(kind.tolist(first), kind.__len__(value))


_FLAGS: Final = (("a", re.ASCII), ("i", re.I), ("L", re.L), ("m", re.M), ("s", re.S), ("x", re.X))


def _pattern(value: re.Pattern[Any]) -> Any:
    """The pattern, its flags written into it: ``(?im)^yes``."""
    pattern = value.pattern
    flags = "".join(letter for letter, flag in _FLAGS if value.flags & flag)
    if derives(type(pattern), str):
        return f"(?{flags}){str.__str__(pattern)}" if flags else pattern
    return repr(pattern[:1000]) if type(pattern) is bytes else pattern


def _match(value: re.Match[Any]) -> Any:
    if type(value.string) is not str and type(value.string) is not bytes:
        return f"<{type_name(type(value))}>"
    start, end = value.span()
    return {"match": value.string[start : min(end, start + _MATCH_MAX)], "span": [start, end]}


def _url(value: Any) -> str:
    return _without_password(str(value))


def _without_password(text: str) -> str:
    """A URL in, its passwords hidden out, as the libraries' own ``repr`` hides them. A DSN may name several
    hosts, each with one.
    """
    scheme, slashes, rest = text.partition("://")
    end = re.search(r"[/?#]|\Z", rest).start()  # type: ignore[union-attr]  # it finds the end at least
    if not slashes or "@" not in rest[:end]:
        return text
    hosts = []
    for host in rest[:end].split(","):
        user, at, where = host.rpartition("@")
        name, colon, _ = user.partition(":")
        hosts.append(f"{name}{colon}{_SECRET if colon else ''}{at}{where}")
    return f"{scheme}://{','.join(hosts)}{rest[end:]}"


def _pydantic_url(value: Any) -> Any:
    held = instance_dict(value).get("_url", ABSENT)
    return slot(value, "_url") if held is ABSENT else held


def _name_and_address(value: Any) -> str:
    held = dict(stored_fields(value, ("name", "email")))
    return f"{held['name']} <{held['email']}>"


def _image(value: Any) -> str:
    """The kind and size of a picture; its pixels are not looked at, which may mean to load it."""
    held = instance_dict(value)
    image_format = held.get("format", class_attribute(type(value), "format"))
    mode, size = held.get("_mode", held.get("mode")), held.get("_size", held.get("size"))
    known = [text for text in (image_format, mode) if type(text) is str and text]
    if type(size) is tuple and len(size) == 2 and all(type(side) is int for side in size):
        known.append(f"{size[0]} x {size[1]} pixels")
    return f"<{type_name(type(value))}: {', '.join(known)}>"


def _file(value: Any) -> str:
    """An open file by its name, which its innermost part has: that may be an object of the user's."""
    inner, kind = value, type(value)
    if kind is of_module("_io", "TextIOWrapper"):
        inner = value.buffer
    if any(type(inner) is of_module("_io", name) for name in _BUFFERED):
        inner = inner.raw
    name = instance_dict(inner).get("name") if type(inner) is of_module("_io", "FileIO") else None
    return f"<file {name}>" if type(name) is str or type(name) is int else f"<{type_name(kind)}>"


_BUFFERED: Final = ("BufferedReader", "BufferedWriter", "BufferedRandom")


def _bytes_io(value: Any) -> str:
    with value.getbuffer() as held:
        return f"<io.BytesIO of {held.nbytes} bytes>"


def _row(value: Any) -> list[tuple[Any, Any]]:
    return list(zip(value.keys(), value, strict=False))


_TEXT: Final = Reader(Shape.LEAF, str)
_URL: Final = Reader(Shape.LEAF, _url)
_PYDANTIC_URL: Final = Reader(Shape.INSTEAD, _pydantic_url)
_FILE: Final = Reader(Shape.LEAF, _file)

# Module, class, whether its subclasses are read too, and how. The first that fits.
_LOADED: Final[list[tuple[str, str, bool, Reader]]] = [
    ("fractions", "Fraction", True, Reader(Shape.LEAF, _fraction)),
    ("array", "array", True, Reader(Shape.ITEMS, _array)),
    *(
        ("pathlib", name, False, _TEXT)
        for name in ("PurePosixPath", "PureWindowsPath", "PosixPath", "WindowsPath")
    ),
    ("os", "DirEntry", False, Reader(Shape.INSTEAD, lambda value: value.path)),
    *(
        ("ipaddress", f"IPv{version}{kind}", False, _TEXT)
        for version in (4, 6)
        for kind in ("Address", "Network", "Interface")
    ),
    ("zoneinfo", "ZoneInfo", False, _TEXT),
    ("re", "Pattern", False, Reader(Shape.INSTEAD, _pattern)),
    ("re", "Match", False, Reader(Shape.INSTEAD, _match)),
    ("string", "Template", True, Reader(Shape.INSTEAD, lambda value: instance_dict(value)["template"])),
    ("sqlite3", "Row", False, Reader(Shape.PAIRS, _row)),
    *(("_io", name, False, _FILE) for name in ("TextIOWrapper", "FileIO", *_BUFFERED)),
    ("_io", "BytesIO", False, Reader(Shape.LEAF, _bytes_io)),
    ("pydantic_core", "Url", False, _URL),
    ("pydantic_core", "MultiHostUrl", False, _URL),
    ("pydantic.networks", "_BaseUrl", True, _PYDANTIC_URL),
    ("pydantic.networks", "_BaseMultiHostUrl", True, _PYDANTIC_URL),
    ("pydantic.networks", "NameEmail", True, Reader(Shape.LEAF, _name_and_address)),
    ("httpx", "URL", False, _URL),
    ("yarl", "URL", False, _URL),
    ("sqlalchemy.engine.url", "URL", False, Reader(Shape.LEAF, lambda url: url.render_as_string())),
    ("PIL.Image", "Image", True, Reader(Shape.LEAF, _image)),
    ("llmobs_trace.capture.proxy", "Proxy", True, Reader(Shape.INSTEAD, undecorated)),
]
