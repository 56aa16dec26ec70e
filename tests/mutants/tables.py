"""Says which tests each module is held to, and which mutants may survive them, and why."""

from __future__ import annotations

from typing import Final, NamedTuple

# Module → its own tests, then others of its room that are quick. The first that fails ends it.
TESTS: Final[dict[str, tuple[str, ...]]] = {
    "http_client/acceptance.py": ("http_client/test_acceptance.py",),
    "deliver/answers.py": ("deliver/test_answers.py", "deliver/test_poison.py"),
    "http_client/backoff.py": ("http_client/test_backoff.py",),
    "deliver/batch.py": ("deliver/test_batch.py", "deliver/test_poison.py"),
    "deliver/fork_gate.py": ("deliver/test_fork_gate.py",),
    "deliver/header_experiments.py": ("deliver/test_header_experiments.py",),
    "deliver/lane.py": ("deliver/test_lanes.py",),
    "deliver/notices.py": ("deliver/test_notices.py",),
    "deliver/poison.py": ("deliver/test_poison.py",),
    "deliver/queue_warnings.py": ("deliver/test_queue_warnings.py",),
    "deliver/without_values.py": ("deliver/test_without_values.py",),
    "journal/filesystem.py": ("journal/test_filesystem.py",),
    "journal/memory_left.py": ("journal/test_memory_left.py",),
    "journal/record.py": ("journal/test_record.py", "journal/test_segment.py"),
    "journal/records.py": ("journal/test_record.py", "journal/test_segment.py", "journal/test_journal.py"),
    "journal/sequence.py": ("journal/test_tally.py", "journal/test_segment.py", "journal/test_journal.py"),
    "journal/tally.py": ("journal/test_tally.py",),
    "encode/bound.py": ("encode/test_bound.py",),
    "encode/choose.py": (
        "capture/test_register_type.py",
        "encode/test_walk.py",
        "encode/test_stdlib_types.py",
    ),
    "encode/declared_fields.py": ("encode/test_declared_fields.py", "encode/test_walk.py"),
    "encode/fast.py": ("encode/test_fast.py",),
    "encode/numpy_pandas.py": ("encode/test_numpy_pandas.py",),
    "encode/optional_types.py": ("encode/test_optional_types.py",),
    "encode/peek.py": (
        "encode/test_peek.py",
        "encode/test_declared_fields.py",
        "encode/test_optional_types.py",
    ),
    "encode/plain.py": ("encode/test_plain.py", "encode/test_fast.py"),
    "encode/redact.py": ("encode/test_redact.py",),
    "encode/shape.py": ("encode/test_shape.py",),
    "encode/stdlib_types.py": ("encode/test_stdlib_types.py", "encode/test_walk.py"),
    "encode/typing_forms.py": ("encode/test_typing_forms.py",),
    "encode/walk.py": ("encode/test_walk.py", "encode/test_fast.py"),
}


# In a mutant that may survive: whatever becomes of what stands there.
ANYTHING: Final = "<anything>"


class MaySurvive(NamedTuple):
    """A mutant of these lines of a module, as they are and as they become, without their indentation."""

    module: str
    line: str
    becomes: str
    why: str


