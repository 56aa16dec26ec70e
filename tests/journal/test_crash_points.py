"""The process is killed after any single operation, or in the middle of it: the directory opens, and goes on.

A story is told once: three processes record, deliver, end and are recovered in turn, in one directory. After
each operation on files or maps it is noted what a kill would leave, and each of these is then opened.
"""

from __future__ import annotations

import json
import os
import pickle
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from support.crashes import Tree, interception, read_tree, torn, write_tree
from support.journals import DESTINATION, everything, line

from llmobs_trace.cli.doctor import ledgers
from llmobs_trace.cli.doctor.verdict import Resending, judge
from llmobs_trace.journal import (
    JournalReport,
    Outcome,
    Queue,
    Record,
    Source,
    adoptable,
    filesystem,
    open_journal,
    storage_at,
    survey,
    this_process,
)
from llmobs_trace.journal import leftovers as recovery

SEGMENT_BYTES = 256
MAX_BYTES = 2048
OWNER = this_process(DESTINATION)


@dataclass
class Story:
    """What has happened so far, as the program knows it that is about to be killed."""

    safe: frozenset[int] = frozenset()  # appended, and on disk
    unsafe: frozenset[int] = frozenset()  # appended, and not copied to a file yet
    beginning: frozenset[int] = frozenset()  # may be on disk
    settled: frozenset[int] = frozenset()
    settling: frozenset[int] = frozenset()
    refused: int = 0
    refused_since: int = 0  # and not written down yet
    is_pruning: bool = False


@dataclass
class Teller:
    """Tells the story in a directory. Nothing of it is kept but what the story says."""

    root: Path
    story: Story = field(default_factory=Story)
    number: int = 0

    def tell(self) -> None:
        """All of it."""
        self.first_process()
        self.two_recoverers()
        self.a_process_that_gives_up()
        self.housekeeping()

    def first_process(self) -> None:
        """Rolls over with and without a spare, in mid roll-over, and up to the bound; is killed."""
        queue = self.open()
        for _ in range(5):
            self.append(queue)
        self.prepare(queue)
        for _ in range(4):
            self.append(queue)
        self.append(queue, 300)
        self.in_mid_roll_over(queue)
        self.overtaken_by_a_roll_over(queue)
        self.prepare(queue)
        records = everything(queue)
        self.settle(queue, records[1:3], "delivered")
        self.settle(queue, [records[0], *records[3:6]], "rejected")
        self.prepare(queue)
        self.settle(queue, records[6:9], "delivered")
        for _ in range(12):
            self.append(queue)
        self.prepare(queue)
        self.thin_out(queue)
        for _ in range(18):
            self.append(queue)
        self.settle(queue, everything(queue)[:3], "delivered")
        self.prepare(queue)
        for _ in range(3):
            self.append(queue)
        queue.after_fork_in_child()  # lets go of everything, as a kill does
        self.story = replace(self.story, unsafe=frozenset(), refused_since=0)

    def two_recoverers(self) -> None:
        """The first is killed half-way; the second delivers the rest."""
        [adopted] = adoptable(self.root, DESTINATION)
        records = everything(adopted)
        self.settle(adopted, records[::2], "delivered")
        adopted.after_fork_in_child()
        survey(self.root)
        [adopted] = adoptable(self.root, DESTINATION)
        self.settle(adopted, everything(adopted), "delivered")
        adopted.close(keep=True)

    def a_process_that_gives_up(self) -> None:
        """Ends in good order; what it left is then dropped for good."""
        queue = self.open()
        for _ in range(6):
            self.append(queue)
        self.prepare(queue)
        self.append(queue)
        queue.close(keep=True)
        self.written_down()
        [adopted] = adoptable(self.root, DESTINATION)
        left = self.story.safe - self.story.settled
        self.story = replace(self.story, settling=left)
        adopted.close(keep=False)
        self.story = replace(self.story, settling=frozenset(), settled=self.story.settled | left)

    def housekeeping(self) -> None:
        """Old ledgers are dropped, and an unused journal is removed."""
        self.open().close(keep=True)
        self.story = replace(self.story, is_pruning=True)
        with mock.patch.object(recovery, "_KEPT_LEDGERS", 1):
            recovery.drop_old_ledgers(self.root)

    def open(self) -> Queue:
        queue = open_journal(self.root, owner=OWNER, segment_bytes=SEGMENT_BYTES, max_bytes=MAX_BYTES)
        assert not queue.reason
        return queue

    def append(self, queue: Queue, size_bytes: int = 60) -> None:
        number, self.number = self.number, self.number + 1
        before = self.story
        self.story = replace(before, beginning=before.beginning | {number})
        dropped = queue.dropped()
        queue.append(line(number, size_bytes))
        now = replace(self.story, beginning=self.story.beginning - {number})
        if queue.dropped() > dropped:
            self.story = replace(now, refused_since=now.refused_since + 1)
            if queue.storage == "mapped":
                self.written_down()
        elif queue.storage == "mapped":
            self.story = replace(now, safe=now.safe | {number})
        else:
            self.story = replace(now, unsafe=now.unsafe | {number})

    def in_mid_roll_over(self, queue: Any) -> None:
        """A signal handler records while the next segment is being made."""
        really = queue._shelf.make

        def make(size_bytes: int) -> Any:
            queue._shelf.make = really
            segment = really(size_bytes)
            self.append(queue)
            self.append(queue)
            return segment

        queue._shelf.make = make
        while queue._shelf.make is make:
            self.append(queue)

    def overtaken_by_a_roll_over(self, queue: Any) -> None:
        """While a record gets a file of its own, another thread's roll-over makes that needless."""
        really, turn = queue._shelf.make_loose, object()

        def make_loose(data: bytes) -> Any:
            queue._shelf.make_loose = really
            loose = really(data)
            queue._turns.remove(turn)
            self.append(queue, 100)
            return loose

        queue._shelf.make_loose = make_loose
        queue._turns.append(turn)
        while queue._shelf.make_loose is make_loose:
            self.append(queue)

    def thin_out(self, queue: Queue) -> None:
        """One record in a few stays pending, as of a paused experiment: segments are rewritten."""
        for number in {record.at.segment for record in everything(queue)}:
            records = [record for record in everything(queue) if record.at.segment == number]
            self.settle(queue, records[1:], "delivered")
        for _ in range(10):
            self.append(queue)
            self.prepare(queue)
        self.settle(queue, everything(queue)[1:4], "rejected")

    def prepare(self, queue: Queue) -> None:
        # What the sender is about to copy is there by the end, and may be at any moment before.
        queue.prepare()
        self.written_down()

    def written_down(self) -> None:
        now = self.story
        self.story = replace(
            now,
            safe=now.safe | now.unsafe,
            unsafe=frozenset(),
            refused=now.refused + now.refused_since,
            refused_since=0,
        )

    def settle(self, source: Source, records: list[Record], outcome: Outcome) -> None:
        settling = frozenset(json.loads(record.line)["span"]["n"] for record in records)
        self.story = replace(self.story, settling=settling)
        source.acknowledge(records, outcome)
        self.story = replace(self.story, settling=frozenset(), settled=self.story.settled | settling)


