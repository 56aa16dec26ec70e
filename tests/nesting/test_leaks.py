"""What is over is gone: no frame, argument, exception or ended span is kept alive, and nothing grows."""

from __future__ import annotations

import asyncio
import gc
import logging
import sys
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.pool import ThreadPool

import pytest
from greenlet import getcurrent, greenlet
from support.nesting import Started, active, async_stream, leaf, scope, stream
from support.stories import one_step, step_through

from llmobs_trace import experiment_span, propagate
from llmobs_trace.capture import recorder as slot
from llmobs_trace.capture.carry import jobs
from llmobs_trace.process.life import recording_to


class Thing:
    """Something that can be watched."""


class Failure(Exception):
    """An exception that can be watched."""


@pytest.fixture
def gone():
    """A callable: whether what was watched is gone, without and, failing that, with a collection."""

    def gone(*watched):
        if any(watch() is not None for watch in watched):
            gc.collect()
        return [watch() for watch in watched] == [None] * len(watched)

    return gone


def watch(thing):
    return weakref.ref(thing)


def test_arguments_and_results_of_a_decorated_function(gone):
    @experiment_span("function")
    def function(thing):
        return Thing()

    argument = Thing()
    watched = [watch(argument), watch(function(argument))]
    del argument
    assert gone(*watched)


def test_what_a_failed_function_held(gone):
    @experiment_span("function")
    def function(thing):
        with experiment_span("block"):
            raise Failure(thing)

    def fail():
        argument = Thing()
        try:
            function(argument)
        except Failure as failure:
            return [watch(argument), watch(failure)]

    assert gone(*fail())


@pytest.mark.parametrize("decorated", [False, True], ids=["a block", "a decorated generator"])
@pytest.mark.parametrize(
    "how", ["never started", "exhausted", "closed", "abandoned", "in a cycle", "in a thread"]
)
def test_the_frame_of_a_generator(gone, llmobs_spans, decorated, how):
    watched = []

    def with_block(argument):
        with experiment_span("stream") as span:
            watched.append(watch(span))
            local = Thing()
            watched.append(watch(local))
            yield argument
            yield

    def without_block(argument):
        local = Thing()
        watched.append(watch(local))
        yield argument
        yield

    def use():
        argument = Thing()
        watched.append(watch(argument))
        items = experiment_span("stream")(without_block)(argument) if decorated else with_block(argument)
        if how == "never started":
            return
        next(items)
        if how == "exhausted":
            list(items)
        elif how == "closed":
            items.close()
        elif how == "in a cycle":
            argument.items = items
        elif how == "in a thread":
            thread = threading.Thread(target=items.close)
            thread.start()
            thread.join(60)

    use()
    assert gone(*watched)
    assert [span.name for span in llmobs_spans] == ["stream"] * (how != "never started")


@pytest.mark.parametrize("decorated", [False, True], ids=["a block", "a decorated generator"])
@pytest.mark.parametrize("how", ["never started", "exhausted", "closed", "abandoned", "left to the loop"])
def test_the_frame_of_an_async_generator(gone, llmobs_spans, run, decorated, how):
    watched = []

    async def with_block(argument):
        async with experiment_span("stream") as span:
            watched.append(watch(span))
            local = Thing()
            watched.append(watch(local))
            yield argument
            yield

    async def without_block(argument):
        local = Thing()
        watched.append(watch(local))
        yield argument
        yield

    async def use():
        argument = Thing()
        watched.append(watch(argument))
        items = experiment_span("stream")(without_block)(argument) if decorated else with_block(argument)
        if how == "never started":
            return None
        await anext(items)
        if how == "exhausted":
            async for _ in items:
                pass
        elif how == "closed":
            await items.aclose()
        return items if how == "left to the loop" else None

    async def main():
        kept = await use()
        for _ in range(5):
            await asyncio.sleep(0)
        return kept

    run(main())
    assert gone(*watched)
    assert [span.name for span in llmobs_spans] == ["stream"] * (how != "never started")


