"""Decorated callables go to other processes, by every pickler that sends functions by value, and arrive
decorated.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from support.machine import Machine

# cloudpickle as libraries bring it along: the same source, imported under names of their own.
COPIES = """
import importlib.util, sys, types
def copy_of_cloudpickle(name):
    if name not in sys.modules:
        *parents, last = name.split(".")
        for parent in (".".join(parents[: end + 1]) for end in range(len(parents))):
            sys.modules.setdefault(parent, types.ModuleType(parent))
        found = importlib.util.find_spec("cloudpickle")
        where = list(found.submodule_search_locations)
        spec = importlib.util.spec_from_file_location(name, found.origin, submodule_search_locations=where)
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]

def pickler(name):
    if name == "dill":
        import dill
        dill.settings["recurse"] = True
        return dill
    return copy_of_cloudpickle(name)
"""

PICKLERS = [
    "cloudpickle",
    "joblib.externals.cloudpickle",
    "ray.cloudpickle",
    "pyspark.cloudpickle",
    "a.name.that.nobody.knows",
    "dill",
]
BEFORE_US = ("ray.cloudpickle",)

SENDER = (
    COPIES
    + """
for name in {before_us!r}:
    copy_of_cloudpickle(name)

import functools, json
from llmobs_trace import experiment_span, propagate
from elsewhere import known, unknown

@experiment_span
def recursive(n):
    return n if n < 2 else recursive(n - 1) + recursive(n - 2)

def closing_over(k):
    @experiment_span("closed", kind="tool", tags={{"k": k}})
    def inner(x):
        return x + k
    return inner

class Model:
    def __init__(self, scale):
        self.scale = scale

    @experiment_span
    def method(this, x):
        return x * this.scale

    @experiment_span
    @classmethod
    def of_class(kind, x):
        return kind.__name__, x

    @experiment_span
    @staticmethod
    def static(x):
        return x

    @experiment_span
    async def later(self, x):
        return x

    @experiment_span
    def stream(self, x):
        yield x

    def __call__(self, x):
        return x + self.scale

def documented(a, b=2):
    "Another's words."

@functools.wraps(documented)
@experiment_span("under wraps")
def under_wraps(x):
    return x

def noisy(function):
    @functools.wraps(function)
    def wrapper(*args):
        return ["noisy", function(*args)]
    return wrapper

@noisy
@experiment_span
def beneath(x):
    return x

propagated = [None]
with experiment_span("sending") as sending:
    propagated = propagate(recursive)

model = Model(10)
things = {{
    "a recursive function": recursive,
    "a closure": closing_over(3),
    "a lambda": experiment_span(lambda x: -x),
    "a bound method": model.method,
    "an instance": model,
    "its class": Model,
    "a decorated instance": experiment_span("object")(model),
    "under wraps": under_wraps,
    "beneath another decorator": beneath,
    "two references": [recursive, {{"again": recursive}}],
    "a partial": functools.partial(closing_over(4), 5),
    "propagated": propagated,
    "by reference": known,
    "of a module without its name": unknown,
}}
sent = {{}}
for name in {picklers!r}:
    for what, thing in things.items():
        sent[name + ": " + what] = pickler(name).dumps(thing).hex()
print(json.dumps([sent, [sending.trace_id, sending.span_id]]))
"""
)

ARRIVAL = (
    COPIES
    + """
import asyncio, json, pickle
from llmobs_trace import experiment_span
from llmobs_trace.capture.recorder import Recorder, Scope
from llmobs_trace.pytest_plugin import RecordedSpans
from llmobs_trace.process.life import recording_to

def use(what, thing):
    if what == "a bound method":
        return thing(2)
    if what == "an instance":
        later, stream = asyncio.run(thing.later(5)), [*thing.stream(6)]
        return [thing.method(2), thing.of_class(3), thing.static(4), later, stream]
    if what == "its class":
        return [thing(7).method(2), thing.of_class(3)]
    if what == "two references":
        return thing[0] is thing[1]["again"]
    if what == "a partial":
        return thing()
    if what == "by reference":
        import elsewhere
        return thing is elsewhere.known
    return thing(2)

with open(sys.argv[1]) as file:
    sent = json.load(file)
arrived = {}
for label, data in sent.items():
    name, _, what = label.partition(": ")
    spans = RecordedSpans()
    with recording_to(Recorder(spans.append_record, Scope("e", "p", "d"))):
        given = use(what, pickler(name).loads(bytes.fromhex(data)))
    arrived[label] = [given, [
        [span.name, span.kind, span.input, span.output, span.parent_id, span.trace_id, span.tags.get("k")]
        for span in spans
    ]]
print(json.dumps(arrived))
"""
)

ELSEWHERE = """
from llmobs_trace import experiment_span

@experiment_span
def known(x):
    return x

@experiment_span("renamed")
def unknown(x):
    return x * 5
