"""`collect=`: a generator's output is what a function makes of its items. And streams that are handed on."""

from __future__ import annotations

import asyncio
import functools
import itertools
import json
import types

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmobs_trace import ConfigurationError, current_span, experiment_span
from llmobs_trace.capture import recorder as slot
from llmobs_trace.encode import Redactor, with_note


class Chunk:
    """What a client yields: an object that is recorded as its type's name."""

    def __init__(self, text):
        self.text = text


def texts(chunks):
    return "".join(chunk.text for chunk in chunks)


async def drained(stream):
    return [item async for item in stream]


# --- what is collected --------------------------------------------------------------------------------------


def test_a_generator_s_output_is_what_the_function_makes_of_its_items(llmobs_spans):
    chunks = [Chunk("to "), Chunk("be")]

    @experiment_span(collect=texts)
    def answer(question):
        yield from chunks

    assert list(answer("?")) == chunks
    span = llmobs_spans.named("answer")
    assert (span.input, span.output, span.status) == ({"question": "?"}, "to be", "ok")
    assert "time_to_first_item_ns" in span.tags


def test_an_async_generator_s_too(llmobs_spans):
    @experiment_span("answer", collect=texts)
    async def answer():
        yield Chunk("to ")
        await asyncio.sleep(0)
        yield Chunk("be")

    asyncio.run(drained(answer()))
    assert llmobs_spans.named("answer").output == "to be"


@pytest.mark.parametrize("collect", [len, list, functools.partial(max, key=len), lambda *items: items[0][0]])
def test_any_callable_of_one_argument_collects(llmobs_spans, collect):
    @experiment_span(collect=collect)
    def words():
        yield "a"
        yield "bc"

    list(words())
    assert llmobs_spans.named("words").output == collect(["a", "bc"])


def test_the_items_are_the_ones_that_were_yielded_up_to_where_it_ended(llmobs_spans):
    seen = []
    chunks = [Chunk("a"), Chunk("b"), Chunk("c")]

    @experiment_span(collect=lambda items: seen.append([*items]))
    def answer(error=None):
        yield chunks[0]
        yield chunks[1]
        if error is not None:
            raise error
        yield chunks[2]

    stream = answer()
    next(stream)
    stream.close()
    with pytest.raises(KeyError):
        list(answer(KeyError()))
    abandoned = answer()
    next(abandoned)
    next(abandoned)
    del abandoned
    list(answer())
    assert seen == [chunks[:1], chunks[:2], chunks[:2], chunks]
    assert [span.status for span in llmobs_spans] == ["ok", "error", "ok", "ok"]
    assert [span.output for span in llmobs_spans] == [None] * 4  # as a function that returns None


def test_what_sends_throws_and_returns_goes_through(llmobs_spans):
    @experiment_span(collect=sum)
    def numbers():
        received = yield 1
        try:
            yield received
        except KeyError:
            yield 5
        return "done"

    stream = numbers()
    assert (next(stream), stream.send(3), stream.throw(KeyError())) == (1, 3, 5)
    with pytest.raises(StopIteration) as stop:
        next(stream)
    assert stop.value.value == "done"
    assert llmobs_spans.named("numbers").output == 9


def test_an_output_that_was_set_is_the_output_and_nothing_is_collected(llmobs_spans):
    called = []

    @experiment_span(collect=called.append)
    def words():
        current_span().set_output("said")
        yield "a"

    list(words())
    assert (llmobs_spans.named("words").output, called) == ("said", [])


def test_nothing_is_collected_where_outputs_are_not_recorded(llmobs_spans):
    called = []

    @experiment_span(collect=called.append, capture_output=False)
    def words():
        yield "a"

    list(words())
    assert (llmobs_spans.named("words").output, called) == (None, [])


def test_what_was_collected_goes_through_the_redactor(llmobs_spans):
    slot.current.redactor = Redactor(lambda field, value: f"{field} of {len(value)}")

    @experiment_span(collect=texts)
    def answer():
        yield Chunk("secret")

    list(answer())
    assert llmobs_spans[0].output == "output of 6"


# --- what it raises -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [KeyError("secret"), SystemExit("secret"), GeneratorExit("secret")])
def test_what_it_raises_leaves_what_would_have_been_recorded_without_it_and_is_logged_once(
    llmobs_spans, caplog, error
):
    def fails(items):
        raise error

    def words(n):
        for number in range(n):
            yield {"number": number}

    for _ in range(3):
        assert list(experiment_span("with", collect=fails)(words)(3)) == list(words(3))
    list(experiment_span("without")(words)(3))
    assert [span.output for span in llmobs_spans] == [[{"number": n} for n in range(3)]] * 4
    (line,) = [record.getMessage() for record in caplog.records]
    assert type(error).__name__ in line
    assert "secret" not in line


def test_an_interrupt_in_it_is_the_program_s(llmobs_spans):
    def interrupted(items):
        raise KeyboardInterrupt

    @experiment_span(collect=interrupted)
    def words():
        yield "a"

    with pytest.raises(KeyboardInterrupt):
        list(words())
    assert len(llmobs_spans) == 1


def test_items_that_change_later_are_in_what_stands_in_for_it_as_they_were(llmobs_spans):
    @experiment_span(collect=lambda items: 1 / 0)
    def grows():
        held = []
        for number in range(3):
            held.append(number)
            yield held

    list(grows())
    assert llmobs_spans[0].output == {"value": [[0], [0, 1], [0, 1, 2]]}


