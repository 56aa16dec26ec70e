"""Numbers and tables of numpy and pandas."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from support.values import TellingMeta, ran, strict_json

from llmobs_trace.encode import encode
from llmobs_trace.encode.numpy_pandas import _read_array, _rows_of_frame


class Telling(np.ndarray[Any, Any]):
    def __array_finalize__(self, parent: Any) -> None:
        ran.append("finalize")

    def tolist(self) -> Any:
        ran.append("tolist")


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (np.float64(1.5), 1.5),
        (np.float32(0.5), 0.5),
        (np.float64("nan"), "NaN"),
        (np.int64(3), 3),
        (np.uint64(2**64 - 1), 2**64 - 1),
        (np.bool_(True), True),
        (np.str_("a"), "a"),
        (np.bytes_(b"a"), "<bytes of 1 bytes, base64: YQ==>"),
        (np.complex128(1j), "1j"),
        (np.longdouble("1.5"), "1.5"),
        (np.datetime64("2024-01-02T03:04:05"), "2024-01-02T03:04:05"),
        (np.timedelta64(3, "s"), "3 seconds"),
        (np.arange(6).reshape(2, 3), [[0, 1, 2], [3, 4, 5]]),
        (np.array(3), 3),
        (np.array([np.nan, 1.0]), ["NaN", 1.0]),
        (np.array(["2024-01-02"], dtype="datetime64[ns]"), ["2024-01-02T00:00:00.000000000"]),
        (np.array([object()]), ["<object>"]),
        (np.array([(1, 2.0)], dtype=[("a", int), ("b", float)]), [[1, 2.0]]),
        (np.ma.masked, None),
        (np.ma.array([0.9, -999.0], mask=[0, 1]), [0.9, None]),
        (np.ma.array([[1, 2], [3, 4]], mask=[[0, 1], [1, 0]]), [[1, None], [None, 4]]),
        (np.ma.array([1, 2]), [1, 2]),
        (np.ma.array(["2024-01-02", "2024-01-03"], dtype="datetime64[D]", mask=[1, 0]), [None, "2024-01-03"]),
        (pd.Series([1, 2]), [1, 2]),
        (pd.Series([1, 2], index=["a", "b"]), {"a": 1, "b": 2}),
        (pd.Series([1, 2], index=["a", "a"]), {"a": 1, "a <str>": 2}),
        (pd.Index(["a"]), ["a"]),
        (pd.DataFrame({"x": [1, 2], "y": ["a", "b"]}), [{"x": 1, "y": "a"}, {"x": 2, "y": "b"}]),
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), [{"a": 1, "a <str>": 2}]),
        (pd.DataFrame(), []),
        (pd.Timestamp("2024-01-02", tz="UTC"), "2024-01-02T00:00:00+00:00"),
        (pd.Timedelta("1s"), "P0DT0H0M1S"),
        (pd.NaT, "NaT"),
        (pd.NA, "<NA>"),
        (pd.Period("2024-01"), "2024-01"),
    ],
)
def test_a_table_or_number_is_shown_as_promised(value: Any, shown: Any) -> None:
    assert strict_json(encode(value)) == shown
    assert strict_json(encode([value])) == [shown]


def test_a_large_array_is_shown_by_shape_and_head() -> None:
    shown = strict_json(encode(np.zeros((1000, 1000), dtype="float32")))
    assert shown["shape"] == [1000, 1000]
    assert shown["dtype"] == "float32"
    assert len(shown["first"]) == 1000


def test_the_head_of_a_large_masked_array_shows_nothing_of_what_is_covered() -> None:
    value = np.ma.array(np.zeros(100_000), mask=[0, 1] * 50_000)
    assert strict_json(encode(value))["first"][:4] == [0.0, None, 0.0, None]


def test_a_long_frame_says_how_many_rows_are_missing() -> None:
    rows = strict_json(encode(pd.DataFrame({"x": range(5000)})))
    assert rows[999] == {"x": 999}
    assert rows[1000] == "<cut: 4000 of 5000 rows>"


def test_a_wide_frame_says_how_many_columns_are_missing() -> None:
    row = strict_json(encode(pd.DataFrame({f"c{at}": [at] for at in range(1700)})))[0]
    assert (len(row), row["<cut>"]) == (1001, "700 of 1700 columns")


def test_a_long_series_says_how_many_values_are_missing() -> None:
    assert strict_json(encode(pd.Series(range(100_050))))[-1] == "<cut: 50050 of 100050 values>"
    by_index = strict_json(encode(pd.Series(range(100_050), index=range(1, 100_051))))
    assert by_index["<cut>"] == "<cut: 50050 of 100050 values>"


class TellingDatetime(np.datetime64, metaclass=TellingMeta):  # type: ignore[type-arg,unused-ignore]
    pass


def test_no_class_of_a_number_is_asked() -> None:
    value = TellingDatetime("2024-01-02")
    ran.clear()
    strict_json(encode(value))
    assert ran == []


def test_a_subclass_of_an_array_runs_none_of_its_code() -> None:
    value = np.arange(3).view(Telling)
    ran.clear()
    assert strict_json(encode(value)) == [0, 1, 2]
    assert ran == []


@pytest.mark.parametrize(
    ("dtype", "whole", "first"),
    [
        ("u1", 50_000, 1_000),  # by their number
        ("S84", 49_932, 1_000),  # 4 MiB
        ("S8192", 512, 512),
        ([("a", "u1", (16,))], 25_000, 1_000),  # 400,000 bytes, where each has fields
        ([("a", "u1", (800,))], 500, 500),
        ([("a", "u1", (400_000,))], 1, 1),
        ([("a", "u1", (400_001,))], 0, 0),
    ],
)
def test_an_array_is_shown_whole_up_to_a_number_and_a_size(dtype: Any, whole: int, first: int) -> None:
    assert len(_read_array(np.zeros(whole, dtype))) == whole
    shown = _read_array(np.zeros(whole + 1, dtype))
    assert shown["shape"] == [whole + 1]
    assert len(shown["first"]) == first


def test_an_array_whose_elements_take_no_room_is_shown_by_number() -> None:
    assert strict_json(encode(np.zeros(3, dtype=[]))) == [[], [], []]


def test_an_element_with_fields_is_shown_up_to_its_size() -> None:
    for length, is_shown in ((399_999, True), (400_000, True), (400_001, False)):
        shown = strict_json(encode(np.zeros(1, dtype=[("a", f"S{length}")])[0]))
        assert (shown != "<numpy.void>") is is_shown


@pytest.mark.parametrize(
    ("rows", "columns", "shown"),
    [
        (1_000, 1, 1_000),
        (1_001, 1, 1_000),
        (1_000, 50, 1_000),
        (999, 51, 980),
        (980, 51, 980),
        (60, 1_000, 50),
    ],
)
def test_of_a_frame_a_thousand_rows_are_shown_or_as_many_as_make_50_000_values(
    rows: int, columns: int, shown: int
) -> None:
    frame = pd.DataFrame(np.zeros((rows, columns)), columns=[*map(str, range(columns))])
    said = _rows_of_frame(frame)
    note = [f"<cut: {rows - shown} of {rows} rows>"] if rows > shown else []
    assert [list(map(tuple, row)) for row in said[:shown]] == [
        [(str(at), 0.0) for at in range(columns)]
    ] * shown
    assert said[shown:] == note


def test_a_thousand_columns_of_a_frame_are_shown() -> None:
    for columns, said in ((1_000, None), (1_001, "1 of 1001 columns"), (1_002, "2 of 1002 columns")):
        (row,) = strict_json(encode(pd.DataFrame([range(columns)])))
        assert row.pop("<cut>", None) == said
        assert row == {str(at): at for at in range(1_000)}


@pytest.mark.parametrize("kind", [pd.Series, pd.Index])
def test_of_many_values_the_first_50_000_are_shown(kind: Any) -> None:
    first = [at % 7 for at in range(50_000)]
    assert strict_json(encode(kind(first))) == first
    assert strict_json(encode(kind([*first, 8]))) == [*first, "<cut: 1 of 50001 values>"]


@pytest.mark.parametrize(
    ("index", "shown"),
    [
        (range(3), [7, 8, 9]),
        (range(1, 4), {"1": 7, "2": 8, "3": 9}),
        (range(0, 6, 2), {"0": 7, "2": 8, "4": 9}),
        (range(0, -3, -1), {"0": 7, "-1": 8, "-2": 9}),
        ([0, 1, 2], {"0": 7, "1": 8, "2": 9}),
    ],
)
def test_a_series_is_a_list_where_its_index_counts_from_nought(index: Any, shown: Any) -> None:
    assert strict_json(encode(pd.Series([7, 8, 9], index=index))) == shown


class OurFrame(pd.DataFrame):
    pass


def test_a_table_of_a_class_derived_from_pandas_own_is_a_name() -> None:
    assert strict_json(encode(OurFrame({"a": [1]}))) == f"<{__name__}.OurFrame>"
