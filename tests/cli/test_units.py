from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmobs_trace.cli import units


@pytest.mark.parametrize(
    ("nanoseconds", "shown"),
    [
        (0, "0 ns"),
        (999, "999 ns"),
        (1_000, "1.0 µs"),
        (999_949, "999.9 µs"),
        (999_951, "1.0 ms"),
        (12_345_678, "12.3 ms"),
        (999_960_000, "1.00 s"),
        (59_994_000_000, "59.99 s"),
        (59_996_000_000, "1 m 00 s"),
        (185_000_000_000, "3 m 05 s"),
        (3_599_600_000_000, "1 h 00 m"),
        (7_380_000_000_000, "2 h 03 m"),
        (-1_500_000, "-1.5 ms"),
    ],
)
def test_durations_are_in_the_unit_that_fits(nanoseconds: int, shown: str) -> None:
    assert units.duration(nanoseconds) == shown


@given(st.integers(-(2**63), 2**63 - 1))
def test_any_moment_and_duration_that_the_wire_can_hold_is_shown(nanoseconds: int) -> None:
    assert units.moment(nanoseconds)
    assert units.duration(nanoseconds)


def test_nothing_less_than_all_is_100_percent_and_nothing_more_than_none_0() -> None:
    assert units.share(1999, 2000) == "1999 (99%)"
    assert units.share(1, 2000) == "1 (1%)"
    assert units.share(0, 3) == "0 (0%)"
    assert units.share(3, 3) == "3 (100%)"
    assert units.share(0, 0) == "0"


def test_one_is_singular() -> None:
    assert [units.counted(count, "span") for count in (0, 1, 2)] == ["0 spans", "1 span", "2 spans"]
    assert [units.counted(count, "process") for count in (1, 2)] == ["1 process", "2 processes"]
