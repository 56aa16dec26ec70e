"""What the tests of the journal share: queues in each kind of storage, and other processes."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.journals import DESTINATION

from llmobs_trace.journal import Queue, filesystem, open_journal, this_process

OpenQueue = Callable[..., Queue]


@pytest.fixture(params=["mapped", "mirrored", "memory"])
def storage(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Each kind of storage in turn, whatever filesystem the tests run on."""
    kind = "btrfs" if request.param == "mirrored" else "ext4"
    monkeypatch.setattr(filesystem, "of", lambda directory: kind)
    return str(request.param)


@pytest.fixture
def open_queue(tmp_path: Path) -> Iterator[OpenQueue]:
    """Opens queues under the test's directory and closes what the test leaves open."""
    opened: list[Queue] = []

    def open_one(storage: str = "mapped", segment_bytes: int = 1024, max_bytes: int = 1 << 20) -> Queue:
        queue = open_journal(
            None if storage == "memory" else tmp_path / "journals",
            owner=this_process(DESTINATION, "e1", "an experiment"),
            segment_bytes=segment_bytes,
            max_bytes=max_bytes,
        )
        opened.append(queue)
        return queue

    yield open_one
    for queue in opened:
        queue.close(keep=False)


@pytest.fixture
def start_python() -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Starts a Python program with pipes to it; it doesn't outlive the test."""
    started: list[subprocess.Popen[bytes]] = []

    def start(program: str, *arguments: object) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-c", program, *map(str, arguments)]
        root = Path(__file__).parents[2]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=root)
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()
