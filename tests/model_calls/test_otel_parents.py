"""Who is whose child, where OpenTelemetry's spans and ours are opened within one another: one table.

In the names of the spans: `o…` is OpenTelemetry's, `b…` a block or a decorated callable of ours.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from opentelemetry import context as context_api
from opentelemetry.context import Context
from opentelemetry.trace import Tracer, set_span_in_context, use_span
from support.nesting import leaf
from support.otel import parents_of, tracing

from llmobs_trace import continue_trace, current_span, experiment_span, inject, propagate

Program = Callable[[Tracer], Any]
CASES: list[Any] = []


def case(expected: dict[str, str | None]) -> Callable[[Program], Program]:
    def add(program: Program) -> Program:
        CASES.append(pytest.param(program, expected, id=program.__name__))
        return program

    return add


@pytest.fixture
def tracer(llmobs_spans: Any) -> Iterator[Tracer]:
    with tracing() as tracer:
        yield tracer


@pytest.fixture(params=["alone", "beside a stream"])
def beside(request: pytest.FixtureRequest) -> Iterator[None]:
    """Each case again while another thread holds a generator's block open."""
    if request.param == "alone":
        yield
        return

    def stream() -> Iterator[None]:
        with experiment_span("somebody's"):
            yield

    held = stream()
    thread = threading.Thread(target=next, args=(held,))
    thread.start()
    thread.join(60)
    yield
    held.close()


# --- one thread ---------------------------------------------------------------------------------------------


@case({"b1": None, "o2": "b1", "b3": "o2", "o4": "b3", "b5": "o4", "b6": "b1"})
def one_in_another_by_turns(tracer: Tracer) -> None:
    with experiment_span("b1"):
        with (
            tracer.start_as_current_span("o2"),
            experiment_span("b3"),
            tracer.start_as_current_span("o4"),
            experiment_span("b5"),
        ):
            pass
        leaf("b6")


@case({"o1": None, "o2": "o1", "b3": "o2", "b4": "b3", "o5": "b4", "o6": "o1"})
def two_of_each_at_a_time(tracer: Tracer) -> None:
    with tracer.start_as_current_span("o1"):
        with (
            tracer.start_as_current_span("o2"),
            experiment_span("b3"),
            experiment_span("b4"),
            tracer.start_as_current_span("o5"),
        ):
            pass
        tracer.start_span("o6").end()


@case({"b1": None, "o2": "b1", "b3": "b1"})
def a_span_that_is_not_made_current_is_nobody_s_parent(tracer: Tracer) -> None:
    with experiment_span("b1"):
        span = tracer.start_span("o2")
        leaf("b3")
        span.end()


@case({"b1": None, "o2": "b1", "b3": "o2", "o4": "b3", "b5": "b1"})
def a_span_made_current_by_hand(tracer: Tracer) -> None:
    with experiment_span("b1"):
        span = tracer.start_span("o2")
        token = context_api.attach(set_span_in_context(span))
        with experiment_span("b3"), tracer.start_as_current_span("o4"):
            pass
        context_api.detach(token)
        leaf("b5")
        span.end()


@case({"o1": None, "b2": None, "b3": "o1", "o4": "b3", "b5": "b2"})
def a_span_begun_before_a_block_and_made_current_inside_it(tracer: Tracer) -> None:
    span = tracer.start_span("o1")
    with experiment_span("b2"):
        with use_span(span), experiment_span("b3"), tracer.start_as_current_span("o4"):
            pass
        leaf("b5")
    span.end()


@case({"o1": None, "b2": "o1", "b3": "b2", "o4": "b2"})
def a_decorated_function(tracer: Tracer) -> None:
    @experiment_span("b2")
    def work() -> None:
        leaf("b3")
        tracer.start_span("o4").end()

    with tracer.start_as_current_span("o1"):
        work()


@case({"b1": None, "o2": "b1", "b3": "o2"})
def a_function_that_opentelemetry_decorates(tracer: Tracer) -> None:
    @tracer.start_as_current_span("o2")
    def work() -> None:
        leaf("b3")

    with experiment_span("b1"):
        work()