def test_an_abandoned_generator_ends_at_once_although_it_holds_its_own_span(llmobs_spans):
    def items():
        with experiment_span("stream") as span:
            yield span

    gc.disable()
    try:
        next(items())
        assert [span.name for span in llmobs_spans] == ["stream"]
    finally:
        gc.enable()


def test_the_arguments_of_a_decorated_coroutine(gone, run):
    @experiment_span("coroutine")
    async def coroutine(thing):
        await asyncio.sleep(0)
        return Thing()

    async def main():
        argument = Thing()
        watched = [watch(argument), watch(await coroutine(argument))]
        task = asyncio.create_task(coroutine(argument))
        await task
        return [*watched, watch(task), watch(task.result())]

    assert gone(*run(main()))


def test_a_cancelled_task_and_what_it_held(gone, run):
    watched = []

    async def forever(thing):
        with experiment_span("cancelled") as span:
            watched.extend([watch(thing), watch(span)])
            await asyncio.Event().wait()

    async def main():
        with experiment_span("outer"):
            task = asyncio.create_task(forever(Thing()))
            watched.append(watch(task))
            await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait([task])

    run(main())
    assert gone(*watched)


def test_a_loop_and_its_tasks(gone):
    async def main():
        with experiment_span("outer"):
            await asyncio.gather(asyncio.to_thread(leaf, "job"), asyncio.sleep(0))
        return [watch(asyncio.get_running_loop()), watch(asyncio.current_task())]

    assert gone(*asyncio.run(main()))


def test_a_thread_and_what_it_was_given(gone):
    def start():
        argument = Thing()
        with experiment_span("outer") as span:
            thread = threading.Thread(target=lambda thing: leaf("in thread"), args=(argument,))
            thread.start()
            thread.join(60)
            return [watch(argument), watch(thread), watch(span)]

    assert gone(*start())


def test_a_job_of_a_living_pool(gone):
    with ThreadPoolExecutor(1) as pool:

        def submit():
            argument = Thing()
            with experiment_span("outer") as span:
                job = pool.submit(lambda thing: leaf("job"), argument)
                job.result()
                return [watch(argument), watch(job), watch(span)]

        watched = submit()
        pool.submit(leaf, "next job").result()
        assert gone(*watched)


def test_a_greenlet_dropped_with_its_block_open(gone, llmobs_spans):
    def body(thing):
        with experiment_span("dropped"):
            getcurrent().parent.switch()

    def drop():
        argument = Thing()
        held = greenlet(body)
        held.switch(argument)
        return [watch(argument), watch(held)]

    assert gone(*drop())
    assert [span.name for span in llmobs_spans] == ["dropped"]


def test_an_ended_span_although_its_child_is_open(gone):
    def parent_of(block):
        with experiment_span("parent") as span:
            block.start()
            return watch(span)

    block = Started("child")
    watched = parent_of(block)
    assert gone(watched)
    leaf("in child")
    block.end()


def test_an_ended_span_although_a_stream_was_started_in_it(gone):
    items = stream("stream")

    def begin():
        with experiment_span("parent") as span:
            next(items)
            return watch(span)

    assert gone(begin())
    items.close()


def test_an_ended_span_although_a_callable_was_bound_in_it(gone):
    def bind():
        with experiment_span("parent") as span:
            return propagate(leaf), watch(span)

    bound, watched = bind()
    assert gone(watched)
    bound("later")


def test_spans_that_ended_out_of_order(gone):
    def use():
        first, second = Started("first"), Started("second")
        first.start()
        second.start()
        first.end()
        second.end()
        return [watch(first), watch(second)]

    assert gone(*use())


def test_a_span_ended_by_another_thread(gone):
    def use():
        block = experiment_span("block")
        span = block.__enter__()
        thread = threading.Thread(target=block.__exit__, args=(None, None, None))
        thread.start()
        thread.join(60)
        return watch(span)

    watched = use()
    leaf("next in this thread")
    assert gone(watched)


def test_the_frame_of_a_function_whose_block_has_ended(gone):
    def function():
        local = Thing()
        with experiment_span("block") as span, scope("scope"):
            return [watch(local), watch(span)]

    assert gone(*function())


