from __future__ import annotations

import asyncio
import functools
import gc
import inspect
import types
import warnings

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmobs_trace import ConfigurationError, Span, current_span, experiment_span
from llmobs_trace.capture.arguments import mapper


def steps_of(awaitable):
    """Run an awaitable to its end without a loop; its value."""
    iterator = awaitable.__await__()
    while True:
        try:
            next(iterator)
        except StopIteration as stop:
            return stop.value


@types.coroutine
def one_step():
    yield


async def collected(stream):
    return [item async for item in stream]


@experiment_span
def module_level(x):
    return x


# --- one kind of callable after the other -------------------------------------------------------------------


def test_a_plain_function(llmobs_spans):
    @experiment_span
    def add(x, y):
        assert isinstance(current_span(), Span)
        assert current_span().name == "add"
        return x + y

    assert add(1, y=2) == 3
    assert current_span() is None
    (span,) = llmobs_spans
    assert (span.name, span.input, span.output) == ("add", {"x": 1, "y": 2}, 3)
    assert (span.status, span.error, span.kind, span.parent_id) == ("ok", None, "experiment", None)
    assert span.duration_ns >= 0


def test_a_coroutine_function(llmobs_spans):
    @experiment_span
    async def fetch(url):
        await asyncio.sleep(0)
        assert current_span().name == "fetch"
        return {"url": url}

    async def main():
        pending = fetch("a")
        assert len(llmobs_spans) == 0
        assert asyncio.iscoroutine(pending)
        return await pending

    assert asyncio.run(main()) == {"url": "a"}
    (span,) = llmobs_spans
    assert (span.name, span.input, span.output, span.status) == ("fetch", {"url": "a"}, {"url": "a"}, "ok")


def test_a_coroutine_outside_of_any_loop(llmobs_spans):
    @experiment_span
    async def fetch(url):
        await one_step()
        return url

    assert steps_of(fetch("a")) == "a"
    assert llmobs_spans.named("fetch").output == "a"


def test_a_generator_of_other_values_has_the_list_of_them_as_its_output(llmobs_spans):
    @experiment_span
    def numbers(stop):
        yield from range(stop)
        yield "end"

    assert list(numbers(2)) == [0, 1, "end"]
    span = llmobs_spans.named("numbers")
    assert (span.input, span.output, span.status) == ({"stop": 2}, [0, 1, "end"], "ok")


def test_a_generator_of_strings_has_them_joined_as_its_output(llmobs_spans):
    @experiment_span
    def words():
        yield "to "
        yield "be"

    assert list(words()) == ["to ", "be"]
    assert llmobs_spans.named("words").output == "to be"


def test_an_async_generator_of_strings_and_one_of_others(llmobs_spans):
    @experiment_span
    async def words():
        yield "to "
        await asyncio.sleep(0)
        yield "be"

    @experiment_span
    async def numbers(n):
        for number in range(n):
            yield number

    async def main():
        return await collected(words()), await collected(numbers(3))

    assert asyncio.run(main()) == (["to ", "be"], [0, 1, 2])
    assert llmobs_spans.named("words").output == "to be"
    assert llmobs_spans.named("numbers").output == [0, 1, 2]
    assert llmobs_spans.named("numbers").input == {"n": 3}


def test_a_generator_that_yields_nothing_has_an_empty_list_and_no_first_item(llmobs_spans):
    @experiment_span
    def nothing():
        return
        yield

    assert list(nothing()) == []
    span = llmobs_spans.named("nothing")
    assert span.output == []
    assert "time_to_first_item_ns" not in span.tags
    assert "exhausted" not in span.tags


