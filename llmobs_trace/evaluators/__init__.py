"""Provides ready-made evaluators: of text, numbers and JSON (``plain``), of a JSON schema (``schema``), and a
model as a judge (``judge``).

Each is a function that an `Experiment` takes as it is, or called with options:

    evaluators=[exact_match, contains(casefold=True), close_to(rel=0.01), json_schema(SCHEMA)]

Where there is nothing to compare, as without an expected output, they raise, which is recorded as the
evaluator's error: never as 0.
"""

from __future__ import annotations

from llmobs_trace.evaluators.judge import JudgeError, judge
from llmobs_trace.evaluators.plain import (
    close_to,
    contains,
    edit_similarity,
    exact_match,
    json_valid,
    one_of,
    regex,
    token_f1,
)
from llmobs_trace.evaluators.schema import json_schema

__all__ = [
    "JudgeError",
    "close_to",
    "contains",
    "edit_similarity",
    "exact_match",
    "json_schema",
    "json_valid",
    "judge",
    "one_of",
    "regex",
    "token_f1",
]