@case({"o1": None, "b2": "o1", "o3": "b2", "b4": "o3", "b5": "b2", "b6": "o1"})
def pairs_of_start_and_end(tracer: Tracer) -> None:
    outer = tracer.start_as_current_span("o1")
    outer.__enter__()
    block = experiment_span("b2")
    block.__enter__()
    inner = tracer.start_as_current_span("o3")
    inner.__enter__()
    leaf("b4")
    inner.__exit__(None, None, None)
    leaf("b5")
    block.__exit__(None, None, None)
    leaf("b6")
    outer.__exit__(None, None, None)


@case({"o1": None, "o2": "o1", "b3": "o2", "b4": "b3", "b5": "o1"})
def ends_in_the_wrong_order(tracer: Tracer) -> None:
    with tracer.start_as_current_span("o1"):
        inner = tracer.start_as_current_span("o2")
        inner.__enter__()
        block = experiment_span("b3")
        block.__enter__()
        inner.__exit__(None, None, None)
        leaf("b4")
        block.__exit__(None, None, None)
        leaf("b5")


@case({"o1": None, "o2": "o1", "b3": "o2", "b4": "b3", "b5": "o1"})
def made_current_by_hand_and_let_go_in_the_wrong_order(tracer: Tracer) -> None:
    with tracer.start_as_current_span("o1"):
        span = tracer.start_span("o2")
        token = context_api.attach(set_span_in_context(span))
        block = experiment_span("b3")
        block.__enter__()
        context_api.detach(token)
        leaf("b4")
        block.__exit__(None, None, None)
        leaf("b5")
        span.end()


@case({"b1": None, "o2": "b1", "b3": "b1", "o4": "o2", "o5": "o4"})
def a_parent_that_is_named_and_never_current(tracer: Tracer) -> None:
    with experiment_span("b1"):
        run = tracer.start_span("o2")
        with experiment_span("b3"):
            step = tracer.start_span("o4", context=set_span_in_context(run))
            tracer.start_span("o5", context=set_span_in_context(step)).end()
            step.end()
        run.end()


@case({"b1": None, "o2": "b1", "b3": "o2", "o4": "b3"})
def the_current_context_named_as_the_parent(tracer: Tracer) -> None:
    with experiment_span("b1"), tracer.start_as_current_span("o2"), experiment_span("b3"):
        tracer.start_span("o4", context=context_api.get_current()).end()


@case({"b1": None, "o2": "b1"})
def an_empty_context_within_a_block(tracer: Tracer) -> None:
    with experiment_span("b1"):
        tracer.start_span("o2", context=Context()).end()


@case({"o1": None, "b2": "o1", "b3": "b2", "o4": "b2"})
def a_trace_continued_in_process(tracer: Tracer) -> None:
    with tracer.start_as_current_span("o1"):
        with experiment_span("b2"):
            headers = inject({})
        with continue_trace(headers):
            leaf("b3")
            tracer.start_span("o4").end()


@case({"o1": None, "b2": "o1", "b3": None})
def a_span_handed_on_by_propagate(tracer: Tracer) -> None:
    with tracer.start_as_current_span("o1"):
        later = propagate(leaf)
    later("b2")
    leaf("b3")


@case({"o1": None, "b2": "o1"})
def headers_of_a_span_of_opentelemetry_s(tracer: Tracer) -> None:
    with tracer.start_as_current_span("o1"):
        headers = inject({})
    with continue_trace(headers):
        leaf("b2")


# --- threads ------------------------------------------------------------------------------------------------


@case({"b1": None, "o2": "b1", "b3": "o2", "o4": "b3", "o5": "o2"})
def a_thread(tracer: Tracer) -> None:
    def work() -> None:
        with experiment_span("b3"), tracer.start_as_current_span("o4"):
            pass
        tracer.start_span("o5").end()

    with experiment_span("b1"), tracer.start_as_current_span("o2"):
        thread = threading.Thread(target=work)
        thread.start()
        thread.join(60)


