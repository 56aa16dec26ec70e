"""What the bytes of a segment say: whole records, settled ones, torn ones."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.journals import line

from llmobs_trace.journal.record import Counts, Position, Scan, Settlement, head, scan
from llmobs_trace.journal.records import split

bodies = st.binary(min_size=1, max_size=40).map(lambda body: body.replace(b"\n", b"n").replace(b"\0", b"0"))
lines = bodies.map(lambda body: b"{" + body + b"}\n")


@given(st.lists(lines))
def test_whole_records_come_back_with_where_they_begin(written: list[bytes]) -> None:
    data = b"".join(written)

    records = split(data, Position(3, 100))

    assert [record.line + b"\n" for record in records] == written
    assert all(data[r.at.offset - 100 :].startswith(r.line + b"\n") and r.at.segment == 3 for r in records)


def test_settled_records_are_left_out_but_counted() -> None:
    data = line(1) + b"+" + line(2)[1:] + b"!" + line(3)[1:]

    assert [record.line + b"\n" for record in split(data, Position(0, 0))] == [line(1)]
    found = scan(data)
    assert found.records == 3
    assert found.settled == Settlement(1, 1, 0, len(line(2)) + len(line(3)))


@given(st.lists(lines), lines, st.data())
def test_a_record_torn_in_any_way_is_no_record(before: list[bytes], torn: bytes, data: st.DataObject) -> None:
    # A copy that a kill cuts short may have stored any part of the record, its end before its beginning.
    stored = data.draw(
        st.lists(st.booleans(), min_size=len(torn), max_size=len(torn)).filter(lambda s: not all(s))
    )
    cut = bytes(byte if there else 0 for byte, there in zip(torn, stored, strict=True))
    kept = b"".join(before)

    found = scan(kept + cut + bytes(64))
    assert (found.length_bytes, found.records) == (len(kept), len(before))
    found.count_torn()
    assert found.records == len(before) + any(stored)
    assert found.settled == Settlement(lost=int(any(stored)))


@given(st.lists(lines), st.integers(min_value=0))
def test_a_file_cut_anywhere_gives_its_first_records(written: list[bytes], length: int) -> None:
    data = b"".join(written)[:length]

    found = scan(data)

    assert found.length_bytes == data.rfind(b"\n") + 1
    assert found.records == data.count(b"\n")


pieces = st.sampled_from([b"{", b"+", b"!", b"\n", b"x", b"\0", b"}\n", b"\n\n", b"{}\n"]) | st.binary(
    max_size=5
)


@given(st.lists(pieces), st.integers(1, 7))
def test_bytes_of_any_kind_are_counted_as_they_are_read(parts: list[bytes], step: int) -> None:
    data = b"".join(parts)
    whole, in_pieces = scan(data), Scan()
    for begin in range(0, len(data), step):
        if not in_pieces.feed(data[begin : begin + step]):
            break

    assert (in_pieces.records, in_pieces.settled) == (whole.records, whole.settled)
    assert in_pieces.length_bytes == whole.length_bytes
    pending = split(data[: whole.length_bytes], Position(0, 0))
    assert len(pending) == whole.records - whole.settled.records
    assert sum(len(r.line) + 1 for r in pending) == whole.length_bytes - whole.settled.size_bytes


def test_what_a_file_left_out_is_counted_by_its_first_line() -> None:
    for counted in (Settlement(1, 2, 3), Settlement(0, 0, 0), Settlement(7)):
        first = head(counted)
        found = scan(first + line(1) + b"+" + line(2)[1:])
        assert found.records == counted.records + 2
        size_bytes = len(first) + len(line(2))
        assert found.settled == counted.plus(Settlement(delivered=1, size_bytes=size_bytes))


@pytest.mark.parametrize(
    "damaged", [b"=\n", b"=1 2\n", b"=1 2 3 4\n", b"=-1 2 3\n", b"=1 2 x\n", b"=01 2 3\n", b"=1  2 3\n"]
)
def test_a_first_line_that_is_no_count_is_a_record_that_is_lost(damaged: bytes) -> None:
    found = scan(damaged + line(1))
    assert found.records == 2
    assert found.settled == Settlement(lost=1, size_bytes=len(damaged))


def test_only_the_first_line_of_a_file_counts_what_was_left_out() -> None:
    found = scan(line(1) + b"=1 2 3\n")
    assert found.records == 2
    assert found.settled == Settlement(lost=1, size_bytes=7)


def test_a_file_is_read_up_to_the_first_zero() -> None:
    for end, begun, is_whole in (
        (b"", 0, True),
        (b"{to", 3, True),
        (b"{" + b"t" * 49, 50, True),
        (b"\0\0", 0, False),
        (b"{to\0", 3, False),
        (b"\0\0rn", 1, False),  # its beginning is not there yet
        (b"{to\0rn", 3, False),
    ):
        found = Scan()
        assert found.feed(line(1) + end) is is_whole
        assert (found.records, found.length_bytes, found.begun_bytes) == (1, len(line(1)), begun)
        assert found.read_bytes == len(line(1) + end)
        for _ in range(2):
            found.count_torn()
            assert found.records == 1 + bool(begun)
            assert found.settled == Settlement(lost=int(bool(begun)))
            assert found.begun_bytes == 0


def test_a_line_that_comes_in_pieces_is_one_record() -> None:
    for whole in (b"{abc}\n", b"+abc}\n", b"!abc}\n", b"-abc}\n"):
        for cut in range(1, len(whole)):
            found = Scan()
            assert found.feed(whole[:cut])
            assert found.begun_bytes == cut
            assert found.feed(whole[cut:])
            assert (found.records, found.length_bytes, found.begun_bytes) == (1, len(whole), 0)
            assert found.settled == scan(whole).settled


@pytest.mark.parametrize("before", [b"", line(1)])
def test_zeros_at_the_beginning_of_a_piece_end_the_file(before: bytes) -> None:
    for data, begun in ((b"\0\0", 0), (b"\0x", 1)):
        found = Scan()
        assert found.feed(before)
        assert not found.feed(data)
        assert (found.length_bytes, found.begun_bytes) == (len(before), begun)


def test_nothing_is_counted_before_anything_was_read() -> None:
    assert Counts() == (0, 0, 0, 0, 0)
    assert Settlement() == scan(b"").settled == (0, 0, 0, 0)


def test_recorded_is_the_sum_of_the_others() -> None:
    assert Settlement(delivered=4, rejected=2, lost=1, size_bytes=9).records == 7
    assert Counts(delivered=5, pending=4, rejected=3, dropped=2, pending_bytes=1).recorded == 14
