"""A 10 MB input, cut to `max_event_bytes`, beside one msgspec encode of it: a long chat; one long text.

Of a call within a trace, as most are. A root without a row's id is known by a hash of its input besides.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import msgspec

from benchmarks import inlined
from benchmarks.figures import Figure, Plan, ratios
from benchmarks.timing import Timed, looped, rounds
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
        subjects[f"{name}, recorded"] = _timed(_recording(value), within_a_root=True)
        subjects[f"{name}, as a row"] = _timed(_recording(value))
        subjects[f"{name}, encoded"] = _timed(_encoding(value))
    seconds = rounds(subjects, 2 if plan.quick else 4, plan.repeats)
    shutdown(60)
    figures = {
        (name, how): ratios("large", seconds[f"{name}, {how}"], seconds[f"{name}, encoded"])
        for name in INPUTS
        for how in ("recorded", "as a row")
    }
    worst = max((figures[name, "recorded"] for name in INPUTS), key=lambda figure: figure.median)
    note = "; ".join(
        f"{name} {figures[name, 'recorded'].median:.2f}, as a root {figures[name, 'as a row'].median:.2f}"
        for name in INPUTS
    )
    yield Figure("large", worst.values, note)


def _recording(value: object) -> Callable[[], object]:
    def record() -> None:
        with experiment_span("large", input=value):
            pass

    return record


def _encoding(value: object) -> Callable[[], object]:
    return lambda: _encode(value)


def _timed(call: Callable[[], object], *, within_a_root: bool = False) -> Timed:
    return inlined.under_a_root(call) if within_a_root else looped(call)
