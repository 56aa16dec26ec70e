from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmobs_trace.cli.terminal import units


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


@pytest.mark.parametrize(
    ("count_bytes", "shown"),
    [
        (0, "0 bytes"),
        (1, "1 byte"),
        (8192, "8 KiB"),
        (1_023_999, "1000 KiB"),
        (1_024_000, "1 MiB"),
        (12_900_000, "12.3 MiB"),
        (256 << 20, "256 MiB"),
        (1024 << 30, "1024 GiB"),
    ],
)
def test_sizes_are_in_the_unit_that_fits(count_bytes: int, shown: str) -> None:
    assert units.size(count_bytes) == shown


@pytest.mark.parametrize(
    ("amount", "shown"),
    [
        (0.0, "$0"),
        (1e-12, "$1e-12"),
        (4.2e-7, "$0.00000042"),
        (0.00042345, "$0.000423"),
        (0.0123, "$0.0123"),
        (0.09999, "$0.10"),
        (0.5, "$0.50"),
        (0.5012, "$0.501"),
        (0.9999, "$1.00"),
        (1.234, "$1.23"),
        (999.999, "$1,000"),
        (1234.5, "$1,234"),
        (3e20, "$3e+20"),
    ],
)
def test_dollars_have_the_digits_that_say_something(amount: float, shown: str) -> None:
    assert units.dollars(amount) == shown


@given(st.integers(-(2**63), 2**63 - 1))
def test_any_moment_and_duration_that_the_wire_can_hold_is_shown(nanoseconds: int) -> None:
    assert units.moment(nanoseconds)
    assert units.duration(nanoseconds)


def test_a_moment_says_its_zone(monkeypatch: pytest.MonkeyPatch) -> None:
    for zone, shown in (("UTC", "2026-01-01 12:00:00+00:00"), ("XYZ-5:30", "2026-01-01 17:30:00+05:30")):
        monkeypatch.setenv("TZ", zone)
        time.tzset()
        assert units.moment(1_767_268_800_000_000_000) == shown
    monkeypatch.undo()
    time.tzset()


def test_nothing_less_than_all_is_100_percent_and_nothing_more_than_none_0() -> None:
    assert units.share(1999, 2000) == "1999 (99%)"
    assert units.share(1, 2000) == "1 (1%)"
    assert units.share(0, 3) == "0 (0%)"
    assert units.share(3, 3) == "3 (100%)"
    assert units.share(0, 0) == "0"


def test_one_is_singular() -> None:
    assert [units.counted(count, "span") for count in (0, 1, 2)] == ["0 spans", "1 span", "2 spans"]
    assert [units.counted(count, "process") for count in (1, 2)] == ["1 process", "2 processes"]
