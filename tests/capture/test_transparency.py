"""The same function decorated and not: nobody but the recorder can tell.

Each case is told twice, once of the function and once of the function decorated, and the two stories must be
equal. A story of an exception holds its identity, its cause, context and notes, and the frames of its
traceback but for at most one of ours.
"""

from __future__ import annotations

import abc
import asyncio
import contextlib
import copy
import dataclasses
import functools
import gc
import inspect
import itertools
import os
import pickle
import subprocess
import sys
import textwrap
import types
import typing
import warnings
import weakref

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.examples import examples
from support.stories import Unequal, frames, fresh, one_step, step_through, told

from llmobs_trace import current_span, experiment_span


def undecorated(function):
    return function


def twice(function):
    return experiment_span(experiment_span("again")(function))


DECORATORS = {"bare": experiment_span, "with arguments": experiment_span("named", kind="llm")}


@pytest.fixture(params=DECORATORS.values(), ids=DECORATORS)
def decorated(request, llmobs_spans):
    """`experiment_span`, bare and with arguments; afterwards nothing is active."""
    yield request.param
    assert current_span() is None


# --- plain functions and coroutines: returns and exceptions -------------------------------------------------

CAUSE, CONTEXT, RAISED = Unequal("cause"), Unequal("context"), Unequal("raised")


def raises():
    raise fresh(RAISED)


def raises_from_a_cause():
    raise fresh(RAISED) from fresh(CAUSE)


def raises_from_none():
    try:
        raise fresh(CONTEXT)
    except Unequal:
        raise fresh(RAISED) from None


def raises_in_a_handler():
    try:
        raise fresh(CONTEXT)
    except Unequal:
        raise fresh(RAISED)  # noqa: B904 - what is tested


def raises_in_finally():
    try:
        raise fresh(CONTEXT)
    finally:
        raise fresh(RAISED)


def raises_with_a_note():
    error = fresh(RAISED)
    if hasattr(error, "add_note"):
        error.add_note("a note")
    raise error


def raises_again():
    try:
        raise fresh(RAISED)
    except Unequal:
        raise


def raises_deep():
    def deeper(depth):
        return deeper(depth - 1) if depth else raises()

    deeper(5)


def raises_stop_iteration():
    raise StopIteration("mine")


def raises_stop_async_iteration():
    raise StopAsyncIteration("mine")


def raises_generator_exit():
    raise GeneratorExit


def raises_keyboard_interrupt():
    raise KeyboardInterrupt


def raises_system_exit():
    raise SystemExit(3)


def raises_type_error():
    raise TypeError("of the body, not of the call")


def raises_recursion_error():
    raise RecursionError("mine")


def divides():
    return 1 / 0


ENDINGS = [
    raises,
    raises_from_a_cause,
    raises_from_none,
    raises_in_a_handler,
    raises_in_finally,
    raises_with_a_note,
    raises_again,
    raises_deep,
    raises_stop_iteration,
    raises_stop_async_iteration,
    raises_generator_exit,
    raises_keyboard_interrupt,
    raises_system_exit,
    raises_type_error,
    raises_recursion_error,
    divides,
]
each_ending = pytest.mark.parametrize("ending", ENDINGS, ids=lambda ending: ending.__name__)


def make_plain(decorate, ending):
    @decorate
    def work():
        return ending()

    return work


def make_coroutine(decorate, ending):
    @decorate
    async def work():
        await one_step()
        return ending()

    return lambda: step_through(work())


def make_generator(decorate, ending):
    @decorate
    def work():
        yield 1
        return ending()

    return lambda: list(work())


def make_async_generator(decorate, ending):
    @decorate
    async def work():
        yield 1
        await one_step()
        ending()

    async def collect():
        return [item async for item in work()]

    return lambda: step_through(collect())


MAKERS = [make_plain, make_coroutine, make_generator, make_async_generator]
each_kind = pytest.mark.parametrize("make", MAKERS, ids=lambda make: make.__name__.removeprefix("make_"))


@each_kind
@each_ending
def test_an_exception_is_the_same_object_with_the_same_surroundings(decorated, make, ending):
    assert told(make(decorated, ending)) == told(make(undecorated, ending))


@each_kind
@each_ending
def test_and_the_same_while_another_exception_is_handled(decorated, make, ending):
    """The exception that the caller is handling becomes the context, no other."""
    handled = Unequal("handled")

    def within_a_handler(call):
        try:
            raise fresh(handled)
        except Unequal:
            return told(call)

    assert within_a_handler(make(decorated, ending)) == within_a_handler(make(undecorated, ending))


@each_kind
def test_a_return_value_is_the_same_object(decorated, make):
    made = object()
    if make in (make_plain, make_coroutine):
        assert make(decorated, lambda: made)() is made
    else:
        assert make(decorated, lambda: made)() == [1]


def test_two_decorators_add_a_frame_each_and_change_nothing_else(llmobs_spans):
    ours, theirs = [], []
    for decorate in (undecorated, twice):
        with pytest.raises(Unequal) as caught:
            make_plain(decorate, raises)()
        assert caught.value is RAISED
        ours.append(len(frames(caught.value)[0]))
        theirs.append(frames(caught.value)[1][1:])
    assert ours == [0, 2]
    assert theirs[0] == theirs[1]


