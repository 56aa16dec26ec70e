"""What the bytes of a segment say: whole records, settled ones, torn ones."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from support.journals import line

from llmobs_trace.journal.record import Counts, Position, Settlement, split, tally, whole

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
    assert tally(data) == (3, Settlement(1, 1, 0, len(line(2)) + len(line(3))))


@given(st.lists(lines), lines, st.data())
def test_a_record_torn_in_any_way_is_no_record(before: list[bytes], torn: bytes, data: st.DataObject) -> None:
    # A copy that a kill cuts short may have stored any part of the record, its end before its beginning.
    stored = data.draw(
        st.lists(st.booleans(), min_size=len(torn), max_size=len(torn)).filter(lambda s: not all(s))
    )
    cut = bytes(byte if there else 0 for byte, there in zip(torn, stored, strict=True))
    kept = b"".join(before)

    assert whole(kept + cut + bytes(64)) == kept


@given(st.lists(lines), st.integers(min_value=0))
def test_a_file_cut_anywhere_gives_its_first_records(written: list[bytes], length: int) -> None:
    data = b"".join(written)[:length]

    kept = whole(data)

    assert b"".join(written).startswith(kept)
    assert len(kept) == data.rfind(b"\n") + 1


def test_recorded_is_the_sum_of_the_others() -> None:
    assert Counts(delivered=5, pending=4, rejected=3, dropped=2, pending_bytes=1).recorded == 14