class Model:
    """Every way a method can stand in a class."""

    def __init__(self, scale=1):
        self.scale = scale

    @experiment_span
    def plain(self, x):
        return x * self.scale

    @experiment_span
    async def coroutine(self, x):
        return x * self.scale

    @experiment_span
    def generator(self, x):
        yield x * self.scale

    @experiment_span
    async def async_generator(self, x):
        yield x * self.scale

    @experiment_span
    @classmethod
    def class_below(cls, x):
        return cls.__name__, x

    @classmethod
    @experiment_span
    def class_above(cls, x):
        return cls.__name__, x

    @experiment_span
    @staticmethod
    def static_below(x):
        return x

    @staticmethod
    @experiment_span
    def static_above(x):
        return x

    @experiment_span
    @classmethod
    async def class_coroutine(cls, x):
        return cls.__name__, x

    @experiment_span
    @staticmethod
    def static_generator(x):
        yield x

    @experiment_span
    def receiver_of_another_name(this, x):
        return x

    @experiment_span
    @classmethod
    def class_of_another_name(klass, x):
        return x


class Sub(Model):
    def plain(self, x):
        return super().plain(x) + 1


@pytest.mark.parametrize("reach", [lambda: Model(2).plain(3), lambda: Model.plain(Model(2), 3)])
def test_a_method_through_its_instance_and_through_its_class(llmobs_spans, reach):
    assert reach() == 6
    span = llmobs_spans.named("Model.plain")
    assert (span.input, span.output) == ({"x": 3}, 6)


def test_every_kind_of_method(llmobs_spans):
    model = Model(2)
    assert asyncio.run(model.coroutine(3)) == 6
    assert list(model.generator(3)) == [6]
    assert asyncio.run(collected(model.async_generator(3))) == [6]
    assert asyncio.run(Model.class_coroutine(3)) == ("Model", 3)
    assert list(model.static_generator(3)) == [3]
    assert [(span.name, span.input, span.output) for span in llmobs_spans] == [
        ("Model.coroutine", {"x": 3}, 6),
        ("Model.generator", {"x": 3}, [6]),
        ("Model.async_generator", {"x": 3}, [6]),
        ("Model.class_coroutine", {"x": 3}, ["Model", 3]),
        ("Model.static_generator", {"x": 3}, [3]),
    ]


@pytest.mark.parametrize("name", ["class_below", "class_above"])
def test_a_classmethod_in_either_order(llmobs_spans, name):
    assert getattr(Model, name)(1) == ("Model", 1)
    assert getattr(Model(), name)(x=2) == ("Model", 2)
    assert getattr(Sub, name)(3) == ("Sub", 3)
    assert [span.input for span in llmobs_spans] == [{"x": 1}, {"x": 2}, {"x": 3}]
    assert {span.name for span in llmobs_spans} == {f"Model.{name}"}


@pytest.mark.parametrize("name", ["static_below", "static_above"])
def test_a_staticmethod_in_either_order(llmobs_spans, name):
    assert getattr(Model, name)(1) == 1
    assert getattr(Model(), name)(x=2) == 2
    assert [span.input for span in llmobs_spans] == [{"x": 1}, {"x": 2}]
    assert {span.name for span in llmobs_spans} == {f"Model.{name}"}


def test_a_receiver_is_left_out_whatever_it_is_called(llmobs_spans):
    Model().receiver_of_another_name(1)
    Model.class_of_another_name(2)
    assert [span.input for span in llmobs_spans] == [{"x": 1}, {"x": 2}]


def test_methods_that_the_interpreter_itself_makes_static_and_class_methods(llmobs_spans):
    class Base:
        @experiment_span
        def __new__(cls, x):
            return object.__new__(cls)

        @experiment_span
        def __init_subclass__(cls, **options):
            cls.options = options

        @experiment_span
        def __class_getitem__(cls, item):
            return cls, item

    class Sub(Base, size=3):
        pass

    assert Sub.options == {"size": 3}
    assert Sub[4] == (Sub, 4)
    assert type(Sub(5)) is Sub
    assert Sub(5).__new__ is Base.__new__
    assert [span.input for span in llmobs_spans][:3] == [{"options": {"size": 3}}, {"item": 4}, {"x": 5}]


