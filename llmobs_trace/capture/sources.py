"""Tells whether a source file can be read without waiting. User's thread, on the error path only.

`python /dev/stdin`, `python <(make_program)` and compiled templates give frames whose source is a FIFO, a
terminal or a device. The standard library opens it all the same, to show the line: that waits for a writer,
takes what the program itself means to read, or never ends.
"""

from __future__ import annotations

import linecache
import os
import stat
import sys

# Of a larger file all lines would be read for the sake of one.
_MAX_SOURCE_BYTES = 16 << 20


def may_be_read(filename: str) -> bool:
    """Whether what `linecache` would open under this name is an ordinary file, if it is anything."""
    if filename in linecache.cache or (filename.startswith("<") and filename.endswith(">")):
        return True
    names = [filename]
    if not os.path.isabs(filename):
        names += [os.path.join(place, filename) for place in sys.path if isinstance(place, str)]
    for name in names:
        try:
            found = os.stat(name)
        except (OSError, ValueError):
            continue
        return stat.S_ISREG(found.st_mode) and found.st_size <= _MAX_SOURCE_BYTES
    return True  # there is nothing to open
