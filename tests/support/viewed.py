"""A store with what a viewer must show: two runs to compare, many rows, and what tries to do harm."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from support.events import START_NS, metric, span

from llmobs_trace.store.store import Store

ROWS = 12
MANY = 230
MS = 1_000_000
BIG_CHARACTERS = 10_000_000
# What changes a page that it is made part of, in each of the places that a page has.
HOSTILE = (
    "<script>window.ran = 1</script>",
    "<img src=x onerror='window.ran = 1'>",
    "</script><script>window.ran = 1</script>",
    "<!-- <script> ",
    "'\"><svg onload=window.ran=1>",
    "javascript:window.ran=1",
    "\u202egnp.exe\u202c\u200b\u2066\x07\u001b[31m\ufeff",
    "{{constructor.constructor('window.ran=1')()}}",
    "\ufffdé\u0301\u0301\u0301 👩‍👩‍👧 العربية עברית \U000e0041",
)


def fill(database: Path) -> None:
    """`before` and `after` share rows; `many` has pages of them, `wide` a large trace, `hostile` harm."""
    with Store(database) as store:
        _add_run(store, "wide", _wide(), name="a large trace")
        _add_run(store, "many", _many(), name="many rows")
        _add_run(store, "hostile", _hostile(), name=HOSTILE[0])
        _add_run(store, "before", _run(better=False, start_ns=START_NS + 10**12), name="answers")
        _add_run(
            store, "after", _run(better=True, start_ns=START_NS + 2 * 10**12), name="answers, new prompt"
        )


Events = tuple[list[bytes], list[bytes]]


def _add_run(store: Store, experiment_id: str, events: Events, *, name: str) -> None:
    store.add(experiment_id, *events, name=name)


def row_events(number: int, *, run: str, start_ns: int, better: bool = True) -> Events:
    """A row with a retrieval and a model under it. Row 3 raises, 5 has a failed evaluator, 7 misses one."""
    root, trace = f"{run}-r{number:03d}", f"{run}-t{number:03d}"
    right = better or number % 4 != 0
    answer = f"The answer to {number} is {number * 2 if right else number}."
    prompt = [
        {"role": "system", "content": "Answer in one sentence."},
        {"role": "user", "content": [{"type": "text", "text": f"What is twice {number}?"}]},
    ]
    raised = {
        "type": "LookupError",
        "message": f"nothing is known of {number}",
        "stack": 'Traceback (most recent call last):\n  File "answer.py", line 3, in look_up\nLookupError',
    }
    fails = number == 3
    values: dict[str, Any] = {} if fails else {"output": answer}
    spans = [
        span(
            root,
            trace_id=trace,
            kind="experiment",
            row=f"row-{number:03d}",
            name="answer",
            start_ns=start_ns + number * 200 * MS,
            duration_ns=(10 + number * 3) * MS,
            error=raised if fails else None,
            input=f"What is twice {number}?",
            expected_output={"value": str(number * 2)},
            **values,
        ),
        span(
            f"{root}-a",
            trace_id=trace,
            parent=root,
            kind="retrieval",
            name="look up",
            start_ns=start_ns + number * 200 * MS + MS,
            duration_ns=4 * MS,
            error=raised if fails else None,
            input={"query": f"twice {number}", "limit": 9007199254740993},
            output=None if fails else [{"text": "Twice means times two.", "score": 0.5}],
        ),
    ]
    if fails:
        return spans, []
    spans.append(
        span(
            f"{root}-b",
            trace_id=trace,
            parent=root,
            kind="llm",
            name="model",
            start_ns=start_ns + number * 200 * MS + 5 * MS,
            duration_ns=(4 + number * 3) * MS,
            input=prompt,
            output={"role": "assistant", "content": answer},
        )
    )
    event = json.loads(spans[-1])
    event["tags"] += ["time_to_first_item_ns:2000000", "exhausted:false", "model:small-1"]
    spans[-1] = json.dumps(event).encode()
    metrics = [
        metric(root, "correct", right, assessment="pass" if right else "fail"),
        metric(root, "style", "plain" if number % 2 else "chatty"),
    ]
    if number == 5:
        metrics.append(metric(root, "likeness", error={"message": "the judge is down"}))
    elif number != 7:
        metrics.append(metric(root, "likeness", round(0.5 + number / 40, 3), reasoning="by shared words"))
    return spans, metrics


def _joined(parts: list[Events]) -> Events:
    return [one for spans, _ in parts for one in spans], [one for _, metrics in parts for one in metrics]


def _run(*, better: bool, start_ns: int) -> Events:
    run = "b" if better else "a"
    return _joined([row_events(n, run=run, start_ns=start_ns, better=better) for n in range(1, ROWS + 1)])


def _many() -> Events:
    return _joined([row_events(n, run="m", start_ns=START_NS) for n in range(1, MANY + 1)])


def _wide() -> Events:
    root = span("w-0", trace_id="w", kind="experiment", row="wide", name="step 0", duration_ns=1200 * MS)
    steps = [
        span(f"w-{n}", trace_id="w", parent="w-0", name=f"step {n}", start_ns=START_NS + n * MS)
        for n in range(1, 1200)
    ]
    return [root, *steps], []


def _hostile() -> Events:
    deep: Any = "the bottom"
    for level in range(400):
        deep = [deep] if level % 2 else {"below": deep}
    texts = "\n".join(HOSTILE)
    spans = [
        span(
            "h1",
            trace_id=HOSTILE[2],
            kind="experiment",
            row=HOSTILE[1],
            name=HOSTILE[0],
            input=texts,
            output={text: text for text in HOSTILE},
            error={"type": HOSTILE[0], "message": HOSTILE[6], "stack": texts},
        ),
        span("h2", trace_id=HOSTILE[2], parent="h1", kind=HOSTILE[4], name="big", input="x" * BIG_CHARACTERS),
        span("h3", trace_id=HOSTILE[2], parent="h1", kind="llm", name="deep", input=deep),
        span(
            "h4",
            trace_id=HOSTILE[2],
            parent="h1",
            kind="llm",
            name="chat",
            input=[
                {"role": HOSTILE[0], "content": HOSTILE[1]},
                {"role": "user", "content": [{"type": "image_url", "image_url": {"url": HOSTILE[5]}}]},
                {
                    "role": "user",
                    "content": [{"type": "image_url", "image_url": {"url": "http://198.51.100.7/x.png"}}],
                },
                {
                    "role": "assistant",
                    "tool_calls": [{"id": "1", "function": {"name": "f", "arguments": '{"a": 1}'}}],
                },
            ],
        ),
    ]
    metrics = [metric("h1", HOSTILE[0], HOSTILE[1], reasoning=HOSTILE[2], metadata={"k": HOSTILE[0]})]
    return spans, metrics
