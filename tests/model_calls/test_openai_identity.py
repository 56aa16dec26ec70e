"""What a caller of OpenAI's client gets while it is instrumented is what it gets without, in every way."""

from __future__ import annotations

import asyncio
import traceback
from typing import Any

import openai
import openai._base_client
import pydantic
import pytest
from support import openai_ways as ways
from support.model_server import Answer, ModelServer, events, of_json
from support.model_server import openai as says

from llmobs_trace import RecordedSpans, instrument, uninstrument

ASKED: dict[str, Any] = {"model": "gpt-4.1-mini", "messages": [{"role": "user", "content": "2+2?"}]}
ALL = {**ways.AT_ONCE, **ways.STREAMED}
ERROR = says.error(400, "Wrong.")
BROKEN = events(says.chunk({"role": "assistant", "content": "Fo"}), ends=None, breaks=True)
PLACES = [
    (owner, name)
    for owner in (openai._base_client.SyncAPIClient, openai._base_client.AsyncAPIClient)
    for name in ("request", "_sleep_for_retry")
]
STANDING = {(owner, name): vars(owner)[name] for owner, name in PLACES}


def seen(got: Any) -> Any:
    """All that a caller can see of what it got, but for ids in memory and times."""
    if isinstance(got, BaseException):
        return (
            type(got),
            seen(got.args),
            seen(got.__cause__),
            vars(got).keys(),
            seen(getattr(got, "body", None)),
        )
    if isinstance(got, (list, tuple)):
        return type(got), [seen(each) for each in got]
    if isinstance(got, pydantic.BaseModel):
        return type(got), vars(got), got.model_extra, got.model_fields_set, got.model_dump_json()
    if hasattr(got, "http_response"):
        response = got.http_response
        its = {name: value for name, value in response.headers.items() if name != "date"}
        return type(got), type(response), vars(response).keys(), its, vars(got).keys()
    return type(got), got


def tried(way: str, url: str, **asked: Any) -> Any:
    try:
        return seen(ways.run(ALL[way], url, **ASKED, **asked))
    except Exception as error:
        return seen(error), len(traceback.extract_tb(error.__traceback__))


@pytest.mark.parametrize("way", ALL)
@pytest.mark.parametrize("said", ["answer", "error", "broken"])
def test_what_a_caller_gets_is_the_same(
    way: str, said: str, server: ModelServer, llmobs_spans: RecordedSpans
) -> None:
    streamed = way in ways.STREAMED
    answer: Answer = (
        says.chat_stream(["Fo", "ur"], usage=says.USAGE) if streamed else says.chat({"content": "4"})
    )
    server.will({"answer": answer, "error": ERROR, "broken": BROKEN}[said])
    without = tried(way, server.url)
    assert len(llmobs_spans) == 0
    instrument("openai")
    within = tried(way, server.url)
    assert len(llmobs_spans) == 1
    if said != "answer" and len(within) == 2 and isinstance(within[1], int):
        (within, depth), (without, depth_without) = within, without
        assert depth - depth_without <= 1
    assert within == without
    first, second = (received.body for received in server.received)
    assert first == second


def test_a_stream_is_the_client_s_own_and_as_lazy(server: ModelServer, llmobs_spans: RecordedSpans) -> None:
    server.will(events(says.chunk({"role": "assistant", "content": "Fo"}), ends=None, stalls=True))
    instrument("openai")
    client = openai.OpenAI(base_url=server.url, api_key="k")
    stream = client.chat.completions.create(**ASKED, stream=True)
    assert type(stream) is openai.Stream
    assert next(stream).choices[0].delta.content == "Fo"  # while the server has not said the rest
    assert iter(stream) is not stream  # as without: a generator over it
    stream.close()
    assert stream.response.is_closed


def test_an_answer_is_the_same_object_that_the_client_made(
    server: ModelServer, llmobs_spans: RecordedSpans, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Any] = []
    process = openai.OpenAI._process_response

    def kept(self: Any, **how: Any) -> Any:
        made.append(process(self, **how))
        return made[-1]

    monkeypatch.setattr(openai.OpenAI, "_process_response", kept)
    instrument("openai")
    client = openai.OpenAI(base_url=server.url, api_key="k")
    for answer in (says.chat({"content": "4"}), says.chat_stream(["4"])):
        server.will(answer)
        assert client.chat.completions.create(**ASKED, stream=len(made) == 1) is made[-1]  # type: ignore[call-overload]


