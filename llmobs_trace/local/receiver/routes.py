"""A request's path comes in, which experiment's events it posts goes out; None for any other path. Pure."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import unquote

_EVENTS: Final = re.compile(r"/api/v2/llm-obs/v1/experiments/([^/]+)/events")


def experiment_of(path: str) -> str | None:
    """The experiment's id, unquoted; what isn't UTF-8 then is no path of ours."""
    found = _EVENTS.fullmatch(path)
    if found is None:
        return None
    try:
        return unquote(found[1], errors="strict")
    except UnicodeDecodeError:
        return None