def check(root: Path, story: Story, garbage: bool = False) -> None:
    """Open what a kill left, recover it, and go on; against what the killed program knew."""
    before = {report.home: report for report in survey(root)}
    assert_the_doctor_says(root, list(before.values()))
    found: list[Record] = []
    for adopted in adoptable(root, DESTINATION):
        assert adopted.counts() == before[adopted.home].counts
        records = everything(adopted)
        assert adopted.pending()[0] == len(records)
        found += records
        adopted.acknowledge(records)
        assert adopted.pending() == (0, 0)
        adopted.close(keep=True)

    numbers = [number for number in map(_number, found) if number is not None]
    assert len(set(numbers)) == len(numbers)
    assert story.safe - story.settled - story.settling <= set(numbers)
    assert set(numbers) <= (story.safe | story.unsafe | story.beginning) - story.settled
    recorded = len(story.safe) + story.refused
    # The record being written may be there, or count as torn; and what is refused is counted a moment later.
    uncertain = len(story.unsafe) + story.refused_since + 2 * len(story.beginning) + 5 * garbage
    total = sum(report.counts.recorded for report in before.values())
    if not story.is_pruning:
        assert recorded <= total <= recorded + uncertain
    # Where records are in memory first, a killed process may have had more than any file has.
    may_be_said = {""} if storage_at(root) == "mapped" else {"", recovery._ABRUPT}
    assert {report.problem for report in before.values()} <= may_be_said
    assert not any(report.is_held for report in before.values())

    after = {report.home: report.counts for report in survey(root)}
    for home, report in before.items():
        if home in after:
            assert after[home].pending == 0
            assert after[home].recorded == report.counts.recorded
    queue = open_journal(root, owner=OWNER, segment_bytes=SEGMENT_BYTES, max_bytes=MAX_BYTES)
    assert not queue.reason
    queue.append(line("after"))
    assert [_number(record) for record in everything(queue)] == ["after"]
    queue.acknowledge(everything(queue))
    queue.close(keep=True)
    assert list(adoptable(root, DESTINATION)) == []
    assert not [path for path in root.glob("*.journal/*") if path.suffix in (".segment", ".part")]