def test_client_objects_and_what_hangs_on_them_from_before_are_traced(
    server: ModelServer, llmobs_spans: RecordedSpans
) -> None:
    server.will(says.chat({"content": "4"}))
    client = openai.OpenAI(base_url=server.url, api_key="k")
    create, raw = client.chat.completions.create, client.chat.completions.with_raw_response
    instrument("openai")
    create(**ASKED)
    raw.create(**ASKED)
    assert len(llmobs_spans) == 2


def test_uninstrument_puts_everything_back(server: ModelServer, llmobs_spans: RecordedSpans) -> None:
    for _ in range(2):
        instrument("openai")
        instrument()
        assert all(vars(owner)[name] is not STANDING[owner, name] for owner, name in PLACES)
        assert asyncio.iscoroutinefunction(openai._base_client.AsyncAPIClient.request)
        uninstrument("openai")
        assert {(owner, name): vars(owner)[name] for owner, name in PLACES} == STANDING
    server.will(says.chat({"content": "4"}))
    openai.OpenAI(base_url=server.url, api_key="k").chat.completions.create(**ASKED)
    assert len(llmobs_spans) == 0


def test_a_stream_that_is_open_is_recorded_to_its_end(
    server: ModelServer, llmobs_spans: RecordedSpans
) -> None:
    instrument("openai")
    server.will(says.chat_stream(["Fo", "ur"]))
    client = openai.OpenAI(base_url=server.url, api_key="k")
    stream = client.chat.completions.create(**ASKED, stream=True)
    uninstrument()
    list(stream)
    assert llmobs_spans[0].output == {"role": "assistant", "content": "Four"}


def test_what_somebody_wrapped_in_turn_stays_and_lets_calls_pass(
    server: ModelServer, llmobs_spans: RecordedSpans, monkeypatch: pytest.MonkeyPatch
) -> None:
    instrument("openai")
    ours = openai._base_client.SyncAPIClient.request
    counted = []

    def theirs(*args: Any, **kwargs: Any) -> Any:
        counted.append(1)
        return ours(*args, **kwargs)

    monkeypatch.setattr(openai._base_client.SyncAPIClient, "request", theirs)
    uninstrument()
    server.will(says.chat({"content": "4"}))
    client = openai.OpenAI(base_url=server.url, api_key="k")
    client.chat.completions.create(**ASKED)
    assert (len(counted), len(llmobs_spans)) == (1, 0)
    instrument("openai")
    client.chat.completions.create(**ASKED)
    assert (len(counted), len(llmobs_spans)) == (2, 1)
    monkeypatch.undo()
    uninstrument()
    assert {(owner, name): vars(owner)[name] for owner, name in PLACES} == STANDING


def test_a_version_that_lacks_what_is_wrapped_is_said_once_and_left_alone(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, llmobs_spans: RecordedSpans
) -> None:
    monkeypatch.delattr(openai._base_client.AsyncAPIClient, "request")
    assert instrument("openai") == ()
    assert instrument("openai") == ()
    assert [record.message for record in caplog.records] == [
        "this version of openai is not known: its calls are not traced (it has no "
        "openai._base_client.AsyncAPIClient.request)"
    ]
    sync = openai._base_client.SyncAPIClient
    assert vars(sync)["request"] is STANDING[sync, "request"]
    monkeypatch.undo()
    assert instrument("openai") == ("openai",)


def test_a_fault_of_ours_never_reaches_the_caller_and_the_span_has_the_raw_answer(
    server: ModelServer,
    llmobs_spans: RecordedSpans,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    from llmobs_trace.model_calls.openai import ChatCompletions

    def fails(self: object, *given: object) -> None:
        raise ValueError("ours")

    for name in ("asked", "answered", "fold"):
        monkeypatch.setattr(ChatCompletions, name, fails)
    instrument("openai")
    client = openai.OpenAI(base_url=server.url, api_key="k")
    server.will(says.chat({"content": "4"}), says.chat_stream(["4"]))
    assert client.chat.completions.create(**ASKED).choices[0].message.content == "4"
    assert len(list(client.chat.completions.create(**ASKED, stream=True))) == 3
    call, streamed = llmobs_spans
    assert (call.name, call.input, call.output["object"]) == ("chat", ASKED, "chat.completion")
    assert (streamed.name, streamed.status, streamed.output) == ("chat", "ok", None)
    assert len(caplog.records) == 1


def test_an_answer_without_anything_in_it_is_recorded_as_it_is(
    server: ModelServer, llmobs_spans: RecordedSpans
) -> None:
    instrument("openai")
    client = openai.OpenAI(base_url=server.url, api_key="k")
    for value in ({}, {"choices": None}, {"choices": [{}]}, {"choices": [{"message": {}}]}):
        server.will(of_json(value))
        client.chat.completions.create(**ASKED)
    assert [call.status for call in llmobs_spans] == ["ok"] * 4