def everything(number):
    """A bit of each: what any of it left behind would grow with the number of rounds."""
    with experiment_span("outer"):
        for _ in stream("closed"):
            break
        list(stream("exhausted"))
        handler = Started("handled")
        handler.start()
        handler.end()
        with scope("scope"):
            thread = threading.Thread(target=leaf, args=("in thread",))
            thread.start()
            thread.join(60)
        greenlet(leaf).switch("in greenlet")

    async def main():
        with experiment_span("in loop"):
            async for _ in async_stream("abandoned"):
                break
            await asyncio.gather(asyncio.to_thread(leaf, "job"), asyncio.create_task(asyncio.sleep(0)))

    if number % 10 == 0:
        asyncio.run(main())


def ours():
    """How many objects of the library's own types there are, by type."""
    gc.collect()
    found = {}
    for thing in gc.get_objects():
        kind = type(thing)
        module = type.__getattribute__(kind, "__module__")
        if isinstance(module, str) and module.startswith("llmobs_trace"):
            found[kind.__name__] = found.get(kind.__name__, 0) + 1
    return found


def test_nothing_of_ours_grows_with_the_number_of_spans(llmobs_spans):
    for number in range(11):
        everything(number)
    llmobs_spans.clear()
    before = ours()
    for number in range(61):
        everything(number)
    llmobs_spans.clear()
    # Fewer may be left: what other tests' threads had.
    assert {kind: number for kind, number in ours().items() if number > before.get(kind, 0)} == {}


def test_nothing_is_logged_or_raised_beside_anyone_at_any_level(caplog, monkeypatch, llmobs_spans):
    unraisable = []
    monkeypatch.setattr(sys, "unraisablehook", unraisable.append)
    caplog.set_level(logging.DEBUG, "llmobs_trace")
    for number in range(2):
        everything(number)
    held = [stream("collected in a thread"), stream("closed in a thread")]
    for items in held:
        next(items)
    thread = threading.Thread(target=lambda: (held.pop().close(), held.clear()))
    thread.start()
    thread.join(60)
    gc.collect()
    assert [record for record in caplog.records if record.name.startswith("llmobs_trace")] == []
    assert unraisable == []
    assert active() is None


# --- what the user's code lets go of ------------------------------------------------------------------------


@pytest.fixture
def without_a_collector():
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.fixture(params=["recorded", "not sampled", "switched off"])
def a_recorder(request, llmobs_spans):
    """What a call comes to for the recorder, which must make no difference here."""
    sample_rate = 0.0 if request.param == "not sampled" else 1.0
    recorder = slot.Recorder(slot.discard, slot.Scope("e", "p", "d"), sample_rate=sample_rate)
    recorder.enabled = request.param != "switched off"
    with recording_to(recorder):
        yield


def plain(function):
    return function


def finished(awaitable):
    """Run an awaitable without a loop, keeping nothing of it."""
    steps = awaitable.__await__()
    del awaitable
    while True:
        try:
            next(steps)
        except StopIteration as stop:
            return stop.value


@pytest.mark.parametrize("decorate", [plain, experiment_span], ids=["plain", "decorated"])
@pytest.mark.usefixtures("without_a_collector", "a_recorder")
def test_what_a_coroutine_lets_go_of_is_gone_while_it_runs(decorate):
    seen = []

    async def gone_while_awaiting(watched):
        await one_step()
        return watched() is None

    @decorate
    async def by_place(thing, *rest):
        watched = watch(thing)
        del thing, rest
        return await gone_while_awaiting(watched)

    @decorate
    async def by_name(*, thing, **others):
        watched = watch(thing)
        del thing, others
        return await gone_while_awaiting(watched)

    class Receiver:
        @decorate
        async def method(self):
            watched = watch(self)
            del self
            return await gone_while_awaiting(watched)

    @decorate
    async def given(things):
        things.clear()
        return True

    seen.append(finished(by_place(Thing(), Thing())))
    seen.append(finished(by_name(thing=Thing(), other=Thing())))
    seen.append(finished(Receiver().method()))
    thing = Thing()
    awaited, watched = by_place(thing), watch(thing)
    del thing
    seen.append(finished(awaited))
    assert (seen, watched()) == ([True] * 4, None)