@pytest.mark.parametrize(
    "kind", ["plain", "coroutine", "generator", "async generator", "method", "class", "static"]
)
def test_a_call_that_does_not_fit_raises_at_the_call_as_undecorated(decorated, kind):
    def make(decorate):
        class Holder:
            @decorate
            def method(self, x):
                return x

            @decorate
            @classmethod
            def class_method(cls, x):
                return x

            @decorate
            @staticmethod
            def static_method(x):
                return x

        def plain(x):
            return x

        async def coroutine(x):
            return x

        def generator(x):
            yield x

        async def async_generator(x):
            yield x

        return {
            "plain": decorate(plain),
            "coroutine": decorate(coroutine),
            "generator": decorate(generator),
            "async generator": decorate(async_generator),
            "method": Holder().method,
            "class": Holder.class_method,
            "static": Holder.static_method,
        }[kind]

    def call(function, args, keywords):
        result = function(*args, **keywords)
        if inspect.iscoroutine(result):
            result.close()
        return type(result)

    for passed in itertools.product([(), (1,), (1, 2), (1, 2, 3)], [{}, {"x": 1}, {"unknown": 1}]):
        assert told(call, make(decorated), *passed) == told(call, make(undecorated), *passed)


# --- generators, step by step -------------------------------------------------------------------------------


def echoes():
    """Tells what comes in, and takes every exception but two as an item."""
    received = yield "first"
    while received != "stop":
        try:
            received = yield "got", received
        except GeneratorExit:
            return "closed"
        except Unequal as error:
            received = "thrown", error
        except KeyError as error:
            raise fresh(RAISED) from error
    return "returned"


def swallows():
    """Ignores being closed, once."""
    try:
        yield 1
    except GeneratorExit:
        yield "ignored"
    yield 2


def cleans_up():
    try:
        yield 1
        yield 2
    finally:
        log.append("cleaned up")


def delegates():
    result = yield from echoes()
    yield "delegated", result
    return [result]


def closes_with_an_error():
    try:
        yield 1
    finally:
        raise fresh(RAISED)


def raises_at_once():
    raise fresh(RAISED)
    yield


def raises_another():
    try:
        yield 1
    except BaseException:
        raise fresh(RAISED)  # noqa: B904 - what is tested


def hands_on():
    """What is thrown in leaves at once."""
    yield 1
    yield 2


async def async_echoes():
    received = yield "first"
    while received != "stop":
        try:
            await one_step()
            received = yield "got", received
        except GeneratorExit:
            return
        except Unequal as error:
            received = "thrown", error
        except KeyError as error:
            raise fresh(RAISED) from error


async def async_swallows():
    try:
        yield 1
    except GeneratorExit:
        yield "ignored"
    yield 2


async def async_cleans_up():
    try:
        yield 1
        yield 2
    finally:
        await one_step()
        log.append("cleaned up")


async def async_closes_with_an_error():
    try:
        yield 1
    finally:
        raise fresh(RAISED)


async def async_raises_at_once():
    raise fresh(RAISED)
    yield


async def async_raises_another():
    try:
        yield 1
    except BaseException:
        raise fresh(RAISED)  # noqa: B904 - what is tested


async def async_hands_on():
    yield 1
    await one_step()
    yield 2


log = []
GENERATORS = [
    echoes,
    swallows,
    cleans_up,
    delegates,
    closes_with_an_error,
    raises_at_once,
    raises_another,
    hands_on,
]
ASYNC_GENERATORS = [
    async_echoes,
    async_swallows,
    async_cleans_up,
    async_closes_with_an_error,
    async_raises_at_once,
    async_raises_another,
    async_hands_on,
]
THROWN = Unequal("thrown")


def earlier():
    """An exception with a traceback of its own already."""
    try:
        raise fresh(THROWN)
    except Unequal:
        return THROWN


ACTS = {
    "next": lambda it: next(it),
    "send": lambda it: it.send("sent"),
    "send stop": lambda it: it.send("stop"),
    "throw": lambda it: it.throw(fresh(THROWN)),
    "throw again": lambda it: it.throw(earlier()),
    "throw a class": lambda it: it.throw(LookupError),
    "throw KeyError": lambda it: it.throw(KeyError("k")),
    "throw StopIteration": lambda it: it.throw(StopIteration("s")),
    "throw StopAsyncIteration": lambda it: it.throw(StopAsyncIteration("s")),
    "throw GeneratorExit": lambda it: it.throw(GeneratorExit()),
    "throw while handling": lambda it: _while_handling(lambda: it.throw(fresh(THROWN))),
    "next while handling": lambda it: _while_handling(lambda: next(it)),
    "close": lambda it: it.close(),
    "state": inspect.getgeneratorstate,
}
ASYNC_ACTS = {
    "next": lambda it: it.__anext__(),
    "send": lambda it: it.asend("sent"),
    "send stop": lambda it: it.asend("stop"),
    "throw": lambda it: it.athrow(fresh(THROWN)),
    "throw again": lambda it: it.athrow(earlier()),
    "throw a class": lambda it: it.athrow(LookupError),
    "throw KeyError": lambda it: it.athrow(KeyError("k")),
    "throw StopIteration": lambda it: it.athrow(StopIteration("s")),
    "throw StopAsyncIteration": lambda it: it.athrow(StopAsyncIteration("s")),
    "throw GeneratorExit": lambda it: it.athrow(GeneratorExit()),
    "close": lambda it: it.aclose(),
}


def _while_handling(act):
    try:
        raise fresh(CONTEXT)
    except Unequal:
        return act()


