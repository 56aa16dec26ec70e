"""The receiver in its own process, and queues and workers as a pipeline makes them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from support.delivery import QUICK
from support.receiver import Receiver

from llmobs_trace.deliver import Destination, Worker
from llmobs_trace.journal import Queue, open_journal, this_process


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as running:
        yield running


@pytest.fixture
def memory_queue() -> Queue:
    return open_journal(None, owner=this_process("somewhere"))


MakeWorker = Callable[..., Worker]


@pytest.fixture
def make_worker(memory_queue: Queue) -> Iterator[MakeWorker]:
    """Workers over the memory queue, or another; they are shut down in the end."""
    with ExitStack() as stack:

        def make(destination: Destination, queue: Queue | None = None, **options: Any) -> Worker:
            options = {"pace": QUICK, "flush_interval": 3600.0, **options}
            worker = Worker(memory_queue if queue is None else queue, destination, **options)
            stack.callback(worker.shutdown, 0.5)
            return worker

        yield make
