"""`register_type`: a program says how its own objects are recorded, and a fault in that harms nobody."""

from __future__ import annotations

import dataclasses
import datetime
import enum
import gc
import logging
import sys
import threading
import weakref
from typing import Any

import pytest
from support.values import strict_json

from llmobs_trace import ConfigurationError, experiment_span, record_metric, register_type
from llmobs_trace.capture import recorder as slot
from llmobs_trace.encode import choose, encode


@pytest.fixture(autouse=True)
def nothing_is_taught(monkeypatch):
    """What a test teaches is forgotten after it."""
    slot.forget_what_was_said()
    yield
    choose._taught = {}
    choose._readers.clear()
    choose._readers.update({id(kind): reader for kind, reader in choose._KNOWN})


class Passage:
    def __init__(self, words="one two"):
        self.words = words


class Quote(Passage):
    pass


@dataclasses.dataclass
class Record:
    a: int


class Colour(enum.Enum):
    RED = "red"


def test_an_object_is_recorded_as_the_registered_function_gives_it(llmobs_spans):
    register_type(Passage, lambda passage: {"words": passage.words.split()})

    @experiment_span
    def answer(passage):
        return [passage]

    answer(Passage())
    (span,) = llmobs_spans
    assert span.input == {"passage": {"words": ["one", "two"]}}
    assert span.output == [{"words": ["one", "two"]}]


def test_it_holds_for_values_that_were_seen_before():
    assert encode(Passage()) == f'"<{__name__}.Passage>"'.encode()
    register_type(Passage, lambda passage: passage.words)
    assert encode(Passage()) == b'"one two"'
    register_type(Passage, lambda passage: len(passage.words))
    assert encode(Passage()) == b"7"


def test_it_holds_for_classes_below_the_nearest_first():
    register_type(Passage, lambda passage: "passage")
    assert encode([Passage(), Quote()]) == b'["passage","passage"]'
    register_type(Quote, lambda quote: "quote")
    assert encode([Passage(), Quote()]) == b'["passage","quote"]'


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (Record, Record(1)),
        (Colour, Colour.RED),
        (BaseException, ValueError("no")),
        (datetime.datetime, datetime.datetime(2024, 1, 2)),
        (set, {1}),
        (type("Ours", (dict,), {}), None),
        (type(len), len),
    ],
)
def test_it_goes_before_what_is_known_of_a_type(kind, value):
    value = kind() if value is None else value
    register_type(kind, lambda given: "mine")
    assert encode([value]) == b'["mine"]'
    assert encode([memoryview(b"x"), datetime.date(2024, 1, 2)]) == (
        b'["<memoryview of 1 bytes, base64: eA==>","2024-01-02"]'
    )


def test_for_object_it_reads_what_is_not_known_otherwise():
    register_type(object, lambda value: f"some {type(value).__name__}")
    register_type(Quote, lambda quote: "quote")
    assert strict_json(encode([Passage(), Quote(), Record(1), {1}])) == [
        "some Passage",
        "quote",
        {"a": 1},
        [1],
    ]


@pytest.mark.parametrize(
    ("answer", "shown"),
    [
        (None, None),
        (float("nan"), "NaN"),
        ({1, 2}, [1, 2]),
        (Quote(), f"<{__name__}.Quote>"),
        ("\ud800", "\\ud800"),
        (b"x", "<bytes of 1 bytes, base64: eA==>"),
    ],
)
def test_its_answer_is_recorded_like_any_value(answer, shown):
    class Thing:
        pass

    register_type(Thing, lambda thing: answer)
    assert strict_json(encode({"a": Thing()})) == {"a": shown}
    assert strict_json(encode({Thing(): 1}))


def test_one_registered_object_may_hold_another():
    register_type(Passage, lambda passage: {"quote": Quote()})
    register_type(Quote, lambda quote: "quote")
    assert encode(Passage()) == b'{"quote":"quote"}'


def _recurse(value):
    return _recurse(value)


def _raise(error):
    def function(value):
        raise error

    return function


@pytest.mark.parametrize(
    "function",
    [
        _raise(RuntimeError("secret")),
        _raise(SystemExit(3)),
        _raise(GeneratorExit()),
        _recurse,
        lambda: None,
        lambda passage: passage,
    ],
)
def test_a_fault_in_it_leaves_the_type_s_name_and_the_rest_of_the_value(function):
    register_type(Passage, function)
    assert strict_json(encode({"a": Passage(), "b": [1]})) == {"a": f"<{__name__}.Passage>", "b": [1]}


def test_a_fault_in_it_is_said_once_without_what_the_exception_says(caplog):
    caplog.set_level(logging.WARNING, "llmobs_trace")
    register_type(Passage, _raise(ValueError("secret")))
    encode([Passage(), Passage()])
    (line,) = [record.getMessage() for record in caplog.records]
    assert f"{__name__}.Passage raised ValueError" in line
    assert "secret" not in line


def test_an_interrupt_in_it_reaches_the_program():
    register_type(Passage, _raise(KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        encode(Passage())
    register_type(Passage, lambda passage: passage.words)
    assert encode(Passage()) == b'"one two"'


@pytest.mark.parametrize("function", [lambda passage: [Passage()], lambda passage: [Passage(), Passage()]])
def test_an_answer_that_holds_another_of_its_type_again_and_again_ends(function):
    register_type(Passage, function)
    assert b"<too deep: " in encode(Passage())


def test_a_traced_call_within_it_is_recorded_and_ends(llmobs_spans):
    @experiment_span
    def helper(passage):
        return passage.words

    register_type(Passage, helper)
    with experiment_span("row", input=Passage()):
        pass
    assert llmobs_spans.named("row").input == "one two"
    assert llmobs_spans.named("helper").input == {"passage": f"<{__name__}.Passage>"}


def test_a_metric_s_value_may_be_a_registered_object(llmobs_spans):
    register_type(Passage, lambda passage: 0.5)
    with experiment_span("row"):
        record_metric("m", Passage())
    (metric,) = llmobs_spans.metrics
    assert (metric.metric_type, metric.value) == ("score", 0.5)


def test_registering_while_others_record_reaches_them_too():
    kinds = [type(f"Kind{number}", (Passage,), {}) for number in range(300)]
    stop = threading.Event()

    def record():
        while not stop.is_set():
            for kind in kinds:
                encode(kind())

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    thread = threading.Thread(target=record)
    thread.start()
    try:
        for number in range(30):
            register_type(Passage, lambda passage, number=number: number)
            assert {encode(kind()) for kind in kinds} == {str(number).encode()}
    finally:
        stop.set()
        thread.join()
        sys.setswitchinterval(interval)


def test_a_class_below_a_registered_one_is_not_kept_alive():
    register_type(Passage, lambda passage: passage.words)
    below = type("Below", (Passage,), {})
    encode(below())
    seen = weakref.ref(below)
    del below
    gc.collect()
    assert seen() is None


@pytest.mark.parametrize(
    ("kind", "function", "said"),
    [
        (5, str, "no class"),
        (list[int], str, "no class"),
        (Passage(), str, "no class"),
        (str, str, "recorded as it is"),
        (datetime.date, str, "recorded as it is"),
        (Passage, "words", "takes a value"),
        (Passage, None, "takes a value"),
    ],
)
def test_a_registration_that_can_t_be_meant_raises(kind: Any, function: Any, said: str):
    with pytest.raises(ConfigurationError, match=said):
        register_type(kind, function)


def test_a_coroutine_function_is_no_reader():
    async def function(passage): ...

    with pytest.raises(ConfigurationError, match="plain function"):
        register_type(Passage, function)
