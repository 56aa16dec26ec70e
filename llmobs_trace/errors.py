"""What can go wrong for a user of the library, as exceptions; nothing comes in, any thread may raise them.

    LLMObsTraceError
    ├── ConfigurationError  a ValueError    an option, a variable or a decorator's argument that won't do
    ├── UsageError          a RuntimeError  misuse at run time; raised only under `strict`, else logged
    └── StoreError          a RuntimeError  the local store can't be read or written as asked

What only commands meet, as an experiment or a label that nobody knows, are subclasses where they are found.
`except LLMObsTraceError` catches them all. Set-up raises; once set up, nothing is raised into the traced
program unless `strict` asks for it. Every message says what was given, what was expected, and what to do.
"""

from __future__ import annotations

__all__ = ["ConfigurationError", "LLMObsTraceError", "StoreError", "UsageError"]


class LLMObsTraceError(Exception):
    """Anything that this library raises on purpose."""


class ConfigurationError(LLMObsTraceError, ValueError):
    """An option or a decorator's argument can't be used; raised at set-up, before anything is traced."""


class UsageError(LLMObsTraceError, RuntimeError):
    """A call made no sense where it was made, as a metric without a span; raised only under `strict`."""


class StoreError(LLMObsTraceError, RuntimeError):
    """The local store can't be opened, as when a newer version of the library wrote it."""
