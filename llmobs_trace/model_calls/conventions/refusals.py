"""Tells what a failed model call cost, and its HTTP status, by what another tracer says of its error. Any
thread.

Few tell the status by itself; the clients' exceptions have it at the beginning of their message, or are named
after it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from llmobs_trace.capture.failure import Failure
from llmobs_trace.model_calls.call import REFUSALS
from llmobs_trace.model_calls.conventions.reading import Reading
from llmobs_trace.wire import COST_TAG

_ATTRIBUTES: Final = ("http.response.status_code", "http.status_code", "error.type")

# "Error code: 429 - …" of OpenAI's and Anthropic's clients, "429 RESOURCE_EXHAUSTED. …" of Google's; some
# tracers put the exception's class before it.
_MESSAGE: Final = re.compile(r"(?:[\w.]+: )?(?:Error code: )?([45][0-9]{2})\b")

# Exception, of OpenAI's client and those like it, litellm's and Bedrock's -> the status that it stands for.
_EXCEPTIONS: Final = {
    "BadRequestError": 400,
    "ContextWindowExceededError": 400,
    "ContentPolicyViolationError": 400,
    "ValidationException": 400,
    "AuthenticationError": 401,
    "PermissionDeniedError": 403,
    "AccessDeniedException": 403,
    "NotFoundError": 404,
    "ResourceNotFoundException": 404,
    "ConflictError": 409,
    "RequestTooLargeError": 413,
    "UnprocessableEntityError": 422,
    "RateLimitError": 429,
    "ThrottlingException": 429,
    "ServiceUnavailableError": 503,
    "OverloadedError": 529,
}


def failed_tags(reading: Reading, attributes: Mapping[str, Any], failure: Failure) -> dict[str, Any]:
    """The tags of a model call that failed. Nothing is charged for one that was refused before any answer."""
    status = _status_of(attributes, failure)
    if status is None:
        return {}
    is_answered = reading.answers or reading.output is not None or reading.tags.get("output_tokens")
    is_free = status in REFUSALS and not is_answered and COST_TAG not in reading.tags
    return {"status_code": status, COST_TAG: 0} if is_free else {"status_code": status}


def _status_of(attributes: Mapping[str, Any], failure: Failure) -> int | None:
    """The status of the answer that was an error; None where nobody says one."""
    for name in _ATTRIBUTES:
        told = str(attributes.get(name))
        if len(told) == 3 and told.isdecimal() and told[0] in "45":
            return int(told)
    if (said := _MESSAGE.match(failure.message)) is not None:
        return int(said[1])
    return _EXCEPTIONS.get(failure.type.rpartition(".")[2])
