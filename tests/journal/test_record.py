"""What the bytes of a segment say: whole records, settled ones, torn ones."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from support.journals import line

from llmobs_trace.journal.record import Counts, Position, Scan, Settlement, scan
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


def test_recorded_is_the_sum_of_the_others() -> None:
    assert Counts(delivered=5, pending=4, rejected=3, dropped=2, pending_bytes=1).recorded == 14
