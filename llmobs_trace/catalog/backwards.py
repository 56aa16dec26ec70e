"""Gives what comes the newest first the oldest first, without holding it all. Any thread."""

from __future__ import annotations

import tempfile
from array import array
from collections.abc import Iterable, Iterator
from contextlib import closing
from typing import Final

# More of it goes to a temporary file.
_IN_MEMORY_BYTES: Final = 4 << 20


def backwards(items: Iterable[bytes]) -> Iterator[bytes]:
    """The items from the last to the first."""
    with closing(tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY_BYTES)) as file:
        sizes = array("Q")
        for item in items:
            file.write(item)
            sizes.append(len(item))
        end = file.tell()
        for size in reversed(sizes):
            end -= size
            file.seek(end)
            yield file.read(size)
