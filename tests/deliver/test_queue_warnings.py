"""What a queue can't keep is said once for each cause, by the sender and not by whoever appends."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import pytest
from support.delivery import span

from llmobs_trace.deliver.ledger import Ledger
from llmobs_trace.deliver.notices import Notices
from llmobs_trace.deliver.queue_warnings import Watch, why_dropped
from llmobs_trace.journal import Queue, files, open_journal, this_process


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Full:
    """A queue that takes no more."""

    storage: str
    reason: str = ""


@pytest.mark.parametrize("storage", ["mapped", "mirrored", "written", "copying"])
def test_a_journal_that_is_full_says_so_unless_it_knows_better(storage: str) -> None:
    said = "the journal is at its bound (max_journal_bytes)"
    assert why_dropped(cast("Queue", Full(storage))) == said
    assert why_dropped(cast("Queue", Full(storage, "the disk refuses"))) == "the disk refuses"
    for reason in ("", "the disk refuses"):
        assert why_dropped(cast("Queue", Full("memory", reason))) == "the queue in memory is at its bound"


def test_what_is_dropped_is_said_once_a_minute_with_how_many(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    clock = Clock()
    queue = open_journal(tmp_path, owner=this_process("d"), segment_bytes=1 << 10, max_bytes=2 << 10)
    watch = Watch(queue, Notices(logging.getLogger("llmobs_trace"), clock), Ledger())
    watch.look()
    assert caplog.messages == []
    for clock.now in range(100):
        for number in range(10):
            queue.append(span(number, fill="x" * 400))
        watch.look()
    dropped = queue.dropped()
    queue.close(keep=False)
    said = "events are dropped, and lost: the journal is at its bound (max_journal_bytes)"
    first, second = caplog.messages
    assert first == said
    assert second.startswith(f"{said} (")
    assert 500 < int(second.removeprefix(f"{said} (").split()[0]) < dropped


def test_of_a_queue_that_is_in_memory_by_choice_nothing_is_said(caplog: pytest.LogCaptureFixture) -> None:
    queue = open_journal(None, owner=this_process("d"))
    queue.append(span(0))
    Watch(queue, Notices(logging.getLogger("llmobs_trace"), Clock()), Ledger()).look()
    queue.close(keep=False)
    assert caplog.messages == []


def test_what_is_in_memory_alone_is_said_until_it_is_not(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue = open_journal(tmp_path, owner=this_process("d"), segment_bytes=1 << 10, max_bytes=1 << 20)
    clock = Clock()
    watch = Watch(queue, Notices(logging.getLogger("llmobs_trace"), clock), Ledger())

    def refuse(size_bytes: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as full:
        full.setattr(files, "check_limit", refuse)
        for number in range(10):
            queue.append(span(number, fill="x" * 400))
        for clock.now in (0.0, 100.0, 200.0):
            queue.prepare()
            watch.look()
    while records := queue.read(queue.start(), 1 << 20)[0]:
        queue.acknowledge(records)
    watch.look()
    queue.close(keep=False)
    assert caplog.messages == [
        "the journal's disk refuses: No space left on device; 8 events are in memory alone, lost at a kill",
        "no event is in memory alone any more",
    ]
