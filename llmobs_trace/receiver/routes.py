"""Reads from a request's path which experiment's events it posts. Pure."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import unquote

_EVENTS: Final = re.compile(r"/api/v2/llm-obs/v1/experiments/([^/]+)/events")
_VERSION: Final = re.compile(r"/api/v[0-9]+(/|$)")


def posted_to(method: str, path: str) -> str | None:
    """The experiment's id, unquoted; what isn't UTF-8 then is no path of ours. To read them is another's."""
    found = _EVENTS.fullmatch(path)
    if found is None or method == "GET":
        return None
    try:
        return unquote(found[1], errors="strict")
    except UnicodeDecodeError:
        return None


def is_of_the_api(path: str) -> bool:
    """Whether a path is one that only the API could have, where the viewer has nothing."""
    return _VERSION.match(path) is not None
