"""Maps what a destination said to what we do about it: the whole table, as data. Pure, any thread.

| answer                                     | verdict      | action                                    |
|--------------------------------------------|--------------|-------------------------------------------|
| 200, 201, 202, 204, and nothing else said  | ACCEPTED     | settled                                   |
| those with a page or `errors`; other 2xx   | NOT_ACCEPTED | kept, paused: see `http_client`           |
| 400, 422                                   | POISON       | halved, until the event at fault is alone |
| 413                                        | TOO_LARGE    | halved, as well                           |
| 401, 403                                   | UNAUTHORISED | kept, paused                              |
| 404, other 4xx, what is no HTTP status     | REFUSED      | kept, paused                              |
| 3xx                                        | REDIRECTED   | kept, paused; never followed: keys travel |
| 408, 429, 5xx                              | BUSY         | kept, tried again with growing delays     |
| none: nothing can be sent from here        | HINDERED     | kept, paused: see `http_client`           |
| none: a timeout, a broken connection       | BROKEN       | kept, tried again with growing delays     |
| none: another process is to answer first   | AWAITED      | kept, tried again with growing delays     |

How a batch is halved, and when a refusal is of everything and not of an event, is `poison`.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

from msgspec import Struct

from llmobs_trace.http_client.acceptance import ACCEPTING


class Verdict(Enum):
    """What an answer means for the batch that it is about."""

    ACCEPTED = "accepted"
    NOT_ACCEPTED = "no acceptance"
    POISON = "not understood"
    TOO_LARGE = "too large"
    UNAUTHORISED = "not authorised"
    REFUSED = "refused"
    REDIRECTED = "redirected"
    HINDERED = "can't be sent from here"
    BUSY = "busy"
    BROKEN = "no answer"
    AWAITED = "waited for"


class Action(Enum):
    """What happens to the batch, and to the experiment that it belongs to."""

    SETTLE = "settle"  # the batch is delivered
    HALVE = "halve"  # part of it is at fault: find that, deliver the others
    RETRY = "retry"  # keep it; soon, with growing delays
    PAUSE = "pause"  # keep it; say so once, then try slowly: somebody has to mend something first


ACTIONS: Final[dict[Verdict, Action]] = {
    Verdict.ACCEPTED: Action.SETTLE,
    Verdict.NOT_ACCEPTED: Action.PAUSE,
    Verdict.POISON: Action.HALVE,
    Verdict.TOO_LARGE: Action.HALVE,
    Verdict.UNAUTHORISED: Action.PAUSE,
    Verdict.REFUSED: Action.PAUSE,
    Verdict.REDIRECTED: Action.PAUSE,
    Verdict.HINDERED: Action.PAUSE,
    Verdict.BUSY: Action.RETRY,
    Verdict.BROKEN: Action.RETRY,
    Verdict.AWAITED: Action.RETRY,
}

_BY_STATUS: Final[dict[int, Verdict]] = {
    **dict.fromkeys(ACCEPTING, Verdict.ACCEPTED),
    400: Verdict.POISON,
    401: Verdict.UNAUTHORISED,
    403: Verdict.UNAUTHORISED,
    408: Verdict.BUSY,
    413: Verdict.TOO_LARGE,
    422: Verdict.POISON,
    429: Verdict.BUSY,
}

# All others are REFUSED.
_BY_CLASS: Final[dict[int, Verdict]] = {
    2: Verdict.NOT_ACCEPTED,
    3: Verdict.REDIRECTED,
    5: Verdict.BUSY,
}

# What to look at, for the one log line of a pause.
_NOT_EVEN_ALONE = "no event is accepted, not even alone and without its values: "
ADVICE: Final[dict[int, str]] = {
    400: _NOT_EVEN_ALONE + "check experiment_id {experiment!r}, project_id and dataset_id",
    401: "check the keys (api_key or DD_API_KEY, app_key or DD_APP_KEY)",
    403: "check that both keys may write experiments, and belong to this site (site or DD_SITE)",
    404: "check experiment_id {experiment!r}, and that it belongs to this site (site or DD_SITE)",
    413: _NOT_EVEN_ALONE + "check what a proxy on the way to base_url lets through",
    422: _NOT_EVEN_ALONE + "check experiment_id {experiment!r}, project_id and dataset_id",
}
_ADVICE_BY_VERDICT: Final[dict[Verdict, str]] = {
    Verdict.NOT_ACCEPTED: "something else answered: check base_url, and login pages and proxies on the way",
    Verdict.REDIRECTED: "check site and base_url: redirects are never followed, since the keys would travel",
}

# These are about the way to the destination, not about one experiment; the others' words name that.
CONCERN_ALL: Final = frozenset({Verdict.HINDERED, Verdict.BUSY, Verdict.BROKEN})


class Answer(Struct, frozen=True, kw_only=True):
    """What a destination said about one batch.

    `status` is the HTTP status, None where there was none; `detail` is fit for a log: the server's words or
    what broke, without keys. `retry_after_seconds` is how long the server asked to be left alone. A
    destination that has no statuses may give the `verdict` itself. `is_certain`: a refusal is about the
    events for certain, whatever becomes of others. `about` is what was asked for where that was no batch.
    """

    status: int | None = None
    detail: str = ""
    retry_after_seconds: float | None = None
    verdict: Verdict | None = None
    is_certain: bool = False
    about: str = ""


def verdict_of(answer: Answer) -> Verdict:
    """Read the table."""
    if answer.verdict is not None:
        return answer.verdict
    if answer.status is None:
        return Verdict.BROKEN
    return _BY_STATUS.get(answer.status) or _BY_CLASS.get(answer.status // 100, Verdict.REFUSED)


def what_was_said(answer: Answer) -> str:
    """An answer in a few words, for a log line."""
    words = answer.detail or verdict_of(answer).value
    return words if answer.status is None else f"HTTP {answer.status}: {words}"


def advice(answer: Answer, experiment_id: str) -> str:
    """What somebody can do about a pause; empty where nothing better than the answer's own words is known."""
    text = ADVICE.get(answer.status or 0) or _ADVICE_BY_VERDICT.get(verdict_of(answer), "")
    return text.format(experiment=experiment_id)
