"""What anthropic's shapes become, on values: plain mappings, and the client's own objects made of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pytest
from support.model_server.anthropic import ANSWERED_BY, events_of
from support.model_server.anthropic import message as response

from llmobs_trace.model_calls.anthropic import Messages

anthropic = pytest.importorskip("anthropic")


def as_mapping(value: dict[str, Any]) -> Any:
    return value


def as_object(value: dict[str, Any]) -> Any:
    """The client's own object of the same."""
    from anthropic._models import construct_type

    kinds = {"message": anthropic.types.Message}
    kind: Any = kinds.get(value["type"], anthropic.types.RawMessageStreamEvent)
    return construct_type(type_=kind, value=value)


WEATHER = {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {"city": "Oslo", "days": [1, 2]}}
CITATION = {
    "type": "char_location",
    "cited_text": "wet",
    "document_index": 0,
    "start_char_index": 0,
    "end_char_index": 3,
}
ANSWERS = {
    "a text": (response({"type": "text", "text": "Rain, så klart."}), {"content": "Rain, så klart."}),
    "several texts": (
        response({"type": "text", "text": "one"}, {"type": "text", "text": "two"}),
        {"content": [{"type": "text", "text": "one"}, {"type": "text", "text": "two"}]},
    ),
    "a cited text": (
        response({"type": "text", "text": "It is wet.", "citations": [CITATION]}),
        {"content": [{"type": "text", "text": "It is wet.", "citations": [CITATION]}]},
    ),
    "a text and a tool's call": (
        response({"type": "text", "text": "I look."}, WEATHER, stop="tool_use"),
        {
            "content": "I look.",
            "tool_calls": [
                {"id": "toolu_1", "name": "weather", "arguments": {"city": "Oslo", "days": [1, 2]}}
            ],
        },
    ),
    "two calls, one without arguments": (
        response(WEATHER, {"type": "tool_use", "id": "toolu_2", "name": "now", "input": {}}, stop="tool_use"),
        {
            "tool_calls": [
                {"id": "toolu_1", "name": "weather", "arguments": {"city": "Oslo", "days": [1, 2]}},
                {"id": "toolu_2", "name": "now", "arguments": {}},
            ]
        },
    ),
    "thinking": (
        response(
            {"type": "thinking", "thinking": "Hm. Oslo.", "signature": "c2ln"},
            {"type": "text", "text": "Rain."},
        ),
        {"content": "Rain.", "thinking": "Hm. Oslo."},
    ),
    "hidden thinking": (
        response({"type": "redacted_thinking", "data": "xyz"}, {"type": "text", "text": "Rain."}),
        {"content": "Rain.", "thinking": "[redacted]"},
    ),
    "a search of the server's": (
        response(
            {"type": "server_tool_use", "id": "srv_1", "name": "web_search", "input": {"query": "Oslo"}},
            {
                "type": "web_search_tool_result",
                "tool_use_id": "srv_1",
                "content": {"type": "web_search_tool_result_error", "error_code": "unavailable"},
            },
            {"type": "text", "text": "No news."},
        ),
        {
            "content": [
                {
                    "type": "tool_result",
                    "tool_call_id": "srv_1",
                    "content": {"type": "web_search_tool_result_error", "error_code": "unavailable"},
                },
                {"type": "text", "text": "No news."},
            ],
            "tool_calls": [{"id": "srv_1", "name": "web_search", "arguments": {"query": "Oslo"}}],
        },
    ),
    "a refusal": (
        response(
            stop="refusal",
            stop_details={"type": "refusal", "category": "bio", "explanation": "Not this."},
        ),
        {"refusal": "Not this."},
    ),
}


@pytest.mark.parametrize("made", [as_mapping, as_object])
@pytest.mark.parametrize("name", ANSWERS)
def test_an_answer_is_a_plain_message(name: str, made: Callable[[dict[str, Any]], Any]) -> None:
    answer, plain = ANSWERS[name]
    assert Messages().answered(made(answer)).output == {"role": "assistant", **plain}


@pytest.mark.parametrize(
    "pieces", [lambda text: [text], lambda text: list(text)], ids=["whole", "by_character"]
)
@pytest.mark.parametrize("made", [as_mapping, as_object])
@pytest.mark.parametrize("name", ANSWERS)
def test_a_stream_folds_into_the_message_that_comes_whole(
    name: str, made: Callable[[dict[str, Any]], Any], pieces: Callable[[str], Iterable[str]]
) -> None:
    answer, _ = ANSWERS[name]
    fold = Messages().fold()
    for event in events_of(answer, pieces):
        fold.add(made(event))
    assert fold.answered() == Messages().answered(made(answer))


def test_input_tokens_hold_those_that_the_cache_gave_and_took() -> None:
    assert Messages().answered(ANSWERS["a text"][0]).tags == {
        "model_name": ANSWERED_BY,
        "input_tokens": 2310,
        "output_tokens": 7,
        "total_tokens": 2317,
        "cached_tokens": 300,
        "cache_written_tokens": 2000,
        "cache_written_1h_tokens": None,
        "reasoning_tokens": 4,
        "finish_reason": "stop",
    }