@case({"o1": None, "b2": "o1", "o3": "b2", "b4": None})
def jobs_of_an_executor(tracer: Tracer) -> None:
    def work(name: str) -> None:
        with experiment_span(name):
            if name == "b2":
                tracer.start_span("o3").end()

    with ThreadPoolExecutor(1) as pool:
        with tracer.start_as_current_span("o1"):
            pool.submit(work, "b2").result(60)
        pool.submit(work, "b4").result(60)


@case({"o1": None, "b2": "o1", "o3": "b2", "b4": "o3"})
def a_thread_to_which_opentelemetry_s_context_is_brought_as_well(tracer: Tracer) -> None:
    """As its own instrumentation of threads does."""

    def work(context: Context) -> None:
        token = context_api.attach(context)
        with tracer.start_as_current_span("o3"):
            leaf("b4")
        context_api.detach(token)

    with tracer.start_as_current_span("o1"), experiment_span("b2"):
        thread = threading.Thread(target=work, args=(context_api.get_current(),))
        thread.start()
        thread.join(60)


@case({"b1": None, "o2": "b1", "b3": "o2", "b4": "b1"})
def a_context_of_elsewhere_made_current_in_a_thread(tracer: Tracer) -> None:
    with tracer.start_as_current_span("o0") as span, experiment_span("b0"):
        pass
    context = set_span_in_context(span)
    del span, context

    def work(context: Context) -> None:
        token = context_api.attach(context)
        leaf("b3")
        context_api.detach(token)
        leaf("b4")

    with experiment_span("b1"):
        inner = tracer.start_span("o2")
        thread = threading.Thread(target=work, args=(set_span_in_context(inner),))
        thread.start()
        thread.join(60)
        inner.end()


@case({"o1": None, "b2": "o1", "b3": None})
def a_span_that_another_thread_ends(tracer: Tracer) -> None:
    manager = tracer.start_as_current_span("o1", end_on_exit=False)
    span = manager.__enter__()
    leaf("b2")
    thread = threading.Thread(target=span.end)
    thread.start()
    thread.join(60)
    manager.__exit__(None, None, None)
    leaf("b3")


# --- tasks --------------------------------------------------------------------------------------------------


@case(
    {
        "o1": None,
        **{f"b2{n}": "o1" for n in "ab"},
        **{f"o3{n}": f"b2{n}" for n in "ab"},
        **{f"b4{n}": f"o3{n}" for n in "ab"},
    }
)
def tasks_side_by_side(tracer: Tracer) -> None:
    async def work(name: str) -> None:
        with experiment_span(f"b2{name}"):
            await asyncio.sleep(0)
            with tracer.start_as_current_span(f"o3{name}"):
                await asyncio.sleep(0)
                leaf(f"b4{name}")

    async def main() -> None:
        with tracer.start_as_current_span("o1"):
            await asyncio.gather(work("a"), work("b"))

    asyncio.run(main())


@case({"o1": None, "b2": "o1", "b3": "b2", "o4": "b2", "b5": "o4"})
def a_task_that_is_made_in_a_block_in_a_span(tracer: Tracer) -> None:
    async def work() -> None:
        await asyncio.sleep(0)
        leaf("b3")
        with tracer.start_as_current_span("o4"):
            leaf("b5")

    async def main() -> None:
        with tracer.start_as_current_span("o1"), experiment_span("b2"):
            await asyncio.create_task(work())

    asyncio.run(main())


@case({"o1": None, "b2": "o1", "o3": "o1"})
def a_task_that_outlives_the_span_it_was_made_in(tracer: Tracer) -> None:
    async def work(ended: asyncio.Event) -> None:
        await ended.wait()
        leaf("b2")
        tracer.start_span("o3").end()

    async def main() -> None:
        ended = asyncio.Event()
        with tracer.start_as_current_span("o1"):
            task = asyncio.create_task(work(ended))
            await asyncio.sleep(0)
        ended.set()
        await task

    asyncio.run(main())