def started(events, acts):
    """The one difference: what is thrown in before the first step never reaches the function, and shows the
    wrapper's frame in place of the function's.
    """
    for place, act in enumerate(acts):
        if act.startswith("throw"):
            return [*events[:place], events[place][:-1], *events[place + 1 :]]
        if act not in ("state", "close", "send", "send stop"):
            break
    return events


def story(function, acts):
    log.clear()
    iterator = function()
    events = [told(ACTS[act], iterator) for act in acts]
    # At once: an exception's traceback may keep it alive into the next story.
    events.append(told(iterator.close))
    return started(events, acts), list(log)


def async_story(function, acts):
    log.clear()
    iterator = function()
    events = [told(lambda act=act: step_through(ASYNC_ACTS[act](iterator))) for act in acts]
    told(lambda: step_through(iterator.aclose()))
    return started(events, acts), list(log)


# An ignored GeneratorExit at a generator's collection is reported to nobody, and no part of the story.
quietly = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@quietly
@pytest.mark.parametrize("sample_rate", [1.0, 0.0])
@pytest.mark.parametrize("function", [*GENERATORS, *ASYNC_GENERATORS], ids=lambda function: function.__name__)
@given(acts=st.lists(st.sampled_from(sorted(ACTS)), max_size=6))
@settings(max_examples=examples(45), deadline=None)
def test_a_generator_answers_every_sequence_of_steps_as_undecorated(function, sample_rate, acts):
    told_of = story
    if function in ASYNC_GENERATORS:
        told_of, acts = async_story, [act for act in acts if act in ASYNC_ACTS]
    with recording(sample_rate=sample_rate):
        assert told_of(experiment_span(function), acts) == told_of(function, acts)


@contextlib.contextmanager
def recording(**settings):
    """What `llmobs_spans` does, for the examples of a property."""
    from llmobs_trace.capture.recorder import Recorder, Scope
    from llmobs_trace.process.life import recording_to

    recorder = Recorder(lambda record: None, Scope("e", "p", "d"), **settings)
    with recording_to(recorder):
        yield
        gc.collect(0)
        assert current_span() is None


def test_a_generator_cannot_be_run_from_within(decorated):
    def make(decorate):
        @decorate
        def work():
            yield 1
            yield next(running[0])

        running = [work()]
        return running[0]

    assert told(list, make(decorated)) == told(list, make(undecorated))


def test_yield_from_a_decorated_generator_passes_everything_on(decorated):
    def make(function):
        def outer():
            result = yield from function()
            yield "result", result

        return outer

    for acts in (
        ["next", "send", "throw", "send stop", "next"],
        ["next", "throw KeyError"],
        ["next", "close"],
    ):
        assert story(make(decorated(echoes)), acts) == story(make(echoes), acts)


def test_awaitables_of_an_async_generator_can_be_driven_step_by_step(decorated):
    def make(decorate):
        @decorate
        async def work():
            received = await one_step("waiting")
            yield received

        return work()

    def drive(iterator):
        step = iterator.__anext__()
        first = step.send(None)
        return first, told(step.send, "answer")

    assert drive(make(decorated)) == drive(make(undecorated))


# --- coroutines, cancellation -------------------------------------------------------------------------------


async def takes_answers():
    answers = []
    for _ in range(3):
        try:
            answers.append(await one_step(len(answers)))
        except Unequal as error:
            answers.append(error)
        except GeneratorExit:
            log.append("closed")
            raise
    return answers


COROUTINE_ACTS = {
    "send None": lambda it: it.send(None),
    "send": lambda it: it.send("sent"),
    "throw": lambda it: it.throw(fresh(THROWN)),
    "throw KeyError": lambda it: it.throw(KeyError("k")),
    "throw StopIteration": lambda it: it.throw(StopIteration("s")),
    "close": lambda it: it.close(),
    "state": inspect.getcoroutinestate,
}


@given(acts=st.lists(st.sampled_from(sorted(COROUTINE_ACTS)), max_size=6))
@settings(deadline=None)
def test_a_coroutine_answers_every_sequence_of_steps_as_undecorated(acts):
    def story(function):
        log.clear()
        coroutine = function()
        events = [told(COROUTINE_ACTS[act], coroutine) for act in acts]
        coroutine.close()
        return started(events, acts), list(log)

    with recording():
        assert story(experiment_span(takes_answers)) == story(takes_answers)


def cancelled_by_a_task(work):
    async def main():
        task = asyncio.ensure_future(work())
        await asyncio.sleep(0)
        task.cancel("enough")
        await asyncio.wait([task])
        return task.cancelled(), log[:], await asyncio.gather(task, return_exceptions=True)

    return main


def timed_out(work):
    async def main():
        return await asyncio.wait_for(work(), 0.001)

    return main


def timed_out_by_a_block(work):
    async def main():
        async with asyncio.timeout(0.001):
            return await work()

    return main


def cancelled_twice(work):
    async def main():
        task = asyncio.ensure_future(work())
        for _ in range(3):
            await asyncio.sleep(0)
            task.cancel()
        await asyncio.wait([task])
        return task.cancelled()

    return main


def in_a_group_beside_a_failure(work):
    async def fails():
        await asyncio.sleep(0)
        raise fresh(RAISED)

    async def main():
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(work())
                group.create_task(fails())
        except BaseException as error:
            return type(error), error.exceptions

    return main


async def waits():
    try:
        await asyncio.Event().wait()
    finally:
        log.append("cleaned up")


