"""Answers a request of the catalog. `refuse` runs on the loop's thread and looks at the head alone; `answer`
on a thread of the service.
"""

from __future__ import annotations

from urllib.parse import parse_qs

from llmobs_trace.errors import StoreError
from llmobs_trace.receiver import bodies
from llmobs_trace.receiver.access import Access
from llmobs_trace.receiver.catalog.asked import Asked, Refused, asked
from llmobs_trace.receiver.catalog.routes import INTAKE, Found
from llmobs_trace.receiver.endpoint import refuses_body, store_is_busy
from llmobs_trace.receiver.http import Head, Malformed, Reply
from llmobs_trace.receiver.limits import Limits
from llmobs_trace.receiver.problems import problem
from llmobs_trace.store.naming import NameTaken, UnknownId
from llmobs_trace.store.store import Store


def refuse(head: Head, found: Found, access: Access) -> Reply | None:
    """What needs no body to be refused; None for all else."""
    # ddtrace's SDK sends its spans without the application key.
    refusal = access.refuses_keys(head.headers, api_alone=head.path == INTAKE)
    if refusal is not None:
        return refusal
    route = found.route
    if route is None:
        allowed = ", ".join(found.methods)
        return problem(405, f"{head.method} is not answered here", headers=(("Allow", allowed),))
    if route.handler is None:
        return problem(501, f"{head.method} {head.path[:200]} is documented, and not answered by this server")
    return refuses_body(head, route.takes) if route.writes else None


def answer(
    store: Store, head: Head, found: Found, body: bytearray, limits: Limits, declared: frozenset[str]
) -> Reply:
    """What the store says; `declared` are the experiments that can be posted to, none: whichever is named."""
    route = found.route
    assert route is not None
    assert route.handler is not None
    try:
        return route.handler(store, _asked(head, found, body, limits, declared))
    except Refused as refused:
        return refused.reply
    except UnknownId as error:
        return problem(404, str(error))
    except NameTaken as error:
        return problem(409, str(error))
    except StoreError as error:
        return store_is_busy(error)


def _asked(head: Head, found: Found, body: bytearray, limits: Limits, declared: frozenset[str]) -> Asked:
    try:
        content = bodies.decoded(body, head.headers.get("content-encoding", ""), limits.max_body_bytes)
    except Malformed as error:
        raise Refused(problem(error.status, str(error), header=error.header)) from None
    query = parse_qs(head.query, keep_blank_values=True)
    return asked(found.ids, query, bytes(content), head.headers.get("content-type", ""), declared)
