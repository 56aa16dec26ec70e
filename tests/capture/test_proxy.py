"""A decorated callable beside the same undecorated: what it is taken for, also where its class is looked at,
under `functools.wraps`, and above other people's decorators.
"""

from __future__ import annotations

import asyncio
import builtins
import collections.abc
import contextlib
import copy
import functools
import gc
import inspect
import io
import numbers
import operator
import os
import pickle
import re
import sys
import types
import typing
import weakref

import pytest
import wrapt

from llmobs_trace import experiment_span, propagate
from llmobs_trace.capture import callable_facts as plans

DECORATORS = {
    "plainly": experiment_span,
    "with arguments": experiment_span("named", kind="tool", tags={"a": 1}),
    "propagated": propagate,
}


@pytest.fixture(params=DECORATORS)
def decorated(request, llmobs_spans):
    return DECORATORS[request.param]


def function(x=1):
    return x


async def coroutine_function(x=1):
    return x


def generator_function(x=1):
    yield x


class Everything:
    """A callable object that is a container, a number and a context manager as well."""

    __hash__ = None

    def __init__(self):
        self.items = [1, 2]
        self.log = []

    def __call__(self, x=1):
        return x

    def __len__(self):
        return len(self.items)

    def __iter__(self):
        return iter(self.items)

    def __contains__(self, item):
        return item in self.items

    def __getitem__(self, place):
        return self.items[place]

    def __setitem__(self, place, item):
        self.items[place] = item

    def __enter__(self):
        self.log.append("in")
        return self

    def __exit__(self, *error):
        self.log.append("out")

    def __or__(self, other):
        return "or", other

    def __ror__(self, other):
        return "ror", other

    def __iadd__(self, other):
        self.items.append(other)
        return self

    def __bool__(self):
        return False

    def __index__(self):
        return 7

    def __fspath__(self):
        return "/tmp"


CALLABLES = {
    "a function": function,
    "a coroutine function": coroutine_function,
    "a generator function": generator_function,
    "a lambda": lambda x: x,
    "a builtin": len,
    "a partial": functools.partial(function, 1),
    "a bound method": Everything().__call__,
    "a callable object": Everything(),
}


def answer(ask, *given):
    """What came of it, or the exception's type and words."""
    try:
        return ask(*given)
    except Exception as error:
        return type(error), re.sub(r"'[\w.]*\.function'", "'function'", str(error))


# --- what it looks like -------------------------------------------------------------------------------------

ABSTRACT = [
    *(getattr(collections.abc, name) for name in collections.abc.__all__),
    *(getattr(numbers, name) for name in numbers.__all__),
    *(getattr(typing, name) for name in typing.__all__ if name.startswith("Supports")),
    contextlib.AbstractContextManager,
    contextlib.AbstractAsyncContextManager,
    os.PathLike,
    io.IOBase,
]


@pytest.mark.parametrize("what", CALLABLES)
@pytest.mark.parametrize("abstract", ABSTRACT, ids=lambda abstract: abstract.__name__)
def test_it_is_an_instance_of_what_the_callable_is_one_of_and_of_nothing_else(decorated, what, abstract):
    assert isinstance(decorated(CALLABLES[what]), abstract) == isinstance(CALLABLES[what], abstract)


SPECIAL = sorted(
    {
        name
        for kind in (
            int,
            float,
            complex,
            list,
            dict,
            str,
            wrapt.ObjectProxy,
            wrapt.FunctionWrapper,
            Everything,
        )
        for name in dir(kind)
        if name.startswith("__") and name.endswith("__")
    }
    | {"__await__", "__aiter__", "__anext__", "__next__", "__aenter__", "__aexit__", "__fspath__", "__set__"}
)
# Looked up in the class, where a proxy has to say something about it in any case.
EVERY_PROXY_S = {
    "__annotations__",
    "__class_getitem__",
    "__firstlineno__",
    "__static_attributes__",
    "__copy__",
    "__deepcopy__",
    "__set_name__",
    "__slots__",
    "__weakref__",
    "__wrapped__",
}


