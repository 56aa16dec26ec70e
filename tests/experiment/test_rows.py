"""Rows: their ids are those of hand-written loops, and come from content, not from position."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmobs_trace import ConfigurationError, Dataset, RecordedSpans, Row, experiment_span

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def ids(*rows: Any) -> list[str]:
    return list(Dataset(list(rows)).row_ids)


@pytest.mark.parametrize("value", ["France", {"q": "2+2?"}, ["a", 1], 7, True, 0.5])
def test_a_row_s_id_is_the_one_that_a_hand_written_loop_gives_it(
    value: Any, llmobs_spans: RecordedSpans
) -> None:
    for _ in range(2):
        with experiment_span("answer", input=value):
            pass
    assert [span.row_id for span in llmobs_spans] == ids((value, None), (value, None))


@given(st.lists(json_values, max_size=12), st.randoms())
def test_shuffled_rows_have_the_same_ids_and_fingerprint(values: list[Any], order: random.Random) -> None:
    shuffled = [{"input": value} for value in values]
    order.shuffle(shuffled)
    before, after = Dataset([{"input": value} for value in values]), Dataset(shuffled)
    assert sorted(before.row_ids) == sorted(after.row_ids)
    assert len(set(before.row_ids)) == len(values)
    assert before.fingerprint == after.fingerprint


@given(st.lists(st.sampled_from(["a", "a-2", "a-3", "b"]), max_size=12))
def test_given_ids_that_come_again_get_an_ordinal_that_nobody_else_has(given_ids: list[str]) -> None:
    found = ids(*(Row(number, id=row_id) for number, row_id in enumerate(given_ids)))
    assert len(set(found)) == len(given_ids)


def test_another_expected_output_keeps_the_id_and_changes_the_fingerprint() -> None:
    before, after = Dataset([("France", "Paris")]), Dataset([("France", "Lyon")])
    assert before.row_ids == after.row_ids
    assert before.fingerprint != after.fingerprint


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ([3], "row 1: given a int; expected a Row, a mapping with 'input', or a pair"),
        ([{"inptu": 1}], "row 1: no such key 'inptu' (did you mean input?)"),
        ([{"expected_output": 1}], "row 1: no key 'input'"),
        ([Row(1), {"input": 1, "metadata": 3}], "row 2: metadata: given a int"),
    ],
)
def test_what_is_no_row_is_named(rows: list[Any], told: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        _ = Dataset(rows).row_ids
    assert told in str(refused.value)


def test_an_iterator_is_read_once_and_gives_its_rows_each_time() -> None:
    read = []

    def rows() -> Any:
        for number in range(5):
            read.append(number)
            yield number, {"n": number}

    dataset = Dataset(rows())
    assert len(dataset.row_ids) == 5
    assert [row.expected_output for row in dataset] == [{"n": number} for number in range(5)]
    assert [row.input for row in dataset] == read == [0, 1, 2, 3, 4]


def test_an_iterator_of_what_can_t_be_kept_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"row 1 of an iterator can't be kept .*give a list"):
        _ = Dataset(iter([(lambda: 1, 2)])).row_ids


# --- Files --------------------------------------------------------------------------------------------------


def written(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_jsonl_takes_keys_by_name_and_the_rest_as_metadata(tmp_path: Path) -> None:
    file = written(
        tmp_path / "capitals.jsonl",
        '{"input": "France", "expected_output": "Paris", "id": 7, "continent": "Europe"}\n\n'
        '{"input": "Peru", "metadata": {"level": 2}}\n',
    )
    dataset = Dataset.from_jsonl(file)
    first, second = dataset
    assert (first.input, first.expected_output, first.id) == ("France", "Paris", "7")
    assert (first.metadata, second.metadata) == ({"continent": "Europe"}, {"level": 2})
    assert dataset.name == "capitals"


def test_csv_cells_are_texts_or_json_where_that_is_said(tmp_path: Path) -> None:
    file = written(tmp_path / "sums.csv", '\ufeffa,b,sum,level\n1,2,3,"{""n"": 1}"\n4,5,9,\n')
    first, second = Dataset.from_csv(
        file, input=["a", "b"], expected_output="sum", json=["sum", "level"], metadata=["level"]
    )
    assert (first.input, first.expected_output) == ({"a": "1", "b": "2"}, 3)
    assert (first.metadata, second.metadata) == ({"level": {"n": 1}}, {"level": None})


def test_sqlite_rows_come_by_the_names_of_a_query(tmp_path: Path) -> None:
    import sqlite3

    with sqlite3.connect(tmp_path / "bench.db") as connection:
        connection.execute("CREATE TABLE tasks (id, task, answer)")
        connection.execute("INSERT INTO tasks VALUES ('t1', 'add', '[1]'), ('t2', 'take', NULL)")
    connection.close()
    query = "SELECT id, task AS input, answer AS expected_output FROM tasks ORDER BY id"
    rows = list(Dataset.from_sqlite(tmp_path / "bench.db", query, json=["expected_output"]))
    assert [(row.id, row.input, row.expected_output) for row in rows] == [
        ("t1", "add", [1]),
        ("t2", "take", None),
    ]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('{"input": 1}\n{"question": 2}\n', "line 2: no 'input'; there are 'question'"),
        ('{"input": 1}\n{"input": \n', "line 2: no JSON"),
        ("[1]\n", "line 1: a list; expected an object"),
    ],
)
def test_a_wrong_line_is_named(text: str, told: str, tmp_path: Path) -> None:
    dataset = Dataset.from_jsonl(written(tmp_path / "rows.jsonl", text))
    with pytest.raises(ConfigurationError) as refused:
        _ = dataset.row_ids
    assert told in str(refused.value)


def test_a_file_that_is_not_there_is_said_at_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="no such file"):
        Dataset.from_csv(tmp_path / "none.csv")
