"""Reads numbers and tables of numpy and pandas, importing neither. User's thread.

Only their own classes are read: what a subclass overrides may be the user's code.
"""

from __future__ import annotations

import sys
from typing import Any, Final

from llmobs_trace.encode.peek import derives, of_module, type_name
from llmobs_trace.encode.reader import Pairs, Reader, Shape

_MAX_ELEMENTS: Final = 50_000
_FIRST_ELEMENTS: Final = 1_000
_MAX_ROWS: Final = 1_000
_MAX_COLUMNS: Final = 1_000
_MAX_BYTES: Final = 4 * 1024 * 1024
# An element with fields may hold an array in each.
_MAX_RECORD_BYTES: Final = 8 * _MAX_ELEMENTS


def table_reader(cls: type) -> Reader | None:
    """A class in, its reader out where numpy or pandas made it; else None."""
    return _numpy(cls) or _pandas(cls)


def _numpy(cls: type) -> Reader | None:
    if derives(cls, of_module("numpy", "ndarray")):
        return Reader(Shape.INSTEAD, _read_array)
    # Those that are Python's numbers and texts too are read as such.
    if derives(cls, of_module("numpy", "generic")) and not any(
        derives(cls, kind) for kind in (str, bytes, float, complex)
    ):
        return Reader(Shape.INSTEAD, _read_scalar)
    if derives(cls, of_module("numpy", "dtype")):
        return Reader(Shape.LEAF, str)
    return None


def _read_array(value: Any) -> Any:
    numpy = sys.modules["numpy"]
    plain = numpy.asarray(value)  # of a subclass, the numbers themselves
    # What a mask covers is no value, whatever lies beneath.
    covers = None
    if derives(type(value), of_module("numpy.ma", "MaskedArray")):
        mask = numpy.ma.getmask(value)
        covers = mask if mask is not numpy.ma.nomask else None
    max_bytes = _MAX_RECORD_BYTES if plain.dtype.kind == "V" else _MAX_BYTES
    fitting = max_bytes // (plain.dtype.itemsize or 1)
    if plain.size <= min(_MAX_ELEMENTS, fitting):
        return _listed(plain, covers)
    first = min(_FIRST_ELEMENTS, fitting)
    return {
        "array": type_name(type(value)),
        "shape": list(plain.shape),
        "dtype": str(plain.dtype),
        "first": _listed(plain.flat[:first], None if covers is None else covers.flat[:first]),
    }


def _listed(plain: Any, covers: Any) -> Any:
    numpy = sys.modules["numpy"]
    if plain.dtype.kind in "mM":  # tolist() would give integers without their unit
        plain = numpy.array([str(item) for item in plain.flat], dtype=object).reshape(plain.shape)
    if covers is not None and covers.any():
        plain = plain.astype(object)
        plain[covers] = None
    return plain.tolist()


def _read_scalar(value: Any) -> Any:
    numpy = sys.modules["numpy"]
    cls = type(value)
    if cls is numpy.datetime64 or cls is numpy.timedelta64 or cls is numpy.longdouble:
        return str(value)
    if numpy.generic.dtype.__get__(value).itemsize > _MAX_RECORD_BYTES:
        return f"<{type_name(cls)}>"
    item = numpy.generic.item(value)
    return f"<{type_name(cls)}>" if derives(type(item), numpy.generic) else item


def _pandas(cls: type) -> Reader | None:
    if "pandas" not in sys.modules:
        return None
    for name, reader in _PANDAS.items():
        if cls is of_module("pandas", name):
            return reader
    if derives(cls, of_module("pandas", "Index")) and type_name(cls).startswith("pandas."):
        return Reader(Shape.INSTEAD, lambda value: _head(value, value[:_MAX_ELEMENTS].tolist), counts=20)
    for name, reader in _PANDAS_NOTHINGS.items():
        if cls is type(of_module("pandas", name)):
            return reader
    return None


def _rows_of_frame(frame: Any) -> list[Any]:
    total, columns = frame.shape
    names = frame.columns[:_MAX_COLUMNS].tolist()
    first = min(_MAX_ROWS, _MAX_ELEMENTS // (len(names) or 1))
    # As Python's own values; column by column this takes thirty times as long.
    rows = frame.iloc[:first, :_MAX_COLUMNS].to_numpy(dtype=object).tolist() if names else []
    if columns > len(names):
        names.append("<cut>")
        for row in rows:
            row.append(f"{columns - _MAX_COLUMNS} of {columns} columns")
    written: list[Any] = [Pairs(zip(names, row, strict=True)) for row in rows]
    if total > first:
        written.append(f"<cut: {total - first} of {total} rows>")
    return written


def _read_series(series: Any) -> Any:
    values = _head(series, series.iloc[:_MAX_ELEMENTS].tolist)
    index = series.index
    if type(index) is of_module("pandas", "RangeIndex") and index.start == 0 and index.step == 1:
        return values
    return Pairs(zip([*index[:_MAX_ELEMENTS].tolist(), "<cut>"], values, strict=False))


def _head(sequence: Any, read: Any) -> list[Any]:
    total = len(sequence)
    if total <= _MAX_ELEMENTS:
        return list(read())
    return [*read(), f"<cut: {total - _MAX_ELEMENTS} of {total} values>"]


_PANDAS: Final = {
    "DataFrame": Reader(Shape.INSTEAD, _rows_of_frame, counts=100),
    "Series": Reader(Shape.INSTEAD, _read_series, counts=50),
    "Timestamp": Reader(Shape.LEAF, lambda value: value.isoformat()),
    "Timedelta": Reader(Shape.LEAF, lambda value: value.isoformat()),
    "Period": Reader(Shape.LEAF, str),
    "Interval": Reader(Shape.LEAF, str),
}
_PANDAS_NOTHINGS: Final = {
    "NaT": Reader(Shape.LEAF, lambda _: "NaT"),
    "NA": Reader(Shape.LEAF, lambda _: "<NA>"),
}