def test_a_first_parameter_of_another_name_is_an_input_where_it_is_no_receiver(llmobs_spans):
    def scale(this, by):
        return this * by

    class Holder:
        held = experiment_span(scale)
        made_static = staticmethod(experiment_span(scale))

    assert Holder.made_static(2, 3) == 6
    assert llmobs_spans.named("scale").input == {"this": 2, "by": 3}


def test_super_calls_reach_the_decorated_method(llmobs_spans):
    assert Sub(2).plain(3) == 7
    assert llmobs_spans.named("Model.plain").output == 6


def test_a_callable_object(llmobs_spans):
    class Judge:
        def __call__(self, answer, strict=False):
            return len(answer)

    judge = experiment_span(Judge())
    assert judge("four") == 4
    span = llmobs_spans.named("Judge")
    assert (span.input, span.output) == ({"answer": "four", "strict": False}, 4)


def test_callable_objects_that_are_asynchronous_or_generate(llmobs_spans):
    class Fetch:
        async def __call__(self, url):
            return url

    class Count:
        def __call__(self, n):
            yield from range(n)

    class Stream:
        async def __call__(self, n):
            for number in range(n):
                yield number

    fetch, count, stream = experiment_span(Fetch()), experiment_span(Count()), experiment_span(Stream())
    assert asyncio.run(fetch("a")) == "a"
    assert list(count(2)) == [0, 1]
    assert asyncio.run(collected(stream(2))) == [0, 1]
    assert [(span.name, span.input, span.output) for span in llmobs_spans] == [
        ("Fetch", {"url": "a"}, "a"),
        ("Count", {"n": 2}, [0, 1]),
        ("Stream", {"n": 2}, [0, 1]),
    ]


def test_a_partial_is_named_after_its_function_and_shows_what_it_binds(llmobs_spans):
    def helper(x, y, *, z=0):
        return x + y + z

    partial = experiment_span(functools.partial(helper, 1, z=5))
    assert partial(2) == 8
    span = llmobs_spans.named("helper")
    assert span.input == {"y": 2, "z": 5}
    assert span.output == 8


def test_partials_of_coroutine_functions_and_generators_keep_their_kind(llmobs_spans):
    async def fetch(x, y):
        return x + y

    def count(start, stop):
        yield from range(start, stop)

    assert asyncio.run(experiment_span(functools.partial(fetch, 1))(2)) == 3
    assert list(experiment_span(functools.partial(count, 1))(3)) == [1, 2]
    assert [(span.name, span.output) for span in llmobs_spans] == [("fetch", 3), ("count", [1, 2])]


def test_a_bound_method_can_be_decorated(llmobs_spans):
    class Store:
        def get(self, key):
            return key

    assert experiment_span(Store().get)("k") == "k"
    span = llmobs_spans.named("Store.get")
    assert span.input == {"key": "k"}


def test_a_builtin_can_be_decorated(llmobs_spans):
    assert experiment_span(len)([1, 2]) == 2
    assert experiment_span(max)(1, 2) == 2
    assert llmobs_spans.named("len").output == 2
    assert llmobs_spans.named("max").output == 2


def test_a_function_decorated_twice_makes_two_spans_one_in_the_other(llmobs_spans):
    @experiment_span("outer")
    @experiment_span("inner")
    def work(x):
        return x

    class Twice:
        @experiment_span("outer")
        @experiment_span("inner")
        def method(self, x):
            return x

    assert work(1) == 1
    assert Twice().method(2) == 2
    assert llmobs_spans.tree() == {"outer": {"inner": {}}, "outer#2": {"inner": {}}}
    assert [span.input for span in llmobs_spans] == [{"x": 1}, {"x": 1}, {"x": 2}, {"x": 2}]


def test_a_generator_based_coroutine_can_still_be_awaited(llmobs_spans):
    @experiment_span
    @types.coroutine
    def pause(x):
        yield
        return x

    async def main():
        return await pause(4)

    assert steps_of(main()) == 4
    (span,) = llmobs_spans
    assert (span.name, span.input, span.output) == ("pause", {"x": 4}, 4)
    assert "time_to_first_item_ns" not in span.tags


