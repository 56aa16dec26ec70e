"""The public names as type checkers see them: checked by mypy and pyright, never run.

A line that must be refused carries both tools' ignores; unused ones are errors, so that a line that is no
longer refused is found.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Coroutine, Generator, Iterator
from pathlib import Path
from typing import Any, Literal, Protocol

from typing_extensions import assert_type

import llmobs_trace
from llmobs_trace import (
    ConfigurationError,
    Dataset,
    DeliveryStats,
    LLMObsTraceError,
    RecordedExperiment,
    RecordedRow,
    RecordedSpans,
    Span,
    SpanBlock,
    UsageError,
    configure,
    continue_trace,
    current_span,
    experiment_span,
    flush,
    inject,
    open_experiment,
    propagate,
    read,
    record_metric,
    register_type,
    shutdown,
)
from llmobs_trace.redactors import chain, personal_data, secrets

# --- a decorated callable keeps its type --------------------------------------------------------------------


@experiment_span
def plain(x: int, *, y: str = "") -> str:
    return y * x


@experiment_span("named", kind="llm", tags={"model": "small"}, capture_input=False)
def named(x: int, *, y: str = "") -> str:
    return y * x


@experiment_span()
def empty_parentheses(x: int) -> str:
    return str(x)


@experiment_span
async def coroutine(x: int) -> str:
    return str(x)


@experiment_span(kind="tool")
async def named_coroutine(x: int) -> str:
    return str(x)


@experiment_span
def generator(x: int) -> Generator[int, str, bool]:
    received = yield x
    return bool(received)


@experiment_span("named")
def iterator(x: int) -> Iterator[int]:
    yield x


@experiment_span
async def async_generator(x: int) -> AsyncGenerator[int, str]:
    yield x


@experiment_span("named")
async def async_iterator(x: int) -> AsyncIterator[int]:
    yield x


@experiment_span
@contextlib.contextmanager
def manager(x: int) -> Generator[str, None, None]:
    yield str(x)


@experiment_span("collected", collect="".join, not_errors=[KeyError, "app.Stop"])
def collected(x: int) -> Iterator[str]:
    yield str(x)


class Repeats(Protocol):
    def __call__(self, x: int, *, y: str = ...) -> str: ...


def functions() -> None:
    as_it_was: Repeats = plain
    named_as_it_was: Repeats = named
    assert_type(as_it_was(1), str)
    assert_type(named_as_it_was(1), str)
    assert_type(plain(1, y="a"), str)
    assert_type(named(1, y="a"), str)
    assert_type(empty_parentheses(1), str)
    plain("1")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    plain(1, "a")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    plain(1, z="a")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    plain()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    named("1")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    empty_parentheses()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    wrong: int = plain(1)  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
    print(wrong)


async def coroutines() -> None:
    as_it_was: Callable[[int], Coroutine[Any, Any, str]] = coroutine
    named_as_it_was: Callable[[int], Awaitable[str]] = named_coroutine
    assert_type(await as_it_was(1), str)
    assert_type(await named_as_it_was(1), str)
    assert_type(await coroutine(1), str)
    assert_type(await named_coroutine(x=1), str)
    await coroutine("1")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    length: int = coroutine(1)  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
    print(length)


async def streams() -> None:
    assert_type(generator(1), Generator[int, str, bool])
    assert_type(generator(1).send("a"), int)
    assert_type(list(iterator(1)), list[int])
    assert_type(async_generator(1), AsyncGenerator[int, str])
    assert_type([item async for item in async_iterator(1)], list[int])
    generator("1")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    generator(1).send(1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    async_generator("1")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    async for _ in generator(1):  # type: ignore[attr-defined]  # pyright: ignore[reportGeneralTypeIssues, reportUnknownVariableType]
        pass
    with manager(1) as text:
        assert_type(text, str)


class Model:
    """Every way a method can stand in a class."""

    @experiment_span
    def plain(self, x: int) -> str:
        return str(x)

    @experiment_span("named", kind="llm")
    def named(self, x: int) -> str:
        return str(x)

    @experiment_span
    async def coroutine(self, x: int) -> str:
        return str(x)

    @experiment_span
    def generator(self, x: int) -> Generator[int, str, bool]:
        yield x
        return True

    @classmethod
    @experiment_span
    def class_above(cls, x: int) -> str:
        return str(x)

    @experiment_span
    @classmethod
    def class_below(cls, x: int) -> str:
        return str(x)

    @experiment_span("named")
    @classmethod
    async def named_class_below(cls, x: int) -> str:
        return str(x)

    @staticmethod
    @experiment_span
    def static_above(x: int) -> str:
        return str(x)

    @experiment_span
    @staticmethod
    def static_below(x: int) -> str:
        return str(x)

    @property
    @experiment_span
    def prompt(self) -> str:
        return ""

    @functools.cached_property
    @experiment_span
    def cached(self) -> str:
        return ""


class Sub(Model):
    def plain(self, x: int) -> str:
        return super().plain(x)


async def methods() -> None:
    model = Model()
    assert_type(model.plain(1), str)
    assert_type(Model.plain(model, 1), str)
    assert_type(model.named(x=1), str)
    assert_type(await model.coroutine(1), str)
    assert_type(model.generator(1), Generator[int, str, bool])
    assert_type(Model.class_above(1), str)
    assert_type(model.class_below(1), str)
    assert_type(Model.class_below(1), str)
    assert_type(await Model.named_class_below(1), str)
    assert_type(Model.static_above(1), str)
    assert_type(model.static_below(1), str)
    assert_type(model.prompt, str)
    assert_type(model.cached, str)
    assert_type(Sub().plain(1), str)
    model.plain("1")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    model.plain()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    Model.class_above("1")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Model.class_below("1")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Model.static_below("1")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await model.coroutine("1")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


class Judge:
    def __call__(self, answer: str) -> float:
        return float(len(answer))


def other_callables() -> None:
    judge = experiment_span(Judge())
    assert_type(judge, Judge)
    assert_type(judge("a"), float)
    partial = experiment_span(functools.partial(plain, 1))
    assert_type(partial(), str)
    assert_type(experiment_span("twice")(experiment_span(plain))(1), str)


def what_cannot_be_decorated() -> None:
    experiment_span(5)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]
    experiment_span("name")(5)  # type: ignore[type-var]  # pyright: ignore[reportArgumentType]


# --- blocks -------------------------------------------------------------------------------------------------


def blocks() -> int:
    assert_type(experiment_span("name"), SpanBlock)
    assert_type(experiment_span(), SpanBlock)
    with experiment_span("name", input=object(), expected_output=[1], row_id="r", tags={"a": 1}) as span:
        assert_type(span, Span)
        span.set_input({"a": [1]})
        span.set_output(None)
        span.set_expected_output("a")
        span.set_tags({"a": 1})
        span.record_exception(ValueError())
        span.record_metric("m", 0.5, assessment="pass")
        assert_type(span.span_id, str)
        assert_type(span.trace_id, str)
        assert_type(span.parent_id, str | None)
        assert_type(span.name, str)
    with experiment_span("a block swallows nothing: what follows a return in it is not reached"):
        return 1


async def async_blocks() -> None:
    async with experiment_span("name", experiment_id="e", project_id="p", dataset_id="d") as span:
        assert_type(span, Span)


def wrong_blocks() -> None:
    experiment_span("name", kind="bogus")  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
    experiment_span("name", tags=["a"])  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
    experiment_span("name", row_id=1)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
    experiment_span("name", unknown=1)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
    experiment_span("name", "llm")  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
    experiment_span(plain, kind="llm")  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
    with experiment_span("name") as span:
        span.set_output()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
        span.set_tags(["a"])  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        span.record_exception("text")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        span.unknown  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]


def every_kind(
    kind: Literal["experiment", "workflow", "agent", "llm", "tool", "task", "retrieval", "embedding"],
) -> None:
    experiment_span("name", kind=kind)


# --- set-up -------------------------------------------------------------------------------------------------


def redact(field: str, value: object) -> object:
    return value if field == "name" else None


def set_up(key: str | None) -> None:
    configure()
    configure(api_key=key, app_key=key, site="datadoghq.eu", destination="datadog", experiment_name="a")
    configure(database=Path("a.db"), journal=None, redact=redact, sample_rate=1, flush_interval=0.5)
    configure(database="a.db", journal="off", redact=secrets, enabled=False, max_event_bytes=1 << 20)
    configure(redact=chain(secrets, personal_data, lambda field, value: field))


def wrong_set_ups() -> None:
    configure(smaple_rate=0.5)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    configure("experiment")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    configure(sample_rate="0.5")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    configure(max_event_bytes=1e6)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    configure(destination="datadogg")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    configure(enabled="no")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    configure(api_key=b"key")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    configure(journal=False)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    configure(redact="secrets")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    configure(redact=len)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    chain("secrets")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


# --- the rest -----------------------------------------------------------------------------------------------


def active() -> None:
    found = current_span()
    assert_type(found, Span | None)
    found.set_output(1)  # type: ignore[union-attr]  # pyright: ignore[reportOptionalMemberAccess]


def metrics(span: Span) -> None:
    record_metric("m", True)
    record_metric("m", 0.5, span=span, metric_type="score", assessment="fail", reasoning="why")
    record_metric("m", error="failed", span=span.span_id, tags={"a": 1}, metadata={"b": [1]})
    record_metric("m", error=ValueError(), timestamp_ms=1)
    record_metric("m", 1, metric_type="number")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    record_metric("m", 1, assessment="maybe")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    record_metric("m", 1, span=5)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    record_metric(5, 1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    span.record_metric("m", 1, metric_type="number")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    record_metric("m", 1, span, "score")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


async def propagation(headers: dict[str, str]) -> None:
    assert_type(inject(headers), dict[str, str])
    with continue_trace(headers, trust=True):
        pass
    async with continue_trace(headers):
        pass
    as_it_was: Repeats = propagate(plain)
    assert_type(as_it_was(1), str)
    assert_type(await propagate(coroutine)(1), str)
    propagate(plain)("1")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    inject(["a"])  # type: ignore[type-var]  # pyright: ignore[reportArgumentType]


class Passage:
    words: list[str]


def types() -> None:
    register_type(Passage, lambda passage: {"words": len(passage.words)})
    register_type(object, repr)
    register_type(Passage, lambda passage: passage.missing)  # type: ignore[attr-defined]  # pyright: ignore
    register_type("Passage", repr)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def delivery() -> None:
    assert_type(flush(timeout=1.5), bool)
    assert_type(shutdown(timeout=1), bool)
    stats = llmobs_trace.delivery_stats()
    assert_type(stats, DeliveryStats)
    assert_type(stats.recorded, int)
    assert_type(stats.last_error, str | None)
    stats.recorded = 1  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]


def errors(error: ConfigurationError | UsageError) -> LLMObsTraceError:
    return error


async def loops() -> None:
    with open_experiment("a", project="p", dataset=Dataset([("a", 1)]), config={"k": 1}, version="2") as loop:
        assert_type(loop, open_experiment)
        assert_type(loop.experiment_id, str)
        assert_type(loop.url, str | None)
    async with open_experiment("a", dataset="d", description="why", tags={"a": "b"}):
        pass
    open_experiment(dataset="d")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    open_experiment("a", dataset=1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def tests(llmobs_spans: RecordedSpans) -> None:
    assert_type(llmobs_spans.named("a").row_id, str | None)
    assert_type([span.kind for span in llmobs_spans], list[str])
    assert_type([metric.label for metric in llmobs_spans.metrics], list[str])
    llmobs_spans.named(1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def reading_back() -> None:
    found = read()
    assert_type(found, RecordedExperiment)
    assert_type(found.rows, list[RecordedRow])
    assert_type(found.rows[0].scores, dict[str, Any])
    assert_type(found.spans, list[dict[str, Any]])
    read("quiz", database=Path("a.db"))
    read(1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def package() -> None:
    assert_type(llmobs_trace.__version__, str)
    llmobs_trace.unknown  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]