async def waits_and_takes_long_to_clean_up():
    try:
        await asyncio.Event().wait()
    finally:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(0)
        log.append("cleaned up")


async def refuses_to_be_cancelled():
    for _ in range(2):
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(0.01)
            await asyncio.sleep(0.01)
    return "done all the same"


async def turns_cancellation_into_an_error():
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        raise fresh(RAISED)  # noqa: B904 - what is tested


async def shielded():
    return await asyncio.shield(asyncio.sleep(0.005, "shielded"))


async def consumes_a_stream():
    async def stream():
        try:
            yield 1
            await asyncio.Event().wait()
        finally:
            log.append("stream cleaned up")

    async for _ in stream():
        pass


CANCELLERS = [cancelled_by_a_task, cancelled_twice, timed_out]
if sys.version_info >= (3, 11):
    CANCELLERS += [timed_out_by_a_block, in_a_group_beside_a_failure]


@pytest.mark.parametrize("cancel", CANCELLERS, ids=lambda cancel: cancel.__name__)
@pytest.mark.parametrize(
    "work",
    [
        waits,
        waits_and_takes_long_to_clean_up,
        refuses_to_be_cancelled,
        turns_cancellation_into_an_error,
        shielded,
        consumes_a_stream,
    ],
    ids=lambda work: work.__name__,
)
def test_cancellation_goes_through_as_undecorated(decorated, cancel, work):
    def run(function):
        log.clear()
        main = cancel(function)
        kind, *rest = told(lambda: asyncio.run(main()))
        if kind == "returned":
            return kind, repr(rest[0]), list(log)
        return kind, rest[0], rest[3], list(log)

    assert run(decorated(work)) == run(work)


@pytest.mark.parametrize("cancel", CANCELLERS, ids=lambda cancel: cancel.__name__)
def test_cancellation_within_a_decorated_stream(decorated, cancel):
    def consuming(decorate):
        @decorate
        async def stream():
            try:
                yield 1
                await asyncio.Event().wait()
            finally:
                log.append("stream cleaned up")

        async def consume():
            async for item in stream():
                log.append(item)

        return consume

    def run(function):
        log.clear()
        main = cancel(function)
        kind, *rest = told(lambda: asyncio.run(main()))
        return kind, repr(rest[0]), list(log)

    assert run(consuming(decorated)) == run(consuming(undecorated))


# --- what inspect and others see ----------------------------------------------------------------------------


def documented(x: int, /, y: str = "a", *rest: float, z: bytes = b"", **more: object) -> list[int]:
    """Say what it does.

    In two paragraphs.
    """
    return []


documented.attribute = "mine"


async def documented_coroutine(x: int, y="a") -> str:
    """A coroutine."""
    return y


def documented_generator(x: int) -> typing.Iterator[int]:
    """A generator."""
    yield x


async def documented_async_generator(x: int) -> typing.AsyncIterator[int]:
    """An async generator."""
    yield x


@types.coroutine
def documented_generator_based(x):
    """A generator-based coroutine."""
    yield x


def undocumented(*args, **kwargs):
    return args


def closing_over(value):
    def inner(x, *, y=value):
        return value

    return inner


class Slotted:
    __slots__ = ("x",)

    def __call__(self, a, b=1):
        """A callable object."""
        return a


PARTIAL = functools.partial(documented_coroutine, 1)
FUNCTIONS = {
    "plain": documented,
    "coroutine": documented_coroutine,
    "generator": documented_generator,
    "async generator": documented_async_generator,
    "generator-based coroutine": documented_generator_based,
    "undocumented": undocumented,
    "lambda": lambda x, *, y=2: x,
    "closure": closing_over(5),
}
CALLABLES = {
    **FUNCTIONS,
    "callable object": Slotted(),
    "partial": PARTIAL,
    "builtin": len,
    "lru_cache": functools.lru_cache(documented),
    "singledispatch": functools.singledispatch(documented),
    "wraps": functools.wraps(documented)(undocumented),
    "bound method": [].append,
}
INSPECTIONS = [
    *(
        ask
        for name, ask in vars(inspect).items()
        if name.startswith("is") and callable(ask) and name != "iskeyword"
    ),
    asyncio.iscoroutinefunction,
    callable,
    inspect.signature,
    inspect.getdoc,
    inspect.getcomments,
    inspect.getsource,
    inspect.getsourcefile,
    inspect.getsourcelines,
    inspect.getfile,
    inspect.getmodule,
    inspect.getfullargspec,
    inspect.getclosurevars,
    inspect.getmro.__call__,
    typing.get_type_hints,
    str,
    repr,
    hash,
    bool,
    dir,
    vars,
    *([inspect.get_annotations] if hasattr(inspect, "get_annotations") else []),
]


# It looks at the class of what is no function, where a proxy's call is no method.
NOT_OF_OBJECTS = (inspect.getfullargspec,)


