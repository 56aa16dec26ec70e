"""Answers what `llmobs-trace doctor` asks of Datadog, which sends no event. Pure.

GET /api/v2/validate_keys                         are both keys valid?
GET /api/v2/llm-obs/v1/experiments?filter[id]=    do they see this experiment?
"""

from __future__ import annotations

from typing import Final
from urllib.parse import parse_qs

import msgspec

from llmobs_trace.receiver.access import Access
from llmobs_trace.receiver.http import Head, Reply
from llmobs_trace.receiver.problems import problem
from llmobs_trace.wire import CONTENT_TYPE, id_problem

_KEYS: Final = "/api/v2/validate_keys"
_EXPERIMENTS: Final = "/api/v2/llm-obs/v1/experiments"


def answer(head: Head, access: Access, declared: frozenset[str]) -> Reply | None:
    """The answer to one of them; None for any other request."""
    if head.path not in (_KEYS, _EXPERIMENTS):
        return None
    if head.method != "GET":
        return problem(405, f"{head.method} is not answered here", headers=(("Allow", "GET"),))
    refusal = access.refuses_keys(head.headers)
    if refusal is not None:
        return refusal
    if head.path == _KEYS:
        return _json({"status": "ok"})
    asked = parse_qs(head.query).get("filter[id]", sorted(declared))
    # Where none is declared, each is there that can be posted to.
    seen = [each for each in asked if each in declared or (not declared and id_problem(each) is None)]
    return _json({"data": [{"id": each, "type": "experiments"} for each in seen]})


def _json(value: object) -> Reply:
    return Reply(200, msgspec.json.encode(value), CONTENT_TYPE)