unknown.__qualname__ = "nowhere"
"""

RECURSIVE = [
    ["recursive", "task", {"n": 1}, 1],
    ["recursive", "task", {"n": 0}, 0],
    ["recursive", "experiment", {"n": 2}, 1],
]
ARRIVES: dict[str, tuple[Any, list[list[Any]]]] = {
    "a recursive function": (1, RECURSIVE),
    "a closure": (5, [["closed", "tool", {"x": 2}, 5]]),
    "a lambda": (-2, [["<lambda>", "experiment", {"x": 2}, -2]]),
    "a bound method": (20, [["Model.method", "experiment", {"x": 2}, 20]]),
    "an instance": (
        [20, ["Model", 3], 4, 5, [6]],
        [
            ["Model.later", "experiment", {"x": 5}, 5],
            ["Model.stream", "experiment", {"x": 6}, [6]],
            ["Model.method", "experiment", {"x": 2}, 20],
            ["Model.of_class", "experiment", {"x": 3}, ["Model", 3]],
            ["Model.static", "experiment", {"x": 4}, 4],
        ],
    ),
    "its class": (
        [14, ["Model", 3]],
        [
            ["Model.method", "experiment", {"x": 2}, 14],
            ["Model.of_class", "experiment", {"x": 3}, ["Model", 3]],
        ],
    ),
    "a decorated instance": (12, [["object", "experiment", {"x": 2}, 12]]),
    "under wraps": (2, [["under wraps", "experiment", {"x": 2}, 2]]),
    "beneath another decorator": (["noisy", 2], [["beneath", "experiment", {"x": 2}, 2]]),
    "two references": (True, []),
    "a partial": (9, [["closed", "tool", {"x": 5}, 9]]),
    "propagated": (1, [*RECURSIVE[:2], ["recursive", "task", {"n": 2}, 1]]),
    "by reference": (True, []),
    "of a module without its name": (10, [["renamed", "experiment", {"x": 2}, 10]]),
}


@pytest.fixture(scope="module")
def arrived(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], list[str]]:
    """What became of everything in a process that knows none of it, and the ids of the sender's span."""
    machine = Machine(tmp_path_factory.mktemp("machine"))
    (machine.home / "elsewhere.py").write_text(ELSEWHERE)
    # So that neither program has names of ours before it asks for them.
    header = "# from llmobs_trace import *\n"
    sender = header + SENDER.format(before_us=BEFORE_US, picklers=PICKLERS)
    sent, sending = machine.run(sender).told[0]
    file = machine.home / "sent.json"
    file.write_text(json.dumps(sent))
    told: dict[str, Any] = machine.run(header + ARRIVAL, file).told[0]
    return told, sending


@pytest.mark.parametrize("what", ARRIVES)
@pytest.mark.parametrize("pickler", PICKLERS)
def test_what_is_sent_by_value_arrives_decorated(
    arrived: tuple[dict[str, Any], list[str]], pickler: str, what: str
) -> None:
    given, spans = arrived[0][f"{pickler}: {what}"]
    assert (given, [span[:4] for span in spans]) == ARRIVES[what]


@pytest.mark.parametrize("pickler", PICKLERS)
def test_a_decorator_s_options_arrive_too(arrived: tuple[dict[str, Any], list[str]], pickler: str) -> None:
    _, (span,) = arrived[0][f"{pickler}: a closure"]
    assert span[6] == "3"


@pytest.mark.parametrize("pickler", PICKLERS)
def test_what_propagate_bound_is_of_the_same_trace_where_it_arrives(
    arrived: tuple[dict[str, Any], list[str]], pickler: str
) -> None:
    told, (trace_id, span_id) = arrived
    *within, outermost = told[f"{pickler}: propagated"][1]
    assert outermost[4:6] == [span_id, trace_id]
    assert {span[5] for span in within} == {trace_id}


# --- by real pools ------------------------------------------------------------------------------------------


@pytest.fixture
def machine(tmp_path: Path) -> Any:
    own = Machine(tmp_path)
    own.set(database=own.database)
    yield own
    own.stop()


def spans_of(machine: Machine) -> list[tuple[str, str | None]]:
    """The names of all spans and their parents' ids, what ended workers left included."""
    machine.command("resend")
    return [
        (
            span["name"],
            next((tag.partition(":")[2] for tag in span["tags"] if tag.startswith("parent_id:")), None),
        )
        for span in machine.stored_spans()
    ]


def test_a_hundred_calls_by_joblib_are_a_hundred_spans(machine: Machine) -> None:
    ended = machine.run("""
        import joblib
        @experiment_span
        def work(number): return number * 2
        def main():
            @experiment_span
            def closed(number): return number * 3
            with joblib.Parallel(n_jobs=2) as parallel:
                print(sum(parallel(joblib.delayed(work)(number) for number in range(50))))
                print(sum(parallel(joblib.delayed(closed)(number) for number in range(50))))
        if __name__ == "__main__":
            main()
    """)
    assert ended.told == [2450, 3675]
    names = [name for name, _ in spans_of(machine)]
    assert sorted(names) == ["closed"] * 50 + ["work"] * 50


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
@pytest.mark.parametrize("pool", ["ProcessPoolExecutor", "Pool"])
def test_propagated_functions_go_to_pools_and_their_spans_are_the_sender_s_children(
    machine: Machine, method: str, pool: str
) -> None:
    ended = machine.run(
        """
        import concurrent.futures, multiprocessing, sys
        @experiment_span
        def work(number): return number * 2
        def plain(number):
            with experiment_span("block"): return number
        if __name__ == "__main__":
            import json
            context = multiprocessing.get_context(sys.argv[1])
            makers = {"Pool": context.Pool,
                      "ProcessPoolExecutor": lambda n: concurrent.futures.ProcessPoolExecutor(n, context)}
            with makers[sys.argv[2]](2) as pool, experiment_span("main") as span:
                for function in (work, plain):
                    assert sum(pool.map(propagate(function), range(5))) in (10, 20)
                print(json.dumps(span.span_id))
                if hasattr(pool, "close"):
                    pool.close()
                    pool.join()
        """,
        method,
        pool,
    )
    parents = spans_of(machine)
    assert sorted(name for name, _ in parents) == ["block"] * 5 + ["main"] + ["work"] * 5
    assert {parent for name, parent in parents if name != "main"} == {ended.told[0]}