@pytest.mark.parametrize("what", CALLABLES)
def test_it_has_the_special_methods_of_the_callable_and_no_others(decorated, what):
    plain = CALLABLES[what]
    made = decorated(plain)
    for name in SPECIAL:
        if name not in ("__wrapped__", "__copy__", "__deepcopy__"):
            assert hasattr(made, name) == hasattr(plain, name), name
        if name not in EVERY_PROXY_S and hasattr(type(plain), name) != hasattr(type(made), name):
            raise AssertionError(name)


@pytest.mark.parametrize(
    "act",
    [
        len,
        iter,
        next,
        reversed,
        int,
        float,
        complex,
        bytes,
        abs,
        round,
        operator.index,
        operator.neg,
        operator.inv,
        os.fspath,
        operator.itemgetter(0),
        lambda f: f + 1,
        lambda f: 1 + f,
        lambda f: f | f,
        lambda f: f @ f,
        lambda f: f < f,
        lambda f: 1 in f,
        lambda f: operator.iadd(f, 1),
        lambda f: operator.setitem(f, 0, 1),
        lambda f: contextlib.ExitStack().enter_context(f),
        lambda f: contextlib.closing(f).__exit__(),
        lambda f: format(f, ">3"),
    ],
    ids=lambda act: getattr(act, "__name__", str(act)),
)
@pytest.mark.parametrize("make", [function, coroutine_function, generator_function])
def test_what_a_function_can_t_do_it_can_t_do_in_the_same_words(decorated, act, make):
    assert answer(act, decorated(make)) == answer(act, make)


def test_a_stack_calls_it_at_its_exit_and_passes_the_exception_on(decorated):
    seen = []

    @decorated
    def leaving(kind, error, trace):
        seen.append(error)

    raised = ValueError("the user's")
    with pytest.raises(ValueError, match="the user's") as caught, contextlib.ExitStack() as stack:  # noqa: PT012
        stack.push(leaving)
        raise raised
    assert caught.value is raised
    assert seen == [raised]


def test_an_asynchronous_stack_awaits_it_at_its_exit(decorated):
    seen = []

    @decorated
    async def leaving(kind, error, trace):
        seen.append(error)
        return True

    async def main():
        async with contextlib.AsyncExitStack() as stack:
            stack.push_async_exit(leaving)
            raise KeyError("swallowed")

    asyncio.run(main())
    assert [type(error) for error in seen] == [KeyError]


@pytest.mark.parametrize("sign", ["or", "add", "rshift", "matmul", "and", "pow", "divmod"])
def test_another_s_operator_is_given_the_decorated_function_and_not_the_bare_one(llmobs_spans, sign):
    """As where `function | step` builds a chain of steps."""

    class Step:
        pass

    setattr(Step, f"__r{sign}__", lambda self, other: other)
    operate = getattr(operator, sign, None) or getattr(operator, f"{sign}_", divmod)
    decorated = experiment_span(function)
    assert operate(decorated, Step()) is decorated
    with contextlib.suppress(AttributeError):  # there is no `divmod` in place
        assert getattr(operator, f"i{sign}")(decorated, Step()) is decorated


def test_a_callable_object_that_is_a_container_a_number_and_a_context_manager_still_is(decorated):
    plain = Everything()
    made = decorated(plain)
    assert (len(made), list(made), 2 in made, made[0], bool(made)) == (2, [1, 2], True, 1, False)
    assert (made | 3, 3 | made, operator.index(made), os.fspath(made)) == (("or", 3), ("ror", 3), 7, "/tmp")
    made[0] = 5
    assert plain.items == [5, 2]
    with made as entered:
        assert entered is made
    assert plain.log == ["in", "out"]
    before = made
    made += 6
    assert made is before
    assert plain.items == [5, 2, 6]
    with pytest.raises(TypeError, match="unhashable"):
        hash(made)


def test_a_callable_object_s_finalizer_runs_once_for_the_object_and_not_for_the_proxy(decorated):
    ended = []

    class Ending:
        def __call__(self):
            return 1

        def __del__(self):
            ended.append(1)

    plain = Ending()
    made = decorated(plain)
    del made
    gc.collect()
    assert ended == []
    del plain
    assert ended == [1]


