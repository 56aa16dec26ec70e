"""Makes a row's ids from what it is, so that a run that goes on gives the same ones again. Any thread."""

from __future__ import annotations

from hashlib import blake2b


def trace_id(experiment_id: str, row_id: str, repeat: int) -> str:
    """32 hex digits: one trace for a row and a repeat, whatever number of attempts it takes."""
    return _digest(16, experiment_id, row_id, repeat)


def span_id(experiment_id: str, row_id: str, repeat: int, what: int | str) -> str:
    """16 hex digits: of an attempt, by its number, or of an evaluator, by its name."""
    return _digest(8, experiment_id, row_id, repeat, what)


def _digest(size: int, *parts: object) -> str:
    digest = blake2b(digest_size=size)
    for part in parts:
        text = f"{type(part).__name__}:{part}".encode("utf-8", "surrogatepass")
        digest.update(b"%d:%b" % (len(text), text))
    return digest.hexdigest()