def test_a_generator_based_coroutine_that_is_given_up_is_no_stream(llmobs_spans):
    @experiment_span
    @types.coroutine
    def pause(x):
        yield
        raise ValueError(x)

    waiting = pause(1)
    next(waiting)
    waiting.close()
    failing = pause(2)
    next(failing)
    with pytest.raises(ValueError, match="2"):
        next(failing)
    assert [(span.status, span.output) for span in llmobs_spans] == [("ok", None), ("error", None)]
    assert not any("exhausted" in span.tags for span in llmobs_spans)


# --- over a decorator that passes other arguments on --------------------------------------------------------


def with_client(function):
    """As frameworks inject what a function asks for: what it states is not what it takes."""
    if inspect.iscoroutinefunction(function):

        @functools.wraps(function)
        async def wrapper(*args, **kwargs):
            return await function("client", *args, **kwargs)
    else:

        @functools.wraps(function)
        def wrapper(*args, **kwargs):
            return function("client", *args, **kwargs)

    return wrapper


def test_a_call_that_fits_the_function_and_not_what_it_states_is_recorded_as_it_was(llmobs_spans):
    @experiment_span("sync")
    @with_client
    def sync(client, question):
        return question.upper()

    @experiment_span("coroutine")
    @with_client
    async def coroutine(client, question, *, loud=False):
        return question.upper()

    class Asks:
        @experiment_span("method")
        @functools.wraps(lambda self, client, question: None)
        def method(self, question):
            return question.upper()

    assert sync("q") == asyncio.run(coroutine("q", loud=True)) == Asks().method("q") == "Q"
    assert [(span.name, span.input, span.output) for span in llmobs_spans] == [
        ("sync", {"args": ["q"], "kwargs": {}}, "Q"),
        ("coroutine", {"args": ["q"], "kwargs": {"loud": True}}, "Q"),
        ("method", {"args": ["q"], "kwargs": {}}, "Q"),
    ]


def test_a_call_that_fits_what_the_function_states_and_not_the_function_raises_at_the_call(llmobs_spans):
    @experiment_span
    @functools.wraps(lambda client, question: None)
    async def coroutine(question):
        return question

    with pytest.raises(TypeError, match="takes 1 positional argument but 2 were given"):
        coroutine("client", "q")
    assert asyncio.run(coroutine("q")) == "q"
    assert [span.input for span in llmobs_spans] == [{"args": ["q"], "kwargs": {}}]


# --- with arguments, and names ------------------------------------------------------------------------------


def test_a_decorator_with_arguments(llmobs_spans):
    @experiment_span("answer", kind="llm", tags={"model": "small"}, expected_output="42", row_id="r1")
    def work():
        return "41"

    assert work() == "41"
    (span,) = llmobs_spans
    assert (span.name, span.kind, span.output) == ("answer", "llm", "41")
    assert span.tags["model"] == "small"
    assert span.expected_output == {"value": "42"}


def test_a_decorator_with_empty_parentheses_and_one_without_a_name(llmobs_spans):
    @experiment_span()
    def first():
        return 1

    @experiment_span(kind="tool")
    def second():
        return 2

    first()
    second()
    assert [(span.name, span.kind) for span in llmobs_spans] == [("first", "experiment"), ("second", "tool")]


def test_one_decorator_serves_several_functions(llmobs_spans):
    traced = experiment_span(kind="tool")
    first, second = traced(lambda: 1), traced(module_level.__wrapped__)
    first()
    second(2)
    assert [span.name for span in llmobs_spans] == ["<lambda>", "module_level"]


def test_the_name_is_the_qualified_name_from_the_last_locals_on(llmobs_spans):
    class Outer:
        class Inner:
            @experiment_span
            def method(self):
                @experiment_span
                def helper():
                    return None

                return helper()

    Outer.Inner().method()
    module_level(1)
    assert [span.name for span in llmobs_spans] == ["helper", "Outer.Inner.method", "module_level"]


