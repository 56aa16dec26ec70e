"""Runs a program without what only Unix has: `python -m support.without_unix PROGRAM.py`, or `-m MODULE`.

Python's own modules, and httpx's, are loaded before, and keep what they took of it. What is left for ours is
what Windows has, as far as that can be seen from here: none of those modules, functions and constants, and a
rename that replaces nothing.
"""

from __future__ import annotations

import asyncio
import mmap
import multiprocessing.util  # noqa: F401
import os
import runpy
import shutil
import signal
import subprocess  # noqa: F401
import sys
import tempfile  # noqa: F401
import webbrowser  # noqa: F401
from typing import Any, NoReturn

import httpcore  # noqa: F401
import httpx  # noqa: F401
import trio  # noqa: F401

MODULES = ("fcntl", "resource", "grp", "pwd", "termios", "tty", "pty", "syslog", "readline")
# By module, the names that begin so: one word after the other.
NAMES = {
    os: """register_at_fork fork wait killpg set get nice uname pread pwrite readv writev statvfs fstatvfs mk
    fchmod fchown chown lchown fchdir chroot sync posix_fa sched_ sysconf confstr pathconf ctermid openpty
    O_NOFOLLOW O_NONBLOCK O_DIRECTORY O_CLOEXEC O_SYNC O_DSYNC EX_ WNOHANG""",
    signal: """SIGHUP SIGKILL SIGUSR SIGALRM SIGPIPE SIGCHLD SIGXFSZ SIGQUIT pthread_ sigwait alarm setitimer
    siginterrupt""",
    mmap: "MAP_ PROT_ MADV_",
}
KEPT = {"getpid", "getppid", "getcwd", "getcwdb", "getenv", "get_exec_path", "get_terminal_size", "getlogin"}
KEPT |= {
    "mkdir",
    "set_inheritable",
    "get_inheritable",
    "set_blocking",
    "get_blocking",
    "get_handle_inheritable",
}


def take_away() -> None:
    """Have this process be without it, from now on."""
    free = shutil.disk_usage("/")
    shutil.disk_usage = lambda path: free  # Windows has another way to say so
    for name in MODULES:
        sys.modules[name] = None  # type: ignore[assignment]
    for module, beginnings in NAMES.items():
        for name in dir(module):
            if name.startswith(tuple(beginnings.split())) and name not in KEPT:
                delattr(module, name)
    asyncio.SelectorEventLoop.add_signal_handler = _add_signal_handler  # type: ignore[method-assign]
    renames = os.rename

    def rename(source: Any, target: Any) -> None:
        if os.path.exists(target):
            raise FileExistsError(17, "it exists", target)
        renames(source, target)

    os.rename = rename  # type: ignore[assignment]


def _add_signal_handler(self: object, number: int, callback: object, *arguments: object) -> NoReturn:
    raise NotImplementedError


if __name__ == "__main__":
    take_away()
    sys.argv = sys.argv[1:]
    if sys.argv[0] == "-m":
        sys.argv = sys.argv[1:]
        runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
    else:
        runpy.run_path(sys.argv[0], run_name="__main__")