def test_a_class_of_callables_is_not_kept_by_having_been_decorated(decorated):
    def use():
        kind = type("Passing", (), {"__call__": lambda self: 1, "__len__": lambda self: 3})
        assert len(decorated(kind())) == 3
        return weakref.ref(kind)

    reference = use()
    gc.collect()
    assert reference() is None


def test_a_callable_whose_class_can_t_be_hashed_or_compared(llmobs_spans):
    class Refusing(type):
        __hash__ = None

        def __eq__(self, other):
            raise RuntimeError("not to be compared")

    class Odd(metaclass=Refusing):
        def __call__(self, x):
            return x

    assert experiment_span("odd")(Odd())(3) == 3
    assert llmobs_spans.named("odd").output == 3


def test_what_asks_for_an_exact_function_is_told_no_and_the_manual_says_so(decorated):
    """The interpreter's own C code; where one of these answers as for a function, the manual's limit goes."""
    made = decorated(lambda error: True)
    assert type(made) is not types.FunctionType
    with pytest.raises(TypeError):
        types.FunctionType.__get__(made, 1)
    with pytest.raises(AttributeError):
        inspect.getattr_static(made, "__code__")
    if sys.version_info >= (3, 11):
        group = builtins.ExceptionGroup("group", [ValueError()])
        if sys.version_info < (3, 13):
            with pytest.raises(TypeError, match="expected a function"):
                group.split(made)
        else:
            assert group.split(made)[1] is None
        assert group.subgroup(lambda error: made(error)) is group


# --- under `functools.wraps` --------------------------------------------------------------------------------


def documented(a: int, b: str = "b") -> bool:
    """What it says."""
    return True


class Documented:
    """A class."""

    def __init__(self, a):
        self.a = a


WRAPPED = {
    "a builtin": len,
    "a class": Documented,
    "a function": documented,
    "a builtin class": dict,
    "a method": Documented.__init__,
    "a partial": functools.partial(documented, 1),
    "a decorated function": experiment_span("beneath")(documented),
}


def under_wraps(decorate, of):
    """A class and a function, with `functools.wraps(of)` above what is decorated."""

    class Holder:
        @functools.wraps(of)
        @decorate
        def method(self, x):
            return type(self).__name__, x

        @classmethod
        @functools.wraps(of)
        @decorate
        def of_class(cls, x):
            return cls.__name__, x

    @functools.wraps(of)
    @decorate
    def alone(x):
        return x

    @functools.wraps(of)
    @decorate
    async def later(x):
        return x

    return Holder, alone, later


def observed(decorate, of):
    """Everything about it that a user can see."""
    holder, alone, later = under_wraps(decorate, of)
    alone.attribute = 1
    seen = [
        holder().method(2),
        holder.method(holder(), 3),
        holder.of_class(4),
        holder().of_class(5),
        alone(6),
        asyncio.run(later(7)),
        inspect.iscoroutinefunction(later),
        inspect.isfunction(alone),
        answer(lambda: str(inspect.signature(alone))),
        answer(lambda: str(inspect.signature(holder().method))),
        inspect.getdoc(alone),
        alone.__wrapped__ is of,
        vars(alone)["__wrapped__"] is of,
        sorted(vars(alone)),
        alone.__code__.co_name,
        *(getattr(alone, name) for name in ("__name__", "__qualname__", "__module__", "__doc__")),
        hasattr(of, "attribute"),
        copy.copy(alone) is alone,
        copy.deepcopy(alone) is alone,
        {alone: 1}[alone],
        alone == alone,
        alone == of,
        type(holder().method).__name__,
    ]
    del alone.__wrapped__
    return [*seen, "__wrapped__" in vars(alone), str(inspect.signature(alone))]


@pytest.mark.parametrize("of", WRAPPED)
def test_under_wraps_it_is_called_bound_copied_and_told_as_undecorated(decorated, of):
    assert observed(decorated, WRAPPED[of]) == observed(lambda plain: plain, WRAPPED[of])


