"""How long encoding holds a call up that is given far too much: values of every shape that once had no bound.

What is written and looked at is counted in the tests; here is the time that comes to.
"""

from __future__ import annotations

import decimal
import time
from collections.abc import Iterator
from fractions import Fraction
from functools import reduce
from types import SimpleNamespace

from benchmarks.figures import Figure, Plan
from llmobs_trace.encode import encode


class _Object:
    pass


def _values() -> dict[str, object]:
    nan = float("nan")
    return {
        "one text in 50,000 places": ["x" * 8192] * 50_000,
        "10,000 integers of 4,000 digits": [10**4000] * 10_000,
        "60,000 fractions of as many": [Fraction(10**4000, 3)] * 60_000,
        "50,000 decimals of 70,000 digits": [decimal.Decimal("9" * 70_000)] * 50_000,
        "10,000,000 characters that are escaped": "\x01" * 10_000_000,
        "the same and a lone surrogate": ["\x01" * 10_000_000, "\ud800"],
        "5,000,000 integers": [1] * 5_000_000,
        "299,000 integers and no number": [*range(299_000), nan],
        "70,000 messages and no number": [*({"role": "user", "n": at} for at in range(70_000)), nan],
        "60,000 objects of a list": [SimpleNamespace(body=[1, "é"])] * 60_000,
        "60,000 keys that look alike": {_Object(): 1 for _ in range(60_000)},
        "lists of 30,000 in each other": reduce(lambda inner, _: [inner, *[0] * 30_000], range(60), nan),
        "sets in each other": reduce(lambda inner, at: frozenset([inner, at]), range(30), "\x01" * 2_000_000),
        "3,000 sets of sets": {frozenset(range(at, at + 50)) for at in range(3_000)},
        "branches that double": reduce(lambda inner, _: [inner, inner], range(40), nan),
    }


def measure(plan: Plan) -> Iterator[Figure]:
    values = _values()
    seconds = {name: [_seconds(value) for _ in range(plan.repeats)] for name, value in values.items()}
    longest = max(seconds, key=lambda name: sorted(seconds[name])[plan.repeats // 2])
    note = f"the longest of {len(values)} values: {longest}"
    yield Figure("amount", tuple(each * 1e3 for each in seconds[longest]), note)


def _seconds(value: object) -> float:
    began = time.thread_time()
    encode(value)
    return time.thread_time() - began
