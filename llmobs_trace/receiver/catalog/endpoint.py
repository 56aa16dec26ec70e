"""Answers a request of the catalog. `refuse` runs on the loop's thread and looks at the head alone; `answer`
on a thread of the service.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import parse_qs

import msgspec

from llmobs_trace.errors import StoreError
from llmobs_trace.receiver import bodies
from llmobs_trace.receiver.access import Access
from llmobs_trace.receiver.catalog import answers, experiments
from llmobs_trace.receiver.catalog.asked import Asked, Refused, asked
from llmobs_trace.receiver.catalog.routes import INTAKE, Found
from llmobs_trace.receiver.http import Head, Malformed, Reply
from llmobs_trace.receiver.limits import Limits
from llmobs_trace.receiver.problems import problem
from llmobs_trace.store.naming import NameTaken, UnknownId
from llmobs_trace.store.store import Store
from llmobs_trace.wire import id_problem

_RETRY: Final = (("Retry-After", "1"),)
_IDS: Final = "filter[id]"


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
    if not route.writes:
        return None
    if head.length_bytes is None:
        return problem(411, "the length of the body is missing", header="Content-Length")
    kind = head.headers.get("content-type", route.takes).partition(";")[0].strip().lower()
    if kind != route.takes:
        return problem(415, f"the body is to be {route.takes}, not {kind[:100]!r}", header="Content-Type")
    return None


def answer(
    store: Store, head: Head, found: Found, body: bytearray, limits: Limits, declared: frozenset[str]
) -> Reply:
    """What the store says. Experiments that nobody made, but that can be posted to, are there as well."""
    route = found.route
    assert route is not None
    assert route.handler is not None
    try:
        request = _asked(head, found, body, limits)
        reply = route.handler(store, request)
        if route.handler is experiments.listed:
            return _with_unmade(reply, request, declared)
        return reply
    except Refused as refused:
        return refused.reply
    except UnknownId as error:
        return problem(404, str(error))
    except NameTaken as error:
        return problem(409, str(error))
    except StoreError as error:
        return problem(503, str(error), headers=_RETRY)


def _asked(head: Head, found: Found, body: bytearray, limits: Limits) -> Asked:
    try:
        content = bodies.decoded(body, head.headers.get("content-encoding", ""), limits.max_body_bytes)
    except Malformed as error:
        raise Refused(problem(error.status, str(error), header=error.header)) from None
    query = parse_qs(head.query, keep_blank_values=True)
    return asked(found.ids, query, bytes(content), head.headers.get("content-type", ""))


def _with_unmade(reply: Reply, asked: Asked, declared: frozenset[str]) -> Reply:
    """A list of experiments, and in it those of their ids that can be posted to, though nobody made them."""
    only_ids = {name for name, values in asked.filters.items() if values} <= {_IDS}
    wanted = asked.filters.get(_IDS, sorted(declared))
    if reply.status != 200 or not only_ids or not wanted:
        return reply
    listed = msgspec.json.decode(reply.body)
    known = {each["id"] for each in listed["data"]}
    there = [each for each in wanted if each in declared or (not declared and id_problem(each) is None)]
    more = [answers.unmade_experiment(each) for each in there if each not in known]
    return answers.several([*listed["data"], *more], listed["meta"]) if more else reply