@pytest.mark.parametrize(
    ("decorate", "said"),
    [
        (lambda: experiment_span(kind="bogus")(len), "kind is 'bogus'"),
        (lambda: experiment_span("x", tags=["a"])(len), "tags is a list"),
        (lambda: experiment_span("x", row_id="")(len), "row_id is ''"),
        (lambda: experiment_span("x", row_id=7)(len), "row_id is 7"),
        (lambda: experiment_span("x", experiment_id="..")(len), "experiment_id is '..'"),
        (lambda: experiment_span("x", project_id=" ")(len), "project_id is ' '"),
        (lambda: experiment_span("x", dataset_id=1)(len), "dataset_id is 1"),
        (lambda: experiment_span("x", capture_input="no")(len), "capture_input is 'no'"),
        (lambda: experiment_span("x", capture_output=1)(len), "capture_output is 1"),
        (lambda: experiment_span(5)(len), "name is 5"),
        (lambda: experiment_span(b"name")(len), "name is a bytes"),
        (lambda: experiment_span(knid="llm")(len), r"no argument knid \(did you mean kind\?\)"),
        (lambda: experiment_span(len, tag={}), r"no argument tag \(did you mean tags\?\)"),
        (lambda: experiment_span(zzz=1)(len), r"no argument zzz \(the arguments are: name, kind"),
        (lambda: experiment_span(Model), "Model is a class"),
        (lambda: experiment_span()(Model), "Model is a class"),
        (lambda: experiment_span(property(len))(len), "property"),
        (lambda: experiment_span()(3), "int"),
    ],
)
def test_a_decorators_wrong_argument_raises_at_once_and_says_what_would_do(decorate, said):
    with pytest.raises(ConfigurationError, match=said):
        decorate()


@pytest.mark.parametrize("argument", [*inspect.signature(experiment_span).parameters])
def test_an_argument_with_two_letters_exchanged_is_told_by_its_right_name(argument):
    misspelt = argument[0] + argument[2] + argument[1] + argument[3:]
    with pytest.raises(ConfigurationError, match=rf"did you mean {argument}\?"):
        experiment_span(len, **{misspelt: "not shown"})


# --- inputs -------------------------------------------------------------------------------------------------


def test_the_input_has_every_parameter_by_name_with_defaults_and_varargs(llmobs_spans):
    @experiment_span
    def work(a, /, b, c=3, *rest, d, e=5, **more):
        return None

    work(1, 2, d=4)
    work(1, 2, 30, 31, 32, d=4, e=50, f=6)
    assert [span.input for span in llmobs_spans] == [
        {"a": 1, "b": 2, "c": 3, "rest": [], "d": 4, "e": 5, "more": {}},
        {"a": 1, "b": 2, "c": 30, "rest": [31, 32], "d": 4, "e": 50, "more": {"f": 6}},
    ]


def test_parameters_of_any_name_are_taken(llmobs_spans):
    @experiment_span
    def work(plan, wrapped, function, args, kwargs, name, *, recorder, arguments, _llmobs_default_0=7):
        return None

    work(1, 2, 3, 4, 5, 6, recorder=8, arguments=9)
    assert llmobs_spans.named("work").input == {
        "plan": 1,
        "wrapped": 2,
        "function": 3,
        "args": 4,
        "kwargs": 5,
        "name": 6,
        "recorder": 8,
        "arguments": 9,
        "_llmobs_default_0": 7,
    }


def test_a_keyword_named_self_is_passed_on(llmobs_spans):
    @experiment_span
    def work(**options):
        return options

    assert work(self=1, wrapped=2) == {"self": 1, "wrapped": 2}
    assert llmobs_spans.named("work").input == {"options": {"self": 1, "wrapped": 2}}


