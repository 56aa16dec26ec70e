"""Defines an answer of the viewer: what the server sends on as it is. Any thread."""

from __future__ import annotations

from typing import Final

import msgspec
from msgspec import Struct

JSON: Final = "application/json; charset=utf-8"


class Response(Struct, frozen=True):
    """A status, a type and a body; `headers` are those beyond the type and the length."""

    status: int
    content_type: str
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()


class CannotAnswer(Exception):
    """What was asked for can't be answered; becomes a response of `status` that says so."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class _Refusal(Struct):
    error: str


_encoder = msgspec.json.Encoder()


def as_json(answer: object) -> Response:
    """An answer's Struct as JSON; never kept by a browser, since the next moment may bring more."""
    return Response(200, JSON, _encoder.encode(answer), (("Cache-Control", "no-store"),))


def refusal(status: int, message: str) -> Response:
    """`{"error": message}`."""
    return Response(status, JSON, _encoder.encode(_Refusal(message)), (("Cache-Control", "no-store"),))
