"""A program that uses everything a user can, and what comes of each part of it: traced, and untraced.

`PARTS` are functions of a namespace: `llmobs_trace` itself, or `Untraced`, in which nothing of it happens.
Each answers with what the user sees; the answers of both must be equal.
"""

from __future__ import annotations

import asyncio
import collections
import concurrent.futures
import contextlib
import dataclasses
import datetime
import decimal
import enum
import functools
import gc
import multiprocessing.pool
import sys
import threading
import types
import uuid
from pathlib import PurePosixPath

import wrapt
from support.stories import Unequal, fresh, one_step, step_through, told

from llmobs_trace import register_type
from llmobs_trace.capture import recorder as slot

if sys.version_info < (3, 11):
    from exceptiongroup import ExceptionGroup


class _Unreadable(Unequal):
    def __str__(self):
        raise SystemExit


CAUSE, CONTEXT, RAISED, THROWN = Unequal("cause"), Unequal("context"), Unequal("raised"), Unequal("thrown")
UNREADABLE = _Unreadable()


def _caused():
    error = Unequal("caused")
    error.__cause__ = Unequal("cause")
    return error


# More than is told of one: members are left out, and causes.
GROUP = ExceptionGroup("group", [ExceptionGroup("group", [_caused() for _ in range(15)]) for _ in range(3)])


class _Block:
    """What `experiment_span(…)` is where nothing is traced."""

    span_id = trace_id = "untraced"

    def __call__(self, function):
        return function

    def __enter__(self):
        return self

    def __exit__(self, *error):
        return None

    async def __aenter__(self):
        return self

    async def __aexit__(self, *error):
        return None

    def set_input(self, *args, **kwargs):
        return None

    set_output = set_expected_output = set_tags = record_exception = record_metric = set_input


class Untraced:
    """The public names, doing nothing."""

    @staticmethod
    def experiment_span(name=None, **options):
        return name if callable(name) or isinstance(name, (classmethod, staticmethod)) else _Block()

    @staticmethod
    def record_metric(*args, **kwargs):
        return None

    @staticmethod
    def current_span():
        return None

    @staticmethod
    def inject(headers):
        return headers

    @staticmethod
    def continue_trace(headers):
        return _Block()

    @staticmethod
    def propagate(function):
        return function


class Registered:
    """Recorded as a function says that was registered for it."""


register_type(Registered, lambda value: 1)

HEADERS = {
    "traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    "tracestate": "other=1,llmobs=e:ex;p:pr;d:da",
}


def calls(t):
    """Plain functions: returned, raised, nested, with every kind of parameter."""

    @t.experiment_span
    def inner(a, /, b=2, *rest, c=3, **more):
        t.current_span()
        return a, b, rest, c, more

    @t.experiment_span("outer", kind="agent", tags={"n": 1, "l": [1]}, row_id="r", expected_output={"a": 1})
    def outer(x):
        return inner(x), inner(x, 5, 6, c=7, d=8)

    @t.experiment_span(experiment_id="e", project_id="p", dataset_id="d")
    def fails(how):
        if how == "cause":
            raise fresh(RAISED) from fresh(CAUSE)
        if how == "context":
            try:
                raise fresh(CONTEXT)
            except Unequal:
                raise fresh(RAISED)  # noqa: B904 - what is tested
        raise fresh({"unreadable": UNREADABLE, "group": GROUP}.get(how, RAISED))

    made = object()
    same = t.experiment_span(lambda: made)
    return [
        told(outer, 1),
        told(lambda: same() is made),
        *(told(fails, how) for how in ("cause", "context", "unreadable", "group", "plainly")),
        told(inner),
        told(lambda: _while_handling(lambda: fails("plainly"))),
    ]


def _while_handling(act):
    try:
        raise fresh(CONTEXT)
    except Unequal:
        return act()


def methods(t):
    """Methods of every kind, callable objects, partials, functions decorated twice."""

    class Model:
        @t.experiment_span
        def plain(self, x):
            return x

        @t.experiment_span
        @classmethod
        def below(cls, x):
            return cls.__name__, x

        @staticmethod
        @t.experiment_span
        def static(x):
            return x

        def __call__(self, x):
            return x

    def add(x, y):
        return x + y

    @functools.wraps(add)
    def one(*args):
        return add(1, *args)

    twice = t.experiment_span("a")(t.experiment_span("b")(add))
    return [
        told(Model().plain, 1),
        told(Model.plain, Model(), 1),
        told(Model.below, 2),
        told(Model.static, 3),
        told(t.experiment_span(Model()), 4),
        told(t.experiment_span(functools.partial(add, 1)), 4),
        told(t.experiment_span(one), 4),
        told(t.experiment_span(one), 4, 5),
        told(twice, 1, 2),
        told(t.experiment_span(len), [1]),
        told(t.experiment_span(max), 1, 2),
    ]


