"""One segment: written, sealed, read, marked, copied to its file."""

from __future__ import annotations

import mmap
import sys
import threading
from pathlib import Path

import pytest
from support.journals import line

from llmobs_trace.journal.mirrored import MirroredSegment
from llmobs_trace.journal.record import Position, Settlement, scan
from llmobs_trace.journal.records import Records, split
from llmobs_trace.journal.segment import Segment, SegmentDamaged


def mapped(path: Path, size_bytes: int = 256) -> Segment:
    """A segment over a file of zeros."""
    path.write_bytes(bytes(size_bytes))
    with path.open("r+b") as file:
        return Segment(path, mmap.mmap(file.fileno(), size_bytes), size_bytes)


def records(segment: Segment) -> Records:
    """Its pending records."""
    return split(segment.read(0, segment.stop()), Position(0, 0))


def test_lines_are_stored_until_there_is_no_room() -> None:
    segment = Segment.in_memory(2 * len(line(1)))
    write = segment.writer()
    write(line(1))
    write(line(2))

    with pytest.raises(ValueError, match="out of range"):
        write(line(3))
    assert segment.read(0, segment.stop()) == line(1) + line(2)
    assert segment.total() == (2, len(line(1) + line(2)))


def test_a_sealed_segment_refuses_a_write_that_was_on_its_way() -> None:
    segment = Segment.in_memory(256)
    write = segment.writer()
    write(line(1))

    assert segment.seal() == len(line(1))

    with pytest.raises(ValueError, match="out of range"):
        write(line(2))
    assert segment.is_sealed
    assert segment.seal() == segment.stop() == len(line(1))


def test_an_unmapped_segment_refuses_writes_and_is_read_from_its_file(tmp_path: Path) -> None:
    segment = mapped(tmp_path / "s")
    write = segment.writer()
    write(line(1))
    segment.seal()

    segment.release()

    with pytest.raises(ValueError, match="closed"):
        write(line(2))
    with pytest.raises(ValueError, match="mapped"):
        segment.writer()(line(2))
    assert segment.read(0, segment.stop()) == line(1)
    assert segment.total() == (1, len(line(1)))


def test_a_segment_that_is_written_to_is_not_unmapped(tmp_path: Path) -> None:
    segment = mapped(tmp_path / "s")
    segment.release()
    segment.writer()(line(1))
    assert records(segment)


@pytest.mark.parametrize("unmapped", [True, False])
def test_settling_marks_the_file_and_counts_each_record_once(tmp_path: Path, unmapped: bool) -> None:
    segment = mapped(tmp_path / "s")
    for number in range(3):
        segment.writer()(line(number))
    first, second, third = records(segment)
    if unmapped:
        segment.seal()
        segment.release()

    segment.settle(Records.of([third, first, first]), "delivered")
    segment.settle(Records.of([second, third]), "rejected")

    assert segment.settled == Settlement(2, 1, 0, 3 * len(line(0)))
    assert segment.remaining()[:2] == (0, 0)
    kept = (tmp_path / "s").read_bytes()
    assert [kept[r.at.offset : r.at.offset + 1] for r in (first, second, third)] == [b"+", b"!", b"+"]
    assert Segment.of_file(tmp_path / "s", scan(kept.rstrip(b"\0"))).settled == segment.settled


def test_touching_every_page_changes_nothing() -> None:
    segment = Segment.in_memory(3 * 4096 + 7)
    segment.touch()
    assert segment.read(0, segment.size_bytes) == bytes(segment.size_bytes)
    assert segment.stop() == 0


def test_a_mirrored_segment_reaches_its_file_when_the_sender_says_so(tmp_path: Path) -> None:
    file = tmp_path / "s"
    file.touch()
    segment = MirroredSegment(file, 256)
    segment.writer()(line(1))
    assert file.read_bytes() == b""

    segment.mirror()
    segment.writer()(line(2))
    first, second = records(segment)
    segment.settle(Records.of([first, second]), "delivered")
    assert file.read_bytes() == b"+" + line(1)[1:]

    segment.seal()
    segment.release()
    assert file.read_bytes() == b"+" + line(1)[1:] + b"+" + line(2)[1:]
    assert segment.memory_bytes == 0


def test_a_file_removed_or_shortened_by_others_is_damage(tmp_path: Path) -> None:
    segment = mapped(tmp_path / "s")
    segment.writer()(line(1))
    segment.seal()
    segment.release()

    (tmp_path / "s").write_bytes(line(1)[:-5])
    with pytest.raises(SegmentDamaged, match="shortened"):
        segment.read(0, segment.stop())
    (tmp_path / "s").unlink()
    with pytest.raises(SegmentDamaged, match="removed"):
        segment.read(0, segment.stop())


def test_another_file_in_its_place_is_not_cut(tmp_path: Path) -> None:
    segment = mapped(tmp_path / "s")
    segment.writer()(line(1))
    segment.seal()
    (tmp_path / "s").rename(tmp_path / "ours")
    (tmp_path / "s").write_bytes(b"the program's own data, longer than what was appended" * 10)

    segment.trim()

    assert (tmp_path / "s").read_bytes() == b"the program's own data, longer than what was appended" * 10


def test_a_link_planted_in_a_segments_place_is_not_followed(tmp_path: Path) -> None:
    segment = Segment.of_file(tmp_path / "s", scan(line(1)))
    (tmp_path / "victim").write_bytes(line(1))
    (tmp_path / "s").symlink_to(tmp_path / "victim")

    with pytest.raises(SegmentDamaged, match="symbolic links"):
        segment.settle(split(line(1), Position(0, 0)), "delivered")
    assert (tmp_path / "victim").read_bytes() == line(1)


def test_discarding_removes_the_file_even_if_it_is_gone(tmp_path: Path) -> None:
    segment = mapped(tmp_path / "s")
    segment.discard()
    segment.discard()
    assert not (tmp_path / "s").exists()
    with pytest.raises(SegmentDamaged):
        Segment.in_memory(8).__class__(None, None, 0).read(0, 1)


def test_without_an_interpreter_lock_threads_write_one_after_the_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "_is_gil_enabled", lambda: False, raising=False)
    segment = Segment.in_memory(1 << 16)
    write = segment.writer()

    def fill(thread: int) -> None:
        for number in range(100):
            write(line([thread, number]))

    threads = [threading.Thread(target=fill, args=(thread,)) for thread in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(records(segment)) == segment.total()[0] == 400
    segment.seal()
    with pytest.raises(ValueError, match="out of range"):
        write(line(0))
