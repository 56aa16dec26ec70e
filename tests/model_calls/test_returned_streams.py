"""Decorated functions that return a client's stream, and generators that yield its chunks, traced or not."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Iterator
from typing import Any

import openai
import pytest
from support.model_server import ModelServer, events
from support.model_server import openai as says

from llmobs_trace import RecordedSpans, experiment_span, instrument

ASKED: dict[str, Any] = {"model": "gpt-4.1-mini", "messages": [{"role": "user", "content": "2+2?"}]}
SAID = {"role": "assistant", "content": "Four."}
CALL = "chat gpt-4.1-mini"


@pytest.fixture(params=[False, True], ids=["not traced", "traced"])
def is_traced(request: pytest.FixtureRequest) -> bool:
    if request.param:
        instrument("openai")
    return bool(request.param)


@pytest.fixture
def client(server: ModelServer) -> openai.OpenAI:
    server.will(says.chat_stream(["Fo", "ur", "."], usage=says.USAGE))
    return openai.OpenAI(base_url=server.url, api_key="k", max_retries=0)


def streamed(client: openai.OpenAI) -> Any:
    return client.chat.completions.create(**ASKED, stream=True)


def test_a_function_that_returns_a_stream_lasts_until_that_ends(
    client: openai.OpenAI, is_traced: bool, llmobs_spans: RecordedSpans
) -> None:
    made = []

    @experiment_span
    def answer(question: str) -> Any:
        made.append(streamed(client))
        return made[0]

    stream = answer("2+2?")
    assert stream is made[0]
    assert type(stream) is openai.Stream
    with experiment_span("meanwhile"):
        pass
    assert llmobs_spans.tree() == {"meanwhile": {}}
    assert len(list(stream)) == 6
    span = llmobs_spans.named("answer")
    assert (span.input, span.output, span.status) == ({"question": "2+2?"}, SAID, "ok")
    assert "exhausted" not in span.tags
    assert 0 < int(span.tags["time_to_first_item_ns"]) < span.duration_ns
    assert llmobs_spans.tree() == {"answer": {CALL: {}} if is_traced else {}, "meanwhile": {}}
    if is_traced:
        assert llmobs_spans.named(CALL).output == SAID
        assert (span.tags["model_calls"], span.tags["input_tokens"]) == ("1", "12")
    else:
        assert "input_tokens" not in span.tags


def test_a_coroutine_that_returns_a_stream_lasts_until_that_ends(
    client: openai.OpenAI, is_traced: bool, llmobs_spans: RecordedSpans
) -> None:
    async def program() -> None:
        async with openai.AsyncOpenAI(base_url=client.base_url, api_key="k") as aclient:

            @experiment_span
            async def answer() -> Any:
                return await aclient.chat.completions.create(**ASKED, stream=True)

            stream = await answer()
            assert type(stream) is openai.AsyncStream
            assert len(llmobs_spans) == 0
            async for _ in stream:
                pass

    asyncio.run(program())
    assert llmobs_spans.named("answer").output == SAID
    assert len(llmobs_spans) == 1 + is_traced


def test_a_stream_that_is_left_says_so_of_its_function_too(
    client: openai.OpenAI, is_traced: bool, llmobs_spans: RecordedSpans
) -> None:
    @experiment_span
    def answer() -> Any:
        return streamed(client)

    for leave in ("close", "block", "collect"):
        stream = answer()
        next(stream), next(stream)
        if leave == "close":
            stream.close()
        elif leave == "block":
            with stream:
                pass
        del stream
        gc.collect()
    spans = [span for span in llmobs_spans if span.name == "answer"]
    said = [(span.output, span.status, span.tags["exhausted"]) for span in spans]
    assert said == [({"role": "assistant", "content": "Fo"}, "ok", "false")] * 3
    calls = [span for span in llmobs_spans if span.name == CALL]
    assert [(span.output, span.tags["exhausted"]) for span in calls] == [(spans[0].output, "false")] * (
        3 * is_traced
    )


def test_an_error_in_mid_stream_is_the_function_s(
    client: openai.OpenAI, is_traced: bool, server: ModelServer, llmobs_spans: RecordedSpans
) -> None:
    server.will(events(says.chunk({"role": "assistant", "content": "Fo"}), ends=None, breaks=True))

    @experiment_span
    def answer() -> Any:
        return streamed(client)

    with pytest.raises(Exception, match=r"peer closed|Connection error|incomplete"):
        list(answer())
    span = llmobs_spans.named("answer")
    assert (span.status, span.output) == ("error", {"role": "assistant", "content": "Fo"})


def test_a_function_of_a_model_call_has_its_tags(client: openai.OpenAI, llmobs_spans: RecordedSpans) -> None:
    @experiment_span(kind="llm", tags={"model_name": "mine"})
    def answer() -> Any:
        return streamed(client)

    list(answer())
    tags = llmobs_spans.named("answer").tags
    assert (tags["model_name"], tags["input_tokens"], tags["model_calls"]) == ("mine", "12", "1")
    assert tags["finish_reason"] == "stop"


@pytest.mark.parametrize("kind", ["llm", "task"])
def test_a_generator_that_yields_chunks_is_assembled(
    kind: Any, client: openai.OpenAI, is_traced: bool, llmobs_spans: RecordedSpans
) -> None:
    @experiment_span(kind=kind)
    def answer() -> Iterator[Any]:
        yield from streamed(client)

    with experiment_span("row"):
        assert len(list(answer())) == 6
    span = llmobs_spans.named("answer")
    assert span.output == SAID
    assert ("input_tokens" in span.tags) == (kind == "llm")
    row = llmobs_spans.named("row").tags
    assert row.get("model_calls") == ("1" if kind == "llm" or is_traced else None)
    assert row.get("input_tokens") == ("12" if kind == "llm" or is_traced else None)


def test_an_async_generator_that_yields_chunks_is_assembled(
    client: openai.OpenAI, is_traced: bool, llmobs_spans: RecordedSpans
) -> None:
    async def program() -> None:
        async with openai.AsyncOpenAI(base_url=client.base_url, api_key="k") as aclient:

            @experiment_span
            async def answer() -> AsyncIterator[Any]:
                async for chunk in await aclient.chat.completions.create(**ASKED, stream=True):
                    yield chunk

            async for _ in answer():
                pass

    asyncio.run(program())
    assert llmobs_spans.named("answer").output == SAID


def test_what_a_generator_yields_beside_chunks_is_not_lost(
    client: openai.OpenAI, llmobs_spans: RecordedSpans
) -> None:
    @experiment_span
    def answer() -> Iterator[Any]:
        yield from streamed(client)
        yield "and"
        yield {"sources": [1]}

    list(answer())
    assert llmobs_spans[0].output == {"chunks": SAID, "others": ["and", {"sources": [1]}]}


def test_texts_of_chunks_are_joined_as_ever_and_collect_goes_before(
    client: openai.OpenAI, llmobs_spans: RecordedSpans
) -> None:
    @experiment_span
    def texts() -> Iterator[str]:
        for chunk in streamed(client):
            if chunk.choices:
                yield chunk.choices[0].delta.content or ""

    @experiment_span(collect=lambda chunks: len(list(chunks)))
    def count() -> Iterator[Any]:
        yield from streamed(client)

    list(texts()), list(count())
    assert [span.output for span in llmobs_spans] == ["Four.", 6]


@pytest.mark.parametrize("by", ["argument", "configure"])
def test_what_is_not_to_be_captured_is_not_and_the_span_lasts_all_the_same(
    by: str, client: openai.OpenAI, llmobs_spans: RecordedSpans, monkeypatch: pytest.MonkeyPatch
) -> None:
    from llmobs_trace.capture import recorder

    assert recorder.current is not None
    if by == "configure":
        monkeypatch.setattr(recorder.current, "capture_output", False)

    @experiment_span(capture_output=False if by == "argument" else None)
    def answer() -> Any:
        return streamed(client)

    stream = answer()
    assert len(llmobs_spans) == 0
    list(stream)
    assert llmobs_spans[0].output is None


def test_a_stream_whose_function_was_told_its_output_keeps_it(
    client: openai.OpenAI, llmobs_spans: RecordedSpans
) -> None:
    from llmobs_trace import current_span

    @experiment_span
    def answer() -> Any:
        span = current_span()
        assert span is not None
        span.set_output("told")
        return streamed(client)

    list(answer())
    assert llmobs_spans[0].output == "told"


def test_a_plain_generator_is_handed_through_and_its_output_says_how_to_have_it_recorded(
    llmobs_spans: RecordedSpans,
) -> None:
    made = iter([1, 2])

    @experiment_span
    def answer() -> Any:
        return made

    assert answer() is made
    assert "a stream, which was handed on unread" in llmobs_spans[0].output
