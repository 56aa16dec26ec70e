"""Media in a value become their kind, size and hash, wherever they stand; text never does."""

from __future__ import annotations

import base64
import collections
import dataclasses
import hashlib
import json
import random
from typing import Any

import msgspec
import pydantic
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from support.values import ran, strict_json

from llmobs_trace import experiment_span
from llmobs_trace.capture import recorder as slot
from llmobs_trace.encode import Redactor, encode, media, walk

gemini = pytest.importorskip("google.genai", reason="google-genai needs Python 3.11").types

LARGEST = 64 * 1024
END = 87_384  # characters of base64 are 64 KiB and two bytes
RAW = random.Random(7).randbytes(300_001)
SMALL = RAW[:1_000]
GIF = b"GIF89a"


def text_of(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def url_of(raw: bytes, kind: str = "image/png") -> str:
    return f"data:{kind};base64,{text_of(raw)}"


def marker(kind: str, raw: bytes = RAW) -> str:
    characters = text_of(raw).rstrip("=")
    ends = characters[:END] + characters[max(0, len(characters) - END + 3) // 4 * 4 :]
    digest = hashlib.sha256(f"{len(raw)} {ends}".encode()).hexdigest()
    return f"[{kind}, {len(raw):,} bytes, sha256:{digest[:16]}…]"


def recorded(value: Any) -> Any:
    return strict_json(encode(value))


@pytest.fixture
def kept(llmobs_spans: Any) -> None:
    assert slot.current is not None
    slot.current.keep_media = True


@dataclasses.dataclass
class Part:
    data: Any
    media_type: str = "image/png"


class Blob(pydantic.BaseModel):
    data: bytes
    mime_type: str


class Frozen(msgspec.Struct):
    data: str
    format: str


# Each form, how it is made of bytes, and what remains of it.
FORMS: dict[str, tuple[Any, Any]] = {
    "chat completions, picture": (
        lambda raw: {"type": "image_url", "image_url": {"url": url_of(raw), "detail": "low"}},
        {"type": "image_url", "image_url": {"url": marker("image/png"), "detail": "low"}},
    ),
    "chat completions, sound": (
        lambda raw: {"type": "input_audio", "input_audio": {"data": text_of(raw), "format": "wav"}},
        {"type": "input_audio", "input_audio": {"data": marker("audio/wav"), "format": "wav"}},
    ),
    "chat completions, file": (
        lambda raw: {
            "type": "file",
            "file": {"file_data": url_of(raw, "application/pdf"), "filename": "a.pdf"},
        },
        {"type": "file", "file": {"file_data": marker("application/pdf"), "filename": "a.pdf"}},
    ),
    "chat completions, spoken answer": (
        lambda raw: {"role": "assistant", "audio": {"id": "a", "data": text_of(raw), "transcript": "hello"}},
        {"role": "assistant", "audio": {"id": "a", "data": marker("audio"), "transcript": "hello"}},
    ),
    "a list of pictures, as Ollama's": (
        lambda raw: {"content": "What is it?", "images": [text_of(GIF + raw), GIF + raw]},
        {"content": "What is it?", "images": [marker("image/gif", GIF + RAW)] * 2},
    ),
    "responses, picture": (
        lambda raw: {"type": "input_image", "image_url": url_of(raw, "image/jpeg")},
        {"type": "input_image", "image_url": marker("image/jpeg")},
    ),
    "responses, file": (
        lambda raw: {"type": "input_file", "filename": "a.PDF", "file_data": text_of(raw)},
        {"type": "input_file", "filename": "a.PDF", "file_data": marker("application/pdf")},
    ),
    "a file by its name": (
        lambda raw: {"type": "file", "name": "a.pdf", "data": text_of(raw)},
        {"type": "file", "name": "a.pdf", "data": marker("application/pdf")},
    ),
    "a picture by its file": (
        lambda raw: {"type": "image", "filename": "unnamed", "data": text_of(raw)},
        {"type": "image", "filename": "unnamed", "data": marker("image")},
    ),
    "responses, made picture": (
        lambda raw: {"type": "image_generation_call", "result": text_of(raw), "output_format": "webp"},
        {"type": "image_generation_call", "result": marker("image/webp"), "output_format": "webp"},
    ),
    "images": (
        lambda raw: {"output_format": "png", "b64_json": text_of(raw)},
        {"output_format": "png", "b64_json": marker("image/png")},
    ),
    "messages, picture": (
        lambda raw: {
            "type": "image",
            "source": {"type": "base64", "media_type": "image/gif", "data": text_of(raw)},
        },
        {
            "type": "image",
            "source": {"type": "base64", "media_type": "image/gif", "data": marker("image/gif")},
        },
    ),
    "generate content": (
        lambda raw: {"inline_data": {"mime_type": "audio/mp3", "data": raw}},
        {"inline_data": {"mime_type": "audio/mp3", "data": marker("audio/mp3")}},
    ),
    "generate content, its JSON": (
        lambda raw: {"inlineData": {"mimeType": "video/mp4", "data": base64.urlsafe_b64encode(raw).decode()}},
        {"inlineData": {"mimeType": "video/mp4", "data": marker("video/mp4")}},
    ),
    "converse": (
        lambda raw: {"image": {"format": "png", "source": {"bytes": raw}}},
        {"image": {"format": "png", "source": {"bytes": marker("image/png")}}},
    ),
    "converse, document": (
        lambda raw: {"document": {"format": "pdf", "name": "a", "source": {"bytes": bytearray(raw)}}},
        {"document": {"format": "pdf", "name": "a", "source": {"bytes": marker("application/pdf")}}},
    ),
    "langchain": (
        lambda raw: {"type": "image", "base64": text_of(raw), "mime_type": "image/png"},
        {"type": "image", "base64": marker("image/png"), "mime_type": "image/png"},
    ),
    "tools": (
        lambda raw: {"type": "image", "data": text_of(raw), "mimeType": "image/png; q=1"},
        {"type": "image", "data": marker("image/png"), "mimeType": "image/png; q=1"},
    ),
    "an attachment": (
        lambda raw: {"content": text_of(raw), "type": "image/png", "filename": "a.png"},
        {"content": marker("image/png"), "type": "image/png", "filename": "a.png"},
    ),
    "pictures by their addresses": (
        lambda raw: {"images": [url_of(raw), "https://a/b.png"]},
        {"images": [marker("image/png"), "https://a/b.png"]},
    ),
    "a data URL in capitals, with parameters": (
        lambda raw: [f"DATA:Image/PNG;name=a.png;BASE64,{text_of(raw)}"],
        [marker("image/png")],
    ),
    "a data URL alone": (url_of, marker("image/png")),
    "a data class": (
        lambda raw: Part(text_of(raw)),
        {"data": marker("image/png"), "media_type": "image/png"},
    ),
    "a data class of bytes": (
        lambda raw: Part(raw),
        {"data": marker("image/png"), "media_type": "image/png"},
    ),
    "a model": (
        lambda raw: Blob(data=raw, mime_type="image/png"),
        {"data": marker("image/png"), "mime_type": "image/png"},
    ),
    "a struct": (
        lambda raw: Frozen(text_of(raw), "mp3"),
        {"data": marker("audio/mp3"), "format": "mp3"},
    ),
    "an ordered dict": (
        lambda raw: collections.OrderedDict(data=text_of(raw), media_type="image/png"),
        {"data": marker("image/png"), "media_type": "image/png"},
    ),
    "a text of a class of its own": (
        lambda raw: {"data": Name(text_of(raw)), "media_type": "image/png"},
        {"data": marker("image/png"), "media_type": "image/png"},
    ),
}


class Name(str):
    __slots__ = ()


@pytest.mark.parametrize(("make", "expected"), FORMS.values(), ids=FORMS)
def test_media_become_their_kind_size_and_hash_in_the_same_shape(make: Any, expected: Any) -> None:
    assert recorded(make(RAW)) == expected


@pytest.mark.parametrize("make", [form[0] for form in FORMS.values()], ids=FORMS)
@pytest.mark.parametrize("raw", [b"", SMALL, RAW[: LARGEST // 4 * 3 - 200]])
def test_small_media_stay_so_that_they_can_be_shown(make: Any, raw: bytes) -> None:
    written = encode(make(raw)).decode()
    assert base64.b64encode(raw).decode() in written.replace("-", "+").replace("_", "/")
    assert "sha256" not in written


@pytest.mark.usefixtures("kept")
@pytest.mark.parametrize("make", [form[0] for form in FORMS.values()], ids=FORMS)
def test_media_stay_whole_where_that_is_asked_for(make: Any) -> None:
    written = encode(make(RAW)).decode()
    assert base64.b64encode(RAW).decode() in written.replace("-", "+").replace("_", "/")


@pytest.mark.usefixtures("kept")
def test_bytes_that_no_event_holds_are_named_all_the_same() -> None:
    assert recorded(Part(bytes(9 << 20)))["data"].startswith("<bytes of 9437184 bytes, base64: AAAA")


def test_one_picture_has_one_hash_in_whichever_form_it_came() -> None:
    lines = base64.encodebytes(RAW).decode()
    unpadded = text_of(RAW).rstrip("=")
    safe = base64.urlsafe_b64encode(RAW).decode()
    forms: list[Any] = [RAW, bytearray(RAW), text_of(RAW), lines, lines.replace("\n", "\r\n"), unpadded, safe]
    assert {recorded(Part(form))["data"] for form in forms} == {marker("image/png")}
    assert recorded(url_of(RAW)) == marker("image/png")


@given(st.integers(LARGEST, 4 * LARGEST), st.integers(0, 10))
@example(2 * LARGEST, 0)
@example(2 * LARGEST + 1, 0)
@example(LARGEST + 1, 1)
@settings(max_examples=30)
def test_the_hash_is_of_length_beginning_and_end_whatever_the_size(size: int, seed: int) -> None:
    raw = random.Random(seed).randbytes(size)
    expected = marker("image/png", raw)
    assert recorded(url_of(raw)) == expected
    assert recorded(Part(text_of(raw)))["data"] == expected
    if size > LARGEST:
        assert recorded(Part(raw))["data"] == expected


def test_what_differs_at_an_end_or_in_length_has_another_hash() -> None:
    others = [b"!" + RAW[1:], RAW[:-1] + b"!", RAW + b"!", RAW[:-1]]
    assert len({recorded(Part(raw))["data"].partition("sha256")[2] for raw in (RAW, *others)}) == 5


# --- in any place of any value ------------------------------------------------------------------------------

LEAVES = st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=5) | st.just(float("nan"))
VALUES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(st.text(max_size=5), inner, max_size=4)
        | st.builds(Part, inner)
    ),
    max_leaves=8,
)
PLACES: list[Any] = [
    lambda inner, beside: [beside, inner],
    lambda inner, beside: (inner, beside),
    lambda inner, beside: {"content": inner, "role": beside},
    lambda inner, beside: {"role": "user", "content": [{"type": "text", "text": beside}, inner]},
    lambda inner, beside: [{"a": beside}] * 40 + [inner],
    lambda inner, beside: collections.deque([beside, inner]),
    lambda inner, beside: {1: inner, "b": beside},
    lambda inner, beside: Part([inner], beside),
]


@given(st.sampled_from(list(FORMS)), st.lists(st.tuples(st.sampled_from(PLACES), VALUES), max_size=6))
@settings(max_examples=200, suppress_health_check=list(HealthCheck))
def test_media_in_any_place_of_any_value_are_cut_and_nothing_else_changes(
    name: str, places: list[tuple[Any, Any]]
) -> None:
    make, expected = FORMS[name]
    whole, cut = make(RAW), expected
    for place, beside in places:
        whole, cut = place(whole, beside), place(cut, beside)
    assert recorded(whole) == recorded(cut)


def test_the_program_s_own_value_is_left_as_it_is() -> None:
    part = FORMS["chat completions, picture"][0](RAW)
    value = [{"role": "user", "content": [part, {"type": "text", "text": "what is it?"}]}]
    before = json.dumps(value)
    assert recorded(value)[0]["content"][0]["image_url"]["url"] == marker("image/png")
    assert json.dumps(value) == before
    assert value[0]["content"][0] is part


def test_a_value_that_holds_the_same_picture_in_many_places_is_written_in_each() -> None:
    part = FORMS["messages, picture"][0](RAW)
    assert recorded([part] * 20) == [FORMS["messages, picture"][1]] * 20


def test_many_large_media_take_as_long_as_so_many_more_values() -> None:
    value = [Part(RAW)] * (walk.MAX_VALUES // media.COUNTS * 2)
    written = recorded(value)
    assert written[0] == {"data": marker("image/png"), "media_type": "image/png"}
    assert written[-1].startswith("<cut: ")
    assert len(written) <= walk.MAX_VALUES // media.COUNTS + 1


def test_what_stands_beside_media_is_asked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    real = media._named_by
    monkeypatch.setattr(media, "_named_by", lambda pairs: asked.append(1) or real(pairs))
    recorded({"media_type": "image/png", **{f"{number}": SMALL for number in range(500)}})
    assert len(asked) == 1


def test_media_before_a_text_that_can_not_be_written_are_cut_too() -> None:
    value = [FORMS["messages, picture"][0](RAW), "\ud800"]
    assert recorded(value) == [FORMS["messages, picture"][1], "\\ud800"]


def test_twenty_megabytes_of_a_film_are_known_by_its_ends() -> None:
    film = bytes(20 << 20)
    assert recorded({"mime_type": "video/mp4", "data": text_of(film)})["data"] == marker("video/mp4", film)
    assert recorded(url_of(film, "video/mp4")) == marker("video/mp4", film)


def test_no_code_of_the_value_s_is_run_to_find_media() -> None:
    class Telling(str):
        def __getattribute__(self, name: str) -> Any:
            ran.append(name)
            return super().__getattribute__(name)

        def __len__(self) -> int:
            ran.append("len")
            return 0

    ran.clear()
    recorded({"data": Telling(text_of(RAW)), Telling("media_type"): Telling("image/png"), "type": "image"})
    assert ran == []


# --- what is text -------------------------------------------------------------------------------------------

LOOKS_LIKE_IT = text_of(RAW)
TEXTS: dict[str, Any] = {
    "alone": "x" * 100_000,
    "alone, like base64": LOOKS_LIKE_IT,
    "a message": {"role": "user", "content": "x" * 100_000},
    "a message, like base64": [{"role": "user", "content": LOOKS_LIKE_IT}],
    "a text part": {"type": "text", "text": LOOKS_LIKE_IT},
    "in a list": ["x" * 100_000, LOOKS_LIKE_IT],
    "a document of text": {
        "type": "document",
        "source": {"type": "text", "media_type": "text/plain", "data": "x" * 100_000},
    },
    "a document's content": {"type": "document", "content": "x" * 100_000, "title": "a.pdf"},
    "beside a picture": {"media_type": "image/png", "data": text_of(SMALL), "caption": "x" * 100_000},
    "what a picture is made by": {"model": "m", "output_format": "png", "prompt": "x" * 100_000},
    "what was said": {"audio": {"data": text_of(SMALL), "transcript": "x" * 100_000}},
    "of a format that is text": {"format": "markdown", "data": "x" * 100_000},
    "of a media type that is text": {"content_type": "application/json", "body": "1" * 100_000},
    "in a member for data, of nothing": {"data": LOOKS_LIKE_IT},
    "in a member for data, of no media type": {"data": LOOKS_LIKE_IT, "type": "redacted_thinking"},
    "words in a member for data": {"media_type": "image/png", "data": "a picture of a cat " * 9_000},
    "words of other alphabets": {"media_type": "image/png", "data": "кот" * 90_000},
    "about data": "data: " + "the quick brown fox " * 9_000,
    "events": 'data: {"choices": []}\n\n' * 9_000,
    "an address in a text": f"data:image/png;base64,{'AAAA' * 40_000} is a picture",
    "a text after an address's head": "data:image/png;base64," + "the quick brown fox " * 9_000,
    "a text with a picture": f"Look: ![]({url_of(RAW)})",
    "JSON in a text": json.dumps({"media_type": "image/png", "data": LOOKS_LIKE_IT}),
    "in a list of pictures": {"images": ["x" * 100_000, LOOKS_LIKE_IT]},
    "a name that is long": {"x" * 100_000: "media_type"},
}


@pytest.mark.parametrize("value", TEXTS.values(), ids=TEXTS)
def test_text_is_never_taken_for_media(value: Any) -> None:
    assert recorded(value) == value


@given(
    st.text("ab ,.\n", min_size=1, max_size=9),
    st.sampled_from(["content", "text", "data", "body", "prompt", "result", "input"]),
    st.lists(st.tuples(st.sampled_from(PLACES), VALUES), max_size=4),
)
@settings(max_examples=60, suppress_health_check=list(HealthCheck))
def test_a_text_in_any_place_stays_whole(words: str, name: str, places: list[tuple[Any, Any]]) -> None:
    text = (words * (100_000 // len(words) + 1))[:100_000]
    value: Any = {"role": "user", name: text}
    for place, beside in places:
        value = place(value, beside)
    assert text in json.dumps(recorded(value), ensure_ascii=False).replace("\\n", "\n")


# --- where values are given ---------------------------------------------------------------------------------


def test_inputs_outputs_and_what_a_span_is_told_are_cut(llmobs_spans: Any) -> None:
    part, expected = FORMS["chat completions, picture"]

    @experiment_span
    def look(picture: Any) -> Any:
        return picture

    look(part(RAW))
    with experiment_span("block", input=part(RAW), expected_output=part(RAW)) as span:
        span.set_output([part(RAW)])
    first, second = llmobs_spans.named("look"), llmobs_spans.named("block")
    assert (first.input, first.output) == ({"picture": expected}, expected)
    assert (second.input, second.expected_output, second.output) == (expected, expected, [expected])


def test_a_redactor_is_given_what_was_cut_and_what_it_gives_is_cut(llmobs_spans: Any) -> None:
    part, expected = FORMS["messages, picture"]
    seen = []

    def redact(field: str, value: Any) -> Any:
        seen.append(value)
        return part(RAW) if field == "output" else value

    assert slot.current is not None
    slot.current.redactor = Redactor(redact)
    with experiment_span("block", input=part(RAW)) as span:
        span.set_output("a picture")
    assert expected in seen
    assert (llmobs_spans[0].input, llmobs_spans[0].output) == (expected, expected)


def test_a_client_s_own_parts_are_cut() -> None:
    part = gemini.Part.from_bytes(data=RAW, mime_type="image/png")
    assert recorded(part)["inline_data"]["data"] == marker("image/png")
    content = gemini.Content(role="user", parts=[part, gemini.Part(text="x" * 100_000)])
    assert recorded(content)["parts"][1]["text"] == "x" * 100_000