@wrapt.decorator
def passing(wrapped, instance, args, kwargs):
    return wrapped(*args, **kwargs)


def standing_in(t):
    """What a decorated callable is asked besides its call, and other people's decorators beneath it."""

    class Held:
        def __call__(self, x):
            return x

        def __len__(self):
            return 5

        @t.experiment_span
        @passing
        @classmethod
        def beneath(cls, x):
            return cls.__name__, x

        @t.propagate
        @passing
        def propagated(self, x):
            return type(self).__name__, x

    def plain(x):
        return x

    made = t.experiment_span(plain)
    made.attribute = 1
    seen = [made.attribute, vars(made), made.__name__, hasattr(made, "__enter__"), isinstance(made, type)]
    del made.attribute
    return [
        *seen,
        hasattr(made, "attribute"),
        made == plain,
        {made: 1}[plain],
        *(told(reach, 1) for reach in (Held.beneath, Held.beneath, Held().beneath, Held().propagated)),
        len(t.experiment_span(Held())),
    ]


def coroutines(t):
    """Coroutines outside of any loop."""

    @t.experiment_span
    async def fetch(x):
        with t.experiment_span("inside"):
            await one_step()
        async with t.experiment_span("inside too", input=x):
            await one_step()
        if x == "raise":
            raise fresh(RAISED) from fresh(CAUSE)
        return x

    def closed():
        coroutine = fetch(1)
        coroutine.send(None)
        return coroutine.close()

    def thrown():
        coroutine = fetch(1)
        coroutine.send(None)
        coroutine.throw(fresh(THROWN))

    @t.experiment_span
    @types.coroutine
    def pause(x):
        yield
        return x

    async def pauses():
        return await pause(3)

    return [
        told(lambda: step_through(fetch(1))),
        told(lambda: step_through(fetch("raise"))),
        told(closed),
        told(thrown),
        told(fetch),
        told(lambda: step_through(pauses())),
    ]


def generators(t):
    """Generators: run out, stopped, sent to, thrown into, collected; their blocks; one within another."""

    @t.experiment_span
    def echoes(first="first"):
        received = yield first
        while received != "stop":
            with t.experiment_span("block in a generator") as span:
                span.set_output(1)
                try:
                    received = yield "got", received
                except Unequal as error:
                    received = error
        return "returned"

    @t.experiment_span
    def words():
        yield "a"
        yield "b"

    @t.experiment_span
    def fails():
        yield 1
        raise fresh(RAISED) from fresh(CAUSE)

    def blocks():
        with t.experiment_span("undecorated"):
            yield 1
            with t.experiment_span("second"):
                yield 2

    def opened():
        block = t.experiment_span("left open for a step")
        block.__enter__()
        return block

    @t.experiment_span
    def leaves_open():
        block = opened()
        yield 1
        block.__exit__(None, None, None)

    def made_of(collect):
        @t.experiment_span(collect=collect)
        def numbers():
            yield 1
            yield [2]

        return list(numbers())

    @t.experiment_span
    def hands_on():
        return words()

    def steps():
        iterator = echoes()
        seen = [next(iterator), iterator.send(1), iterator.throw(fresh(THROWN))]
        try:
            iterator.send("stop")
        except StopIteration as stop:
            seen.append(stop.value)
        return seen

    def stopped():
        iterator = echoes()
        return next(iterator), iterator.close(), next(iterator, "over")

    def interleaved():
        first, second, third = blocks(), blocks(), words()
        seen = [next(first), next(second), next(third), next(first), next(third)]
        with t.experiment_span("beside"):
            seen.append(next(second))
        first.close()
        return seen, list(second), list(third)

    def thrown():
        iterator = words()
        next(iterator)
        iterator.throw(fresh(THROWN))

    def collected():
        iterator, block = echoes(), blocks()
        next(iterator)
        next(block)
        del iterator, block
        gc.collect(0)

    return [
        told(steps),
        told(lambda: list(leaves_open())),
        told(stopped),
        told(lambda: list(words())),
        told(lambda: list(fails())),
        told(interleaved),
        told(thrown),
        told(collected),
        told(made_of, len),
        told(made_of, "".join),
        told(lambda: list(hands_on())),
    ]