MAY_SURVIVE: Final[tuple[MaySurvive, ...]] = (
    MaySurvive(
        "http_client/backoff.py",
        'if asked is None and (status == 429 or headers.get("x-ratelimit-remaining", "").strip() == "0"):',
        'if asked is None and (status == 429 or headers.get("x-ratelimit-remaining", "").strip() is "0"):',
        "CPython has one object of each text of one character",
    ),
    MaySurvive(
        "deliver/batch.py",
        "if not cuts and ENVELOPE_BYTES + sum(sizes) <= max_bytes:",
        "if not cuts and <anything> <= max_bytes:",
        "event by event it comes to the same",
    ),
    MaySurvive(
        "deliver/batch.py",
        "if len(ours) < len(alike):",
        "if len(ours) != len(alike):",
        "those that were chosen are no more than all",
    ),
    MaySurvive(
        "deliver/batch.py",
        "if index > begin and (is_full or part != part_before):",
        "if index != begin and (is_full or part != part_before):",
        "a part begins at an index that was come to",
    ),
    MaySurvive(
        "deliver/batch.py",
        "return line[: end + 2] if end >= 0 and line.startswith(_HEAD) else _NO_HEAD",
        "return line[: end + 2] if end >= 1 and line.startswith(_HEAD) else _NO_HEAD",
        "it is looked for behind the head",
    ),
    MaySurvive(
        "http_client/acceptance.py",
        "_ANY_WINDOW: Final = 32 + zlib.MAX_WBITS",
        "_ANY_WINDOW: Final = 32 | zlib.MAX_WBITS",
        "the two have no bit in common",
    ),
    MaySurvive(
        "deliver/lane.py",
        "max_hearsay_bytes: int = 0",
        "max_hearsay_bytes: int = <anything>",
        "where no experiment is hearsay nobody asks for its share",
    ),
    MaySurvive(
        "deliver/lane.py",
        'return None if self.trouble == _OUTAGE else "experiment"',
        'return None if self.trouble is _OUTAGE else "experiment"',
        "no other trouble equals it",
    ),
    MaySurvive(
        "http_client/acceptance.py",
        '_TITLE: Final = re.compile(r"<title[^>]*>(.*?)</title", re.IGNORECASE | re.DOTALL)',
        '_TITLE: Final = re.compile(r"<title[^>]*>(.*?)</title", re.IGNORECASE <anything> re.DOTALL)',
        "a sum of two flags is both",
    ),
    MaySurvive(
        "deliver/notices.py",
        'at_least = "at least " if len(lines) >= _MAX_TROUBLES else ""',
        'at_least = "at least " if len(lines) == _MAX_TROUBLES else ""',
        "no cause is owed for more of them",
    ),
    MaySurvive(
        "deliver/lane.py",
        "delay = max(delay if paused else 0.0, asked_delay(answer.retry_after_seconds, chance))",
        "delay = max(delay if paused else -1.0, asked_delay(answer.retry_after_seconds, chance))",
        "nobody asks for less than no time",
    ),
    MaySurvive(
        "deliver/poison.py",
        "@dataclass(frozen=True)",
        "@dataclass(frozen=False)",
        "nobody changes one, or puts one in a set",
    ),
    MaySurvive(
        "deliver/poison.py",
        "if ACTIONS[verdict] is Action.SETTLE:",
        "if ACTIONS[verdict] == Action.SETTLE:",
        "a member of an enum equals itself alone",
    ),
    MaySurvive(
        "deliver/poison.py",
        "return len(self.suspects) >= SUSPECTS_IN_A_ROW",
        "return len(self.suspects) <anything> SUSPECTS_IN_A_ROW",
        "there are no more at a time",
    ),
    *(
        MaySurvive(
            "journal/tally.py",
            "if len(self._names) >= _MOST_NAMES:",
            f"if len(self._names) {operator} _MOST_NAMES:",
            "there are no more names",
        )
        for operator in ("==", "is")
    ),
    MaySurvive(
        "journal/sequence.py",
        "end = min(stop, at.offset + max(room_bytes, 1))",
        "end = min(stop, at.offset + max(room_bytes, <anything>))",
        "there is room for a byte, and a record takes more than two",
    ),
    MaySurvive(
        "journal/sequence.py",
        "end = min(stop, end + 2 * len(chunk))",
        "end = min(stop, end + <anything> len(chunk))",
        "it is read on until a record ends, in smaller steps or in larger ones",
    ),
    MaySurvive(
        "journal/sequence.py",
        "is_there = self._segments[number] is segment",
        "is_there = self._segments[number] == segment",
        "a segment equals itself alone",
    ),
    MaySurvive(
        "journal/record.py",
        "delivered += first == _DELIVERED",
        "delivered += first is _DELIVERED",
        "CPython has one object of each small number",
    ),
    MaySurvive(
        "encode/bound.py",
        "if sum(lengths) <= budget_bytes:",
        "if sum(lengths) < budget_bytes:",
        "where all just fit, none is above the level",
    ),
    MaySurvive(
        "encode/bound.py",
        'return encoded[:-1] + (b"," if len(encoded) > 2 else b"") + last + encoded[-1:]',
        'return encoded[:-1] + (b"," if len(encoded) != 2 else b"") + last + encoded[-1:]',
        "nothing in brackets is shorter",
    ),
    MaySurvive(
        "encode/bound.py",
        """if first == b'"':""",
        """if first <= b'"':""",
        "no JSON value begins with a byte below a quotation mark",
    ),
    MaySurvive(
        "encode/bound.py",
        "if depth >= _MAX_DEPTH:",
        "if depth == _MAX_DEPTH:",
        "the depth grows by one at a time",
    ),
    MaySurvive(
        "encode/bound.py",
        'return (len(before) - len(before.rstrip(b"\\\\"))) % 2 == 0',
        'return (len(before) <anything> len(before.rstrip(b"\\\\"))) % 2 == 0',
        "a sum is even where the difference is",
    ),
    *(
        MaySurvive(
            "encode/bound.py",
            "if start >= 0 and _escapes(encoded, start):",
            f"if start {compared} and _escapes(encoded, start):",
            "a quotation mark stands at 0",
        )
        for compared in ("> 0", ">= 1")
    ),
    MaySurvive(
        "encode/fast.py",
        "if found == TOO_MUCH:",
        "if found is TOO_MUCH:",
        "CPython has one object of each small number",
    ),
    MaySurvive(
        "encode/fast.py",
        "if kind is str:",
        "if kind == str:",
        "no other class comes to the second of these, and a test sees the first",
    ),
    MaySurvive(
        "encode/declared_fields.py",
        'if getattr(getattr(field, "field_info", None), "exclude", None) is True',
        'if getattr(getattr(field, "field_info", None), "exclude", None) == True',
        "nobody excludes a field by what merely equals True",
    ),
    MaySurvive(
        "encode/numpy_pandas.py",
        "first = min(_MAX_ROWS, _MAX_ELEMENTS // (len(names) or 1))",
        "first = min(_MAX_ROWS, _MAX_ELEMENTS // (len(names) or 2))",
        "without columns a thousand rows are less than either",
    ),
    MaySurvive(
        "encode/numpy_pandas.py",
        "fitting = max_bytes // (plain.dtype.itemsize or 1)",
        "fitting = max_bytes // (plain.dtype.itemsize or 2)",
        "of elements that take no room more fit than are ever shown",
    ),
    *(
        MaySurvive(
            "encode/optional_types.py",
            f'("re", "{name}", False, Reader(Shape.INSTEAD, _{name.lower()})),',
            f'("re", "{name}", True, Reader(Shape.INSTEAD, _{name.lower()})),',
            "no class derives from it",
        )
        for name in ("Pattern", "Match")
    ),
    MaySurvive(
        "encode/plain.py",
        "if len(inside) > _FEW and (kinds := set(map(id, map(type, inside)))) in _ALIKE:",
        "if <anything> and (kinds := set(map(id, map(type, inside)))) in _ALIKE:",
        "both ways find the same, one faster than the other",
    ),
    *(
        MaySurvive("encode/plain.py", line, line.replace("==", operator), "both are sets of one")
        for line in ("if kinds == _ALL_DICTS:", "if kinds == _ALL_STRINGS:", "if kinds == _ALL_FLOATS:")
        for operator in ("<=", ">=")
    ),
    MaySurvive(
        "encode/plain.py",
        "_DECIMAL_MAX_BYTES: Final = Decimal(0).__sizeof__()  # of some 70 digits",
        "_DECIMAL_MAX_BYTES: Final = Decimal(<anything>).__sizeof__()  # of some 70 digits",
        "all short decimals have one size",
    ),
    MaySurvive(
        "encode/plain.py",
        "return type(value) is Decimal and Decimal.__sizeof__(value) <= _DECIMAL_MAX_BYTES",
        "return type(value) is Decimal and Decimal.__sizeof__(value) == _DECIMAL_MAX_BYTES",
        "all short decimals have one size",
    ),
    MaySurvive(
        "encode/optional_types.py",
        "if type(value.string) is not str and type(value.string) is not bytes:",
        "if type(value.string) is not str and type(value.string) != bytes:",
        "no class that can be searched says that it equals another",
    ),
    *(
        MaySurvive(
            "encode/plain.py", line, line.replace(" is ", " == "), "a nest is of an exact builtin type"
        )
        for line in ("if type(nest) is dict:", "if type(inside) is dict:")
    ),
    MaySurvive(
        "encode/stdlib_types.py",
        'return "Infinity" if number > 0 else "-Infinity"',
        'return "Infinity" if number > <anything> else "-Infinity"',
        "it is one of the two",
    ),
    MaySurvive(
        "encode/stdlib_types.py",
        "return held[0] if held else {}",
        "return held[<anything>] if held else {}",
        "such a proxy refers to one object",
    ),
    MaySurvive(
        "encode/stdlib_types.py",
        "return held[start - first * row_bytes : end - first * row_bytes]",
        "return held[start - first * row_bytes : end <anything> first * row_bytes]",
        "a part that does not begin with the value ends with it",
    ),
    MaySurvive(
        "encode/typing_forms.py",
        'if type(form) is typing.NewType or type(form).__name__ == "TypeAliasType":',
        'if type(form) is typing.NewType or type(form).__name__ is "TypeAliasType":',
        "CPython has one object of each name",
    ),
    MaySurvive(
        "encode/walk.py",
        "if type(text) is not str or len(text) > _KEPT_OF_A_LONG_TEXT or not text.isascii():",
        "if type(text) is not str or len(text) != _KEPT_OF_A_LONG_TEXT or not text.isascii():",
        "a short text comes the long way to the same",
    ),
    MaySurvive(
        "encode/walk.py",
        "if type(text) is not str or len(text) > _KEPT_OF_A_LONG_TEXT or not text.isascii():",
        "if type(text) is not str or len(text) >= _KEPT_OF_A_LONG_TEXT or not text.isascii():",
        "a short text comes the long way to the same",
    ),
    MaySurvive(
        "encode/walk.py",
        "if self._depth >= self.max_depth:",
        "if self._depth == self.max_depth:",
        "the depth grows by one at a time",
    ),
    MaySurvive(
        "encode/walk.py",
        "if name in members or (name is not key and name in taken):",
        "if name in members or (name != key and name in taken):",
        "a text that is written as it is is the same object",
    ),
)
