"""Answers whether both keys are valid, as `llmobs-trace doctor` asks Datadog. Pure.

GET /api/v2/validate_keys
"""

from __future__ import annotations

from typing import Final

from llmobs_trace.receiver.access import Access
from llmobs_trace.receiver.http import Head, Reply
from llmobs_trace.receiver.problems import problem
from llmobs_trace.wire import CONTENT_TYPE

_KEYS: Final = "/api/v2/validate_keys"


def answer(head: Head, access: Access) -> Reply | None:
    """The answer to that; None for any other request."""
    if head.path != _KEYS:
        return None
    if head.method != "GET":
        return problem(405, f"{head.method} is not answered here", headers=(("Allow", "GET"),))
    refusal = access.refuses_keys(head.headers)
    return refusal or Reply(200, b'{"status":"ok"}', CONTENT_TYPE)