@pytest.mark.parametrize("of", WRAPPED)
def test_under_wraps_it_is_what_was_decorated_that_is_recorded(llmobs_spans, of):
    holder, alone, later = under_wraps(experiment_span, WRAPPED[of])
    holder().method(2)
    alone(3)
    asyncio.run(later(4))
    assert [(span.name, span.input, span.output) for span in llmobs_spans] == [
        ("Holder.method", {"x": 2}, ["Holder", 2]),
        ("alone", {"x": 3}, 3),
        ("later", {"x": 4}, 4),
    ]


@functools.wraps(documented)
@experiment_span("round trip")
def found_elsewhere(x):
    return x * 2


found_elsewhere.__module__, found_elsewhere.__qualname__ = __name__, "found_elsewhere"


def pickled_by_value(x):
    return x * 3


def test_under_wraps_it_is_pickled_with_its_decorator(llmobs_spans, monkeypatch):
    held = types.ModuleType(__name__)
    held.__dict__.update(globals())
    monkeypatch.setitem(sys.modules, __name__, held)
    assert pickle.loads(pickle.dumps(found_elsewhere)) is found_elsewhere
    made = experiment_span("round trip")(pickled_by_value)
    made.__wrapped__ = documented
    try:
        again = pickle.loads(pickle.dumps(made))
        assert again.__wrapped__ is documented
        assert (found_elsewhere(2), again(2)) == (4, 6)
    finally:
        del made.__wrapped__
    assert [(span.name, span.input, span.output) for span in llmobs_spans] == [
        ("round trip", {"x": 2}, 4),
        ("round trip", {"x": 2}, 6),
    ]


# --- above other people's decorators ------------------------------------------------------------------------


@wrapt.decorator
def passing(wrapped, instance, args, kwargs):
    return wrapped(*args, **kwargs)


@wrapt.decorator
def telling(wrapped, instance, args, kwargs):
    return instance, wrapped(*args, **kwargs)


class labelled(classmethod):
    """A classmethod that is made of more than a function."""

    def __init__(self, function, label):
        super().__init__(function)
        self.label = label


def label(text):
    return lambda function: labelled(function, text)


class counting(staticmethod):
    """A staticmethod that makes a new callable whenever it is reached."""

    def __init__(self, function, *, log):
        super().__init__(function)
        self.log = log

    def __get__(self, instance, owner=None):
        self.log.append(owner)
        return functools.partial(super().__get__(instance, owner))


REACHED = []


class Model:
    @experiment_span
    @passing
    def method(this, x):
        return type(this).__name__, x

    @experiment_span
    @passing
    @classmethod
    def of_class(kind, x):
        return kind.__name__, x

    @experiment_span
    @passing
    @staticmethod
    def static(x):
        return "static", x

    @experiment_span("labelled")
    @label("a label")
    def labelled(kind, x):
        return kind.__name__, x

    @experiment_span
    @functools.partial(counting, log=REACHED)
    def counted(x):
        return "counted", x

    @experiment_span
    @passing
    async def later(self, x):
        return "later", x

    @experiment_span
    @passing
    @classmethod
    async def later_of_class(cls, x):
        return cls.__name__, x

    @experiment_span
    @passing
    @staticmethod
    def stream(x):
        yield x

    @passing
    @experiment_span
    def beneath(self, x):
        return "beneath", x

    @experiment_span
    @experiment_span("inner")
    def twice(this, x):
        return x


class Sub(Model):
    pass


@pytest.mark.parametrize(
    ("name", "output"),
    [
        ("method", ["Sub", 1]),
        ("of_class", ["Sub", 1]),
        ("static", ["static", 1]),
        ("labelled", ["Sub", 1]),
        ("counted", ["counted", 1]),
        ("later", ["later", 1]),
        ("later_of_class", ["Sub", 1]),
        ("stream", [1]),
        ("beneath", ["beneath", 1]),
    ],
)
@pytest.mark.parametrize("reached", ["through an instance", "through the class"])
def test_above_and_below_another_s_decorator_every_call_is_recorded_as_it_is(
    llmobs_spans, caplog, name, output, reached
):
    of_an_instance = name in ("method", "later", "beneath")
    for _ in range(2):
        owner = Sub() if reached == "through an instance" else Sub
        given = getattr(owner, name)(*([Sub()] if owner is Sub and of_an_instance else []), 1)
        if inspect.iscoroutine(given):
            given = asyncio.run(given)
        elif inspect.isgenerator(given):
            given = list(given)
    assert list(given) == output
    spans = [*llmobs_spans]
    assert [span.name.rpartition(".")[2] for span in spans] == [name, name]
    assert [(span.input["x"], span.output) for span in spans] == [(1, output)] * 2
    assert caplog.records == []