# --- the bound ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [dict, Chunk])
def test_items_past_the_bound_are_let_go_of_and_the_output_says_how_many(llmobs_spans, kind):
    slot.current.max_event_bytes = 4096
    seen = []

    def collect(items):
        seen.append(len(items))
        return {"items": len(items)}

    @experiment_span(collect=collect)
    def many():
        for number in range(2_000):
            yield {"number": number} if kind is dict else Chunk("x")

    list(many())
    assert 50 < seen[0] < 1_000
    output = llmobs_spans.named("many").output
    assert output == {"items": seen[0], "…": f"[the last {2_000 - seen[0]} of 2000 items cut]"}


def test_all_items_are_there_while_they_are_within_the_bound(llmobs_spans):
    @experiment_span(collect=len)
    def many():
        yield from range(10_000)

    list(many())
    assert llmobs_spans.named("many").output == 10_000


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("ab…"), inner, max_size=3),
    max_leaves=5,
)


@given(VALUES)
def test_a_note_leaves_the_value_its_kind_and_all_that_is_in_it(value):
    noted = json.loads(with_note(json.dumps(value, ensure_ascii=False).encode(), "[cut]"))
    if isinstance(value, str):
        assert noted == f"{value}…[cut]"
    elif isinstance(value, list):
        assert noted == [*value, "…[cut]"]
    elif isinstance(value, dict):
        assert noted == {**value, ("…" if "…" not in value else "……"): "[cut]"}
    else:
        assert noted == {"value": value, "…": "[cut]"}


# --- where it stands ----------------------------------------------------------------------------------------


async def coroutine():
    return 1


@types.coroutine
def awaitable():
    yield


class Model:
    def method(self):
        return 1

    def __call__(self):
        return 1


@pytest.mark.parametrize(
    "function",
    [len, coroutine, awaitable, lambda: iter([]), Model().method, Model(), functools.partial(len, "a")],
)
def test_collect_is_for_generators(function):
    with pytest.raises(ConfigurationError, match="collect= is for generators"):
        experiment_span(collect=list)(function)
    with pytest.raises(ConfigurationError, match="collect= is for generators"):
        experiment_span(function, collect=list)


def test_generators_of_every_kind_take_it(llmobs_spans):
    def words(*given):
        yield from "ab"

    class Streams:
        @experiment_span("method", collect="".join)
        def method(self):
            yield from "ab"

        @experiment_span("class method", collect="".join)
        @classmethod
        def of_class(cls):
            yield from "ab"

        @staticmethod
        @experiment_span("static method", collect="".join)
        def static():
            yield from "ab"

        def __call__(self):
            yield from "ab"

    for stream in (
        experiment_span(functools.partial(words, 1), collect="".join)(),
        experiment_span(Streams(), collect="".join)(),
        Streams().method(),
        Streams.of_class(),
        Streams.static(),
    ):
        list(stream)
    assert [span.output for span in llmobs_spans] == ["ab"] * 5


async def collects_later(items):
    return items


async def yields_later(items):
    yield items


@pytest.mark.parametrize("collect", [5, "join", lambda: 1, lambda a, b: 1, collects_later, yields_later])
def test_what_can_not_collect_is_refused_where_it_is_said(collect):
    def words():
        yield "a"

    with pytest.raises(ConfigurationError, match=r"collect is .* it takes a plain function"):
        experiment_span(collect=collect)(words)


def test_a_block_has_no_items_and_says_so(llmobs_spans, caplog):
    with experiment_span("block", collect=list, input=1):
        pass
    assert llmobs_spans[0].input == 1
    assert "collect makes a value of the items of a decorated generator" in caplog.text


# --- streams that are handed on -----------------------------------------------------------------------------


def made_by_a_generator():
    yield from "ab"


async def made_asynchronously():
    yield "a"


class Items:
    def __iter__(self):
        return self

    def __next__(self):
        raise StopIteration


class AsyncItems:
    def __aiter__(self):
        return self

    async def __anext__(self):
        raise StopAsyncIteration


STREAMS = {
    "generator": made_by_a_generator,
    "async generator": made_asynchronously,
    "iterator": Items,
    "async iterator": AsyncItems,
    "of a list": lambda: iter([1, 2]),
    "map": lambda: map(str, [1]),
    "itertools": lambda: itertools.chain([1], [2]),
}


@pytest.mark.parametrize("make", STREAMS.values(), ids=STREAMS)
@pytest.mark.parametrize("redacted", [False, True])
def test_a_function_that_returns_a_stream_hands_it_on_untouched_and_says_how_to_record_it(
    llmobs_spans, make, redacted
):
    if redacted:
        slot.current.redactor = Redactor(lambda field, value: value)
    made = make()

    @experiment_span
    def function():
        return made

    @experiment_span
    async def coroutine():
        return made

    assert function() is made
    with pytest.raises(StopIteration) as stop:
        coroutine().send(None)
    assert stop.value.value is made
    for span in llmobs_spans:
        assert span.output.startswith("<")
        assert "a stream, which was handed on unread" in span.output
        assert "decorate with experiment_span the generator function" in span.output
    assert llmobs_spans.named("function").output == llmobs_spans.named("coroutine").output


@pytest.mark.parametrize(
    ("value", "recorded"),
    [
        ("<generator of words>", "<generator of words>"),
        ("<", "<"),
        ("", ""),
        (object(), "<object>"),
        (len, "<builtin len>"),
        (range(3), "range(0, 3)"),
        ([], []),
        ({}, {"value": {}}),
        (7, 7),
        ([None], {"value": [None]}),
    ],
)
def test_what_is_no_stream_is_recorded_as_before(llmobs_spans, value, recorded):
    experiment_span(lambda: value)()
    assert llmobs_spans[0].output == recorded


def test_an_open_file_is_recorded_by_its_name(llmobs_spans, tmp_path):
    path = tmp_path / "notes"
    path.write_text("a line\n")
    with path.open() as file:
        experiment_span(lambda: file)()
        assert file.read() == "a line\n"
    assert llmobs_spans[0].output == f"<file {path}>"
