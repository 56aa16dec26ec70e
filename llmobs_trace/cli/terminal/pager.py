"""Sends lines for a terminal through the reader's pager; on the main thread.

Only where a person is looking: a pipe and a file get their lines as they are. The pager is the one that
`PAGER` names, else `less`, which is left out where it isn't there. `less` ends by itself where all fits on
one screen, unless `LESS` says otherwise.
"""

from __future__ import annotations

import io
import shlex
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Final

from llmobs_trace.cli.terminal.screen import Screen

_DEFAULT: Final = "less"
# Ends where all fits, keeps colours, leaves what it showed on the screen: as git has it.
_LESS: Final = "FRX"


@contextmanager
def paging(screen: Screen, environ: Mapping[str, str]) -> Iterator[None]:
    """Within the block, what the screen writes goes through the pager, if there is a terminal and a pager.

    A reader who leaves before the end ends the block there, and that is no error.
    """
    command = _command(screen, environ)
    if command is None:
        yield
        return
    process = subprocess.Popen(command, shell=True, stdin=subprocess.PIPE, env={"LESS": _LESS, **environ})
    assert process.stdin is not None
    through = io.TextIOWrapper(process.stdin, encoding=screen.encoding, errors="backslashreplace")
    before = screen.write_to(through)
    try:
        yield
        through.flush()
    except BrokenPipeError:
        pass
    finally:
        screen.write_to(before)
        with suppress(OSError):
            through.close()
        _wait(process)


def _command(screen: Screen, environ: Mapping[str, str]) -> str | None:
    if not screen.is_a_persons:
        return None
    named = environ.get("PAGER")
    command = _DEFAULT if named is None else named.strip()
    if command in ("", "cat"):
        return None
    words = shlex.split(command)
    if words and shutil.which(words[0], path=environ.get("PATH")) is not None:
        return command
    if named is not None:
        screen.say(f"PAGER is {named!r}, and there is no such command: shown without it")
    return None


def _wait(process: subprocess.Popen[bytes]) -> None:
    """An interrupt from the keyboard is the pager's own to answer: it stays until its reader leaves it."""
    while True:
        with suppress(KeyboardInterrupt):
            process.wait()
            return
