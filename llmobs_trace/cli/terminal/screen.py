"""Writes what a command has to say as suits a terminal, a pipe or a file; on the main thread.

Colours go to terminals alone, and not where NO_COLOR is set or the terminal is a dumb one. Lines are cut to a
terminal's width and never for a pipe. Where the encoding has no box-drawing characters, ASCII stands in.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable, Iterable, Mapping
from typing import Final, TextIO, TypeVar

from llmobs_trace.cli.terminal.progress import watched
from llmobs_trace.cli.terminal.text import harmless, wrapped

_Item = TypeVar("_Item")

_STYLES: Final = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "cyan": "36"}
# Of the same width each, so that what was aligned stays so.
_PLAIN: Final = str.maketrans(
    {"├": "|", "└": "`", "│": "|", "─": "-", "…": "~", "·": "-", "→": ">", "µ": "u"}
)


class Screen:
    """Where a command's output goes."""

    def __init__(self, stdout: TextIO | None, stderr: TextIO | None, environ: Mapping[str, str]) -> None:
        # None where the program was started with the descriptor closed.
        self._out = stdout
        self._err = stderr
        self._terminal = stdout is not None and stdout.isatty()
        self._plain = not _can_encode(stdout, "├└│─…·→µ")
        self._dumb = environ.get("TERM") == "dumb"
        self.colours = self._terminal and not environ.get("NO_COLOR") and not self._dumb
        # None: as wide as it gets.
        self.columns: int | None = max(20, shutil.get_terminal_size().columns) if self._terminal else None

    @property
    def is_a_persons(self) -> bool:
        """Whether a person looks, at a real terminal that can do more than print."""
        if self._out is None or self._dumb:
            return False
        try:
            return os.isatty(self._out.fileno())
        except (OSError, ValueError):  # a stream that only says that it is one
            return False

    @property
    def encoding(self) -> str:
        return getattr(self._out, "encoding", None) or "utf-8"

    def write_to(self, stream: TextIO | None) -> TextIO | None:
        """Send what comes from now on elsewhere, in the same form; gives where it went before."""
        self.flush()
        before, self._out = self._out, stream
        return before

    def style(self, text: str, style: str) -> str:
        """`text` in a style: one of `_STYLES`, or several with blanks between; "" for none."""
        if not style or not text or not self.colours:
            return text
        return f"\x1b[{';'.join(_STYLES[name] for name in style.split())}m{text}\x1b[0m"

    def line(self, text: str = "") -> None:
        """One line of data, which is safe already (see `text.harmless`)."""
        if self._out is None:
            return
        if self._plain:
            text = text.translate(_PLAIN)
            encoding = self._out.encoding or "ascii"
            text = text.encode(encoding, "backslashreplace").decode(encoding)
        self._out.write(text.rstrip() + "\n")

    def fitted(self, text: str, room: int | None = None) -> list[str]:
        """A line, as several that are broken at words where it is wider than the terminal, or than `room`."""
        most = self.columns if room is None else room
        return [text] if self.columns is None or most is None else list(wrapped(text, most))

    def lines(self, lines: Iterable[str], indent: str = "") -> None:
        for line in lines:
            self.line(indent + line)

    def data(self, data: bytes) -> None:
        """Data as bytes: JSON is UTF-8 whatever the terminal's encoding, and lines end as they were made."""
        if self._out is None:
            return
        raw = getattr(self._out, "buffer", None)
        if raw is None:
            self._out.write(data.decode())
            return
        self._out.flush()
        raw.write(data)

    def say(self, message: str, *, raw: bool = False) -> None:
        """Talk, on stderr: one line, made safe; as it is where `raw` says so."""
        if self._err is None:
            return
        text = message if raw else harmless(message)
        encoding = getattr(self._err, "encoding", None) or "utf-8"
        with contextlib.suppress(OSError, ValueError):
            self._err.write(text.encode(encoding, "backslashreplace").decode(encoding) + "\n")
            self._err.flush()

    def progress(
        self, items: Iterable[_Item], total: int | None, what: str | Callable[[], str]
    ) -> Iterable[_Item]:
        """The items, with a bar on a terminal's stderr where they take a while; none in a pipe or a file."""
        if self._err is None or not self._err.isatty() or self._dumb:
            return items
        return watched(items, total, what, self._err)

    def flush(self) -> None:
        """Now rather than at exit, where a closed pipe can't be told from anything else."""
        if self._out is not None:
            self._out.flush()

    def abandon_stdout(self) -> None:
        """Nobody reads: what is still buffered goes nowhere, so that the interpreter's own flush works."""
        if self._out is None:
            return
        with contextlib.suppress(OSError, ValueError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._out.fileno())
            os.close(nowhere)


def _can_encode(stream: TextIO | None, characters: str) -> bool:
    try:
        characters.encode(getattr(stream, "encoding", None) or "utf-8")
    except (UnicodeEncodeError, LookupError):
        return False
    return True
