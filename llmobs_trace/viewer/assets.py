"""Reads a file of the pages by its name. Any thread.

The files are those of `pages/` and nothing else: a name is looked for in its listing, never joined to a path.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2b
from importlib.resources import files
from typing import Final

from llmobs_trace.viewer.response import Response

INDEX: Final = "index.html"

_TYPES: Final = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


def asset(name: str, headers: Mapping[str, str]) -> Response | None:
    """The file of that name below `pages/`, or 304 where the browser has it; None where there is none."""
    for file in files("llmobs_trace.viewer").joinpath("pages").iterdir():
        if file.name == name and file.is_file():
            break
    else:
        return None
    kind = _TYPES.get("." + name.rpartition(".")[2])
    if kind is None:
        return None
    body = file.read_bytes()
    tag = f'"{blake2b(body, digest_size=12).hexdigest()}"'
    # Asked for each time, and mostly answered with 304: an upgrade must not leave half of the old pages.
    kept = (("ETag", tag), ("Cache-Control", "no-cache"))
    return Response(304, kind, b"", kept) if _has(tag, headers) else Response(200, kind, body, kept)


def _has(tag: str, headers: Mapping[str, str]) -> bool:
    given = next((headers[name] for name in headers if name.lower() == "if-none-match"), "")
    # A server that compresses what it sends on marks the tag as weak.
    return tag in (each.strip().removeprefix("W/") for each in given.split(","))