def asked(ask, of):
    """What an inspection answers, and its warnings; the words of its errors are its own business."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        kind, answer, *_ = told(ask, of)
    return kind, answer[0] if kind == "raised" else answer, [str(warning.message) for warning in caught]


@pytest.mark.parametrize("ask", INSPECTIONS, ids=lambda ask: getattr(ask, "__qualname__", str(ask)))
def test_every_inspection_answers_as_undecorated(llmobs_spans, ask):
    for what, function in CALLABLES.items():
        if ask in NOT_OF_OBJECTS and what not in FUNCTIONS:
            continue
        for decorate in DECORATORS.values():
            assert asked(ask, decorate(function)) == asked(ask, function), what


ATTRIBUTES = [
    "__name__",
    "__qualname__",
    "__module__",
    "__doc__",
    "__defaults__",
    "__kwdefaults__",
    "__annotations__",
    "__code__",
    "__globals__",
    "__closure__",
    "__dict__",
    "__class__",
    "__builtins__",
    "__type_params__",
    "__text_signature__",
    "__self__",
    "__func__",
    "attribute",
    "missing",
    "func",
    "args",
    "keywords",
    "cache_info",
    "register",
]


@pytest.mark.parametrize("attribute", ATTRIBUTES)
def test_every_attribute_is_the_same(decorated, attribute):
    missing = object()
    for what, function in CALLABLES.items():
        seen, wanted = getattr(decorated(function), attribute, missing), getattr(function, attribute, missing)
        assert seen == wanted, what


def test_attributes_can_be_set_and_deleted(decorated):
    @decorated
    def work():
        return None

    work.attribute = 1
    assert (work.attribute, work.__wrapped__.attribute, vars(work)) == (1, 1, {"attribute": 1})
    work.__doc__ = "new"
    assert inspect.getdoc(work) == "new"
    del work.attribute
    assert not hasattr(work, "attribute")


def test_it_is_an_instance_of_what_it_was(decorated):
    for function in CALLABLES.values():
        assert isinstance(decorated(function), type(function))


def test_unwrapping_leads_to_the_function(decorated):
    assert inspect.unwrap(decorated(documented)) is documented
    assert decorated(documented).__wrapped__ is documented


def test_it_equals_the_function_and_hashes_as_it_does(decorated):
    assert decorated(documented) == documented
    assert documented == decorated(documented)
    assert {documented: 1}[decorated(documented)] == 1


@pytest.mark.parametrize("what", FUNCTIONS)
def test_what_a_call_gives_is_of_the_real_kind(decorated, what):
    function = FUNCTIONS[what]
    seen, wanted = decorated(function)(1), function(1)
    assert type(seen) is type(wanted)
    for ask in (inspect.iscoroutine, inspect.isgenerator, inspect.isasyncgen, inspect.isawaitable):
        assert ask(seen) == ask(wanted)
    for name in ("__name__", "__qualname__"):
        assert getattr(seen, name, None) == getattr(wanted, name, None)
    for made in (seen, wanted):
        if inspect.iscoroutine(made):
            made.close()


# --- methods ------------------------------------------------------------------------------------------------


def make_class(decorate):
    class Base:
        def __init__(self, scale=1):
            self.scale = scale

        def __eq__(self, other):
            return isinstance(other, Base) and vars(self) == vars(other)

        __hash__ = None

        @decorate
        def plain(self, x: int = 1) -> int:
            """A method."""
            return self.scale * x

        @decorate
        async def coroutine(self, x=1):
            return self.scale * x

        @decorate
        def generator(self, x=1):
            yield self.scale * x

        @decorate
        @classmethod
        def class_below(cls, x=1):
            """A classmethod."""
            return cls.__name__, x

        @classmethod
        @decorate
        def class_above(cls, x=1):
            return cls.__name__, x

        @decorate
        @staticmethod
        def static_below(x=1):
            return x

        @staticmethod
        @decorate
        def static_above(x=1):
            return x

        @property
        @decorate
        def value(self):
            return self.scale

        @value.setter
        @decorate
        def value(self, scale):
            self.scale = scale

        @functools.cached_property
        @decorate
        def cached(self):
            return [self.scale]

        @decorate
        def __len__(self):
            return self.scale

        @decorate
        def __call__(self, x=1):
            return self.plain(x)

        @decorate
        def __iter__(self):
            yield self.scale

        @decorate
        def __enter__(self):
            return self

        @decorate
        def __exit__(self, *error):
            return None

        @decorate
        def __private(self):
            return "private"

        def reach_private(self):
            return self.__private()

    class Sub(Base):
        @decorate
        def plain(self, x: int = 1) -> int:
            return super().plain(x) + 1

        @classmethod
        def class_below(cls, x=1):
            return "sub", *super().class_below(x)

        @staticmethod
        def static_below(x=1):
            return "sub", Base.static_below(x)

    return Base, Sub


METHODS = [
    "plain",
    "coroutine",
    "generator",
    "class_below",
    "class_above",
    "static_below",
    "static_above",
    "value",
    "cached",
    "__len__",
    "__call__",
    "__iter__",
]
DESCRIPTIONS = {
    "kind of attribute": lambda owner, name: type(inspect.getattr_static(owner, name)).__name__.lstrip("_"),
    "is a method": lambda owner, name: inspect.ismethod(getattr(owner, name)),
    "is a function": lambda owner, name: inspect.isfunction(getattr(owner, name)),
    "is a routine": lambda owner, name: inspect.isroutine(getattr(owner, name)),
    "is a coroutine function": lambda owner, name: inspect.iscoroutinefunction(getattr(owner, name)),
    "is a generator function": lambda owner, name: inspect.isgeneratorfunction(getattr(owner, name)),
    "signature": lambda owner, name: str(inspect.signature(getattr(owner, name))),
    "docstring": lambda owner, name: inspect.getdoc(getattr(owner, name)),
    "source": lambda owner, name: inspect.getsource(getattr(owner, name)),
    "name": lambda owner, name: getattr(owner, name).__name__,
    "qualified name": lambda owner, name: getattr(owner, name).__qualname__,
    "identity": lambda owner, name: getattr(owner, name) is getattr(owner, name),
    "equality": lambda owner, name: getattr(owner, name) == getattr(owner, name),
    "hash": lambda owner, name: hash(getattr(owner, name)) == hash(getattr(owner, name)),
    "receiver": lambda owner, name: getattr(owner, name).__self__ is owner,
    "function": lambda owner, name: getattr(owner, name).__func__ is getattr(type(owner), name),
    "copy": lambda owner, name: copy.copy(getattr(owner, name)) == getattr(owner, name),
    "deep copy": lambda owner, name: copy.deepcopy(getattr(owner, name)).__self__ is owner,
    "weak method": lambda owner, name: consumed(weakref.WeakMethod(getattr(owner, name))()()),
    "weak reference": lambda owner, name: weakref.ref(getattr(owner, name)) is not None,
    "instance of method": lambda owner, name: isinstance(getattr(owner, name), types.MethodType),
    "instance of function": lambda owner, name: isinstance(getattr(owner, name), types.FunctionType),
    "call": lambda owner, name: consumed(getattr(owner, name)()),
    "call by keyword": lambda owner, name: consumed(getattr(owner, name)(x=3)),
    "call that does not fit": lambda owner, name: consumed(getattr(owner, name)(1, 2, 3)),
}


def consumed(result):
    if inspect.iscoroutine(result):
        return step_through(result)
    return list(result) if inspect.isgenerator(result) else result


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("description", DESCRIPTIONS)
def test_methods_are_what_they_were(llmobs_spans, description, name):
    def answers(decorate):
        base, sub = make_class(decorate)
        answers = []
        for owner in (base(2), base, sub(2), sub):
            kind, answer, *_ = told(DESCRIPTIONS[description], owner, name)
            # What an error says of the type at fault is its own business.
            answers.append((kind, answer[0] if kind == "raised" else answer))
        return answers

    wanted = answers(undecorated)
    if description == "kind of attribute":
        # The one difference: a function's place in its class is taken by its proxy.
        proxies = {"CoroutineFunction", "GeneratorFunction", "Function"}
        seen = [
            (kind, "function" if answer in proxies else answer) for kind, answer in answers(experiment_span)
        ]
        assert seen == wanted
        return
    for decorate in DECORATORS.values():
        assert answers(decorate) == wanted


def test_who_overrides_a_method_can_be_told(decorated):
    base, sub = make_class(decorated)

    class Another(base):
        pass

    assert Another.plain is base.plain
    assert sub.plain is not base.plain
    assert Another().plain.__func__ is base.plain


def test_properties_private_and_special_methods_work(decorated):
    for decorate in (decorated, undecorated):
        _, sub = make_class(decorate)
        item = sub(2)
        item.value = 5
        assert (item.value, item.cached, item.cached is item.cached) == (5, [5], True)
        assert (len(item), item(2), list(item), item.reach_private()) == (5, 11, [5], "private")
        with item as entered:
            assert entered is item
        assert (sub.class_below(), sub().static_below()) == (("sub", "Sub", 1), ("sub", 1))


def test_a_function_can_be_put_into_a_class_or_an_instance_later(decorated):
    class Holder:
        pass

    @decorated
    def method(self, x):
        return self, x

    Holder.method = method
    holder = Holder()
    assert holder.method(1) == (holder, 1)
    holder.own = types.MethodType(method, holder)
    assert holder.own(2) == (holder, 2)
    holder.plain = method
    assert holder.plain(3, 4) == (3, 4)


def test_an_abstract_method_stays_abstract(decorated):
    class Base(abc.ABC):
        @decorated
        @abc.abstractmethod
        def below(self): ...

        @abc.abstractmethod
        @decorated
        def above(self): ...

        @decorated
        @classmethod
        @abc.abstractmethod
        def of_class(cls): ...

    assert Base.__abstractmethods__ == {"below", "above", "of_class"}
    with pytest.raises(TypeError, match="abstract"):
        Base()


def test_methods_of_dataclasses_and_of_slotted_classes(decorated):
    @dataclasses.dataclass
    class Point:
        x: int
        made: typing.ClassVar[int] = 0

        @decorated
        def double(self):
            return self.x * 2

        @decorated
        def __post_init__(self):
            self.x += 1

    class WithSlots:
        __slots__ = ("x",)

        @decorated
        def set(self, x):
            self.x = x
            return self

    assert Point(1).double() == 4
    assert [field.name for field in dataclasses.fields(Point)] == ["x"]
    assert dataclasses.asdict(Point(1)) == {"x": 2}
    assert WithSlots().set(3).x == 3


def test_methods_of_metaclasses_enums_and_named_tuples(decorated):
    import enum

    class Meta(type):
        @decorated
        def create(cls):
            return cls()

    class Made(metaclass=Meta):
        pass

    class Color(enum.Enum):
        RED = 1

        @decorated
        def shown(self):
            return self.name.lower()

        @decorated
        @classmethod
        def first(cls):
            return cls.RED

    class Pair(typing.NamedTuple):
        x: int

        @decorated
        def double(self):
            return self.x * 2

    assert isinstance(Made.create(), Made)
    assert Color.RED.shown() == "red"
    assert Color.first() is Color.RED
    assert list(Color) == [Color.RED]
    assert Pair(2).double() == 4


# --- other decorators above and below -----------------------------------------------------------------------


def test_wraps_above_and_below(decorated):
    def noisy(function):
        @functools.wraps(function)
        def wrapper(*args, **kwargs):
            return "noisy", function(*args, **kwargs)

        return wrapper

    for function in (noisy(decorated(documented)), decorated(noisy(documented))):
        assert function(1) == ("noisy", [])
        assert inspect.signature(function) == inspect.signature(documented)
        assert (function.__name__, function.attribute) == ("documented", "mine")
        assert inspect.unwrap(function) is documented


def test_caches_above_and_below(decorated):
    calls = []

    def counted(x):
        calls.append(x)
        return x

    for cached in (functools.lru_cache(decorated(counted)), decorated(functools.lru_cache(counted))):
        calls.clear()
        assert [cached(1), cached(1), cached(2)] == [1, 1, 2]
        assert calls == [1, 2]
        assert cached.cache_info().hits == 1
        cached.cache_clear()
        assert cached.cache_info().currsize == 0

    class Holder:
        @decorated
        @functools.lru_cache  # noqa: B019 - what is tested
        def below(self, x):
            return self, x

        @functools.lru_cache  # noqa: B019 - what is tested
        @decorated
        def above(self, x):
            return self, x

    holder = Holder()
    assert holder.below(1) == holder.above(1) == (holder, 1)


def test_single_dispatch_above_and_below(decorated):
    def default(x):
        return "default"

    def of_int(x: int):
        return "int"

    for generic in (
        functools.singledispatch(decorated(default)),
        decorated(functools.singledispatch(default)),
    ):
        generic.register(decorated(of_int))
        generic.register(str)(decorated(lambda x: "str"))
        assert [generic(1.0), generic(1), generic("a")] == ["default", "int", "str"]

    class Holder:
        @functools.singledispatchmethod
        @decorated
        def above(self, x):
            return "default", self

        @above.register
        @decorated
        def _(self, x: int):
            return "int", self

    holder = Holder()
    assert holder.above("a") == ("default", holder)
    assert holder.above(1) == ("int", holder)


def test_context_managers_above_and_below(decorated):
    def manager(x):
        log.append("in")
        yield x
        log.append("out")

    log.clear()
    for made in (
        contextlib.contextmanager(decorated(manager)),
        decorated(contextlib.contextmanager(manager)),
    ):
        with made(1) as value:
            log.append(value)
    assert log == ["in", 1, "out"] * 2


def test_a_partial_and_a_partial_method_of_a_decorated_function(decorated):
    @decorated
    def add(x, y):
        return x + y

    class Holder:
        @decorated
        def method(self, x, y):
            return x + y

        one_more = functools.partialmethod(method, 1)

    assert functools.partial(add, 1)(2) == 3
    assert Holder().one_more(2) == 3
    assert str(inspect.signature(functools.partial(add, 1))) == "(y)"


def test_a_decorated_function_as_key_callback_and_operand(decorated):
    @decorated
    def negative(x):
        return -x

    assert sorted([1, 3, 2], key=negative) == [3, 2, 1]
    assert list(map(negative, [1])) == [-1]
    assert functools.reduce(decorated(lambda x, y: x + y), [1, 2, 3]) == 6
    assert {negative: 1}[negative] == 1
    assert negative


# --- copies, pickles, references ----------------------------------------------------------------------------


@experiment_span
def top_level(x):
    return x


def not_replaced(x):
    return x


class Top:
    def __init__(self, x=1):
        self.x = x

    def __eq__(self, other):
        return type(other) is Top and other.x == self.x

    __hash__ = None

    @experiment_span
    def method(self):
        return self.x

    @experiment_span
    @classmethod
    def of_class(cls):
        return cls

    @experiment_span
    @staticmethod
    def static(x):
        return x

    class Nested:
        @experiment_span
        def method(self):
            return "nested"


class Callable:
    def __init__(self):
        self.state = []

    def __call__(self, x):
        return [*self.state, x]


@pytest.fixture
def importable(monkeypatch):
    """This module under a name by which pickle finds it."""
    monkeypatch.setitem(sys.modules, __name__, sys.modules.get(__name__, types.ModuleType(__name__)))
    for name, value in list(globals().items()):
        monkeypatch.setattr(sys.modules[__name__], name, value, raising=False)


PICKLED = {
    "a function": lambda: top_level,
    "a method's function": lambda: Top.method,
    "a nested class's function": lambda: Top.Nested.method,
    "a staticmethod": lambda: Top.static,
}


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("what", PICKLED)
def test_a_function_is_pickled_by_its_name(llmobs_spans, importable, what, protocol):
    function = PICKLED[what]()
    assert pickle.loads(pickle.dumps(function, protocol)) is function
    assert pickle.loads(pickle._dumps(function, protocol)) is function


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_methods_are_pickled_with_their_objects(llmobs_spans, importable, protocol):
    def again(value):
        return pickle.loads(pickle.dumps(value, protocol))

    assert again(Top(5).method)() == 5
    assert again(Top(5).method).__func__ is Top.method
    assert again(Top.of_class)() is Top
    assert again(Top().static)(3) == 3
    assert again([Top(6)])[0].method() == 6


def test_what_was_decorated_under_another_name_is_pickled_as_what_it_wraps(llmobs_spans, importable):
    for made in (
        experiment_span("named", kind="tool")(not_replaced),
        experiment_span(functools.partial(not_replaced)),
    ):
        again = pickle.loads(pickle.dumps(made))
        assert again(3) == 3
        assert llmobs_spans[-1].output == 3
    assert [span.name for span in llmobs_spans] == ["named", "not_replaced"]
    assert llmobs_spans[0].input == {"x": 3}


def test_a_callable_object_is_pickled_with_its_state(llmobs_spans, importable):
    made = experiment_span("named")(Callable())
    made.state.append(1)
    again = pickle.loads(pickle.dumps(made))
    assert again(2) == [1, 2]
    assert llmobs_spans.named("named").output == [1, 2]


def test_what_could_not_be_pickled_still_cannot(decorated):
    def local(x):
        return x

    for unpicklable in (local, lambda x: x):
        with pytest.raises(Exception) as wanted:  # noqa: PT011 - whichever it is
            pickle.dumps(unpicklable)
        with pytest.raises(type(wanted.value)):
            pickle.dumps(decorated(unpicklable))


def test_a_copy_of_a_function_is_itself_and_of_a_callable_object_another(decorated):
    made = decorated(documented)
    assert copy.copy(made) is made
    assert copy.deepcopy([made])[0] is made
    original = decorated(Callable())
    original.state.append(1)
    deep, shallow = copy.deepcopy(original), copy.copy(original)
    original.state.append(2)
    assert (original(3), shallow(3), deep(3)) == ([1, 2, 3], [1, 2, 3], [1, 3])


def test_objects_that_hold_decorated_methods_can_be_copied(llmobs_spans):
    class Holder:
        def __init__(self):
            self.callback = self.method

        @experiment_span
        def method(self):
            return self

    holder = Holder()
    again = copy.deepcopy(holder)
    assert again.callback() is again


def test_weak_references(decorated):
    @decorated
    def work():
        return 1

    class Holder:
        @decorated
        def method(self):
            return 2

    reference = weakref.ref(work)
    assert reference()() == 1
    holder = Holder()
    method = weakref.WeakMethod(holder.method)
    assert method()() == 2
    del work, holder
    gc.collect()
    assert reference() is None
    assert method() is None


def test_a_call_keeps_nothing_alive(decorated):
    class Value:
        pass

    @decorated
    def passes(x):
        return x

    @decorated
    async def passes_later(x):
        await one_step()
        return x

    @decorated
    def yields(x):
        yield x

    value = Value()
    reference = weakref.ref(value)
    passes(value)
    step_through(passes_later(value))
    for _ in yields(value):
        del _
    del value
    assert reference() is None


def test_an_exception_is_not_kept_alive(decorated):
    """Without the collector's help: no frame of ours refers to an exception that left it."""

    @decorated
    def fails():
        raise Unequal

    @decorated
    def yields():
        yield 1

    @decorated
    async def fails_later():
        await one_step()
        raise Unequal

    gc.collect()
    gc.disable()
    try:
        references = []
        for act in (fails, lambda: step_through(fails_later())):
            try:
                act()
            except Unequal as error:
                references.append(weakref.ref(error))
        iterator = yields()
        next(iterator)
        try:
            iterator.throw(Unequal())
        except Unequal as error:
            references.append(weakref.ref(error))
        assert [reference() for reference in references] == [None] * 3
    finally:
        gc.enable()


