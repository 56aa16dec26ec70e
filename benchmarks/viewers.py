"""What it takes to look at one's experiments: packages, disk, time, memory; beside two peers.

    python -m benchmarks.viewers              installs each in an environment of its own: 2 GB, three minutes
    python -m benchmarks.viewers --ours       llmobs-trace alone
    python -m benchmarks.viewers --keep DIR   environments are made there, and found there the next time

Each is started on an empty directory as its documentation says, and asked for `/` until that is answered; the
memory is that of all its processes then, shared pages counted once. The second start counts: the first
compiles what was installed.
"""

from __future__ import annotations

import argparse
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
PATIENCE_SECONDS = 300.0


class Viewer(NamedTuple):
    """What to install, and how to start it on a port."""

    name: str
    requirement: str
    command: tuple[str, ...]
    environ: dict[str, str]


VIEWERS = (
    Viewer("llmobs-trace serve", str(ROOT), ("llmobs-trace", "serve", "--port", "{port}"), {}),
    Viewer(
        "Phoenix",
        "arize-phoenix",
        ("phoenix", "serve"),
        {"PHOENIX_PORT": "{port}", "PHOENIX_GRPC_PORT": "{other}", "PHOENIX_WORKING_DIR": "{home}"},
    ),
    Viewer("mlflow ui", "mlflow", ("mlflow", "ui", "--port", "{port}"), {}),
)


class NoPage(Exception):
    """It was started, and showed nothing."""


class Taken(NamedTuple):
    """What one of them takes."""

    packages: int
    installed_bytes: int
    seconds: float
    memory_bytes: int
    addresses: str


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.viewers", description=__doc__.splitlines()[0])
    parser.add_argument("--ours", action="store_true", help="llmobs-trace alone")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="where environments are, and stay")
    arguments = parser.parse_args()
    print("| | packages | installed | first page | memory then | listens on |")
    print("|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory(prefix="llmobs-viewers-") as scratch:
        for viewer in VIEWERS[:1] if arguments.ours else VIEWERS:
            try:
                found = measure(viewer, arguments.keep or Path(scratch))
            except NoPage as error:
                print(f"| {viewer.name} | {error} | | | | |", flush=True)
                continue
            size, memory = f"{found.installed_bytes / 1e6:.1f} MB", f"{found.memory_bytes / 1e6:.0f} MB"
            cells = (viewer.name, found.packages, size, f"{found.seconds:.2f} s", memory, found.addresses)
            print(f"| {' | '.join(map(str, cells))} |", flush=True)
    return 0


def measure(viewer: Viewer, environments: Path) -> Taken:
    environment = environments / re.sub(r"\W+", "-", viewer.name)
    if not environment.exists():
        subprocess.run([sys.executable, "-m", "venv", str(environment)], check=True)
        pip = [str(environment / "bin" / "python"), "-m", "pip", "-qq", "--disable-pip-version-check"]
        subprocess.run([*pip, "install", viewer.requirement], check=True)
    packages, installed_bytes = installed(environment)
    run(viewer, environment)
    seconds, memory_bytes, addresses = run(viewer, environment)
    return Taken(packages, installed_bytes, seconds, memory_bytes, addresses)


def installed(environment: Path) -> tuple[int, int]:
    """Packages and bytes beyond Python's own, and beyond pip's."""
    [site] = environment.glob("lib/python*/site-packages")
    own = {"pip", "setuptools", "wheel", "pkg_resources", "distutils-precedence.pth", "_distutils_hack"}
    entries = [entry for entry in site.iterdir() if entry.name.split("-")[0] not in own]
    size = sum(
        file.stat().st_size
        for entry in entries
        for file in ([entry] if entry.is_file() else entry.rglob("*"))
        if file.is_file() and file.suffix != ".pyc"
    )
    return len([entry for entry in entries if entry.suffix == ".dist-info"]), size


def run(viewer: Viewer, environment: Path) -> tuple[float, int, str]:
    """Start it, wait for its page, look at it, end it."""
    with tempfile.TemporaryDirectory(prefix="llmobs-viewer-") as home:
        port, other = free_port(), free_port()
        names = {"port": str(port), "other": str(other), "home": home}
        command = [
            str(environment / "bin" / viewer.command[0]),
            *(w.format(**names) for w in viewer.command[1:]),
        ]
        environ = {name: value.format(**names) for name, value in viewer.environ.items()}
        began = time.perf_counter()
        process = subprocess.Popen(
            command,
            cwd=home,
            env={**os.environ, "HOME": home, **environ},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            wait_for_page(port, process, began + PATIENCE_SECONDS)
            seconds = time.perf_counter() - began
            return seconds, memory_of(process.pid), listens_on(port)
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def wait_for_page(port: int, process: subprocess.Popen[bytes], deadline: float) -> None:
    while time.perf_counter() < deadline:
        if process.poll() is not None:
            raise NoPage(f"it ended with {process.returncode} before its page was there")
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=10) as answer:
                answer.read()
            return
        except (urllib.error.URLError, OSError):
            time.sleep(0.01)
    raise NoPage(f"no page within {PATIENCE_SECONDS:.0f} s")


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        found: int = listener.getsockname()[1]
        return found


def memory_of(leader: int) -> int:
    """The proportional share of every process of the session."""
    total_kb = 0
    for process in processes(leader):
        try:
            rollup = (process / "smaps_rollup").read_text()
        except OSError:  # it has ended
            continue
        found = re.search(r"^Pss:\s+(\d+) kB", rollup, re.MULTILINE)
        total_kb += int(found[1]) if found else 0
    return total_kb * 1024


def processes(leader: int) -> Iterator[Path]:
    for process in Path("/proc").iterdir():
        if process.name.isdecimal():
            try:
                fields = (process / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[3]) == leader:  # its session
                yield process


def listens_on(port: int) -> str:
    """Loopback, or every address."""
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in Path(table).read_text().splitlines()[1:]:
            address, state = line.split()[1], line.split()[3]
            name, _, given = address.partition(":")
            if state == "0A" and int(given, 16) == port:
                return "loopback" if name in ("0100007F", "0" * 24 + "01000000") else "every address"
    return "unknown"


if __name__ == "__main__":
    sys.exit(main())
