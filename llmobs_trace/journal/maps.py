"""Maps files into memory, without a descriptor that could become somebody else's. Any thread.

A map needs no descriptor once it is made, but before Python 3.13 it keeps one of its own, and closes it, by
its number, when the map is closed or freed. A program that becomes a daemon closes every descriptor that it
finds; the number may then be that of a file of the program's, and that file would be closed. So there such a
map is never freed unclosed, and is closed only as long as its descriptor is what it was; else it stays.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import sys
from collections.abc import Iterator

from msgspec import Struct

from . import files
from .files import Identity


class _Lasting(Struct, gc=False):
    """Refers to itself, and the garbage collector doesn't see it: what it holds outlives the interpreter."""

    descriptors: dict[int, tuple[mmap.mmap, int, Identity]]
    itself: _Lasting | None = None


# Each map that has a descriptor of its own, by the map's `id`.
_own: dict[int, tuple[mmap.mmap, int, Identity]] = {}
_lasting = _Lasting(_own)
_lasting.itself = _lasting


def of_file(file: int, size_bytes: int, *, writable: bool = True) -> mmap.mmap:
    """Map an open file's first bytes, shared with all who map it; raises OSError.

    0 bytes means all of it. The descriptor may be closed afterwards.
    """
    protection = mmap.PROT_READ | mmap.PROT_WRITE if writable else mmap.PROT_READ
    if sys.version_info >= (3, 13):
        return mmap.mmap(file, size_bytes, prot=protection, trackfd=False)
    found = files.identity_of(file)
    with _next_number(file) as number:
        memory = mmap.mmap(file, size_bytes, prot=protection)
    if found is not None:
        for each in (number, *_numbers()):
            if each != file and files.identity_of(each) == found:
                _own[id(memory)] = memory, each, found
                break
    return memory


def close(memory: mmap.mmap) -> None:
    """Unmap it; where its descriptor's number is another file's by now, only refuse all further writes."""
    _, number, found = _own.get(id(memory), (None, -1, None))
    if found is None or files.identity_of(number) == found or _is_taken(number):
        _own.pop(id(memory), None)
        memory.close()
    else:
        with contextlib.suppress(ValueError):
            memory.seek(0, os.SEEK_END)


def _is_taken(number: int) -> bool:
    """Have a number stand for a file of ours, if it is nobody's: then it can be closed."""
    with contextlib.suppress(OSError):
        file = os.open(os.devnull, os.O_RDONLY)
        if file == number:
            return True
        try:
            got = files.at_least(file, number)
        finally:
            os.close(file)
        if got == number:
            return True
        os.close(got)
    return False


@contextlib.contextmanager
def _next_number(file: int) -> Iterator[int]:
    """The number that a copy of a descriptor has which is made in the block, unless another thread makes one.

    It is above those of the standard streams: where they are closed, they are taken as long as that.
    """
    taken: list[int] = []
    try:
        os.close(number := os.dup(file))
        while number <= files.STANDARD_ERROR:
            taken.append(os.open(os.devnull, os.O_RDONLY))
            os.close(number := os.dup(file))
        yield number
    finally:
        for each in taken:
            os.close(each)


def _numbers() -> list[int]:
    """Those of all descriptors that are open."""
    try:
        return [int(name) for name in os.listdir("/proc/self/fd")]
    except OSError:
        return []