def async_generators(t):
    """The same for async generators, within a loop and without."""

    @t.experiment_span
    async def echoes():
        received = yield "first"
        while received != "stop":
            async with t.experiment_span("block"):
                await one_step()
                try:
                    received = yield "got", received
                except Unequal as error:
                    received = error

    @t.experiment_span
    async def fails(error):
        yield 1
        await one_step()
        raise fresh(error)

    async def blocks():
        async with t.experiment_span("undecorated"):
            yield 1

    async def steps():
        iterator = echoes()
        seen = [await iterator.__anext__(), await iterator.asend(1), await iterator.athrow(fresh(THROWN))]
        await iterator.aclose()
        return seen

    async def collect(stream):
        return [item async for item in stream]

    async def stopped():
        async for item in echoes():
            return item
        return None

    return [
        told(lambda: step_through(steps())),
        told(lambda: step_through(collect(fails(RAISED)))),
        told(lambda: step_through(collect(blocks()))),
        told(lambda: asyncio.run(collect(blocks()))),
        told(lambda: asyncio.run(stopped())),
    ]


def tasks(t):
    """Tasks, groups, timeouts, threads of a loop."""

    @t.experiment_span
    async def fetch(x):
        with t.experiment_span("inside"):
            await asyncio.sleep(0)
        if x < 0:
            raise fresh(RAISED)
        return x

    @t.experiment_span
    async def waits():
        await asyncio.Event().wait()

    @t.experiment_span
    def blocking(x):
        return x

    async def from_a_thread(loop):
        return await asyncio.to_thread(lambda: asyncio.run_coroutine_threadsafe(fetch(7), loop).result(10))

    async def main():
        with t.experiment_span("root"):
            seen = [*await asyncio.gather(fetch(1), fetch(2), asyncio.to_thread(blocking, 3))]
            task = asyncio.ensure_future(fetch(4))
            waiting = asyncio.ensure_future(waits())
            await asyncio.sleep(0)
            waiting.cancel()
            seen += [await task, *map(repr, await asyncio.gather(waiting, return_exceptions=True))]
            loop = asyncio.get_running_loop()
            seen.append(await loop.run_in_executor(None, blocking, 5))
            seen.append(await from_a_thread(loop))
            loop.call_soon(t.propagate(lambda: seen.append("called")))
            await asyncio.sleep(0)
            try:
                await asyncio.gather(fetch(-1))
            except Unequal as error:
                seen.append(error)
            return seen

    async def times_out():
        await asyncio.wait_for(waits(), 0.001)

    def timed_out():
        try:
            asyncio.run(times_out())
        except asyncio.TimeoutError as error:
            return type(error)

    return [told(lambda: asyncio.run(main())), told(timed_out)]


def blocks(t):
    """Blocks with every argument, nested, in stacks and managers, left by exceptions."""

    def told_everything():
        with t.experiment_span(
            "block", kind="llm", input=[1], expected_output=2, tags={"a": 1}, row_id="r", experiment_id="e"
        ) as span:
            span.set_input({"b": [2]})
            span.set_output("text")
            span.set_expected_output({"c": 3})
            span.set_tags({"d": 4})
            span.record_metric("m", 1, reasoning="r", assessment="pass", tags={"x": 1}, metadata={"y": 2})
            span.record_exception(RAISED)
        return "done"

    def interrupted():
        with t.experiment_span(not_errors=[KeyError, "app.Stop"]), t.experiment_span(not_errors=["x.y"]):
            raise fresh(RAISED)

    def fails():
        with t.experiment_span(), t.experiment_span("inner"):
            raise fresh(RAISED) from fresh(CAUSE)

    def model_calls():
        with t.experiment_span("row"):
            for took in ({"input_tokens": 3, "output_tokens": "4"}, {"input_tokens": "x", "cost_usd": 0.5}):
                with t.experiment_span("model", kind="llm", tags=took) as span:
                    span.set_output("text")
        return "done"

    @contextlib.contextmanager
    def manager():
        with t.experiment_span("managed"):
            yield 1

    def named_row():
        with t.experiment_span("row", row_id="r"):
            return 1

    def stacked():
        with contextlib.ExitStack() as stack:
            stack.enter_context(t.experiment_span("one"))
            stack.enter_context(manager())
            return stack.enter_context(manager())

    def entered_twice():
        block = t.experiment_span("twice")
        with block, block, block:
            return 1

    def out_of_order():
        first, second = t.experiment_span("first"), t.experiment_span("second")
        first.__enter__()
        second.__enter__()
        first.__exit__(None, None, None)
        second.__exit__(None, None, None)

    def lost():
        t.experiment_span("lost").__enter__()
        gc.collect(0)

    async def asynchronous():
        async with t.experiment_span("block", input=1) as span:
            span.set_output(2)
            raise fresh(RAISED)

    return [
        told(told_everything),
        told(fails),
        told(interrupted),
        told(model_calls),
        told(named_row),
        told(stacked),
        told(entered_twice),
        told(out_of_order),
        told(lost),
        told(lambda: step_through(asynchronous())),
    ]


