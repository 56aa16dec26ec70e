"""What Gemini's shapes become, on values: the client's own objects, and plain mappings in their place."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import pytest

from llmobs_trace.model_calls.google_genai import EmbedContent, GenerateContent

types = pytest.importorskip("google.genai", reason="google-genai needs Python 3.11").types

Part, Content = types.Part, types.Content
generate, embed = GenerateContent(), EmbedContent()


def messages(contents: Any, **config: Any) -> list[dict[str, Any]]:
    given = types.GenerateContentConfig(**config) if config else None
    found: list[dict[str, Any]] = generate.asked({"contents": contents, "config": given}).input["messages"]
    return found


def response(*parts: dict[str, Any], finish: str | None = "STOP", **more: Any) -> dict[str, Any]:
    """As on the wire."""
    candidate: dict[str, Any] = {"content": {"parts": [*parts], "role": "model"}, "index": 0}
    if finish is not None:
        candidate["finishReason"] = finish
    return {"candidates": [candidate], **more}


def as_mapping(value: dict[str, Any]) -> Any:
    return value


def as_object(value: dict[str, Any]) -> Any:
    return types.GenerateContentResponse.model_validate(value)


made = pytest.mark.parametrize("made", [as_mapping, as_object])
Made = Callable[[dict[str, Any]], Any]

# --- what was asked -----------------------------------------------------------------------------------------

CALL = types.FunctionCall(id="c1", name="weather", args={"city": "Oslo"})
PIXEL = b"\x89PNG pixel"

CONTENTS: list[tuple[str, Any, list[dict[str, Any]]]] = [
    ("a text", "Hello", [{"role": "user", "content": "Hello"}]),
    ("a part", Part(text="Hello"), [{"role": "user", "content": "Hello"}]),
    (
        "texts are one turn",
        ["a", "b"],
        [{"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}],
    ),
    ("a content", Content(role="user", parts=[Part(text="Hello")]), [{"role": "user", "content": "Hello"}]),
    ("a content of nobody", Content(parts=[Part(text="Hello")]), [{"role": "user", "content": "Hello"}]),
    ("a dict", {"role": "user", "parts": [{"text": "Hello"}]}, [{"role": "user", "content": "Hello"}]),
    (
        "lists of parts are turns",
        [["a"], ["b"]],
        [{"role": "user", "content": "a"}, {"role": "user", "content": "b"}],
    ),
    (
        "a conversation",
        [
            types.UserContent("Weather in Oslo?"),
            types.ModelContent(
                [Part(text="Hm.", thought=True), Part(text="I ask."), Part(function_call=CALL)]
            ),
            types.UserContent([Part.from_function_response(name="weather", response={"result": "wet"})]),
            types.UserContent("And?"),
        ],
        [
            {"role": "user", "content": "Weather in Oslo?"},
            {
                "role": "assistant",
                "content": "I ask.",
                "thinking": "Hm.",
                "tool_calls": [{"id": "c1", "name": "weather", "arguments": {"city": "Oslo"}}],
            },
            {"role": "tool", "content": "wet", "name": "weather"},
            {"role": "user", "content": "And?"},
        ],
    ),
    (
        "a model's turns in a row are one, as a chat keeps the chunks of a stream",
        [types.UserContent("Hi"), *(types.ModelContent(piece) for piece in ("He", "ll", "o"))],
        [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}],
    ),
    (
        "calls and their results that stand alone are turns by whose they are",
        [
            "Weather?",
            Part(function_call=CALL),
            Part.from_function_response(name="weather", response={"a": 1}),
        ],
        [
            {"role": "user", "content": "Weather?"},
            {
                "role": "assistant",
                "tool_calls": [{"id": "c1", "name": "weather", "arguments": {"city": "Oslo"}}],
            },
            {"role": "tool", "content": '{"a":1}', "name": "weather"},
        ],
    ),
    (
        "several results are a message each, and the text after them is the user's",
        [
            Content(
                role="user",
                parts=[
                    Part(function_response=types.FunctionResponse(id="c1", response={"output": "wet"})),
                    Part(function_response=types.FunctionResponse(id="c2", response={"error": "no city"})),
                    Part(text="And now?"),
                ],
            )
        ],
        [
            {"role": "tool", "tool_call_id": "c1", "content": "wet"},
            {"role": "tool", "tool_call_id": "c2", "content": '{"error":"no city"}'},
            {"role": "user", "content": "And now?"},
        ],
    ),
    (
        "media",
        [
            "What is this?",
            Part.from_bytes(data=PIXEL, mime_type="image/png"),
            Part.from_uri(file_uri="gs://bucket/sound.mp3", mime_type="audio/mpeg"),
            types.File(uri="https://files/1", mime_type="application/pdf", name="files/1"),
            {"inlineData": {"mimeType": "video/mp4", "data": "AAAA"}, "videoMetadata": {"fps": 2}},
        ],
        [
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "What is this?"},
                    {
                        "type": "image",
                        "media_type": "image/png",
                        "data": base64.b64encode(PIXEL).decode(),
                    },
                    {"type": "audio", "media_type": "audio/mpeg", "url": "gs://bucket/sound.mp3"},
                    {"type": "file", "media_type": "application/pdf", "url": "https://files/1"},
                    {"type": "file", "media_type": "video/mp4", "data": "AAAA", "video_metadata": {"fps": 2}},
                ],
            }
        ],
    ),
    (
        "code that the provider ran",
        types.ModelContent(
            [
                Part(executable_code=types.ExecutableCode(code="1+1", language=types.Language.PYTHON)),
                Part(code_execution_result=types.CodeExecutionResult(outcome="OUTCOME_OK", output="2")),
            ]
        ),
        [
            {
                "role": "assistant",
                "content": [
                    {"type": "executable_code", "code": "1+1", "language": "PYTHON"},
                    {"type": "code_execution_result", "outcome": "OUTCOME_OK", "output": "2"},
                ],
            }
        ],
    ),
    ("nothing", None, []),
    ("an empty turn", [Content(role="model", parts=[])], []),
]


@pytest.mark.parametrize(
    ("contents", "expected"), [case[1:] for case in CONTENTS], ids=[c[0] for c in CONTENTS]
)
def test_contents_in_any_form_that_the_client_takes_are_messages(
    contents: Any, expected: list[dict[str, Any]]
) -> None:
    assert messages(contents) == expected


def test_a_function_that_answers_with_a_picture_keeps_it() -> None:
    picture = types.FunctionResponsePart.from_bytes(data=PIXEL, mime_type="image/png")
    given = types.FunctionResponse(name="draw", response={"output": "done"}, parts=[picture])
    assert messages(Part(function_response=given)) == [
        {
            "role": "tool",
            "name": "draw",
            "content": [
                {"type": "text", "text": "done"},
                {"type": "image", "media_type": "image/png", "data": base64.b64encode(PIXEL).decode()},
            ],
        }
    ]


@pytest.mark.parametrize(
    "instruction",
    ["Be brief.", Content(parts=[Part(text="Be brief.")]), ["Be brief."], Part(text="Be brief.")],
    ids=lambda value: type(value).__name__,
)
def test_the_instruction_of_the_system_is_its_message(instruction: Any) -> None:
    assert messages("Hi", system_instruction=instruction) == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hi"},
    ]


def test_tools_and_parameters_are_those_given_and_the_clients_own_options_are_left_out() -> None:
    def weather(city: str) -> str:
        """Says the weather."""
        return city

    search = types.Tool(google_search=types.GoogleSearch())
    declared = types.FunctionDeclaration(name="f", parameters_json_schema={"type": "object", "default": None})
    config = types.GenerateContentConfig(
        temperature=0.5,
        tools=[weather, search, types.Tool(function_declarations=[declared])],
        thinking_config=types.ThinkingConfig(thinking_budget=0),
        http_options=types.HttpOptions(headers={"x-goog-api-key": "secret"}),
        automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True),
    )
    asked = generate.asked({"model": "gemini-3", "contents": "Hi", "config": config}).input
    assert asked == {
        "messages": [{"role": "user", "content": "Hi"}],
        "temperature": 0.5,
        "tools": [
            {"name": "weather", "description": "Says the weather."},
            {"google_search": {}},
            {
                "function_declarations": [
                    {"name": "f", "parameters_json_schema": {"type": "object", "default": None}}
                ]
            },
        ],
        "thinking_config": {"thinking_budget": 0},
    }


@pytest.mark.parametrize(
    ("given", "provider", "model"),
    [
        ("gemini-3", "google", "gemini-3"),
        ("models/gemini-3", "google", "gemini-3"),
        ("google/gemini-3", "google", "gemini-3"),
        ("meta/llama-4", "meta", "llama-4"),
        ("publishers/meta/models/llama-4", "meta", "llama-4"),
        ("projects/p/locations/l/publishers/google/models/gemini-3", "google", "gemini-3"),
        ("tunedModels/123", "google", "tunedModels/123"),
        ("projects/p/locations/l/endpoints/123", "google", "projects/p/locations/l/endpoints/123"),
        (None, "google", None),
    ],
)
def test_a_model_is_named_without_the_path_to_it(given: Any, provider: str, model: str | None) -> None:
    asked = generate.asked({"model": given, "contents": "Hi"})
    assert (asked.provider, asked.model) == (provider, model)


# --- what came back -----------------------------------------------------------------------------------------


@made
def test_an_answer_is_a_message_of_the_assistant(made: Made) -> None:
    usage = {
        "promptTokenCount": 10,
        "cachedContentTokenCount": 4,
        "toolUsePromptTokenCount": 3,
        "candidatesTokenCount": 5,
        "thoughtsTokenCount": 7,
        "totalTokenCount": 25,
    }
    parts = (
        {"text": "Let me ", "thought": True},
        {"text": "see.", "thought": True, "thoughtSignature": "AAAA"},
        {"text": "It is "},
        {"text": "wet.", "thoughtSignature": "AAAA"},
        {"functionCall": {"name": "weather", "args": {"city": "Oslo"}}},
    )
    answered = generate.answered(made(response(*parts, usageMetadata=usage, modelVersion="gemini-3-001")))
    assert answered.output == {
        "role": "assistant",
        "thinking": "Let me see.",
        "content": "It is wet.",
        "tool_calls": [{"name": "weather", "arguments": {"city": "Oslo"}}],
    }
    assert answered.tags == {
        "model_name": "gemini-3-001",
        "input_tokens": 13,
        "output_tokens": 12,
        "total_tokens": 25,
        "cached_tokens": 4,
        "reasoning_tokens": 7,
        "finish_reason": "tool_calls",
    }


def test_thoughts_that_the_answers_tokens_hold_already_are_not_counted_twice() -> None:
    usage = {
        "promptTokenCount": 10,
        "candidatesTokenCount": 12,
        "thoughtsTokenCount": 7,
        "totalTokenCount": 22,
    }
    assert generate.answered(response({"text": "x"}, usageMetadata=usage)).tags["output_tokens"] == 12


@made
def test_several_candidates_are_a_list_of_messages(made: Made) -> None:
    one, two = response({"text": "one"})["candidates"][0], response({"text": "two"})["candidates"][0]
    answered = generate.answered(made({"candidates": [one, {**two, "index": 1}]}))
    assert answered.output == [
        {"role": "assistant", "content": "one"},
        {"role": "assistant", "content": "two"},
    ]


@made
def test_a_prompt_that_was_blocked_says_why(made: Made) -> None:
    blocked = {"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}}
    answered = generate.answered(made(blocked))
    assert answered.output == {"role": "assistant", "refusal": "PROHIBITED_CONTENT"}
    assert answered.tags["finish_reason"] == "content_filter"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("STOP", "stop"),
        ("MAX_TOKENS", "length"),
        ("SAFETY", "content_filter"),
        ("PROHIBITED_CONTENT", "content_filter"),
        ("MALFORMED_FUNCTION_CALL", "MALFORMED_FUNCTION_CALL"),
        ("FINISH_REASON_UNSPECIFIED", None),
        (None, None),
    ],
)
@made
def test_the_reason_of_the_end_is_in_the_words_of_all_or_the_providers_own(
    made: Made, given: str | None, expected: str | None
) -> None:
    assert generate.answered(made(response({"text": "x"}, finish=given))).tags["finish_reason"] == expected


@made
def test_what_the_provider_says_of_the_end_is_kept(made: Made) -> None:
    for reason, member in (("SAFETY", "refusal"), ("MALFORMED_FUNCTION_CALL", "finish_message")):
        given = response(finish=reason)
        given["candidates"][0]["finishMessage"] = "That is why."
        assert generate.answered(made(given)).output == {"role": "assistant", member: "That is why."}


@made
def test_what_an_answer_rests_on_is_kept(made: Made) -> None:
    given = response({"text": "x"})
    given["candidates"][0]["citationMetadata"] = {"citations": [{"uri": "https://a"}]}
    output = generate.answered(made(given)).output
    assert output == {
        "role": "assistant",
        "content": "x",
        "citation_metadata": {"citations": [{"uri": "https://a"}]},
    }


def test_the_answer_is_read_where_the_caller_asked_for_the_bare_http_response() -> None:
    body = '{"candidates":[{"content":{"parts":[{"text":"Hi"}],"role":"model"},"finishReason":"STOP"}]}'
    bare = types.GenerateContentResponse(sdk_http_response=types.HttpResponse(body=body))
    assert generate.answered(bare).output == {"role": "assistant", "content": "Hi"}


# --- chunks -------------------------------------------------------------------------------------------------


@made
def test_chunks_come_to_what_the_whole_response_says(made: Made) -> None:
    usage = {"promptTokenCount": 3, "candidatesTokenCount": 4, "totalTokenCount": 7}
    call = {"functionCall": {"id": "c1", "name": "weather", "args": {"city": "Oslo"}}}
    code = {"executableCode": {"code": "1+1", "language": "PYTHON"}}
    thoughts = [{"text": "I ", "thought": True}, {"text": "think.", "thought": True}]
    pieces = [*thoughts, {"text": "It "}, {"text": "is"}, code, {"text": "wet"}, {"text": "."}, call]
    whole = response(*pieces, usageMetadata=usage, modelVersion="gemini-3")
    fold = generate.fold()
    for piece in pieces:
        fold.add(
            made(response(piece, finish=None, usageMetadata={"promptTokenCount": 3}, modelVersion="gemini-3"))
        )
    fold.add(made(response(usageMetadata=usage)))
    assert fold.answered() == generate.answered(made(whole))
    assert fold.answered().output["content"] == [
        {"type": "text", "text": "It is"},
        {"type": "executable_code", "code": "1+1", "language": "PYTHON"},
        {"type": "text", "text": "wet."},
    ]


@made
def test_chunks_of_several_candidates_are_kept_apart(made: Made) -> None:
    fold = generate.fold()
    for index, text in ((1, "tw"), (0, "on"), (1, "o"), (0, "e")):
        chunk = response({"text": text}, finish=None)
        chunk["candidates"][0]["index"] = index
        fold.add(made(chunk))
    assert [message["content"] for message in fold.answered().output] == ["one", "two"]


@made
def test_arguments_that_come_in_pieces_are_put_together(made: Made) -> None:
    def pieces(*given: tuple[str, str, Any], goes_on: bool = True) -> dict[str, Any]:
        partial = [{"jsonPath": path, kind: value} for path, kind, value in given]
        return {"functionCall": {"partialArgs": partial, "willContinue": goes_on}}

    fold = generate.fold()
    for call in (
        {"functionCall": {"id": "c1", "name": "book", "willContinue": True}},
        pieces(("$.guests[0].name", "stringValue", "Hel")),
        pieces(("$.guests[0].name", "stringValue", "ga"), ("$.guests[0].age", "numberValue", 40)),
        pieces(("$.guests[1].name", "stringValue", "Ola"), ("$['late arrival']", "boolValue", False)),
        pieces(("$.guests[7]", "stringValue", "out of order"), goes_on=False),
        {"functionCall": {"name": "cancel", "args": {}}},
    ):
        fold.add(made(response(call, finish=None)))
    assert fold.answered().output["tool_calls"] == [
        {
            "id": "c1",
            "name": "book",
            "arguments": {
                "guests": [{"name": "Helga", "age": 40}, {"name": "Ola"}],
                "late arrival": False,
                "$.guests[7]": "out of order",
            },
        },
        {"name": "cancel", "arguments": {}},
    ]


def test_before_the_first_chunk_there_is_no_answer() -> None:
    assert generate.fold().answered().output is None


# --- embeddings ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("contents", "expected"),
    [
        ("a", "a"),
        (["a", "b"], ["a", "b"]),
        (["a"], ["a"]),
        (Content(parts=[Part(text="a")]), "a"),
        (
            [Content(parts=[Part(text="a"), Part.from_uri(file_uri="gs://x", mime_type="image/png")])],
            [[{"type": "text", "text": "a"}, {"type": "image", "media_type": "image/png", "url": "gs://x"}]],
        ),
    ],
)
def test_what_is_embedded_is_the_input(contents: Any, expected: Any) -> None:
    config = types.EmbedContentConfig(output_dimensionality=3, http_options=types.HttpOptions(timeout=3))
    asked = embed.asked({"model": "gemini-embedding-001", "contents": contents, "config": config})
    assert asked == ("gemini-embedding-001", "google", {"input": expected, "output_dimensionality": 3})


def test_embeddings_are_counted_and_their_vectors_left_out() -> None:
    vectors = [types.ContentEmbedding(values=[0.1, 0.2, 0.3]) for _ in range(2)]
    answered = embed.answered(types.EmbedContentResponse(embeddings=vectors))
    assert answered.output == {"embeddings": 2, "dimensions": 3}
    for vector in vectors:
        vector.statistics = types.ContentEmbeddingStatistics(token_count=4.0)
    assert embed.answered(types.EmbedContentResponse(embeddings=vectors)).tags["input_tokens"] == 8
