"""Real instrumentations of one program, as they were recorded: whichever it is, the same spans come of it.

`python -m tests.instrumentations` records them anew.
"""

from __future__ import annotations

from typing import Any

import pytest
from instrumentations.cases import CASES, Case
from instrumentations.replay import plain, replay
from support.otel import tracing

from llmobs_trace import experiment_span

SYSTEM = {"role": "system", "content": "Be brief."}
USER = {"role": "user", "content": "How is Oslo?"}
CALL = {"id": "call_1", "name": "weather", "arguments": {"place": "Oslo"}}
TOOL: dict[str, Any] = {
    "name": "weather",
    "description": "The weather of a place.",
    "parameters": {"type": "object", "properties": {"place": {"type": "string"}}},
}
ASKED = {"role": "assistant", "tool_calls": [CALL]}
RESULT = {"role": "tool", "content": "rain", "tool_call_id": "call_1"}
TOKENS = {"input_tokens": "12", "output_tokens": "7", "total_tokens": "19"}
DETAILS = {"cached_tokens": "4", "reasoning_tokens": "2"}
MODEL = {"model_name": "gpt-4.1-mini-2025-04-14", "model_provider": "openai"}
MESSAGE = "Error code: 429 - Slow down."

EXPECTED: list[dict[str, Any]] = [
    {
        "kind": "llm",
        "input": {"messages": [SYSTEM, USER], "tools": [TOOL], "temperature": 0.2},
        "output": ASKED,
        "tags": {**MODEL, **TOKENS, **DETAILS, "finish_reason": "tool_calls"},
        "error": None,
    },
    {
        "kind": "llm",
        "input": {"messages": [SYSTEM, USER, ASKED, RESULT], "stream": True},
        "output": {"role": "assistant", "content": "It rains."},
        "tags": {**MODEL, **TOKENS, **DETAILS, "finish_reason": "stop"},
        "error": None,
    },
    {
        "kind": "embedding",
        "input": {"input": ["one", "two"]},
        "output": {"embeddings": 2, "dimensions": 3},
        "tags": {"model_name": "text-embedding-3-small", "model_provider": "openai", "input_tokens": "5"},
        "error": None,
    },
    {
        "kind": "llm",
        "input": {"messages": [SYSTEM, USER]},
        "output": None,
        # It was refused before any answer, and costs nothing.
        "tags": {
            "model_name": "gpt-4.1-mini",
            "model_provider": "openai",
            "status_code": "429",
            "cost_usd": "0",
        },
        "error": {"type": "RateLimitError", "message": MESSAGE},
    },
]

# By instrumentation and span: what it tells otherwise, or does not tell.
_UNTOLD_DETAILS = {**MODEL, **TOKENS}
OTHERWISE: dict[str, dict[int, dict[str, Any]]] = {
    "openai-v2": {
        0: {
            "input": {"messages": [SYSTEM, USER], "temperature": 0.2},
            "tags": {**_UNTOLD_DETAILS, "finish_reason": "tool_calls"},
        },
        1: {
            "input": {"messages": [SYSTEM, USER, ASKED, RESULT]},
            "tags": {**_UNTOLD_DETAILS, "finish_reason": "stop"},
        },
        2: {"input": None, "output": {"dimensions": 3}},
    },
    "openllmetry": {
        0: {
            "input": {
                "messages": [SYSTEM, USER],
                "tools": [{"type": "function", **TOOL}],
                "temperature": 0.2,
                "stream": False,
            }
        },
        1: {"tags": {**MODEL, **TOKENS, "cached_tokens": "4", "finish_reason": "stop"}},
        2: {
            "input": {"input": ["one", "two"], "stream": False},
            "output": None,
            "tags": {**EXPECTED[2]["tags"], "total_tokens": "5", "cached_tokens": "0"},
        },
        3: {
            "input": {"messages": [SYSTEM, USER], "stream": False},
            "error": {"type": "openai.RateLimitError", "message": MESSAGE},
        },
    },
    "openinference": {
        0: {
            "input": {
                "messages": [SYSTEM, USER],
                "tools": [{"type": "function", "function": TOOL}],
                "temperature": 0.2,
            }
        },
        1: {
            "input": {
                "messages": [SYSTEM, USER, ASKED, RESULT],
                "stream": True,
                "stream_options": {"include_usage": True},
            }
        },
        2: {
            "input": {"input": ["one", "two"], "encoding_format": "base64"},
            "tags": {**EXPECTED[2]["tags"], "total_tokens": "5"},
        },
        3: {"error": {"type": "openai.RateLimitError", "message": MESSAGE}},
    },
}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_same_program_makes_the_same_spans_whoever_instruments_it(case: Case, llmobs_spans: Any) -> None:
    with tracing() as tracer, experiment_span("row"):
        replay(case.recorded(), tracer)
    found = [plain(span) for span in llmobs_spans if span.name != "row"]
    otherwise = OTHERWISE[case.name]
    assert found == [{**each, **otherwise.get(number, {})} for number, each in enumerate(EXPECTED)]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_their_model_calls_count_in_the_row_s_sums(case: Case, llmobs_spans: Any) -> None:
    with tracing() as tracer, experiment_span("row"):
        replay(case.recorded(), tracer)
    tags = llmobs_spans.named("row").tags
    assert (tags["model_calls"], tags["input_tokens"], tags["output_tokens"]) == ("4", "29", "14")
    assert "cost_usd" not in tags


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_what_they_say_beyond_that_is_kept_under_its_own_name(case: Case, llmobs_spans: Any) -> None:
    with tracing() as tracer:
        replay(case.recorded(), tracer)
    own_names = {name for span in llmobs_spans for name in span.tags if "." in name}
    # Those of a convention's that say what our own names say are not said again.
    assert own_names - {"otel.scope", "otel.kind"} <= {
        "gen_ai.request.model",
        "llm.request.model_name",
        "gen_ai.response.id",
        "gen_ai.openai.api_base",
        "error.type",
    }
