"""Numbers and tables of numpy and pandas."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from support.values import ran, strict_json

from llmobs_trace.encode import encode


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


def test_a_long_series_says_how_many_values_are_missing() -> None:
    assert strict_json(encode(pd.Series(range(50_005))))[-1] == "<cut: 5 of 50005 values>"
    by_index = strict_json(encode(pd.Series(range(50_005), index=range(1, 50_006))))
    assert by_index["<cut>"] == "<cut: 5 of 50005 values>"


def test_a_subclass_of_an_array_runs_none_of_its_code() -> None:
    value = np.arange(3).view(Telling)
    ran.clear()
    assert strict_json(encode(value)) == [0, 1, 2]
    assert ran == []