def test_a_call_without_parameters_has_no_input(llmobs_spans):
    @experiment_span
    def work():
        return None

    work()
    span = llmobs_spans.named("work")
    assert "input" not in span.wire["meta"]
    assert "output" not in span.wire["meta"]


def test_the_input_is_the_value_at_the_call_also_where_the_function_changes_it(llmobs_spans):
    @experiment_span
    def work(messages):
        messages.append("changed")
        messages[0]["role"] = "changed"
        return messages

    @experiment_span
    async def later(messages):
        return None

    @experiment_span
    def stream(messages):
        yield 1

    @experiment_span
    async def async_stream(messages):
        yield 1

    given = [{"role": "user"}]
    result = work(given)
    result.append("after")
    pending, iterator, async_iterator = later(given), stream(given), async_stream(given)
    given.clear()
    asyncio.run(pending)
    list(iterator)
    asyncio.run(collected(async_iterator))

    assert llmobs_spans.named("work").input == {"messages": [{"role": "user"}]}
    assert llmobs_spans.named("work").output == [{"role": "changed"}, "changed"]
    at_the_call = {"messages": [{"role": "changed"}, "changed", "after"]}
    for name in ("later", "stream", "async_stream"):
        assert llmobs_spans.named(name).input == at_the_call


def test_what_was_yielded_is_taken_as_it_was_when_it_was_yielded(llmobs_spans):
    @experiment_span
    def growing():
        state = []
        for number in range(3):
            state.append(number)
            yield state

    list(growing())
    assert llmobs_spans.named("growing").output == {"value": [[0], [0, 1], [0, 1, 2]]}


def test_capture_can_be_turned_off_for_a_function_and_for_all(llmobs_spans):
    from llmobs_trace.capture import recorder as slot

    @experiment_span(capture_input=False, capture_output=False)
    def secret(x):
        return x

    @experiment_span
    def usual(x):
        return x

    @experiment_span(capture_input=True, capture_output=True)
    def loud(x):
        return x

    @experiment_span
    def told(x):
        current_span().set_input("given")
        current_span().set_output("made")
        return x

    secret(1)
    usual(2)
    slot.current.capture_input = slot.current.capture_output = False
    usual(3)
    loud(4)
    told(5)
    assert [(span.input, span.output) for span in llmobs_spans] == [
        (None, None),
        ({"x": 2}, 2),
        (None, None),
        ({"x": 4}, 4),
        ("given", "made"),
    ]


def test_an_input_given_to_the_decorator_takes_the_arguments_place(llmobs_spans):
    @experiment_span(input="fixed")
    def work(x):
        return x

    work(1)
    assert llmobs_spans.named("work").input == "fixed"


def test_an_output_that_was_set_is_kept(llmobs_spans):
    @experiment_span
    def work():
        current_span().set_output("told")
        return "returned"

    @experiment_span
    def stream():
        yield 1
        current_span().set_output("told")
        yield 2

    assert work() == "returned"
    assert list(stream()) == [1, 2]
    assert [span.output for span in llmobs_spans] == ["told", "told"]


_NAMES = st.sampled_from(["a", "b", "c", "d", "e", "f"])


@given(
    names=st.lists(_NAMES, unique=True, max_size=6),
    kinds=st.lists(st.sampled_from("/d*k="), max_size=6),
    rest=st.booleans(),
    more=st.booleans(),
    data=st.data(),
)
def test_arguments_are_named_as_the_interpreter_binds_them(names, kinds, rest, more, data):
    """Any signature, any call: the mapper gives the function's own locals, or both refuse."""
    positional = [name for name, kind in zip(names, kinds, strict=False) if kind in "/d*"]
    only = [name for name, kind in zip(names, kinds, strict=False) if kind in "/"]
    positional = only + [name for name in positional if name not in only]
    keyword = [name for name in names if name not in positional]
    defaults_from = data.draw(st.integers(0, len(positional)))
    written = []
    for place, name in enumerate(positional):
        written.append(name if place < defaults_from else f"{name}={place + 100}")
        if only and place == len(only) - 1:
            written.append("/")
    if rest:
        written.append("*rest")
    elif keyword:
        written.append("*")
    written += [name if data.draw(st.booleans()) else f"{name}=200" for name in keyword]
    if more:
        written.append("**more")
    namespace = {}
    exec(f"def function({', '.join(written)}): return dict(locals())", namespace)
    function = namespace["function"]

    args = data.draw(st.lists(st.integers(), max_size=4))
    kwargs = data.draw(st.dictionaries(_NAMES, st.integers(), max_size=4))
    try:
        expected = function(*args, **kwargs)
    except TypeError:
        expected = TypeError
    try:
        found = mapper(function)(*args, **kwargs)
    except TypeError:
        found = TypeError
    assert found == expected


