"""A program in a small filesystem of its own, of a given kind and size, in a private mount namespace.

A tmpfs mostly; where none can be mounted the program runs in an ordinary directory, and a quota by hand
refuses what would make it larger than that: real files either way. ext4 and btrfs are in a file, mounted
through a loop device; where that can't be, the test is skipped.
"""

from __future__ import annotations

import functools
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]

# What every program begins with. `told` is what it says at its end.
PRELUDE = """
import errno, json, os, resource, shutil, signal, subprocess, sys
from pathlib import Path
from support.journals import everything, line, numbers
from llmobs_trace.journal import adoptable, open_journal, survey, this_process, unkept

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
# The file may go as soon as it is mounted, and the device with the namespace.
_IN_IMAGE = 'mount -o loop "$1" "$2" && rm "$1" && shift 2 && exec "$@"'
_MAKE = {"ext4": ["mkfs.ext4", "-q", "-m", "0"], "btrfs": ["mkfs.btrfs", "-q", "--mixed"]}


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


def _image(kind: str, beside: Path, size_bytes: int) -> Path:
    """A file that holds a filesystem of this kind."""
    image = beside.with_name(f"{beside.name}.{kind}")
    with image.open("xb") as file:
        file.truncate(size_bytes)
    command = [*_MAKE[kind], str(image)]
    path = "/usr/sbin:/sbin:/usr/bin:/bin"
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={"PATH": path})
    assert done.returncode == 0, done.stderr
    return image


@functools.cache
def _why_not(kind: str) -> str:
    """Why no filesystem of this kind can be mounted here; empty where one can."""
    namespace = _namespace()
    if namespace is None:
        return "no mount namespace can be had"
    with tempfile.TemporaryDirectory() as directory:
        disk = Path(directory, "disk")
        disk.mkdir()
        try:
            image = _image(kind, disk, 32 << 20)
        except FileNotFoundError:
            return f"there is no {_MAKE[kind][0]}"
        command = [*namespace, "sh", "-c", _IN_IMAGE, "sh", str(image), str(disk), "true"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        return "" if done.returncode == 0 else done.stderr.strip() or "mount fails"


def run_on_small_disk(
    program: str, disk: Path, size_bytes: int = 1 << 20, kind: str = "tmpfs"
) -> dict[str, Any]:
    """Run a program there to its end, which has to be a good one; what it told."""
    if kind != "tmpfs" and (why := _why_not(kind)):
        pytest.skip(f"no {kind} can be mounted here: {why}")
    command = [
        sys.executable,
        "-c",
        PRELUDE + program + "\nprint(json.dumps(told))",
        str(disk),
        str(size_bytes),
    ]
    namespace = _namespace()
    if namespace is not None and kind != "tmpfs":
        image = _image(kind, disk, size_bytes)
        command = [*namespace, "sh", "-c", _IN_IMAGE, "sh", str(image), str(disk), *command]
    elif namespace is not None:
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
