"""Derives a row's id from a root span's input, by which comparisons know the same row of a dataset again.
Any thread.

A row that is not named is known by a hash of its input (of its name where it has none); where one comes again
in the same experiment it gets an ordinal, so that repeats of a row pair up in order.
"""

from __future__ import annotations

import threading
from hashlib import blake2b

# Distinct rows remembered for each process; past it the oldest half is forgotten and a repeat of one starts
# over.
_REMEMBERED = 1 << 18

_lock = threading.RLock()  # guards _seen; re-entrant, since a signal handler may record too
_seen: dict[tuple[str, str], int] = {}


def digest_of(identity: bytes) -> str:
    """16 hex digits of the hash of `identity`: of an input as it is recorded."""
    return blake2b(identity, digest_size=8).hexdigest()


def with_ordinal(known: str, ordinal: int) -> str:
    """An id that comes for the nth time in one experiment."""
    return known if ordinal == 1 else f"{known}-{ordinal}"


def row_id(experiment_id: str, identity: bytes) -> str:
    """The digest of `identity`, and `-2`, `-3`, … for its repeats."""
    digest = digest_of(identity)
    key = (experiment_id, digest)
    with _lock:
        ordinal = _seen.get(key, 0) + 1
        _seen[key] = ordinal
        if len(_seen) > _REMEMBERED:
            for old in list(_seen)[: _REMEMBERED // 2]:
                del _seen[old]
    return with_ordinal(digest, ordinal)


def forget_rows() -> None:
    """In a forked child, which counts its own rows and must not find the lock held."""
    global _lock
    _lock = threading.RLock()
    _seen.clear()
