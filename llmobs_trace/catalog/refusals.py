"""Decides what an answer to a question about a catalog means, and says a refusal in words. Pure, any thread.

| answer                                        | what is done                                            |
|-----------------------------------------------|---------------------------------------------------------|
| 200, 201, 202, 204 with JSON, or with nothing | READ: it is done                                        |
| the same, cut off within                      | AGAIN: it may have been done, or not                    |
| none; 408, 429, 5xx                           | AGAIN, with growing delays, or when the server says     |
| 2xx with a page, other text or bare `errors`  | A_FEW_TIMES: something on the way answered              |
| 409                                           | LOOK: somebody else made it; if not, it is refused      |
| 400, 413, 422                                 | NEVER: refused, and it will be                          |
| 401, 403, 404, other 4xx, 3xx                 | NOT_YET: refused until somebody mends something         |

Before anything is made once more, whoever makes it looks whether it is there.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any, Final

import msgspec

from llmobs_trace.http_client.acceptance import ACCEPTING, page_of, words_of


class Next(Enum):
    """What is done about an answer."""

    READ = "read it"
    AGAIN = "ask again"
    A_FEW_TIMES = "ask again, a few times"
    LOOK = "look who was faster"
    NEVER = "refused for good"
    NOT_YET = "refused until somebody mends something"


# How often at most the same is asked, where it is not as often as the time allows.
TRIES: Final = {Next.A_FEW_TIMES: 3}

_BY_STATUS: Final[dict[int, Next]] = {
    **dict.fromkeys(ACCEPTING, Next.READ),
    400: Next.NEVER,
    408: Next.AGAIN,
    409: Next.LOOK,
    413: Next.NEVER,
    422: Next.NEVER,
    429: Next.AGAIN,
}
_BY_CLASS: Final[dict[int, Next]] = {2: Next.A_FEW_TIMES, 5: Next.AGAIN}

_ADVICE: Final[dict[int, str]] = {
    401: "check the keys (api_key or DD_API_KEY, app_key or DD_APP_KEY)",
    403: "check that both keys belong to this site (site or DD_SITE), and that the application key may "
    "{right} experiments of LLM Observability",
    404: "check that {named} is there, and belongs to this site (site or DD_SITE)",
    413: "check what a proxy on the way to base_url lets through",
}
_STRANGER: Final = "something else answered: check base_url, and login pages and proxies on the way"
_REDIRECTED: Final = "check site and base_url: redirects are never followed, since the keys would travel"


class _Answer(msgspec.Struct):
    data: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    errors: Any = None


def next_after(status: int, headers: Mapping[str, str], body: bytes, *, is_whole: bool) -> tuple[Next, str]:
    """What to do about an answer; and, where it is not what it should be, what came in its place."""
    decided = _BY_STATUS.get(status) or _BY_CLASS.get(status // 100, Next.NOT_YET)
    if decided is Next.A_FEW_TIMES:
        return decided, "not the server's own answer"
    if decided is not Next.READ:
        return decided, ""
    if not is_whole:
        return Next.AGAIN, f"the answer broke off after {len(body):,} bytes"
    if not body.strip():
        return decided, ""
    try:
        answer = msgspec.json.decode(body, type=_Answer)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        what = page_of(body, headers.get("content-type", "")) or repr(body[:80].decode("utf-8", "replace"))
        return Next.A_FEW_TIMES, f"no JSON:API but {what}"
    if answer.errors and answer.data is msgspec.UNSET:
        errors = answer.errors if isinstance(answer.errors, list) else [answer.errors]
        return Next.A_FEW_TIMES, f"errors within: {words_of(errors)}"
    return decided, ""


def advice(status: int, *, changes: bool, named: str) -> str:
    """What somebody can do about a refusal; empty where nothing better than the server's words is known.
    `changes`: whether it was asked for a change; `named` is what the question was about.
    """
    if status // 100 == 3:
        return _REDIRECTED
    if status // 100 == 2:
        return _STRANGER
    return _ADVICE.get(status, "").format(right="write" if changes else "read", named=named)
