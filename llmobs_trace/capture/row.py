"""A root span's input in, the id of its row out: how comparisons know the same row of a dataset again. Any
thread.

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
_seen: dict[tuple[str, bytes], int] = {}


def row_id(experiment_id: str, identity: bytes) -> str:
    """16 hex digits of the hash of `identity`, and `-2`, `-3`, … for its repeats."""
    digest = blake2b(identity, digest_size=8)
    key = (experiment_id, digest.digest())
    with _lock:
        ordinal = _seen.get(key, 0) + 1
        _seen[key] = ordinal
        if len(_seen) > _REMEMBERED:
            for old in list(_seen)[: _REMEMBERED // 2]:
                del _seen[old]
    return digest.hexdigest() if ordinal == 1 else f"{digest.hexdigest()}-{ordinal}"


def forget_rows() -> None:
    """In a forked child, which counts its own rows and must not find the lock held."""
    global _lock
    _lock = threading.RLock()
    _seen.clear()
