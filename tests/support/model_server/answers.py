"""Says what a server answers: a body at once, or pieces one after the other, to their end or not."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Answer:
    """One answer. With `pieces` it is sent in these, each at once; it `breaks` by a connection that is cut
    after them, or `stalls`: then nothing more comes until the server is closed.
    """

    body: bytes = b""
    status: int = 200
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)
    pieces: Iterable[bytes] | None = None
    breaks: bool = False
    stalls: bool = False


def of_json(value: Any, status: int = 200, **headers: str) -> Answer:
    """A JSON body; `x_request_id="r"` is the header `x-request-id`."""
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    return Answer(json.dumps(value).encode(), status, headers=named)


def events(*values: Any, ends: str | None = "[DONE]", **how: Any) -> Answer:
    """Server-sent events: each value as JSON, a pair as an event with a name; then `ends`, if any."""
    pieces = [_event(value) for value in values]
    if ends is not None:
        pieces.append(f"data: {ends}\n\n".encode())
    return Answer(content_type="text/event-stream", pieces=pieces, **how)


def _event(value: Any) -> bytes:
    name, value = value if isinstance(value, tuple) else (None, value)
    data = f"data: {json.dumps(value)}\n\n"
    return (data if name is None else f"event: {name}\n{data}").encode()