def test_a_receiver_of_any_name_is_left_out_above_another_s_decorator_too(llmobs_spans):
    Model().method(1)
    Model().twice(2)
    Model.of_class(3)
    assert [span.input for span in llmobs_spans] == [{"x": 1}, {"x": 2}, {"x": 2}, {"x": 3}]


def test_another_s_decorator_sees_the_instance_and_the_class_as_without_ours(llmobs_spans):
    class Seen:
        @experiment_span
        @telling
        def method(self):
            return 1

        @experiment_span
        @telling
        @classmethod
        def of_class(cls):
            return 2

        @experiment_span
        @telling
        @staticmethod
        def static():
            return 3

    seen = Seen()
    assert seen.method() == (seen, 1)
    assert Seen.of_class() == seen.of_class() == (Seen, 2)
    assert Seen.static() == (None, 3)


def test_a_classmethod_of_another_kind_keeps_what_it_holds(llmobs_spans):
    held = vars(Model)["labelled"]
    assert held.label == "a label"
    assert isinstance(held, labelled)
    assert isinstance(vars(Model)["of_class"], classmethod)
    assert isinstance(vars(Model)["static"], staticmethod)


def test_what_another_s_decorator_binds_is_looked_at_once_and_not_at_each_call(llmobs_spans, monkeypatch):
    looked_at = []
    mapper = plans.mapper
    monkeypatch.setattr(plans, "mapper", lambda *of, **how: looked_at.append(of) or mapper(*of, **how))

    class Bound:
        @experiment_span
        @passing
        def method(self, x):
            return x

        @experiment_span
        @passing
        @classmethod
        def of_class(cls, x):
            return x

    looked_at.clear()
    for number in range(5):
        Bound().method(number)
        Bound.of_class(number)
    assert len(looked_at) == 2
    assert [span.input["x"] for span in llmobs_spans] == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]


def test_a_descriptor_that_gives_another_function_each_time_is_recorded_as_what_it_gave(llmobs_spans):
    class Choosing:
        def __init__(self, *functions):
            self.functions = list(functions)

        def __call__(self):
            raise AssertionError("it is reached through a class")

        def __get__(self, instance, owner=None):
            self.functions.append(self.functions.pop(0))
            return functools.partial(self.functions[-1])

    class Holder:
        chosen = experiment_span("chosen")(Choosing(lambda a: a, lambda b, c=2: b))

    assert [Holder.chosen(1), Holder.chosen(1), Holder.chosen(1)] == [1, 1, 1]
    assert [span.input for span in llmobs_spans] == [{"a": 1}, {"b": 1, "c": 2}, {"a": 1}]


@pytest.mark.parametrize(
    "what", ["a function", "a lambda", "a builtin", "a bound method", "a callable object"]
)
def test_as_an_argument_it_is_shown_as_the_callable(llmobs_spans, what):
    @experiment_span
    def takes(x):
        return None

    takes(CALLABLES[what])
    for decorate in DECORATORS.values():
        takes(decorate(CALLABLES[what]))
    assert len({str(span.input) for span in llmobs_spans}) == 1


def test_a_decorated_method_as_an_argument_is_shown_as_the_method(llmobs_spans):
    @experiment_span
    def takes(x):
        return None

    class Shown:
        @experiment_span
        def method(self):
            return 1

    takes(Shown().method)
    assert llmobs_spans[0].input["x"].endswith("Shown.method>")
    assert llmobs_spans[0].input["x"].startswith("<method ")
