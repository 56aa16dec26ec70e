"""Exceptions that are no errors: those that a program names end a span of any kind with status `ok`."""

from __future__ import annotations

import abc
import asyncio
import pickle
import sys
import types

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmobs_trace import ConfigurationError, configure, current_span, experiment_span
from llmobs_trace.capture import recorder as slot
from llmobs_trace.not_errors import NotErrors


class Interrupt(Exception):
    pass


class Deeper(Interrupt):
    pass


HERE = f"{__name__}.Interrupt"


@pytest.fixture
def langgraph(monkeypatch):
    """Its names for what a graph is interrupted by, as modules that are loaded."""
    errors = types.ModuleType("langgraph.errors")
    errors.GraphBubbleUp = type("GraphBubbleUp", (Exception,), {"__module__": "langgraph.errors"})
    errors.GraphInterrupt = type(
        "GraphInterrupt", (errors.GraphBubbleUp,), {"__module__": "langgraph.errors"}
    )
    monkeypatch.setitem(sys.modules, "langgraph.errors", errors)
    return errors


async def drained(stream):
    return [item async for item in stream]


def left_by(error, **options):
    """Runs that each end by the error: a function, a coroutine, generators, blocks."""

    @experiment_span("function", **options)
    def function():
        raise error

    @experiment_span("coroutine", **options)
    async def coroutine():
        raise error

    @experiment_span("generator", **options)
    def generator():
        yield 1
        raise error

    @experiment_span("async generator", **options)
    async def async_generator():
        yield 1
        raise error

    @experiment_span("awaitable", **options)
    @types.coroutine
    def awaitable():
        raise error
        yield

    async def awaits():
        await awaitable()

    def block():
        with experiment_span("block", **options):
            raise error

    async def async_block():
        async with experiment_span("async block", **options):
            raise error

    return [
        function,
        lambda: steps_of(coroutine()),
        lambda: list(generator()),
        lambda: steps_of(drained(async_generator())),
        lambda: steps_of(awaits()),
        block,
        lambda: steps_of(async_block()),
    ]


