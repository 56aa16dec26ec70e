from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmobs_trace.cli.show.answer import answer

CALL = {"name": "get_weather", "arguments": {"city": "Oslo"}}
CALLED = 'calls get_weather({"city":"Oslo"})'
MESSAGE = {"role": "assistant", "content": "Cold."}


@pytest.mark.parametrize(
    ("output", "words"),
    [
        ("Cold.", "Cold."),
        (None, ""),
        (MESSAGE, "Cold."),
        ({"role": "assistant", "thinking": "hm", "content": "Cold."}, "Cold."),
        ({"role": "assistant", "tool_calls": [CALL]}, CALLED),
        (MESSAGE | {"tool_calls": [CALL, CALL]}, f"Cold. {CALLED}, {CALLED.removeprefix('calls ')}"),
        ({"role": "assistant", "refusal": "No."}, "No."),
        (
            {"role": "assistant", "content": [{"type": "text", "text": "See"}, {"type": "image"}]},
            "See [image]",
        ),
        ([MESSAGE, {"role": "assistant", "content": "Warm."}], "Cold."),
        ([{"role": "user", "content": "How is it?"}, MESSAGE], "Cold."),
        ({"embeddings": 1, "dimensions": 3}, "1 embedding of 3 dimensions"),
        ({"choices": [{"index": 0, "message": MESSAGE}], "usage": {}}, "Cold."),
        (
            {
                "choices": [
                    {
                        "message": {
                            "tool_calls": [
                                {"function": {"name": "f", "arguments": '{"a":1}'}, "type": "function"}
                            ]
                        }
                    }
                ]
            },
            'calls f({"a":1})',
        ),
        (
            {
                "object": "response",
                "output": [
                    {"type": "reasoning", "summary": []},
                    {
                        "type": "message",
                        "role": "assistant",
                        "content": [{"type": "output_text", "text": "Cold."}],
                    },
                    {"type": "function_call", "name": "f", "arguments": "{}"},
                ],
            },
            "Cold. calls f({})",
        ),
        (
            {
                "type": "message",
                "content": [
                    {"type": "thinking", "thinking": "hm"},
                    {"type": "text", "text": "Cold."},
                    {"type": "tool_use", "name": "f", "input": {"a": 1}},
                ],
            },
            'Cold. calls f({"a":1})',
        ),
        (
            {
                "candidates": [
                    {
                        "content": {
                            "role": "model",
                            "parts": [
                                {"text": "hm", "thought": True},
                                {"text": "Cold."},
                                {"function_call": {"name": "f", "args": {"a": 1}}},
                            ],
                        }
                    }
                ]
            },
            'Cold. calls f({"a":1})',
        ),
        ({"choices": [{"text": "Cold.", "finish_reason": "stop"}]}, "Cold."),
        ({"choices": [{"label": "A", "text": "Oslo"}]}, '{"choices": [{"label": "A", "text": "Oslo"}]}'),
        ({"temperature": 3}, '{"temperature": 3}'),
        ([1, 2], "[1, 2]"),
        ({"choices": []}, '{"choices": []}'),
    ],
)
def test_the_words_of_an_answer_are_found_in_whichever_shape(output: Any, words: str) -> None:
    assert answer(json.dumps(output).encode(), 1000) == words


def test_of_a_long_answer_there_is_the_beginning() -> None:
    assert answer(json.dumps("long " * 1000).encode(), 12) == "long long lo"


_NAMES = ["role", "content", "type", "text", "tool_calls", "function", "arguments", "choices", "message"]
_NAMES += [
    "candidates",
    "parts",
    "output",
    "embeddings",
    "dimensions",
    "refusal",
    "name",
    "function_call",
    "thought",
]
_anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.sampled_from(["tool_use", "reasoning"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(_NAMES), inner, max_size=4),
    max_leaves=20,
)


@given(_anything)
def test_anything_that_was_recorded_has_a_beginning(output: Any) -> None:
    assert len(answer(json.dumps(output).encode(), 50)) <= 50


def test_a_value_deeper_than_can_be_decoded_has_a_beginning() -> None:
    assert answer(b"[" * 100_000 + b"]" * 100_000, 5) == "[[[[["
