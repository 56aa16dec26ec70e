"""A picture in a chat message, and a long chat with some, beside one msgspec encode of the same."""

from __future__ import annotations

import base64
import random
from collections.abc import Callable, Iterator

import msgspec

from benchmarks import inlined
from benchmarks.figures import Figure, Plan, ratios
from benchmarks.timing import Timed, looped, rounds
from llmobs_trace import configure, experiment_span, shutdown

_TEXT = "What is the capital of France, and which river does it lie on? "
_encode = msgspec.json.Encoder().encode


def _picture(size_bytes: int) -> dict[str, object]:
    data = base64.b64encode(random.Random(0).randbytes(size_bytes)).decode()
    return {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{data}"}}


def _message(*pictures: object) -> dict[str, object]:
    return {"role": "user", "content": [{"type": "text", "text": _TEXT}, *pictures]}


_WORDS = [{"role": "user", "content": _TEXT * 8} for _ in range(500)]
INPUTS: dict[str, object] = {
    "5 MB in a message": [_message(_picture(5 << 20))],
    "20 of 256 KiB in a chat of 500 messages": [*_WORDS, *(_message(_picture(256 << 10)) for _ in range(20))],
    "none in a chat of 500 messages": _WORDS,
}


def measure(plan: Plan) -> Iterator[Figure]:
    configure(destination="local", database=plan.scratch / "media.db", journal=None, flush_interval=3600)
    subjects: dict[str, Timed] = {}
    for name, value in INPUTS.items():
        subjects[f"{name}, recorded"] = inlined.under_a_root(_recording(value))
        subjects[f"{name}, encoded"] = looped(_encoding(value))
    seconds = rounds(subjects, 4 if plan.quick else 8, plan.repeats)
    shutdown(60)
    figures = [ratios("media", seconds[f"{name}, recorded"], seconds[f"{name}, encoded"]) for name in INPUTS]
    note = "; ".join(f"{name} {figure.median:.2f}" for name, figure in zip(INPUTS, figures, strict=True))
    yield Figure("media", figures[0].values, note)


def _recording(value: object) -> Callable[[], object]:
    def record() -> None:
        with experiment_span("media", input=value):
            pass

    return record


def _encoding(value: object) -> Callable[[], object]:
    return lambda: _encode(value)
