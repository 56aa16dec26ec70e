"""A program in a small filesystem of its own: a tmpfs of a given size, in a private mount namespace.

Where none can be mounted the program runs in an ordinary directory, and a quota by hand refuses what would
make it larger than that: real files either way.
"""

from __future__ import annotations

import functools
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]

# What every program begins with. `told` is what it says at its end.
PRELUDE = """
import errno, json, os, resource, shutil, signal, subprocess, sys
from pathlib import Path
from support.journals import everything, line, numbers
from llmobs_trace.journal import adoptable, open_journal, survey, this_process

disk, size_bytes, is_mounted = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3] == "mounted"
root = disk / "journals"
told = {}

if not is_mounted:
    really = os.pwrite

    def within_quota(file, data, offset):
        files = [path for path in disk.rglob("*") if path.is_file()]
        used = sum(path.stat().st_size for path in files)
        if used + max(0, offset + len(data) - os.fstat(file).st_size) > size_bytes:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return really(file, data, offset)

    os.pwrite = within_quota

def opened(**options):
    options = {"segment_bytes": 64 << 10, "max_bytes": 64 << 20, **options}
    return open_journal(root, owner=this_process("d"), **options)

def record(queue, *which):
    for number in which:
        queue.append(line(number, 1000))
        if number % 20 == 19:
            queue.prepare()

def fill():
    left = os.open(disk / "filler", os.O_WRONLY | os.O_CREAT)
    offset = 0
    for size in (1 << 16, 1 << 12, 1):
        try:
            while True:
                offset += os.pwrite(left, bytes(size), offset)
        except OSError as error:
            assert error.errno == errno.ENOSPC, error
    os.close(left)
"""

_IN_NAMESPACE = 'mount -t tmpfs -o size="$1" tmpfs "$2" && shift 2 && exec "$@"'


@functools.cache
def _namespace() -> list[str] | None:
    """The command that gives a program mounts of its own; None where that can't be."""
    for command in (["unshare", "-m"], ["unshare", "-rm"]):
        try:
            done = subprocess.run([*command, "sh", "-c", "mount -t tmpfs tmpfs /mnt"], capture_output=True)
        except OSError:
            return None
        if not done.returncode:
            return command
    return None


def run_on_small_disk(program: str, disk: Path, size_bytes: int = 1 << 20) -> dict[str, Any]:
    """Run a program there to its end, which has to be a good one; what it told."""
    command = [
        sys.executable,
        "-c",
        PRELUDE + program + "\nprint(json.dumps(told))",
        str(disk),
        str(size_bytes),
    ]
    namespace = _namespace()
    if namespace is not None:
        command = [*namespace, "sh", "-c", _IN_NAMESPACE, "sh", str(size_bytes), str(disk), *command]
    environment = {"PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}", "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
    done = subprocess.run(
        [*command, "by hand" if namespace is None else "mounted"],
        capture_output=True,
        text=True,
        env=environment,
        cwd="/",
        timeout=60,
    )
    assert done.returncode == 0, f"exit code {done.returncode}:\n{done.stdout}\n{done.stderr}"
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return told
