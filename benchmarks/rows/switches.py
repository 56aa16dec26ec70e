"""What is left of the cost where nothing is recorded: switched off, and in a trace that is not sampled.

The passthrough is a `FunctionWrapper` with a `__call__` of its own, the least that a wrapt decorator can be.
Calls are made without a lambda around them, which would make ratios of such small costs look better.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from itertools import repeat
from typing import Any

import wrapt

from benchmarks import inlined
from benchmarks.figures import Figure, Plan, ratios
from benchmarks.timing import Timed, rounds
from llmobs_trace import configure, experiment_span

# Calls within each root of the unsampled trace.
TRACE_CALLS = 10


class Passthrough(wrapt.FunctionWrapper):  # type: ignore
    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.__wrapped__(*args, **kwargs)


def plain(messages: object) -> object:
    return inlined.REPLY


def measure(plan: Plan) -> Iterator[Figure]:
    configure(enabled=False)
    number = plan.number * 4
    passthrough: Any = Passthrough(plain, plain)  # type: ignore
    seconds = rounds(
        {
            "off": _calling(experiment_span(plain)),
            "passthrough": _calling(passthrough),
        },
        number,
        plan.repeats,
    )
    yield ratios("disabled", seconds["off"], seconds["passthrough"])

    traced = experiment_span(plain)
    # In one table, so that the rounds take turns; each sets up its own switch, untimed.
    seconds = rounds(
        {
            "unsampled": _traces(
                traced,
                lambda: configure(
                    destination="local",
                    database=plan.scratch / "switches.db",
                    journal=None,
                    sample_rate=0.0,
                    flush_interval=3600,
                ),
            ),
            "off": _traces(traced, lambda: configure(enabled=False)),
        },
        number,
        plan.repeats,
    )
    yield ratios(
        "unsampled", seconds["unsampled"], seconds["off"], f"traces of a root and {TRACE_CALLS} calls"
    )


def _calling(call: Callable[[object], object]) -> Timed:
    def timed(number: int) -> float:
        messages = inlined.MESSAGES
        began = time.thread_time()
        for _ in repeat(None, number):
            call(messages)
        return time.thread_time() - began

    return timed


def _traces(call: Callable[[object], object], switch: Callable[[], None]) -> Timed:
    def timed(number: int) -> float:
        switch()
        messages = inlined.MESSAGES
        call(messages)
        began = time.thread_time()
        for _ in repeat(None, number // TRACE_CALLS):
            with experiment_span("root"):
                for _ in repeat(None, TRACE_CALLS):
                    call(messages)
        return time.thread_time() - began

    return timed