@case({"b1": None, "o2": "b1", "b3": "o2", "o4": "b3"})
def a_call_in_a_thread_of_the_loop(tracer: Tracer) -> None:
    def work() -> None:
        with experiment_span("b3"):
            tracer.start_span("o4").end()

    async def main() -> None:
        with experiment_span("b1"), tracer.start_as_current_span("o2"):
            await asyncio.to_thread(work)

    asyncio.run(main())


@case({"o1": None, "b2": "o1", "o3": "b2"})
def a_span_made_current_by_hand_in_the_task_s_maker(tracer: Tracer) -> None:
    async def work() -> None:
        with experiment_span("b2"):
            tracer.start_span("o3").end()

    async def main() -> None:
        span = tracer.start_span("o1")
        with use_span(span, end_on_exit=True):
            await asyncio.create_task(work())

    asyncio.run(main())


# --- generators ---------------------------------------------------------------------------------------------


@case({"b1": None, "o2": "b1", "b3": "o2", "b4": "o2", "b5": "b1", "o6": "b1"})
def a_generator_that_has_a_span_open_while_it_is_suspended(tracer: Tracer) -> None:
    def stream() -> Iterator[int]:
        with tracer.start_as_current_span("o2"):
            leaf("b3")
            yield 1
            leaf("b4")

    with experiment_span("b1"):
        for _ in stream():
            leaf("b5")
            tracer.start_span("o6").end()


@case({"b1": None, "o2": "b1", "b3": "o2", "o4": "b3", "b5": "b3"})
def a_generator_that_has_a_block_open_while_its_consumer_has_a_span(tracer: Tracer) -> None:
    def stream() -> Iterator[int]:
        with experiment_span("b3"):
            yield 1
            tracer.start_span("o4").end()
            leaf("b5")

    with experiment_span("b1"):
        numbers = None
        with tracer.start_as_current_span("o2"):
            numbers = stream()
            next(numbers)
        assert list(numbers) == []


@case({"o1": None, "b2": "o1", "o3": "b2", "b4": "o3", "b5": "o1", "o6": "o1"})
def a_decorated_generator(tracer: Tracer) -> None:
    @experiment_span("b2")
    def stream() -> Iterator[int]:
        with tracer.start_as_current_span("o3"):
            yield 1
            leaf("b4")

    with tracer.start_as_current_span("o1"):
        for _ in stream():
            leaf("b5")
            tracer.start_span("o6").end()


@case({"b1": None, "o2": "b1", "b3": "o2", "b4": "b1", "o5": "b1"})
def an_async_generator(tracer: Tracer) -> None:
    async def stream() -> Any:
        with tracer.start_as_current_span("o2"):
            yield 1
            leaf("b3")

    async def main() -> None:
        with experiment_span("b1"):
            async for _ in stream():
                leaf("b4")
                tracer.start_span("o5").end()

    asyncio.run(main())


@case({"b1": None, "o2": "b1", "b3": "b1", "b4": "b1"})
def a_generator_that_is_closed_in_another_thread(tracer: Tracer) -> None:
    """OpenTelemetry can't take its span out of the context then: it stays current there, and is nobody's
    parent here.
    """

    def stream() -> Iterator[int]:
        with tracer.start_as_current_span("o2"):
            yield 1

    with experiment_span("b1"):
        numbers: Any = stream()
        next(numbers)
        leaf("b3")
        thread = threading.Thread(target=numbers.close)
        thread.start()
        thread.join(60)
        leaf("b4")


@pytest.mark.parametrize(("program", "expected"), CASES)
def test_whose_child_a_span_is(
    program: Program, expected: dict[str, str | None], tracer: Tracer, beside: None, llmobs_spans: Any
) -> None:
    token = context_api.attach(Context())
    program(tracer)
    context_api.detach(token)
    found = parents_of(llmobs_spans)
    found.pop("o0", None), found.pop("b0", None)
    assert found == expected
    assert current_span() is None
