"""Instruments the model clients that the environment or `configure` names, at a program's start. Any thread.

Imported with the package, and costs it nothing: what it calls is loaded where somebody named a client.
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import Final

import wrapt

from llmobs_trace.capture import recorder as slot
from llmobs_trace.process import life
from llmobs_trace.settings.checks import Unfit
from llmobs_trace.settings.options import BY_NAME

# The clients whose streams are known, by what is imported of each.
_CLIENTS: Final = ("openai", "anthropic", "google.genai", "litellm")
_is_awaiting = False


def _imported(module: object) -> None:
    try:
        from llmobs_trace.model_calls import returned

        returned.fill()
    except Exception as fault:  # the user's import must not fail for it
        slot.fault(fault)


def trace_clients(names: tuple[str, ...]) -> None:
    """What `configure` and the first span call. Streams of clients are known from their import on, traced or
    not.
    """
    global _is_awaiting
    if not _is_awaiting:
        _is_awaiting = True
        for client in _CLIENTS:
            wrapt.register_post_import_hook(_imported, client)
    if names:
        from llmobs_trace.model_calls.instrument import instrument

        instrument(*names)


def as_the_environment_says() -> None:
    """When the package is imported: a program whose spans are model calls alone has no other first span. A
    wrong name is told when the rest of the environment is read.
    """
    option = BY_NAME["instrument"]
    for variable in option.environment:
        text = os.environ.get(variable, "").strip()
        with suppress(Unfit):
            if text:
                names = option.check(option.read(text))
                assert isinstance(names, tuple)
                trace_clients(names)


life.trace_clients = trace_clients