class Color(enum.Enum):
    RED = 1


class Slotted:
    __slots__ = ("x",)


def values(t):
    """Values of every family, through the encoder."""

    @dataclasses.dataclass
    class Point:
        x: int
        y: object = None

    class Unknown:
        def __init__(self):
            self.x = 1

    Named = collections.namedtuple("Named", "a b")
    cycle: list[object] = []
    cycle.append(cycle)
    deep: list[object] = []
    for _ in range(200):
        deep = [deep]
    hostile = "\ud800", {1: "a", "1": "b"}, 2**80, float("nan"), -float("inf"), b"\x00\xff" * 3
    everything = [
        Point(1, Point(2)),
        Unknown(),
        Slotted(),
        Named(1, 2),
        Color.RED,
        datetime.datetime(2020, 1, 1),
        decimal.Decimal("1.5"),
        uuid.UUID(int=5),
        PurePosixPath("/a"),
        {3, 1},
        frozenset("a"),
        collections.deque([1]),
        collections.Counter("aab"),
        types.MappingProxyType({"a": 1}),
        ValueError("an exception"),
        memoryview(b"abc"),
        range(3),
        iter([1]),
        print,
        complex(1, 2),
        ...,
        cycle,
        deep,
        hostile,
        "x" * 20_000,
        ["y" * 3_000] * 5,
        {"k": "z" * 9_000},
    ]

    @t.experiment_span
    def passes(value):
        return value

    @t.experiment_span
    def streams(value):
        yield value
        yield "text"

    def all_of_them():
        return [passes(value) is value for value in everything]

    with t.experiment_span("all", input=everything):
        told_of_all = told(all_of_them)
    return [told_of_all, told(lambda: [list(streams(value))[1] for value in everything[:3]])]


def metrics(t):
    """Metrics of every type, by span, by id, and misuse."""

    def record():
        with t.experiment_span("row") as span:
            for value in (
                True,
                1,
                0.5,
                float("nan"),
                "text",
                {"a": 1},
                [1],
                10**400,
                decimal.Decimal(1),
                Color.RED,
            ):
                t.record_metric("m", value)
            t.record_metric("m", "0.5", metric_type="score", assessment="pass", reasoning="r")
            t.record_metric("m", error=ValueError("e"), tags={"a": 1}, metadata={"b": 1}, timestamp_ms=1)
            t.record_metric("m", error="e", timestamp_ms=1)
            t.record_metric("m", Registered(), lower_is_better=True)
            t.record_metric("m", "x" * 20_000)
        t.record_metric("m", 1, span=span)
        t.record_metric("m", 1, span=span.span_id)
        span.record_metric("m", 1)
        t.record_metric("m", 1)
        t.record_metric("m")
        t.record_metric("m", 1, span=5)
        span.set_output(1)
        span.set_tags({"parent_id": 1})
        with t.experiment_span("many tags") as tagged:
            tagged.set_tags({str(number): "x" * 90 for number in range(99)})
        with t.experiment_span("collects", collect=len):
            pass
        with t.experiment_span("misspelt", knid="llm"):
            pass
        with t.experiment_span("wrong", kind="wrong", tags={"span_kind": 1}, row_id=5):
            return "done"

    return [told(record)]