# --- generators' tags ---------------------------------------------------------------------------------------


def test_a_stream_run_to_its_end_tells_when_its_first_item_came(llmobs_spans):
    @experiment_span
    def stream():
        yield 1
        yield 2

    list(stream())
    span = llmobs_spans.named("stream")
    assert 0 <= int(span.tags["time_to_first_item_ns"]) <= span.duration_ns
    assert "exhausted" not in span.tags


def test_a_stream_stopped_early_keeps_what_it_gave_and_says_it_was_not_exhausted(llmobs_spans):
    @experiment_span
    def stream():
        yield "a"
        yield "b"
        yield "c"

    iterator = stream()
    next(iterator)
    next(iterator)
    assert current_span() is None
    iterator.close()
    span = llmobs_spans.named("stream")
    assert (span.output, span.status, span.error) == ("ab", "ok", None)
    assert span.tags["exhausted"] == "false"
    assert "time_to_first_item_ns" in span.tags


def test_an_async_stream_stopped_early(llmobs_spans):
    @experiment_span
    async def stream():
        yield "a"
        yield "b"

    async def main():
        iterator = stream()
        await anext(iterator)
        await iterator.aclose()

    asyncio.run(main())
    span = llmobs_spans.named("stream")
    assert (span.output, span.status, span.tags["exhausted"]) == ("a", "ok", "false")


def test_a_stream_that_is_collected_ends_its_span(llmobs_spans):
    @experiment_span
    def stream():
        yield "a"
        yield "b"

    iterator = stream()
    next(iterator)
    del iterator
    gc.collect()
    span = llmobs_spans.named("stream")
    assert (span.output, span.status, span.tags["exhausted"]) == ("a", "ok", "false")


def test_a_stream_that_raises_keeps_what_it_gave_and_is_an_error(llmobs_spans):
    @experiment_span
    def stream():
        yield "a"
        raise ValueError("broke")

    with pytest.raises(ValueError, match="broke"):
        list(stream())
    span = llmobs_spans.named("stream")
    assert (span.output, span.status, span.tags["exhausted"]) == ("a", "error", "false")
    assert span.error["type"] == "ValueError"
    assert span.error["message"] == "broke"
    assert "run_generator" not in span.error["stack"]


def test_a_user_may_set_tags_beside_the_streams_own(llmobs_spans):
    @experiment_span(tags={"model": "small"})
    def stream():
        yield 1
        current_span().set_tags({"finish": "stop"})

    list(stream())
    tags = llmobs_spans.named("stream").tags
    assert (tags["model"], tags["finish"]) == ("small", "stop")
    assert "time_to_first_item_ns" in tags


# --- what never runs ----------------------------------------------------------------------------------------


def test_a_coroutine_that_never_runs_leaves_no_span_and_one_warning_in_its_own_name(llmobs_spans):
    @experiment_span
    async def forgotten(x):
        return x

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        forgotten(1)
        gc.collect()
    assert [warning.category for warning in caught] == [RuntimeWarning]
    assert "forgotten' was never awaited" in str(caught[0].message)
    assert len(llmobs_spans) == 0


