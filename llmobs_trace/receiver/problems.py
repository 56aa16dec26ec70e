"""Writes the error body of what went wrong, in the two shapes that the documentation shows. Pure.

{"errors": [{"detail": …, "meta": {}, "source": {"pointer": …}, "status": "400", "title": "Bad Request"}]}
{"errors": ["Too Many Requests"]}                                                        429 alone
"""

from __future__ import annotations

from collections.abc import Iterable
from http import HTTPStatus

import msgspec
from msgspec import UNSET, Struct

from llmobs_trace.receiver.http import Reply
from llmobs_trace.wire import CONTENT_TYPE, APIError, APIErrors, APIErrorSource, TooManyRequests

Headers = tuple[tuple[str, str], ...]

_encoder = msgspec.json.Encoder()


class Fault(Struct, frozen=True):
    """One value of a body that is not as documented; `pointer` as in RFC 6901, `code` for programs."""

    pointer: str
    detail: str
    code: str


def problem(
    status: int,
    detail: str,
    *,
    header: str | None = None,
    parameter: str | None = None,
    headers: Headers = (),
    close: bool = False,
) -> Reply:
    """An answer with one error."""
    source = APIErrorSource(header=header or UNSET, parameter=parameter or UNSET)
    named = header is not None or parameter is not None
    return _answer(status, [_error(status, detail, source if named else None, {})], headers, close)


def bad_body(faults: Iterable[Fault], *, more: bool) -> Reply:
    """A 400 with an error for each fault; `more`: not all of them are here."""
    errors = [
        _error(400, fault.detail, APIErrorSource(pointer=fault.pointer), {"code": fault.code})
        for fault in faults
    ]
    if more:
        errors.append(_error(400, "there are more faults than are listed here", None, {"code": "more"}))
    return _answer(400, errors, (), False)


def too_many_requests(headers: Headers) -> Reply:
    """A 429: its errors are bare strings."""
    body = _encoder.encode(TooManyRequests(errors=["Too many requests"]))
    return Reply(429, body, CONTENT_TYPE, headers)


def in_a_line(answer: Reply) -> str:
    """What is wrong, for a log: the first error, and how many more there are."""
    errors = msgspec.json.decode(answer.body)["errors"]
    first, more = errors[0], f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    if isinstance(first, str):
        return first + more
    place = "".join(f"{place}: " for place in first.get("source", {}).values() if place)
    return f"{place}{first['detail']}{more}"


def _error(status: int, detail: str, source: APIErrorSource | None, meta: dict[str, object]) -> APIError:
    return APIError(
        detail=detail,
        meta=meta,
        source=source or UNSET,
        status=str(status),
        title=HTTPStatus(status).phrase,
    )


def _answer(status: int, errors: list[APIError], headers: Headers, close: bool) -> Reply:
    return Reply(status, _encoder.encode(APIErrors(errors=errors)), CONTENT_TYPE, headers, close)
