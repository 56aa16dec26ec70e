"""Answers a request of the endpoint, after its events are in the store.

`refuse` runs on the loop's thread and looks at the head alone; `take` runs on the writer's thread.
"""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from llmobs_trace.errors import StoreError
from llmobs_trace.receiver import bodies, events
from llmobs_trace.receiver.access import Access
from llmobs_trace.receiver.http import Head, Malformed, Reply
from llmobs_trace.receiver.limits import Limits
from llmobs_trace.receiver.problems import bad_body, problem
from llmobs_trace.store.store import Store
from llmobs_trace.wire import CONTENT_TYPE, id_problem

METHODS: Final = ("POST",)


class Taken(Struct, frozen=True):
    """An answer, and how many events it took."""

    answer: Reply
    spans: int = 0
    metrics: int = 0


def refuse(head: Head, experiment_id: str, access: Access, declared: frozenset[str]) -> Reply | None:
    """What needs no body to be refused; None for all else."""
    if head.method not in METHODS:
        return problem(
            405,
            f"{head.method} is not answered here: events are posted",
            headers=(("Allow", ", ".join(METHODS)),),
        )
    return (
        access.refuses_keys(head.headers)
        or _refuses_experiment(experiment_id, declared)
        or refuses_body(head, CONTENT_TYPE)
    )


def take(store: Store, head: Head, experiment_id: str, body: bytearray, limits: Limits) -> Taken:
    """Take a whole body; the answer is 202 once the store has committed its events."""
    try:
        content = bodies.decoded(body, head.headers.get("content-encoding", ""), limits.max_body_bytes)
    except Malformed as error:
        return Taken(problem(error.status, str(error), header=error.header))
    read = events.read(content)
    if isinstance(read, events.BadBody):
        return Taken(bad_body(read.faults, more=read.more))
    try:
        store.add(experiment_id, read.spans, read.metrics, timeout_seconds=limits.store_seconds)
    except StoreError as error:
        return Taken(store_is_busy(error))
    return Taken(Reply(202), len(read.spans), len(read.metrics))


def store_is_busy(error: StoreError) -> Reply:
    """The same request may be taken in a moment."""
    return problem(503, str(error), headers=(("Retry-After", "1"),))


def _refuses_experiment(experiment_id: str, declared: frozenset[str]) -> Reply | None:
    unfit = id_problem(experiment_id)
    if unfit is not None:
        return problem(404, f"there is no such experiment: its id {unfit}", parameter="experiment_id")
    if declared and experiment_id not in declared:
        return problem(404, f"there is no experiment {experiment_id!r} here", parameter="experiment_id")
    return None


def refuses_body(head: Head, takes: str) -> Reply | None:
    """A body of unknown length, or of another type than this path `takes`; None where it may come."""
    if head.length_bytes is None:
        return problem(411, "the length of the body is missing", header="Content-Length")
    kind = head.headers.get("content-type", takes).partition(";")[0].strip().lower()
    if kind != takes:
        return problem(415, f"the body is to be {takes}, not {kind[:100]!r}", header="Content-Type")
    return None