def raising(error):
    try:
        raise error
    finally:
        del error


def leaves_function(decorate):
    decorate(raising)(Failure())


def leaves_function_by_name(decorate):
    decorate(lambda **names: raising(names.pop("error")))(error=Failure())


def leaves_exit(decorate):
    class Manager:
        def __enter__(self):
            return self

        @decorate
        def __exit__(self, kind, error, trace):
            try:
                raise error
            finally:
                del error, trace

    with Manager():
        raise Failure


def leaves_aexit(decorate):
    class Manager:
        async def __aenter__(self):
            return self

        @decorate
        async def __aexit__(self, kind, error, trace):
            await one_step()
            try:
                raise error
            finally:
                del error, trace

    async def use():
        async with Manager():
            raise Failure

    step_through(use())


def leaves_aexit_that_looks_on(decorate):
    class Manager:
        async def __aenter__(self):
            return self

        @decorate
        async def __aexit__(self, *error):
            await one_step()

    async def use():
        async with Manager():
            raise Failure

    step_through(use())


def leaves_generator(decorate):
    @decorate
    def generator():
        error = yield
        try:
            raise error
        finally:
            del error

    items = generator()
    next(items)
    items.send(Failure())


def leaves_generator_that_it_is_thrown_into(decorate):
    @decorate
    def generator():
        yield Failure()

    items = generator()
    items.throw(next(items))


def leaves_async_generator(decorate):
    @decorate
    async def generator():
        error = yield
        await one_step()
        try:
            raise error
        finally:
            del error

    async def use():
        items = generator()
        await items.__anext__()
        await items.asend(Failure())

    step_through(use())


def as_a_job(function):
    """What an executor whose submitter has a span makes of a function."""

    def call(*args, **kwargs):
        with ThreadPoolExecutor(1) as pool:
            job = pool.submit(function, *args, **kwargs)
            del args, kwargs
            try:
                return job.result()
            finally:
                del job

    return call


def as_a_job_of_a_thread_pool(function):
    """The same, of `multiprocessing`; its result's `get` would keep the exception, its callback does not."""

    def call(*args, **kwargs):
        errors = []
        pool = ThreadPool(1)
        pool.apply_async(function, args, kwargs, error_callback=errors.append)
        del args, kwargs
        pool.close()
        pool.join()
        raise errors.pop()

    return call


@pytest.mark.parametrize("decorate", [plain, experiment_span], ids=["plain", "decorated"])
@pytest.mark.parametrize(
    "leave",
    [
        leaves_function,
        leaves_function_by_name,
        leaves_exit,
        leaves_aexit,
        leaves_aexit_that_looks_on,
        leaves_generator,
        leaves_generator_that_it_is_thrown_into,
        leaves_async_generator,
    ],
)
@pytest.mark.usefixtures("without_a_collector", "a_recorder")
def test_an_exception_that_was_given_and_leaves_is_gone_without_a_collection(leave, decorate):
    assert gone_when_caught(leave, decorate)


@pytest.mark.parametrize("carry", [as_a_job_of_a_thread_pool, propagate])
@pytest.mark.usefixtures("without_a_collector", "a_recorder")
def test_an_exception_that_was_given_to_a_job_is_gone_without_a_collection(carry):
    with experiment_span("submits"):
        assert gone_when_caught(leaves_function, carry)


@pytest.mark.usefixtures("without_a_collector", "a_recorder")
def test_an_exception_that_was_given_to_an_executor_is_kept_no_longer_than_untraced(monkeypatch):
    with experiment_span("submits"):
        traced = gone_when_caught(leaves_function, as_a_job)
        monkeypatch.setattr(jobs, "enabled", False)
        # From 3.14 on an executor's own frame keeps what its job was given.
        assert traced == gone_when_caught(leaves_function, as_a_job)


def gone_when_caught(leave, decorate):
    try:
        leave(decorate)
    except Failure as error:
        watched = watch(error)
    return watched() is None
