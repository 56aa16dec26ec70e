"""A 10 MB input, cut to `max_event_bytes`, beside one msgspec encode of it: a long chat; one long text."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import msgspec

from benchmarks.figures import Figure, Plan
from benchmarks.timing import Timed, rounds
from llmobs_trace import configure, experiment_span, shutdown

_TEXT = "What is the capital of France, and which river does it lie on? "
INPUTS: dict[str, object] = {
    "2,000 messages": [{"role": "user", "content": _TEXT * 80} for _ in range(2_000)],
    "one text": _TEXT * 160_000,
}

_encode = msgspec.json.Encoder().encode


def measure(plan: Plan) -> Iterator[Figure]:
    configure(destination="local", database=plan.scratch / "large.db", journal=None, flush_interval=3600)
    subjects: dict[str, Timed] = {}
    for name, value in INPUTS.items():
        subjects[f"{name}, recorded"] = _timed(_recording(value))
        subjects[f"{name}, encoded"] = _timed(_encoding(value))
    seconds = rounds(subjects, 2 if plan.quick else 4, plan.repeats)
    shutdown(60)
    by_name = {
        name: [
            mine / floor
            for mine, floor in zip(seconds[f"{name}, recorded"], seconds[f"{name}, encoded"], strict=True)
        ]
        for name in INPUTS
    }
    figures = {name: Figure("large", tuple(values)) for name, values in by_name.items()}
    worst = max(figures, key=lambda name: figures[name].median)
    note = "; ".join(f"{name} {figure.median:.2f}" for name, figure in figures.items())
    yield Figure("large", figures[worst].values, note)


def _recording(value: object) -> Callable[[], object]:
    def record() -> None:
        with experiment_span("large", input=value):
            pass

    return record


def _encoding(value: object) -> Callable[[], object]:
    return lambda: _encode(value)


def _timed(call: Callable[[], object]) -> Timed:
    def timed(number: int) -> float:
        began = time.thread_time()
        for _ in range(number):
            call()
        return time.thread_time() - began

    return timed
