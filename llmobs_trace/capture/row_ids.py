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

_lock = threading.RLock()  # guards the counting in _seen; re-entrant, since a signal handler may record too
_Key = tuple[str, str]  # experiment and digest
_seen: dict[_Key, int | _Key] = {}  # how often each came; of one that came once, its key


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
    if _seen.setdefault(key, key) is key and len(_seen) <= _REMEMBERED:
        return digest  # the first of its kind, in one step: the lock would cost as much as the hash
    with _lock:
        came = _seen.get(key, key)
        ordinal = came + 1 if isinstance(came, int) else 1 if came is key else 2
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