def test_streams_that_never_run_leave_no_span_and_no_warning(llmobs_spans):
    @experiment_span
    def stream():
        yield 1

    @experiment_span
    async def async_stream():
        yield 1

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        stream()
        async_stream()
        stream().close()
        gc.collect()
    assert caught == []
    assert len(llmobs_spans) == 0


def test_a_coroutine_closed_before_it_ran_leaves_no_span(llmobs_spans):
    @experiment_span
    async def closed():
        return 1

    coroutine = closed()
    coroutine.close()
    assert len(llmobs_spans) == 0


def test_a_call_that_does_not_fit_raises_as_the_function_does_and_is_an_error(llmobs_spans):
    @experiment_span
    def work(a):
        return a

    with pytest.raises(TypeError, match="missing 1 required positional argument"):
        work()
    span = llmobs_spans.named("work")
    assert (span.status, span.error["type"], span.input) == ("error", "TypeError", None)


# --- errors and status --------------------------------------------------------------------------------------


def test_an_exception_is_recorded_with_type_message_stack_and_causes(llmobs_spans):
    @experiment_span
    def work():
        try:
            raise KeyError("inner")
        except KeyError as error:
            raise ValueError("outer") from error

    with pytest.raises(ValueError, match="outer"):
        work()
    span = llmobs_spans.named("work")
    assert span.status == "error"
    assert (span.error["type"], span.error["message"]) == ("ValueError", "outer")
    assert "KeyError: 'inner'" in span.error["stack"]
    assert "direct cause" in span.error["stack"]
    assert "ValueError: outer" in span.error["stack"]
    assert "call_function" not in span.error["stack"]


def test_a_cancelled_coroutine_is_an_error(llmobs_spans):
    @experiment_span
    async def slow():
        await asyncio.Event().wait()

    async def main():
        task = asyncio.ensure_future(slow())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    span = llmobs_spans.named("slow")
    assert (span.status, span.error["type"]) == ("error", "CancelledError")


def test_a_coroutine_closed_while_it_waits_is_ok(llmobs_spans):
    @experiment_span
    async def waiting():
        await one_step()

    coroutine = waiting()
    coroutine.send(None)
    coroutine.close()
    span = llmobs_spans.named("waiting")
    assert (span.status, span.error) == ("ok", None)


def test_disabled_everything_passes_through_and_no_span_is_active(llmobs_spans):
    from llmobs_trace.capture import recorder as slot

    slot.current.enabled = False
    seen = []

    @experiment_span
    def work(x):
        seen.append(current_span())
        return x

    @experiment_span
    async def fetch(x):
        return work(x)

    @experiment_span
    def stream(x):
        yield work(x)

    @experiment_span
    async def async_stream(x):
        yield work(x)

    assert work(1) == 1
    assert asyncio.run(fetch(2)) == 2
    assert list(stream(3)) == [3]
    assert asyncio.run(collected(async_stream(4))) == [4]
    assert seen == [None] * 4
    assert len(llmobs_spans) == 0


def test_coroutines_and_streams_made_before_tracing_was_switched_off_pass_through(llmobs_spans):
    from llmobs_trace.capture import recorder as slot

    @experiment_span
    async def fetch(x):
        return current_span()

    @experiment_span
    def stream(x):
        yield current_span()

    pending, iterator = fetch(1), stream(1)
    slot.current.enabled = False
    assert steps_of(pending) is None
    assert list(iterator) == [None]
    assert len(llmobs_spans) == 0


def test_an_unsampled_call_records_nothing_and_its_children_neither(llmobs_spans):
    from llmobs_trace.capture import recorder as slot

    slot.current.sample_rate = 0.0

    @experiment_span
    def work(x):
        with experiment_span("inside") as span:
            span.set_output(1)
        return current_span()

    @experiment_span
    def stream(x):
        received = yield work(x)
        return received

    assert work(1) is None
    iterator = stream(2)
    assert next(iterator) is None
    with pytest.raises(StopIteration) as stop:
        iterator.send("back")
    assert stop.value.value == "back"
    assert len(llmobs_spans) == 0
