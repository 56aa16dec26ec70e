"""Defines what can go wrong for a user of the library, as exceptions. Any thread may raise them.

    LLMObsTraceError
    ├── ConfigurationError  a ValueError    an option, a variable or a decorator's argument that won't do
    ├── UsageError          a RuntimeError  misuse at run time; raised only under `strict`, else logged
    ├── StoreError          a RuntimeError  the local store can't be read or written as asked
    └── ExperimentError     a RuntimeError  an experiment's run could not begin; nothing was run

What only commands meet, as an experiment or a label that nobody knows, are subclasses where they are found.
`except LLMObsTraceError` catches them all. Set-up raises; once set up, nothing is raised into the traced
program unless `strict` asks for it. Every message says what was given, what was expected, and what to do.
"""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["ConfigurationError", "ExperimentError", "LLMObsTraceError", "StoreError", "UsageError"]


class LLMObsTraceError(Exception):
    """Anything that this library raises on purpose.

    >>> try:
    ...     configure(sample_rate=2)
    ... except LLMObsTraceError as error:
    ...     print(error)
    sample_rate: given 2; expected a number from 0 to 1
    """


class ConfigurationError(LLMObsTraceError, ValueError):
    """An option or a decorator's argument can't be used; raised at set-up, before anything is traced.

    >>> configure(smaple_rate=0.5)
    Traceback (most recent call last):
    llmobs_trace.errors.ConfigurationError: smaple_rate: no such option (did you mean sample_rate?); ...
    """


class UsageError(LLMObsTraceError, RuntimeError):
    """A call made no sense where it was made, as a metric without a span; raised only under `strict`, else
    logged.

    >>> configure(strict=True)
    >>> record_metric("exact_match", True)
    Traceback (most recent call last):
    llmobs_trace.errors.UsageError: record_metric without a span: call it inside one, or pass span=: ...
    """


class StoreError(LLMObsTraceError, RuntimeError):
    """The local store can't be opened, as when a newer version of the library wrote it."""


class ExperimentError(LLMObsTraceError, RuntimeError):
    """A run of an experiment could not begin, as where its steps can't be kept; nothing was run.

    >>> try:
    ...     Experiment("sums", dataset=[("2+2?", "4")], task=str.upper).run(progress=False)
    ... except ExperimentError as error:
    ...     print("nothing was paid for:", error)
    <Result 'sums' ...: completed, 1/1 rows>
    """


def did_you_mean(given: str, known: Iterable[str], cutoff: float = 0.6) -> str:
    """A hint with the nearest known word, or nothing."""
    from difflib import get_close_matches  # only when something is wrong already

    by_lower_case = {word.lower(): word for word in known}
    near = get_close_matches(given.lower(), by_lower_case, n=1, cutoff=cutoff)
    return f" (did you mean {by_lower_case[near[0]]}?)" if near else ""
