"""Shows on a terminal's stderr how far something is that takes a while; on the main thread.

Nothing is shown of what is over soon, and nothing stays on the screen.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from typing import Final, TextIO, TypeVar

_Item = TypeVar("_Item")

_BAR: Final = 30
_PATIENCE_SECONDS: Final = 0.5
_PAUSE_SECONDS: Final = 0.1
# Erases to the end of the line, from its beginning.
_ERASE: Final = "\r\x1b[K"


def watched(
    items: Iterable[_Item],
    total: int | None,
    what: str | Callable[[], str],
    stream: TextIO,
    *,
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[_Item]:
    """The items, while `stream` says how many of `total` there have been; None where that isn't known.

    `what` they are stands after that; where it is asked for, by a call, it tells more than their number.
    """
    began = clock()
    shown = began + _PATIENCE_SECONDS - _PAUSE_SECONDS
    is_shown = False
    try:
        for count, item in enumerate(items):
            now = clock()
            if now - shown >= _PAUSE_SECONDS:
                shown, is_shown = now, True
                stream.write(f"{_ERASE}{_line(count, total, what)}")
                stream.flush()
            yield item
    finally:
        if is_shown:
            stream.write(_ERASE)
            stream.flush()


def _line(count: int, total: int | None, what: str | Callable[[], str]) -> str:
    said = what if isinstance(what, str) else what()
    if total:
        return f"{_bar(count, total)} {said}"
    return f"{count:,} {said}" if isinstance(what, str) else said


def _bar(count: int, total: int) -> str:
    filled = min(_BAR, _BAR * count // total)
    return f"[{'#' * filled}{'.' * (_BAR - filled)}] {count:,}/{total:,}"
