"""What rows meet conditions, and in which order: as plain Python reads them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import stores
from support.events import metric, span
from support.examples import examples
from support.stores import ModelRow

from llmobs_trace.store import conditions, deriving, row_conditions
from llmobs_trace.store.conditions import Condition, Sort
from llmobs_trace.store.store import Store
from llmobs_trace.store.words import has_words, words

_ids = st.sampled_from("abcdefgh")
_texts = st.sampled_from(["The capital", "capital of Peru", "größe 東京", "'\"; DROP TABLE span", "a * b"])
_say = st.fixed_dictionaries(
    {},
    optional={
        "lang": st.sampled_from(["en", "zh", "1", "1.0", "07", "a:b", ""]),
        "n": st.sampled_from(["1", "2.5", "-3", "many", "nan"]),
        "input_tokens": st.sampled_from([0, 7, 120]),
        "cost_usd": st.sampled_from([0, 0.5, "free"]),
    },
)
_spans = st.builds(
    span,
    _ids,
    parent=st.none() | _ids,
    kind=st.sampled_from([None, "experiment", "llm"]),
    row=st.sampled_from([None, "r1", "r2"]),
    name=_texts,
    start_ns=st.integers(0, 3),
    duration_ns=st.sampled_from([0, 1_000_000, 250_000_000, 2_000_000_000]),
    error=st.sampled_from([None, None, {"type": "E", "message": "went wrong"}, {"type": "F"}, {}]),
    say=_say,
    input=_texts,
    output=st.sampled_from(["yes", "no", {"k": ["Peru", 42]}]),
)
_values = st.sampled_from([0.5, -1.0, 2, True, False, "warm", "true", "pass", "2", "x" * 300, {"a": 1}, None])
_metrics = st.builds(
    lambda value, na, **given: metric(
        value=value, **given, **({"tags": ["not_applicable:true"], "error": {"message": ""}} if na else {})
    ),
    _values,
    st.booleans(),
    span_id=_ids,
    label=st.sampled_from(["f1", "tone", ""]),
    at_ms=st.integers(0, 2),
    assessment=st.sampled_from(["pass", "fail", None]),
)
_batches = st.lists(
    st.tuples(st.lists(_spans, max_size=5), st.lists(_metrics, max_size=6)), min_size=1, max_size=3
)
_numbers = st.sampled_from(["0", "0.5", "1", "2", "-1", "1e3"])
_signs = st.sampled_from(["=", "!=", "<", "<=", ">", ">="])
_equal = st.sampled_from(["=", "!="])


def _asked(fields: list[str], signs: st.SearchStrategy[str], values: Any) -> st.SearchStrategy[str]:
    return st.builds("{}{}{}".format, st.sampled_from(fields), signs, values)


CONDITIONS = st.one_of(
    _asked(
        ["f1", "tone", '""', "nobodys", "tag.n", "tag.lang", "input_tokens", "cost_usd"], _signs, _numbers
    ),
    _asked(
        ["f1", "tone", '""', "nobodys"],
        _equal,
        st.sampled_from([*conditions.BECAME, "warm", '"true"', '"pass"', '"2"', "x" * 300]),
    ),
    _asked(["tag.lang", "tag.n", "tag.x"], _equal, st.sampled_from(["en", "zh", '"1"', '""', "many"])),
    _asked(["latency"], _signs, st.sampled_from(["0", "1ms", "250ms", "2", "1.5s", "1m"])),
    _asked(["status"], _equal, st.sampled_from(["ok", "error"])),
    _asked(["error"], _equal, st.sampled_from(["any", "E", "F", '"any"'])),
    _asked(["kind"], _equal, st.sampled_from(["experiment", "llm", "tool"])),
    _asked(["name"], _equal, st.sampled_from(["The capital", "a * b", "nobody's"])),
    _asked(["row_id"], _equal, st.sampled_from(["r1", "r3"])),
    _asked(["text"], _equal, st.sampled_from(["cap", "per 42", "k", "OF the", "***", "wrong"])),
)
SORTS = st.builds(
    "{}{}".format,
    st.sampled_from(["", "-"]),
    st.sampled_from(
        [
            *(word for word in conditions.WORDS if word != "text"),
            "start",
            "f1",
            "tone",
            '""',
            "tag.n",
            "tag.lang",
        ]
    ),
)


@pytest.fixture(scope="module")
def shared() -> Iterator[Store]:
    with stores.temporary_store() as store:
        yield store


# --- What plain Python finds --------------------------------------------------------------------------------


def _texts_in(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for each in value:
            yield from _texts_in(each)
    elif value is not None and not isinstance(value, bool):
        yield str(value)


def _text_of(event: dict[str, Any]) -> str:
    meta, error = event["meta"], event["meta"].get("error", {})
    own = [event["name"], stores.tag(event, "dataset_record_id"), error.get("type"), error.get("message")]
    values = [meta.get(name) for name in ("input", "output", "expected_output")]
    return "\n".join([each for each in own if each] + [text for value in values for text in _texts_in(value)])


def _number(text: str | None) -> float | None:
    return conditions.as_number(text) if text is not None else None


def _said(each: dict[str, Any]) -> tuple[str, Any]:
    """What became of a metric, and its value, of which the first counts."""
    if each.get("tags") and set(each) <= {"span_id", "label", "metric_type", "timestamp_ms", "tags", "error"}:
        return "n/a", None
    if stores.failed(each):
        return "failed", None
    for kind in ("score", "boolean", "categorical"):
        if each.get(f"{kind}_value") is not None:
            return "scored", each[f"{kind}_value"]
    return "scored", None


def _is(said: Any, condition: Condition) -> bool:
    """Whether a value is the one that a condition names."""
    if isinstance(said, str):
        return said == condition.value or (condition.number is not None and condition.number == _number(said))
    if isinstance(said, bool):
        return condition.became == str(said).lower()
    return said is not None and said == condition.number


def _metric_meets(each: dict[str, Any], condition: Condition) -> bool:
    became, said = _said(each)
    if condition.became in ("failed", "n/a"):
        return became == condition.became
    if became != "scored":
        return False
    if condition.became in ("pass", "fail"):
        boolean = {None: None, True: "pass", False: "fail"}[each.get("boolean_value")]
        return (each.get("assessment") or boolean) == condition.became
    if isinstance(said, str):
        return said == condition.value
    return _is(said, condition)


ORDERS: dict[str, Callable[[Any, Any], bool]] = {
    "<": lambda one, other: one < other,
    "<=": lambda one, other: one <= other,
    ">": lambda one, other: one > other,
    ">=": lambda one, other: one >= other,
}


def _tags(row: ModelRow, key: str) -> list[str]:
    return [tag.partition(":")[2] for tag in row.span["tags"] if tag.partition(":")[0] == key]


def _amount(row: ModelRow, word: str) -> float | None:
    return _number(stores.tag(row.span, word))


def meets(row: ModelRow, condition: Condition) -> bool:
    """As `=` or an order says; `!=` is what is not so."""
    if condition.sign == "!=":
        return not meets(row, Condition(condition.field, "=", condition.value, condition.is_quoted))
    field, value = condition.field, condition.value
    compare = ORDERS.get(condition.sign, lambda one, other: one == other)
    if field.word == "metric":
        of = [each for each in row.metrics if each["label"] == field.name]
        if condition.sign != "=":
            scores = (each.get("score_value") for each in of if _said(each)[0] == "scored")
            return any(score is not None and compare(score, condition.number) for score in scores)
        if condition.became == "missing":
            return not of
        return any(_metric_meets(each, condition) for each in of)
    if field.word == "tag":
        if condition.sign == "=":
            return any(_is(said, condition) for said in _tags(row, field.name))
        numbers = [number for said in _tags(row, field.name) if (number := _number(said)) is not None]
        return any(compare(number, condition.number) for number in numbers)
    if field.word == "latency":
        return compare(row.span["duration"], condition.duration_ns)
    if field.word in ("input_tokens", "cost_usd", "output_tokens"):
        amount = _amount(row, field.word)
        return amount is not None and compare(amount, condition.number)
    if field.word == "error":
        failed = [each for each in row.spans if each["status"] == "error"]
        if value == "any" and not condition.is_quoted:
            return bool(failed)
        return any(each["meta"]["error"].get("type") == value for each in failed)
    if field.word == "text":
        wanted = words(value)
        return bool(wanted) and has_words("\n".join(_text_of(each) for each in row.spans), wanted)
    if field.word in ("kind", "name"):
        said = [each["name"] if field.word == "name" else stores.tag(each, "span_kind") for each in row.spans]
        return value in said
    return value == (row.span["status"] if field.word == "status" else row.row_id)


def _sorted_by(rows: list[ModelRow], metrics: list[dict[str, Any]], sort: Sort) -> Callable[[ModelRow], Any]:
    """What a row is sorted by; None where it has none."""
    word, name = sort.field.word, sort.field.name

    def scored(of: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [each for each in of if each["label"] == name and not stores.failed(each)]

    def numbers(of: list[dict[str, Any]]) -> list[float]:
        found = (each.get("score_value", each.get("boolean_value")) for each in scored(of))
        return [float(each) for each in found if each is not None]

    def categories(of: list[dict[str, Any]]) -> list[str]:
        return [each["categorical_value"] for each in scored(of) if "categorical_value" in each]

    def of_metric(row: ModelRow) -> Any:
        if numbers(metrics):
            return sum(numbers(row.metrics)) / len(numbers(row.metrics)) if numbers(row.metrics) else None
        if categories(metrics):
            return min(categories(row.metrics), default=None)
        passed = [each["assessment"] == "pass" for each in scored(row.metrics) if each.get("assessment")]
        return sum(passed) / len(passed) if passed else None

    def of_error(row: ModelRow) -> Any:
        types = [each["meta"]["error"].get("type") for each in row.spans if each["status"] == "error"]
        return min((each for each in types if each is not None), default=None)

    return {
        "start": lambda row: row.span["start_ns"],
        "latency": lambda row: row.span["duration"],
        "status": lambda row: (row.span["status"], row.span["start_ns"]),
        "row_id": lambda row: row.row_id,
        "kind": lambda row: stores.tag(row.span, "span_kind"),
        "name": lambda row: row.span["name"],
        "error": of_error,
        "metric": of_metric,
        "input_tokens": lambda row: _amount(row, word),
        "output_tokens": lambda row: _amount(row, word),
        "cost_usd": lambda row: _amount(row, word),
    }[word]


_BY_ORDER = {"latency", "row_id", "input_tokens", "output_tokens", "cost_usd"}  # where rows are alike


def ordered(rows: list[ModelRow], metrics: list[dict[str, Any]], sort: Sort) -> list[ModelRow]:
    back = sort.is_descending
    alike: Callable[[ModelRow], Any] = lambda row: (row.span["start_ns"], row.order)  # noqa: E731
    if sort.field.word in _BY_ORDER:
        alike = lambda row: row.order  # noqa: E731
    rows = sorted(rows, key=alike, reverse=back)
    if sort.field.word == "tag":
        texts = {row.order: min(_tags(row, sort.field.name), default=None) for row in rows}
        least = {
            row.order: min(
                (n for each in _tags(row, sort.field.name) if (n := _number(each)) is not None), default=None
            )
            for row in rows
        }
        rows.sort(key=lambda row: texts[row.order] or "", reverse=back)
        rows.sort(key=lambda row: least[row.order] or 0, reverse=back)
        rows.sort(key=lambda row: least[row.order] is None)
        return sorted(rows, key=lambda row: texts[row.order] is None)
    by = _sorted_by(rows, metrics, sort)
    having = sorted((row for row in rows if by(row) is not None), key=by, reverse=back)
    return having + [row for row in rows if by(row) is None]


@settings(max_examples=examples(150))
@given(batches=_batches, asked=st.lists(CONDITIONS, max_size=3), sort=SORTS)
def test_rows_are_those_that_plain_python_finds_in_its_order(
    shared: Store, batches: list[stores.Batch], asked: list[str], sort: str
) -> None:
    stores.empty(shared)
    for batch in batches:
        shared.add("e", *batch)
    read, by = conditions.read_all(asked), conditions.read_sort(sort)
    metrics = [json.loads(event) for _, events in batches for event in events]
    expected = ordered(
        [row for row in stores.rows(batches) if all(meets(row, each) for each in read)], metrics, by
    )
    found = row_conditions.rows(shared, "e", read, by)
    assert [span_id for _, span_id in found] == [row.span["span_id"] for row in expected]


@pytest.fixture(scope="module")
def one() -> Iterator[Store]:
    """A store with a row, so that its words are indexed."""
    with stores.temporary_store() as store:
        store.add("e", [span("a", row="r1")], [])
        store.derive_rows()
        while store.change(deriving.index_words):
            pass
        yield store


@pytest.mark.parametrize(
    ("condition", "index"),
    [
        ("f1>0.5", "metric_by_label (experiment=? AND label=? AND in_row>?)"),
        ("f1!=0.5", "metric_by_category (experiment=? AND label=? AND categorical_value=?)"),
        ("f1=failed", "metric_by_label (experiment=? AND label=? AND in_row>?)"),
        ("f1!=missing", "metric_by_label (experiment=? AND label=? AND in_row>?)"),
        ("f1=pass", "metric_by_label (experiment=? AND label=? AND in_row>?)"),
        ("tag.lang=en", "PRIMARY KEY (experiment=? AND key=? AND value=?)"),
        ("tag.lang>1", "PRIMARY KEY (experiment=? AND key=?)"),
        ("status!=error", "row_by_status (experiment=? AND status=?)"),
        ("latency>=1s", "row_by_duration (experiment=? AND duration_ns>?)"),
        ("cost_usd<1", "row_by_cost_usd (experiment=? AND cost_usd<?)"),
        ("row_id=r1", "row_by_id (experiment=? AND row_id=?)"),
        ("error=any", "span_errors (experiment=? AND in_row>?)"),
        ("kind=llm", "span_by_kind (experiment=? AND kind=?)"),
        ("name=chat", "span_by_kind (experiment=? AND kind=? AND name=? AND in_row>?)"),
        ("text=capital", "search VIRTUAL TABLE INDEX"),
    ],
)
def test_each_condition_is_answered_by_an_index(one: Store, condition: str, index: str) -> None:
    asked = conditions.read_all([condition, "f1>0"])
    clause = row_conditions.chosen(one, 1, asked, Sort())
    plan = [step for *_, step in one.select(f"EXPLAIN QUERY PLAN {clause.sql}", clause.parameters)]
    assert [step for step in plan if index in step] != []
    assert plan[0] == "SEARCH r USING COVERING INDEX row_by_start (experiment=?)"
    # No table is gone through, but for the list of kinds that was found by an index.
    assert [step for step in plan if step.startswith("SCAN") and step != "SCAN k"][:1] in (
        [],
        ["SCAN search VIRTUAL TABLE INDEX 0:M1"],
    )


def test_the_tags_of_a_file_of_the_version_before_are_found(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    with Store(path) as store:
        store.add(
            "e", [span("a", row="r1", say={"lang": "en"}), span("b", parent="a", say={"lang": "en"})], []
        )
        list(store.select("DELETE FROM row_tag"))
        list(store.select("UPDATE state SET spans_read = 0"))
    with Store(path) as store:
        asked = conditions.read_all(["tag.lang=en"])
        assert row_conditions.rows(store, "e", asked, Sort()) == [("t1", "a")]
