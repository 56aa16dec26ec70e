"""Makes answers as Gemini's API gives them: candidates and their chunks, embeddings, errors."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from support.model_server.answers import Answer, events, of_json

ANSWERED_BY = "gemini-3-flash-001"
USAGE = {
    "promptTokenCount": 12,
    "cachedContentTokenCount": 4,
    "candidatesTokenCount": 5,
    "thoughtsTokenCount": 2,
    "totalTokenCount": 19,
}
Part = Mapping[str, Any]


def response(*parts: Part, finish: str | None = "STOP", usage: Any = USAGE, **more: Any) -> dict[str, Any]:
    """One candidate of these parts."""
    candidate: dict[str, Any] = {"content": {"parts": [*parts], "role": "model"}, "index": 0}
    if finish is not None:
        candidate["finishReason"] = finish
    told = {"modelVersion": ANSWERED_BY, "responseId": "r1"} | ({"usageMetadata": usage} if usage else {})
    return {"candidates": [candidate], **told, **more}


def answer(*parts: Part | str, **how: Any) -> Answer:
    """A whole answer; a text is a part."""
    return of_json(response(*map(_part, parts), **how))


def stream(parts: Iterable[Part | str], *, finish: str | None = "STOP", **how: Any) -> Answer:
    """A chunk for each part, the reason of the end and the usage with the last."""
    made = [response(_part(part), finish=None, usage=None) for part in parts]
    if finish is not None:
        made[-1]["candidates"][0]["finishReason"] = finish
        made[-1]["usageMetadata"] = USAGE
    return events(*made, ends=None, **how)


def call(name: str, **arguments: Any) -> Part:
    """A part that calls a function."""
    return {"functionCall": {"name": name, "args": arguments}}


def embeddings(*vectors: Any) -> Answer:
    """Vectors, as the Gemini API gives them."""
    return of_json({"embeddings": [{"values": vector} for vector in vectors]})


def error(status: int, message: str, word: str, **headers: str) -> Answer:
    """An error in Google's words."""
    return of_json({"error": {"code": status, "message": message, "status": word}}, status, **headers)


def _part(part: Part | str) -> Part:
    return {"text": part} if isinstance(part, str) else part
