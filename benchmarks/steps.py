"""Where a decorated call's time goes: each step of its way, run alone, beside the whole."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import wrapt

from benchmarks import inlined
from benchmarks.timing import looped, rounds
from llmobs_trace.capture import active, ids
from llmobs_trace.capture.arguments import mapper
from llmobs_trace.capture.lifetime import begin
from llmobs_trace.capture.recorder import Recorder, Scope
from llmobs_trace.capture.span_arguments import SpanOptions
from llmobs_trace.capture.span_record import span_record
from llmobs_trace.capture.values import captured
from llmobs_trace.encode import encode
from llmobs_trace.process.life import recording_to


class _Passthrough(wrapt.FunctionWrapper):  # type: ignore[misc]
    def __call__(self, *args: object, **kwargs: object) -> object:
        return self.__wrapped__(*args, **kwargs)


def _plain(messages: object) -> object:
    return inlined.REPLY


def table(number: int, repeats: int) -> list[str]:
    """One row a step: µs, and its share of the whole call. Steps overlap at their edges, so shares need
    not add up to 100.
    """
    recorder = Recorder(lambda record: None, Scope("experiment", "project", "dataset"))
    with recording_to(recorder):
        passthrough = _Passthrough(_plain, _plain)
        arguments = mapper(_plain)
        what = SpanOptions()
        root = begin(recorder, what, "root", None)
        span = begin(recorder, what, "decorated", root)
        span.start_ns = time.time_ns()
        span._input = encode({"messages": inlined.MESSAGES})
        span._output = encode(inlined.REPLY)
        named = {"messages": inlined.MESSAGES}
        steps: dict[str, Callable[[], object]] = {
            "wrapt's proxy and the function itself": lambda: passthrough(inlined.MESSAGES),
            "the arguments by name": lambda: arguments(inlined.MESSAGES),
            "the active span's place": active.current_chain,
            "an id": ids.new_span_id,
            "the clocks": lambda: (time.time_ns(), time.perf_counter_ns(), time.perf_counter_ns()),
            "the span object and its id": lambda: begin(recorder, what, "decorated", root),
            "encoding the input": lambda: captured(recorder, "input", named),
            "encoding the output": lambda: captured(recorder, "output", inlined.REPLY),
            "joining the record": lambda: span_record(span, recorder, 1),
        }
        # Under a root, as most calls are: a root of its own would pay for the row's id too.
        whole_call = inlined.under_a_root(lambda: inlined.decorated(inlined.MESSAGES))
        timed = {"the whole call, nothing appended": whole_call}
        timed.update({name: looped(step) for name, step in steps.items()})
        seconds = rounds(timed, number, repeats)
    empty = statistics.median(rounds({"": looped(lambda: None)}, number, repeats)[""])
    whole = statistics.median(seconds["the whole call, nothing appended"]) - empty
    lines = ["| step | µs | share |", "|---|---|---|"]
    for name, taken in seconds.items():
        cost = statistics.median(taken) - empty
        lines.append(f"| {name} | {cost * 1e6:.2f} | {cost / whole:.0%} |")
    return lines