def assert_the_doctor_says(root: Path, reports: list[JournalReport]) -> None:
    """Its one line, of a directory just as the kill left it."""
    dropped = sum(report.counts.dropped for report in reports)
    if dropped:
        expected = "1 event lost: " if dropped == 1 else f"{dropped} events lost: "
    elif any(report.problem for report in reports):
        expected = "cannot tell what was lost: "
    else:
        expected = "nothing lost: " if reports else "nothing recorded: "
    line = judge(ledgers.read(root), [], [], Resending(str(root), True, "")).line
    recorded = sum(report.counts.recorded for report in reports)
    assert line.startswith(expected), line
    assert f"{recorded} recorded = " in line or not reports, line


def _number(record: Record) -> Any:
    """Which record it is; None where a torn one was filled up with garbage."""
    try:
        return json.loads(record.line)["span"]["n"]
    except (ValueError, KeyError):
        return None


@pytest.fixture(params=["ext4", "zfs"])
def kind(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """A filesystem that is mapped, and one that isn't."""
    monkeypatch.setattr(filesystem, "of", lambda directory: request.param)
    return str(request.param)


@pytest.fixture
def scratch(tmp_path: Path) -> Iterator[Callable[[], Path]]:
    """Directories to open, one after the other; in memory, where the machine has such a place."""
    top = Path("/dev/shm") if os.access("/dev/shm", os.W_OK) else tmp_path
    made = top / f"crash-points-{os.getpid()}"

    def fresh() -> Path:
        shutil.rmtree(made, ignore_errors=True)
        made.mkdir()
        return made

    yield fresh
    shutil.rmtree(made, ignore_errors=True)


def test_cut_after_each_operation_or_torn_in_its_middle_the_directory_goes_on(
    kind: str, tmp_path: Path, scratch: Callable[[], Path]
) -> None:
    root = tmp_path / "journals"
    root.mkdir()
    teller = Teller(root)
    cuts: list[tuple[str, Tree, Story]] = []
    with interception(lambda name: cuts.append((name, read_tree(root), teller.story))):
        teller.tell()

    seen = set()
    tried = 0
    before: Tree = {}
    for operation, tree, story in cuts:
        ways = [("done", tree)]
        if operation in ("store", "write", "pwrite"):
            ways += torn(before, tree)
        for way, left in ways:
            key = (hash(frozenset(left.items())), story.settling, story.beginning, len(story.settled))
            if key in seen:
                continue
            seen.add(key)
            directory = scratch()
            write_tree(left, directory)
            try:
                check(directory, story, garbage="garbage" in way)
            except BaseException as error:
                raise AssertionError(f"cut at {operation} number {tried}, {way}") from error
            tried += 1
        before = tree
    contents = [content for _, tree, _ in cuts for content in tree.values() if content]
    assert any(content.startswith(b"=") for content in contents)
    assert {name for name, _, _ in cuts} >= {"store", "pwrite", "rename", "unlink", "mkdir", "rmdir", "open"}
    assert tried > 300


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_killed_at_operations_here_and_there_a_real_process_leaves_a_directory_that_goes_on(
    kind: str, scratch: Callable[[], Path]
) -> None:
    killed, at, kills = True, 0, 0
    while killed:
        at += 5
        kills += 1
        root = scratch()
        killed, story = _killed_at(at, root)
        check(root, story)
    assert kills > 50


def _killed_at(at: int, root: Path) -> tuple[bool, Story]:
    """Tell the story in a child that ends just after that operation; whether it did, and what it knew."""
    ours, theirs = os.pipe()
    child = os.fork()
    if not child:
        try:
            _tell_until(at, root, theirs)
        finally:
            os._exit(1)
    os.close(theirs)
    with open(ours, "rb") as file:
        told = file.read()
    _, status = os.waitpid(child, 0)
    assert status == 0
    killed, story = pickle.loads(told)
    return killed, story


def _tell_until(at: int, root: Path, pipe: int) -> None:
    teller, write = Teller(root), os.write
    left = at

    def end(killed: bool) -> None:
        write(pipe, pickle.dumps((killed, teller.story)))
        os._exit(0)

    def count(name: str) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            end(True)

    with interception(count):
        teller.tell()
    end(False)
