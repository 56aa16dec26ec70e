"""The counts of a journal that outlive its segments."""

from __future__ import annotations

from pathlib import Path

import pytest

from llmobs_trace.journal.record import Settlement
from llmobs_trace.journal.tally import TALLY_FILE, Tally, read_tally


@pytest.mark.parametrize("mapped", [True, False])
def test_what_was_settled_and_dropped_is_read_back(tmp_path: Path, mapped: bool) -> None:
    tally = Tally.create(tmp_path, mapped=mapped)
    tally.settled("1.segment", Settlement(5, 1, 0))
    tally.settled("2.segment", Settlement(0, 0, 7))
    tally.save_dropped(3)

    assert read_tally(tmp_path) == (3, {"1.segment": Settlement(5, 1, 0), "2.segment": Settlement(0, 0, 7)})
    tally.close()


def test_a_drop_is_seen_by_others_at_once_where_the_header_is_mapped(tmp_path: Path) -> None:
    tally = Tally.create(tmp_path, mapped=True)

    tally.dropped(41)

    assert read_tally(tmp_path)[0] == 41
    tally.close()


def test_a_line_cut_short_is_no_line_and_the_next_takes_its_place(tmp_path: Path) -> None:
    first = Tally.create(tmp_path, mapped=False)
    first.settled("1.segment", Settlement(5, 1, 0))
    first.close()
    file = tmp_path / TALLY_FILE
    file.write_bytes(file.read_bytes() + b"2.segment 9 9")
    assert read_tally(tmp_path)[1] == {"1.segment": Settlement(5, 1, 0)}

    second = Tally.reopen(tmp_path)
    second.settled("3.segment", Settlement(1))
    second.close()

    assert read_tally(tmp_path)[1] == {"1.segment": Settlement(5, 1, 0), "3.segment": Settlement(1)}


@pytest.mark.parametrize("content", [b"", b"drop", b"dropped x\n", b"\xff" * 200])
def test_a_damaged_tally_counts_nothing_and_can_be_added_to(tmp_path: Path, content: bytes) -> None:
    (tmp_path / TALLY_FILE).write_bytes(content)
    assert read_tally(tmp_path) == (0, {})

    tally = Tally.reopen(tmp_path)
    tally.settled("1.segment", Settlement(2))
    tally.close()

    assert read_tally(tmp_path)[1] == {"1.segment": Settlement(2)}


def test_a_missing_tally_is_made_anew(tmp_path: Path) -> None:
    assert read_tally(tmp_path) == (0, {})

    Tally.reopen(tmp_path).close()

    assert (tmp_path / TALLY_FILE).stat().st_mode & 0o777 == 0o600


def test_a_line_that_the_disk_refused_is_written_with_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tally = Tally.create(tmp_path, mapped=False)
    with monkeypatch.context() as patch:
        patch.setattr("os.pwrite", _refuse)
        tally.settled("1.segment", Settlement(1))
    tally.settled("2.segment", Settlement(2))

    assert read_tally(tmp_path)[1] == {"1.segment": Settlement(1), "2.segment": Settlement(2)}
    tally.close()


def _refuse(*arguments: object) -> int:
    raise OSError(28, "No space left on device")