SPAWNED = """
    import multiprocessing
    from llmobs_trace import experiment_span

    @experiment_span
    def work(x):
        return x * 2

    def plain(x):
        return x * 3

    class Model:
        def __init__(self, scale):
            self.scale = scale

        @experiment_span
        def predict(self, x):
            return x * self.scale

        @experiment_span
        @classmethod
        def of_class(cls, x):
            return cls.__name__, x

    if __name__ == "__main__":
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            print(
                pool.map(work, [1, 2]),
                pool.map(Model(10).predict, [1]),
                pool.map(Model.of_class, [1]),
                pool.map(experiment_span("named")(plain), [1]),
            )
"""


def test_decorated_functions_and_methods_go_to_spawned_processes(tmp_path):
    program = tmp_path / "program.py"
    program.write_text(textwrap.dedent(SPAWNED))
    environment = {**os.environ, "LLMOBS_TRACE_ENABLED": "0"}
    done = subprocess.run(
        [sys.executable, "-W", "error", str(program)],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=environment,
        timeout=60,
        check=False,
    )
    assert (done.stdout.strip(), done.stderr) == ("[2, 4] [10] [('Model', 1)] [3]", "")


# --- warnings -----------------------------------------------------------------------------------------------


def test_a_traced_program_gives_no_warning_of_ours(llmobs_spans):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for make in MAKERS:
            for ending in ENDINGS:
                told(make(experiment_span, ending))
        for function in GENERATORS:
            for act in ACTS:
                story(experiment_span(function), ["next", act, "next", "close", "close"])
        for function in ASYNC_GENERATORS:
            for act in ASYNC_ACTS:
                async_story(experiment_span(function), ["next", act, "next"])
        gc.collect()


def test_a_deprecated_function_still_warns_at_its_callers_line(decorated):
    def old():
        warnings.warn("old", DeprecationWarning, stacklevel=1)

    def caught(function):
        with warnings.catch_warnings(record=True) as found:
            warnings.simplefilter("always")
            function()
        return [(str(warning.message), warning.filename, warning.lineno) for warning in found]

    assert caught(decorated(old)) == caught(old)
