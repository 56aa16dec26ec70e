"""Random histories of a queue, against a plain list: the same records, the same counts, at every step."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any, ClassVar
from unittest import mock

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from support.examples import examples
from support.journals import DESTINATION, everything, line, numbers

from llmobs_trace.journal import (
    AdoptedJournal,
    Counts,
    Queue,
    Record,
    adoptable,
    filesystem,
    open_journal,
    survey,
    this_process,
)
from llmobs_trace.journal.compact import compact, is_worth_it

SEGMENT_BYTES = 300


class Histories(RuleBasedStateMachine):
    """The queue, and beside it what a list says it should hold."""

    filesystem_kind: ClassVar[str | None]

    def __init__(self) -> None:
        super().__init__()
        self.patch = mock.patch.object(filesystem, "of", return_value=self.filesystem_kind)
        self.patch.start()
        self.top = Path(tempfile.mkdtemp(prefix="journal-"))
        self.begin()

    def begin(self) -> None:
        """A queue in a directory of its own, and nothing recorded."""
        self.root = Path(tempfile.mkdtemp(dir=self.top))
        self.queue = open_journal(
            self.root if self.filesystem_kind else None,
            owner=this_process(DESTINATION),
            segment_bytes=SEGMENT_BYTES,
            max_bytes=1 << 24,
        )
        self.source: Queue | AdoptedJournal = self.queue
        self.is_adopted = False
        self.pending: dict[int, bytes] = {}
        self.outcomes = {"delivered": 0, "rejected": 0}
        self.appended = self.lost = 0
        self.at = self.source.start()
        self.unread: set[int] = set()
        self.seen: dict[int, Record] = {}

    def teardown(self) -> None:
        self.source.close(keep=False)
        self.patch.stop()
        shutil.rmtree(self.top)

    @precondition(lambda self: not self.is_adopted)
    @rule(size_bytes=st.integers(0, 3 * SEGMENT_BYTES), count=st.integers(1, 6))
    def append(self, size_bytes: int, count: int) -> None:
        for _ in range(count):
            record = line(self.appended, size_bytes)
            self.queue.append(record)
            self.pending[self.appended] = record
            self.unread.add(self.appended)
            self.appended += 1

    @rule(max_bytes=st.integers(1, 4 * SEGMENT_BYTES))
    def read_on(self, max_bytes: int) -> None:
        end = self.source.end()
        records, after = self.source.read(self.at, max_bytes)
        assert after >= self.at
        if not records:
            assert after >= end or after == end
            assert not self.unread
        found = numbers(records)
        if self.is_adopted:  # another process can't tell in which order segments were used
            assert self.unread.issuperset(found)
        else:
            assert found == sorted(self.unread)[: len(found)]
        for number, record in zip(found, records, strict=True):
            assert record.line + b"\n" == self.pending[number]
            self.seen[number] = record
            self.unread.discard(number)
        assert len(records) <= 1 or sum(len(record.line) + 1 for record in records) <= max_bytes
        self.at = after

    @rule(data=st.data(), outcome=st.sampled_from(["delivered", "rejected"]))
    def acknowledge(self, data: st.DataObject, outcome: Any) -> None:
        settled = data.draw(st.lists(st.sampled_from(sorted(self.seen)), unique=True)) if self.seen else []
        self.source.acknowledge([self.seen.pop(number) for number in settled], outcome)
        for number in settled:
            del self.pending[number]
        self.outcomes[outcome] += len(settled)

    @precondition(lambda self: not self.is_adopted)
    @rule()
    def prepare(self) -> None:
        self.queue.prepare()

    @precondition(lambda self: not self.is_adopted)
    @rule()
    def rewrite(self) -> None:
        """What the sender does near the bound."""
        queue: Any = self.queue
        queue.prepare()
        for _, segment in queue._live():
            if is_worth_it(segment):
                compact(segment, queue._shelf)

    @precondition(lambda self: self.filesystem_kind)
    @rule()
    def end_and_adopt(self) -> None:
        self.source.close(keep=True)
        if self.appended:
            [report] = survey(self.root)
            assert not report.is_held
            assert report.counts == self.expected()
        adopted = list(adoptable(self.root, DESTINATION))
        assert len(adopted) == (1 if self.pending else 0)
        if adopted:
            self.source = adopted[0]
            self.is_adopted = True
            self.at, self.unread, self.seen = self.source.start(), set(self.pending), {}
        else:
            self.begin()

    @precondition(lambda self: self.filesystem_kind)
    @rule(torn=st.none() | st.binary(max_size=40).map(lambda garbage: garbage.replace(b"\n", b"")))
    def be_killed_and_recovered(self, torn: bytes | None) -> None:
        """With `torn`, in the middle of appending: these bytes are all that was stored of a record."""
        if not self.is_adopted and self.queue.storage == "mirrored":
            self.queue.prepare()  # what came since is lost, as it may be
        self.source.after_fork_in_child()  # closes everything, and writes nothing
        if torn and torn.strip(b"\0") and not self.is_adopted and self.tear(torn):
            self.lost += 1
        assert [report.counts for report in survey(self.root)] == [self.expected()]
        adopted = list(adoptable(self.root, DESTINATION))
        assert len(adopted) == (1 if self.pending else 0)
        if adopted:
            self.source, self.is_adopted = adopted[0], True
            self.at, self.unread, self.seen = self.source.start(), set(self.pending), {}
        else:
            self.begin()

    def tear(self, torn: bytes) -> bool:
        """Store that where the next record would have gone, if there is room."""
        newest = max(self.root.glob("*/*.segment"), key=lambda path: (path.stat().st_mtime_ns, path.name))
        data = newest.read_bytes()
        end = data.rfind(b"\n") + 1
        if self.filesystem_kind == "ext4" and end + len(torn) >= len(data):
            return False
        newest.write_bytes(data[:end] + torn + data[end + len(torn) :])
        return True

    @invariant()
    def counts_are_exact(self) -> None:
        assert self.source.counts() == self.expected()
        assert self.source.recorded() == self.appended + self.lost

    @invariant()
    def everything_pending_can_be_read(self) -> None:
        found = numbers(everything(self.source))
        assert (sorted(found) if self.is_adopted else found) == sorted(self.pending)

    def expected(self) -> Counts:
        size_bytes = sum(map(len, self.pending.values()))
        return Counts(
            self.outcomes["delivered"], len(self.pending), self.outcomes["rejected"], self.lost, size_bytes
        )


class MappedHistories(Histories):
    filesystem_kind = "ext4"


class MirroredHistories(Histories):
    filesystem_kind = "zfs"


class MemoryHistories(Histories):
    filesystem_kind = None


_some = settings(max_examples=examples(40), stateful_step_count=30, deadline=None)
TestMapped = MappedHistories.TestCase
TestMirrored = MirroredHistories.TestCase
TestMemory = MemoryHistories.TestCase
TestMapped.settings = TestMirrored.settings = TestMemory.settings = _some
