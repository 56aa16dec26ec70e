"""The text of an exception's stack: the same at each level as if it were made there alone, and made once."""

from __future__ import annotations

import asyncio
import functools
import gc
import os
import random
import signal
import sys
import traceback
import types
import weakref

import pytest

from llmobs_trace import experiment_span
from llmobs_trace.capture import frames, traceback_text

if sys.version_info < (3, 11):
    from exceptiongroup import BaseExceptionGroup, ExceptionGroup

OURS = os.path.dirname(traceback_text.__file__) + os.sep


@pytest.fixture(autouse=True)
def nothing_known():
    frames._stacks.clear()
    frames._texts.clear()


def alone(error):
    """The stack as the standard library tells it, without our frames."""
    told = traceback.TracebackException.from_exception(error, limit=-200, compact=True)
    pending = [told]
    while pending:
        found = pending.pop()
        if found is not None:
            found.stack[:] = [frame for frame in found.stack if not frame.filename.startswith(OURS)]
            pending += [found.__cause__, found.__context__, *(getattr(found, "exceptions", None) or ())]
    return "".join(told.format())


def agrees(error):
    assert traceback_text.stack_of(error) == alone(error)


# --- the same text ------------------------------------------------------------------------------------------


class Program:
    """Calls of each other at random, of which some are decorated, and some change what passes by."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.told = []
        ways = [self.plain, self.branching, self.decorated, self.block, self.noted, self.caused]
        ways += [self.grouped, self.beside, self.repeated, self.thrice]
        self.ways = self.random.sample(ways, self.random.randint(2, len(ways)))

    def down(self, depth):
        if depth == 0:
            raise ValueError("the innermost")
        try:
            self.random.choice(self.ways)(depth - 1)
        except Exception as error:
            self.told.append((traceback_text.stack_of(error), alone(error)))
            raise

    def plain(self, depth):
        self.down(depth)

    def branching(self, depth):
        if self.random.random() < 0.5:
            self.down(depth)
        else:
            (self.down(depth), None)[0]

    @experiment_span
    def decorated(self, depth):
        self.down(depth)

    def block(self, depth):
        with experiment_span("block"), experiment_span("inner"):
            self.down(depth)

    def noted(self, depth):
        try:
            self.down(depth)
        except Exception as error:
            error.__notes__ = [*getattr(error, "__notes__", ()), f"passed {depth}"]
            raise

    def caused(self, depth):
        try:
            self.down(depth)
        except Exception as error:
            raise KeyError(depth) from error

    def beside(self, depth):
        try:
            self.down(depth)
        except Exception:
            raise LookupError(depth)  # noqa: B904

    def grouped(self, depth):
        errors = []
        for _ in range(2):
            try:
                self.down(depth // 3)
            except Exception as error:
                errors.append(error)
        raise ExceptionGroup("both", errors)

    def repeated(self, depth):
        def again(times):
            return again(times - 1) if times else self.down(depth)

        again(self.random.randint(0, 6))

    def thrice(self, depth):
        for _ in range(2):
            try:
                self.down(min(depth, 3))
            except Exception as error:
                kept = error
        raise kept


@pytest.mark.parametrize("seed", range(20))
def test_every_level_tells_the_stack_that_would_be_told_there_alone(llmobs_spans, seed):
    program = Program(seed)
    with pytest.raises(Exception, match=r"."):
        program.down(program.random.randint(1, 30))
    assert program.told
    for ours, alone_ in program.told:
        assert ours == alone_


@pytest.mark.parametrize("depth", [99, 101, 150])
def test_a_stack_longer_than_is_told_is_the_same_too(llmobs_spans, depth):
    @experiment_span
    def down(left):
        try:
            if left == 0:
                raise ValueError
            return above(left - 1) if left % 3 else down(left - 1)
        except ValueError as error:
            agrees(error)
            raise

    def above(left):
        return down(left)

    with pytest.raises(ValueError):  # noqa: PT011
        down(depth)


def raised(error, cause=None):
    try:
        raise error from cause
    except BaseException as caught:
        return caught


def nested(levels, width=1):
    error = ValueError("the innermost")
    for level in range(levels):
        error = raised(ExceptionGroup(f"level {level}", [error, *(KeyError(n) for n in range(width - 1))]))
    return error


def circle():
    first, second = raised(ValueError("first")), raised(KeyError("second"))
    first.__cause__, second.__context__ = second, first
    return first


def twice_the_same():
    shared = raised(ValueError("shared"), KeyError("its cause"))
    return raised(ExceptionGroup("group", [shared, raised(LookupError(), shared), shared]), shared)


def noted():
    error = raised(ValueError("noted"))
    error.__notes__ = ["a note", "two\nlines"]
    return error


def suppressed():
    try:
        raise ValueError("hidden")
    except ValueError:
        return raised(KeyError("shown"))


def missing():
    try:
        return undefined
    except NameError as error:
        return error


OF_EVERY_FORM = {
    "a group of groups": lambda: nested(5, 3),
    "deeper than is told": lambda: nested(12),
    "wider than is told": lambda: nested(1, 300),
    "two that are wider": lambda: raised(ExceptionGroup("both", [nested(1, 30), nested(1, 30)])),
    "a circle": circle,
    "shared": twice_the_same,
    "with notes": noted,
    "a context that is hidden": suppressed,
    "without a message": lambda: raised(ValueError()),
    "no syntax": lambda: raised(SyntaxError("no", ("file", 1, 3, "a b", 1, 4))),
    "no name": missing,
    "no module": lambda: raised(ImportError("no", name="name", path="path")),
    "of a module": lambda: raised(asyncio.IncompleteReadError(b"", 3), asyncio.QueueFull()),
    "never raised": lambda: ValueError("never raised"),
    "a chain": lambda: functools.reduce(lambda cause, n: raised(ValueError(n), cause), range(30), None),
}


@pytest.mark.parametrize("make", OF_EVERY_FORM.values(), ids=OF_EVERY_FORM)
def test_an_exception_of_every_form_is_told_as_the_standard_library_tells_it(make):
    agrees(make())


def test_of_a_chain_longer_than_is_told_the_first_and_the_last_are_and_it_says_so():
    told = traceback_text.stack_of(
        functools.reduce(lambda cause, n: raised(ValueError(n), cause), range(1000), None)
    )
    assert [n for n in range(1000) if f"ValueError: {n}\n" in told] == [*range(20), *range(980, 1000)]
    assert told.count("more exceptions are left out") == 1
    told = traceback_text.stack_of(raised(ExceptionGroup("all", [nested(11, 15) for _ in range(15)])))
    assert "more exceptions are left out" in told
    assert told.count("Error") < 100
    error = functools.reduce(lambda cause, n: raised(ValueError(n), cause), range(1000), nested(1))
    assert "more exceptions are left out" in traceback_text.stack_of(error)


def test_groups_that_meet_again_and_again_are_told_in_part():
    error = ValueError()
    for level in range(9):
        error = raised(ExceptionGroup(f"level {level}", [error] * 15))
    assert "more exceptions are left out" in traceback_text.stack_of(error)


def test_code_that_is_equal_in_two_files_is_told_apart(llmobs_spans):
    """Code objects are equal whatever the name of their file."""

    def fails_in(filename):
        names = {}
        exec(compile("def fails():\n    raise ValueError\n", filename, "exec"), names)
        return names["fails"]

    calls = [fails_in("one.py"), fails_in("two.py")]
    assert calls[0].__code__ == calls[1].__code__
    for call in calls:
        with pytest.raises(ValueError):  # noqa: PT011
            experiment_span("call")(call)()
    assert ['File "one.py"' in span.error["stack"] for span in llmobs_spans] == [True, False]
    assert ['File "two.py"' in span.error["stack"] for span in llmobs_spans] == [False, True]


def test_a_traceback_that_somebody_changed_is_told_as_it_is_now(llmobs_spans):
    def fails():
        raise ValueError

    with pytest.raises(ValueError) as caught, experiment_span("outer"):  # noqa: PT011
        experiment_span("inner")(fails)()
    error = caught.value
    first = traceback_text.stack_of(error)
    error.__traceback__.tb_next = None
    assert traceback_text.stack_of(error) == alone(error) != first
    line = error.__traceback__.tb_lineno + 100
    error.__traceback__ = types.TracebackType(None, sys._getframe(), -1, line)
    assert f"line {line}, in test_a_traceback" in traceback_text.stack_of(error)


# --- made once ----------------------------------------------------------------------------------------------


@experiment_span
def function(depth):
    if depth == 0:
        raise ValueError
    return function(depth - 1)


def block(depth):
    with experiment_span("block"):
        return block(depth - 1) if depth else function(0)


@experiment_span
async def coroutine(depth):
    return await coroutine(depth - 1) if depth else function(0)


@experiment_span
def generator(depth):
    yield from generator(depth - 1) if depth else [function(0)]


@experiment_span
async def async_generator(depth):
    if depth == 0:
        function(0)
    async for item in async_generator(depth - 1):
        yield item


@experiment_span
def with_a_cause(depth):
    if depth == 0:
        try:
            function(0)
        except ValueError as error:
            raise ValueError from error
    return with_a_cause(depth - 1)


@experiment_span
def group(depth):
    if depth == 0:
        raise BaseExceptionGroup("group", [ValueError(), KeyError()])
    return group(depth - 1)


@experiment_span
def caused_at_each_level(depth):
    if depth == 0:
        raise ValueError(0)
    try:
        return caused_at_each_level(depth - 1)
    except ValueError as error:
        raise ValueError(depth) from error


@experiment_span
def beside_at_each_level(depth):
    if depth == 0:
        raise ValueError(0)
    try:
        return beside_at_each_level(depth - 1)
    except ValueError:
        raise ValueError(depth)  # noqa: B904 - what is tested


@experiment_span
async def group_at_each_level(depth):
    if depth == 0:
        raise ValueError(0)
    try:
        return await group_at_each_level(depth - 1)
    except Exception as error:
        raise ExceptionGroup(f"level {depth}", [error])  # noqa: B904 - what is tested


@experiment_span
def many_members(depth):
    if depth == 0:
        raise ExceptionGroup("many", [ValueError(number) for number in range(1000)])
    return many_members(depth - 1)


async def collected(items):
    return [item async for item in items]


DEEP = {
    "functions": function,
    "blocks": block,
    "coroutines": lambda depth: asyncio.run(coroutine(depth)),
    "generators": lambda depth: list(generator(depth)),
    "async generators": lambda depth: asyncio.run(collected(async_generator(depth))),
    "with a cause": with_a_cause,
    "groups": group,
}


@pytest.mark.parametrize("call", DEEP.values(), ids=DEEP)
def test_each_level_that_an_exception_leaves_formats_its_own_frames_alone(llmobs_spans, monkeypatch, call):
    told = []
    frame = frames._frame
    monkeypatch.setattr(frames, "_frame", lambda step: told.append(step.tb_lineno) or frame(step))
    with pytest.raises((ValueError, BaseExceptionGroup)):
        call(40)
    assert len([span for span in llmobs_spans if span.error]) >= 40
    # Its own, the wrapper's and at most another wrapper's step; it was some 3,000.
    assert len(told) < 200


GROWING = {
    "causes": caused_at_each_level,
    "contexts": beside_at_each_level,
    "groups": lambda depth: asyncio.run(group_at_each_level(depth)),
    "members": many_members,
}


@pytest.mark.parametrize("call", GROWING.values(), ids=GROWING)
def test_what_a_level_tells_of_an_exception_that_grows_at_each_is_bounded(llmobs_spans, monkeypatch, call):
    told = []
    read = traceback_text.frames_of
    monkeypatch.setattr(
        traceback_text, "frames_of", lambda trace: told.append(trace is not None) or read(trace)
    )
    with pytest.raises(Exception, match=r"."):
        call(150)
    assert len([span for span in llmobs_spans if span.error]) == 151
    assert len(told) <= 40 * 151  # without a bound it is 11,000 and 151,000


def test_the_text_of_a_frame_is_made_once_however_often_it_fails(llmobs_spans, monkeypatch):
    made = []
    formatted = frames._formatted
    monkeypatch.setattr(frames, "_formatted", lambda step, code: made.append(code) or formatted(step, code))
    for depth in range(20):
        with pytest.raises(ValueError):  # noqa: PT011
            function(depth)
    assert len(made) < 10


# --- what is kept -------------------------------------------------------------------------------------------


class Watched(Exception):
    pass


def test_no_exception_and_no_frame_lives_longer_for_its_text(llmobs_spans):
    class Thing:
        pass

    watched = []

    @experiment_span
    def down(depth, thing):
        watched.append(weakref.ref(thing))
        if depth == 0:
            error = Watched()
            watched.append(weakref.ref(error))
            raise error
        with experiment_span("block"):
            down(depth - 1, Thing())

    gc.collect()
    gc.disable()
    try:
        try:
            down(5, Thing())
        except Watched as error:
            # The test's own frame is in the traceback, and a function's `error` is a cycle of its own.
            traceback.clear_frames(error.__traceback__)
        assert [reference() for reference in watched] == [None] * 7
    finally:
        gc.enable()


def test_what_is_kept_of_stacks_is_bounded(llmobs_spans):
    for number in range(1500):
        names = {}
        exec(compile(f"def fails{number}():\n    raise ValueError\n", f"made{number}.py", "exec"), names)
        with pytest.raises(ValueError):  # noqa: PT011
            experiment_span(names[f"fails{number}"])()
    assert len(frames._texts) <= 1024
    assert len(frames._stacks) <= 16


# --- an exception that can't be read ------------------------------------------------------------------------


class Own(BaseException):
    pass


UNREADABLE = (ValueError, SystemExit, KeyboardInterrupt, GeneratorExit, Own)


def refusing(name, kind):
    """An exception of whose parts one raises when it is read."""

    def refuses(self):
        raise kind("not the program's")

    held = refuses if name == "__str__" else property(refuses)
    return type("Refusing", (Exception,), {name: held})("the program's")


def leaving(way, error):
    """What leaves a function, a coroutine, a generator, a block as an exception leaves them."""

    def fails():
        raise error

    async def fails_later():
        raise error

    def yields():
        yield 1
        raise error

    def in_block():
        with experiment_span("span"):
            raise error

    return {
        "function": lambda: experiment_span("span")(fails)(),
        "coroutine": lambda: asyncio.run(experiment_span("span")(fails_later)()),
        "generator": lambda: list(experiment_span("span")(yields)()),
        "block": in_block,
    }[way]()


@pytest.mark.parametrize("kind", UNREADABLE)
@pytest.mark.parametrize("way", ["function", "coroutine", "generator", "block"])
@pytest.mark.parametrize("name", ["__str__", "__notes__"])
def test_an_exception_of_which_a_part_raises_goes_on_itself(llmobs_spans, name, way, kind):
    error = refusing(name, kind)
    with pytest.raises(type(error)) as caught:
        leaving(way, error)
    assert caught.value is error
    recorded = llmobs_spans.named("span")
    assert recorded.status == "error"
    assert recorded.error["type"] == "Refusing"
    assert "    raise error\n" in recorded.error["stack"]
    if name == "__str__":
        assert kind.__name__ in recorded.error["message"]


@pytest.mark.parametrize("kind", UNREADABLE)
def test_one_that_is_told_of_by_hand_raises_nothing_either(llmobs_spans, kind):
    with experiment_span("span") as span:
        span.record_exception(refusing("__str__", kind))
        span.record_metric("score", error=refusing("__str__", kind))
    assert llmobs_spans.named("span").status == "error"
    assert kind.__name__ in llmobs_spans.metrics[0].error


def test_an_exception_of_a_class_that_hides_its_name_goes_on_itself(llmobs_spans):
    class Meta(type):
        @property
        def __name__(self):
            raise SystemExit

    class Hidden(Exception, metaclass=Meta):
        pass

    error = Hidden()
    with pytest.raises(Hidden):
        leaving("function", error)
    assert llmobs_spans.named("span").error["type"] == "Hidden"


def test_an_interrupt_while_an_exception_is_read_is_the_programs(llmobs_spans):
    class Slow(Exception):
        asked = 0

        def __str__(self):
            Slow.asked += 1
            if Slow.asked == 1:
                os.kill(os.getpid(), signal.SIGINT)
            return "slow"

    # A shell that starts the tests in the background has them ignore it.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            leaving("function", Slow())
    finally:
        signal.signal(signal.SIGINT, before)
    assert len(llmobs_spans) == 1