def propagation(t):
    """Headers in and out, and callables bound to a span."""

    def headers():
        mine = {"other": "x"}
        with t.experiment_span("client"):
            assert t.inject(mine) is mine
        with t.continue_trace(HEADERS):
            span = t.current_span()
            t.record_metric("m", 1, span=span)
            with t.experiment_span("server"):
                t.inject({})
                t.record_metric("m", 1)
        with t.continue_trace(mine):
            pass
        with t.continue_trace({"traceparent": "malformed"}), t.continue_trace({}):
            return "done"

    async def async_headers():
        async with t.continue_trace(HEADERS):
            with t.experiment_span("server"):
                await one_step()

    def bound():
        def fails():
            raise fresh(RAISED)

        async def coroutine():
            await one_step()
            return 2

        def generator():
            yield 3
            return 4

        async def async_generator():
            yield 5

        async def collect(stream):
            return [item async for item in stream]

        with t.experiment_span("origin"):
            plain = t.propagate(lambda x: x)
            raising = t.propagate(fails)
            made = [t.propagate(function) for function in (coroutine, generator, async_generator)]
        return [
            plain(1),
            told(raising),
            step_through(made[0]()),
            list(made[1]()),
            step_through(collect(made[2]())),
        ]

    return [told(headers), told(lambda: step_through(async_headers())), told(bound)]


def threads(t):
    """Threads and pools."""

    @t.experiment_span
    def work(x):
        if x == "raise":
            raise fresh(RAISED)
        return x

    def program():
        seen = []
        with t.experiment_span("root"):
            thread = threading.Thread(target=lambda: seen.append(work(1)))
            thread.start()
            thread.join()
            with concurrent.futures.ThreadPoolExecutor(1) as pool:
                seen += [pool.submit(work, 2).result(), *pool.map(work, [3])]
                seen.append(pool.submit(work, "raise").exception())
            with multiprocessing.pool.ThreadPool(1) as pool:
                seen += [pool.apply(work, (4,)), *pool.map(work, [5]), *pool.imap(work, [6])]
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            seen += [pool.submit(work, 7).result(), pool.submit(asyncio.run, fetch(8)).result()]
        return seen

    async def fetch(x):
        return await asyncio.ensure_future(t.experiment_span(asyncio.sleep)(0, x))

    def ended_by_another_thread():
        block = t.experiment_span("elsewhere")
        block.__enter__()
        thread = threading.Thread(target=block.__exit__, args=(None, None, None))
        thread.start()
        thread.join()
        return "done"

    return [told(program), told(ended_by_another_thread)]


@contextlib.contextmanager
def never_sampled(t):
    """Every new trace is left out."""
    with t.experiment_span("fills the slot, where that can be done"):
        pass
    recorder = slot.current
    if t is Untraced or recorder is None:
        yield
        return
    before, recorder.sample_rate = recorder.sample_rate, 0.0
    try:
        yield
    finally:
        recorder.sample_rate = before


def unsampled(t):
    """Traces that are left out: here, and where the caller decided so."""

    @t.experiment_span
    def work(x):
        t.record_metric("m", 1)
        return x

    @t.experiment_span
    def stream(x):
        try:
            received = yield work(x)
        except Unequal as error:
            received = error
        yield received

    async def fetch(x):
        async with t.experiment_span("block"):
            return work(x)

    def everything():
        with t.experiment_span("row", input=1) as span:
            span.set_output(1)
            span.record_metric("m", 1)
            t.inject({})
            iterator = stream(1)
            seen = [next(iterator), iterator.throw(fresh(THROWN)), iterator.close()]
            return seen, work(2), step_through(t.experiment_span(fetch)(3)), t.propagate(work)(4)

    with never_sampled(t):
        seen = [told(everything), told(lambda: list(stream(2))), told(work)]
    with t.continue_trace({"traceparent": HEADERS["traceparent"][:-2] + "00"}):
        return [*seen, told(everything)]


# In a process of its own each part is fast; the threads and loops come last.
PARTS = [
    calls,
    methods,
    standing_in,
    coroutines,
    generators,
    blocks,
    values,
    metrics,
    propagation,
    unsampled,
    async_generators,
    tasks,
    threads,
]


def at_depth(depth, act):
    """Call `act` from `depth` frames further in."""
    return act() if depth <= 0 else at_depth(depth - 1, act)


def frames_left():
    """How many frames more the interpreter takes."""
    frame, depth = sys._getframe(), 0
    while frame is not None:
        depth, frame = depth + 1, frame.f_back
    return sys.getrecursionlimit() - depth
