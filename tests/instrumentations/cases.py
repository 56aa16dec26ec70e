"""The instrumentations that are tried, and what a model answers the program that they watch."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

from support.model_server import openai
from support.model_server.answers import Answer

SAMPLES = Path(__file__).parent / "samples"
PROGRAM = Path(__file__).parent / "program.py"


class Case(NamedTuple):
    """An instrumentation, and the packages that an environment of its own needs for it."""

    name: str
    requirements: tuple[str, ...]

    @property
    def sample(self) -> Path:
        """The spans that it made when it was last recorded."""
        return SAMPLES / f"{self.name}.json"

    def recorded(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(self.sample.read_text())
        return found


_COMMON = ("openai", "httpx==0.28.*", "opentelemetry-sdk")

CASES = (
    Case(
        "openai-v2",
        (
            *_COMMON,
            # Its newest release names no newest of this, and does not work with that.
            *("opentelemetry-instrumentation-openai-v2==2.4b0", "opentelemetry-util-genai==0.4b0"),
        ),
    ),
    Case("openllmetry", (*_COMMON, "opentelemetry-instrumentation-openai")),
    Case("openinference", (*_COMMON, "openinference-instrumentation-openai")),
)


def answers() -> list[Answer]:
    """A tool to be called, a stream, embeddings, an error."""
    call = {
        "id": "call_1",
        "type": "function",
        "function": {"name": "weather", "arguments": '{"place": "Oslo"}'},
    }
    return [
        openai.chat({"content": None, "tool_calls": [call]}, finish="tool_calls"),
        openai.chat_stream(["It ", "rains."], usage=openai.USAGE),
        openai.embeddings([0.1, 0.2, 0.3], [0.4, 0.5, 0.6]),
        openai.error(429, "Slow down.", "rate_limit"),
    ]