def steps_of(coroutine):
    """Run a coroutine that waits for nothing."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        return stop.value


def run(error, **options):
    for act in left_by(error, **options):
        with pytest.raises(type(error)) as raised:
            act()
        assert raised.value is error


def outcomes(spans):
    return {(span.status, span.tags.get("ended_by"), (span.error or {}).get("type")) for span in spans}


NAMED = {
    "by its type": [Interrupt],
    "by a base": [KeyError, Exception],
    "by its name": [HERE],
    "by a builtin's name": ["Exception"],
    "by a builtin's whole name": {"builtins.Exception"},
    "by an unloaded name beside it": ("not.loaded.Error", HERE),
}


@pytest.mark.parametrize("named", NAMED.values(), ids=NAMED)
def test_what_a_span_says_is_no_error_ends_it_with_status_ok_and_its_name(llmobs_spans, named):
    run(Deeper("handed over"), not_errors=named)
    assert len(llmobs_spans) == 7
    assert outcomes(llmobs_spans) == {("ok", f"{__name__}.Deeper", None)}


@pytest.mark.parametrize("named", NAMED.values(), ids=NAMED)
def test_what_the_configuration_says_is_no_error_is_none_anywhere(llmobs_spans, named):
    slot.current.not_errors = NotErrors.of(named)
    run(Deeper("handed over"))
    assert len(llmobs_spans) == 7
    assert outcomes(llmobs_spans) == {("ok", f"{__name__}.Deeper", None)}


def test_a_span_s_own_say_is_beside_the_configuration_s(llmobs_spans):
    slot.current.not_errors = NotErrors.of([Interrupt])
    run(Interrupt(), not_errors=[KeyError])
    run(KeyError(), not_errors=[KeyError])
    assert outcomes(llmobs_spans) == {("ok", HERE, None), ("ok", "KeyError", None)}


def test_anything_else_is_an_error_as_before(llmobs_spans):
    slot.current.not_errors = NotErrors.of([Deeper, "somewhere.Interrupt"])
    run(Interrupt(), not_errors=["KeyError"])
    assert outcomes(llmobs_spans) == {("error", None, "Interrupt")}


def test_it_is_the_span_s_alone_that_says_so(llmobs_spans):
    with (
        pytest.raises(Interrupt),
        experiment_span("outer", not_errors=[Interrupt]),
        experiment_span("inner"),
    ):
        raise Interrupt
    assert llmobs_spans.named("inner").status == "error"
    assert llmobs_spans.named("outer").status == "ok"


def test_a_program_s_end_by_exit_is_no_error_where_it_says_so(llmobs_spans):
    run(SystemExit(0), not_errors=[SystemExit])
    assert outcomes(llmobs_spans) == {("ok", "SystemExit", None)}
    llmobs_spans.clear()
    run(SystemExit(0))
    assert outcomes(llmobs_spans) == {("error", None, "SystemExit")}


def test_a_cancelled_task_is_an_error_unless_the_program_says_that_it_is_none(llmobs_spans):
    @experiment_span
    async def waits(event):
        await event.wait()

    async def main():
        task = asyncio.ensure_future(waits(asyncio.Event()))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(main())
    slot.current.not_errors = NotErrors.of(["asyncio.CancelledError"])
    asyncio.run(main())
    assert [span.status for span in llmobs_spans] == ["error", "ok"]


def test_graphs_that_are_interrupted_are_known_by_the_names_of_their_exceptions(llmobs_spans, langgraph):
    for name in ("langgraph.errors.GraphInterrupt", "langgraph.errors.GraphBubbleUp"):
        run(langgraph.GraphInterrupt(), not_errors=[name])
    assert outcomes(llmobs_spans) == {("ok", "langgraph.errors.GraphInterrupt", None)}


def test_an_exception_is_known_by_the_name_that_its_package_s_front_has_for_it(llmobs_spans):
    typer = pytest.importorskip("typer")
    error = typer.Exit(0)
    run(error, not_errors=["typer.Exit"])
    ((status, ended_by, _),) = outcomes(llmobs_spans)
    assert status == "ok"
    assert ended_by == f"{type(error).__module__}.Exit"


def test_naming_an_exception_imports_nothing(llmobs_spans, monkeypatch):
    asked = []
    package = types.ModuleType("lazy_package")
    package.__getattr__ = lambda name: asked.append(name) or Interrupt
    monkeypatch.setitem(sys.modules, "lazy_package", package)
    before = set(sys.modules)
    run(Interrupt(), not_errors=["lazy_package.Interrupt", "lib2to3.pgen2.parse.ParseError"])
    assert asked == []
    assert set(sys.modules) == before
    assert outcomes(llmobs_spans) == {("error", None, "Interrupt")}


def test_a_module_that_is_loaded_later_is_known_by_then(llmobs_spans, monkeypatch):
    block = experiment_span("later", not_errors=["app.errors.Stop"])
    module = types.ModuleType("app.errors")
    module.Stop = Interrupt
    monkeypatch.setitem(sys.modules, "app.errors", module)
    with pytest.raises(Interrupt), block:
        raise Interrupt
    assert outcomes(llmobs_spans) == {("ok", HERE, None)}


def test_a_class_that_raises_when_it_is_asked_fails_the_span_and_not_the_program(llmobs_spans):
    class Hostile(abc.ABCMeta):
        def __instancecheck__(cls, instance):
            raise RuntimeError("asked")

    kind = Hostile("Kind", (Exception,), {})
    run(Interrupt(), not_errors=[kind])
    assert outcomes(llmobs_spans) == {("error", None, "Interrupt")}


def test_closing_a_generator_is_no_error_and_has_no_tag(llmobs_spans):
    @experiment_span(not_errors=[GeneratorExit])
    def words():
        yield "a"

    stream = words()
    next(stream)
    stream.close()
    span = llmobs_spans.named("words")
    assert (span.status, span.tags["exhausted"]) == ("ok", "false")
    assert "ended_by" not in span.tags


def test_a_stream_that_is_interrupted_says_that_it_was_not_run_to_its_end(llmobs_spans):
    @experiment_span(not_errors=[Interrupt])
    def words():
        yield "a"
        raise Interrupt

    with pytest.raises(Interrupt):
        list(words())
    span = llmobs_spans.named("words")
    assert (span.output, span.status, span.tags["ended_by"]) == ("a", "ok", HERE)
    assert "exhausted" in span.tags
    assert "time_to_first_item_ns" in span.tags


def test_an_exception_that_a_block_was_told_stays_its_error(llmobs_spans):
    @experiment_span(not_errors=[Interrupt])
    def tells():
        current_span().record_exception(KeyError("first"))
        raise Interrupt

    with pytest.raises(Interrupt):
        tells()
    assert outcomes(llmobs_spans) == {("error", HERE, "KeyError")}


@pytest.mark.parametrize("name", ['quo"te', "back\\slash", "line\nend", "é", "x" * 10_000], ids=ascii)
def test_a_name_of_any_signs_is_a_tag(llmobs_spans, name):
    kind = type(name, (Interrupt,), {})
    with pytest.raises(kind), experiment_span("ends", not_errors=[Interrupt]):
        raise kind
    (span,) = llmobs_spans
    assert span.status == "ok"
    assert span.tags["ended_by"].startswith(f"{__name__}.")


WRONG = [
    ("typer.Exit", "'typer.Exit'"),
    (KeyError, "the class KeyError"),
    ([int], "the class int"),
    ([SystemExit(0)], "a SystemExit"),
    ([KeyError, 5], "5"),
    (["Interrupt"], "'Interrupt'"),
    (["no name.at all"], "'no name.at all'"),
    (["os.path.join"], "'os.path.join'"),
    ([""], "''"),
]


@pytest.mark.parametrize(("given", "shown"), WRONG)
def test_what_names_no_exceptions_is_refused_where_it_is_said(given, shown):
    with pytest.raises(ConfigurationError, match="not_errors") as refused:
        experiment_span(not_errors=given)(len)
    assert shown in str(refused.value)
    assert "[SystemExit, " in str(refused.value)
    with pytest.raises(ConfigurationError, match="not_errors") as refused:
        configure(not_errors=given)
    assert f"given {shown}" in str(refused.value)


def test_a_block_leaves_out_what_names_no_exceptions(llmobs_spans, caplog):
    with pytest.raises(Interrupt), experiment_span("block", not_errors=[int]):
        raise Interrupt
    assert outcomes(llmobs_spans) == {("error", None, "Interrupt")}
    assert "not_errors" in caplog.text


ERRORS = [Interrupt, Deeper, KeyError, LookupError, SystemExit, asyncio.CancelledError, OSError]


@given(st.lists(st.sampled_from(ERRORS)), st.sampled_from(ERRORS))
def test_what_is_handed_to_another_process_says_the_same_of_every_exception(named, kind):
    here = NotErrors.of(named)
    there = pickle.loads(pickle.dumps(here))
    error = kind()
    assert (error in there) == (error in here) == isinstance(error, tuple(named))
