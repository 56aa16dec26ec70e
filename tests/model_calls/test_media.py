"""Pictures, sound and files in messages: one form, whichever provider's words they came in."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from llmobs_trace.encode import encode
from llmobs_trace.model_calls.google_genai import GenerateContent
from llmobs_trace.model_calls.messages import chat_message, part

types = pytest.importorskip("google.genai", reason="google-genai needs Python 3.11").types

RAW = b"\x89PNG pixel"
DATA = base64.b64encode(RAW).decode()
Part = types.Part

PICTURE = {"type": "image", "media_type": "image/png", "data": DATA}
LINKED = {"type": "image", "url": "https://a/b.png"}
SOUND = {"type": "audio", "media_type": "audio/wav", "data": DATA}
PAPER = {"type": "file", "media_type": "application/pdf", "data": DATA}
URL = f"data:image/png;base64,{DATA}"

FORMS: list[tuple[str, Any, dict[str, Any]]] = [
    ("openai, picture", {"type": "image_url", "image_url": {"url": URL}}, {"type": "image", "url": URL}),
    (
        "openai, linked",
        {"type": "image_url", "image_url": {"url": "https://a/b.png", "detail": "low"}},
        {**LINKED, "detail": "low"},
    ),
    ("openai, sound", {"type": "input_audio", "input_audio": {"data": DATA, "format": "wav"}}, SOUND),
    (
        "openai, mp3",
        {"type": "input_audio", "input_audio": {"data": DATA, "format": "mp3"}},
        {**SOUND, "media_type": "audio/mpeg"},
    ),
    (
        "openai, file",
        {"type": "file", "file": {"file_data": URL, "filename": "a.png"}},
        {"type": "file", "url": URL, "name": "a.png"},
    ),
    ("openai, kept file", {"type": "file", "file": {"file_id": "f1"}}, {"type": "file", "file_id": "f1"}),
    ("responses, picture", {"type": "input_image", "image_url": URL}, {"type": "image", "url": URL}),
    (
        "responses, file",
        {"type": "input_file", "file_url": "https://a/b.pdf", "filename": "b.pdf"},
        {"type": "file", "url": "https://a/b.pdf", "name": "b.pdf"},
    ),
    (
        "anthropic, picture",
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": DATA}},
        PICTURE,
    ),
    ("anthropic, linked", {"type": "image", "source": {"type": "url", "url": "https://a/b.png"}}, LINKED),
    (
        "anthropic, document",
        {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": DATA}},
        PAPER,
    ),
    ("gemini, picture", Part.from_bytes(data=RAW, mime_type="image/png"), PICTURE),
    ("gemini, sound", Part.from_bytes(data=RAW, mime_type="audio/wav"), SOUND),
    ("gemini, file", Part.from_bytes(data=RAW, mime_type="application/pdf"), PAPER),
    (
        "gemini, linked",
        Part.from_uri(file_uri="https://a/b.png", mime_type="image/png"),
        {**LINKED, "media_type": "image/png"},
    ),
]


def plain(given: Any) -> Any:
    if isinstance(given, Part):
        content = [types.Part(text="Look:"), given]
        return GenerateContent().asked({"contents": content}).input["messages"][0]["content"][1]
    return chat_message({"role": "user", "content": [given]})["content"][0]


def test_large_media_are_recorded_as_their_kind_size_and_hash() -> None:
    large = RAW * 10_000
    for given in (
        Part.from_bytes(data=large, mime_type="image/png"),
        {
            "type": "image_url",
            "image_url": {"url": f"data:image/png;base64,{base64.b64encode(large).decode()}"},
        },
    ):
        recorded = json.loads(encode(plain(given)))
        data = recorded.get("data", recorded.get("url"))
        assert data.startswith("[image/png, 100,000 bytes, sha256:")


@pytest.mark.parametrize(("given", "expected"), [form[1:] for form in FORMS], ids=[form[0] for form in FORMS])
def test_media_have_one_form_in_whichever_words_they_came(given: Any, expected: dict[str, Any]) -> None:
    assert plain(given) == expected


@pytest.mark.parametrize("expected", [form[2] for form in FORMS], ids=[form[0] for form in FORMS])
def test_a_plain_part_stays_as_it_is(expected: dict[str, Any]) -> None:
    assert part(expected) == expected
