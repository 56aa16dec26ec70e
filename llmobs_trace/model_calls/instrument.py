"""Provides `instrument` and `uninstrument`: which model clients are traced. Any thread."""

from __future__ import annotations

from typing import Final

from llmobs_trace.errors import ConfigurationError, did_you_mean
from llmobs_trace.model_calls import anthropic, gemini_calls, litellm, openai
from llmobs_trace.model_calls.clients import Client

CLIENTS: Final[dict[str, Client]] = {
    client.name: client for client in (openai.CLIENT, anthropic.CLIENT, gemini_calls.CLIENT, litellm.CLIENT)
}


def instrument(*names: str, stream_usage: bool = False) -> tuple[str, ...]:
    """Trace each call of model clients as a span: its messages, its answer, its tokens; streams to their end.

    >>> instrument("openai")
    ('openai',)

    - `names`: `openai`, `anthropic`, `google-genai`, `litellm`; without any, all of them. No client is
      imported by it: one that is imported later is traced from then on, and so are client objects that were
      made before.
    - `stream_usage`: ask the provider for the tokens of streams where nobody else has asked; the extra chunk
      is kept from the caller

    What calls give and raise stays the same, object by object. The answer names the clients that are traced
    now, or will be when they are imported. Raises `ConfigurationError` for an unknown name, and traces none.
    """
    clients = _named(names)
    return tuple([client.name for client in clients if client.wrap(stream_usage=stream_usage)])


def uninstrument(*names: str) -> None:
    """Trace the calls of model clients no more: what `instrument` wrapped is put back.

    >>> uninstrument("openai")

    Streams that are open are recorded to their end. Raises `ConfigurationError` for an unknown name.
    """
    for client in _named(names):
        client.unwrap()


def _named(names: tuple[str, ...]) -> list[Client]:
    for name in names:
        if not isinstance(name, str) or name not in CLIENTS:
            near = did_you_mean(name, tuple(CLIENTS)) if isinstance(name, str) else ""
            shown = repr(name)[:100]
            raise ConfigurationError(f"instrument: {shown} is no client{near}; use: {', '.join(CLIENTS)}")
    return [CLIENTS[name] for name in names or CLIENTS]