@pytest.mark.parametrize(
    ("word", "plain"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("tool_use", "tool_calls"),
        ("refusal", "refusal"),
        ("pause_turn", "pause_turn"),
    ],
)
def test_why_an_answer_ended_is_said_in_the_shared_words(word: str, plain: str) -> None:
    assert Messages().answered(response(stop=word)).tags["finish_reason"] == plain


def test_a_stream_that_breaks_off_says_what_had_come() -> None:
    answer, _ = ANSWERS["a text and a tool's call"]
    stream = events_of(answer, list)
    half_a_call = next(
        number for number, event in enumerate(stream) if event.get("delta", {}).get("partial_json") == "O"
    )
    fold = Messages().fold()
    for event in stream[:half_a_call]:
        fold.add(event)
    output, tags, _ = fold.answered()
    assert output == {
        "role": "assistant",
        "content": "I look.",
        "tool_calls": [{"id": "toolu_1", "name": "weather", "arguments": '{"city": "'}],
    }
    assert tags["input_tokens"] == 2310
    assert tags["finish_reason"] is None


def test_later_usage_replaces_earlier_and_what_it_leaves_out_stays() -> None:
    fold = Messages().fold()
    fold.add(
        {"type": "message_start", "message": {"model": "m", "usage": {"input_tokens": 5, "output_tokens": 1}}}
    )
    for answered in (3, 9):
        fold.add(
            {"type": "message_delta", "delta": {}, "usage": {"output_tokens": answered, "input_tokens": None}}
        )
    tags = fold.answered().tags
    assert (tags["input_tokens"], tags["output_tokens"], tags["total_tokens"]) == (5, 9, 14)


def asked(**arguments: Any) -> Any:
    return Messages().asked({"model": "claude-x", "max_tokens": 9, **arguments})


def test_a_request_is_messages_tools_and_the_parameters_as_given() -> None:
    tools = [{"name": "weather", "description": "d", "input_schema": {"type": "object"}}]
    request = asked(system="Be kind.", messages=[{"role": "user", "content": "Hi"}], tools=tools)
    assert request == (
        "claude-x",
        "anthropic",
        {
            "messages": [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Hi"}],
            "max_tokens": 9,
            "tools": tools,
        },
    )


def test_a_tool_s_result_is_a_message_of_its_own() -> None:
    answer = as_object(ANSWERS["a text and a tool's call"][0])
    results = [
        {"type": "tool_result", "tool_use_id": "toolu_1", "content": "rain"},
        {
            "type": "tool_result",
            "tool_use_id": "toolu_2",
            "content": [{"type": "text", "text": "no"}],
            "is_error": True,
        },
        {"type": "text", "text": "Go on."},
    ]
    conversation = [{"role": "assistant", "content": answer.content}, {"role": "user", "content": results}]
    assert asked(messages=conversation).input["messages"] == [
        {"role": "assistant", **ANSWERS["a text and a tool's call"][1]},
        {"role": "tool", "content": "rain", "tool_call_id": "toolu_1"},
        {"role": "tool", "content": "no", "tool_call_id": "toolu_2", "is_error": True},
        {"role": "user", "content": "Go on."},
    ]


def test_pictures_and_documents_are_parts_with_what_their_sources_say() -> None:
    picture = {"type": "base64", "media_type": "image/png", "data": "aGk="}
    content = [
        {"type": "image", "source": picture},
        {"type": "image", "source": {"type": "url", "url": "https://example.org/a.png"}},
        {"type": "document", "source": {**picture, "media_type": "application/pdf"}, "title": "T"},
        {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "words"}},
        {"type": "document", "source": {"type": "file", "file_id": "file_1"}},
        {"type": "search_result", "source": "s", "title": "t", "content": []},
    ]
    assert asked(messages=[{"role": "user", "content": content}]).input["messages"][0]["content"] == [
        {"type": "image", "media_type": "image/png", "data": "aGk="},
        {"type": "image", "url": "https://example.org/a.png"},
        {"type": "file", "media_type": "application/pdf", "data": "aGk=", "title": "T"},
        {"type": "file", "media_type": "text/plain", "text": "words"},
        {"type": "file", "file_id": "file_1"},
        {"type": "search_result", "source": "s", "title": "t", "content": []},
    ]


def test_messages_that_can_be_read_once_are_left_to_the_client() -> None:
    once = iter([{"role": "user", "content": "Hi"}])
    asked(messages=once)
    assert list(once) == [{"role": "user", "content": "Hi"}]


def test_a_call_without_messages_is_no_fault() -> None:
    assert asked(messages=None).input["messages"] == []
    assert Messages().answered(None).output == {"role": "assistant"}
