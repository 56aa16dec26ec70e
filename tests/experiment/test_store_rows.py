"""Rows that the local store keeps, at the version that was asked for."""

from __future__ import annotations

from support.machine import Machine

PROGRAM = """
import json, sys
from llmobs_trace import *
def same(input): return input
def put(rows, **given):
    Experiment("put", dataset=Dataset(rows, name="numbers"), task=same, **given).run(progress=False)
def shown(dataset):
    return [[row.id, row.input, row.expected_output, row.metadata, list(row.tags)] for row in dataset]
def refused(make):
    try: list(make())
    except ConfigurationError as error: return str(error)
first = [Row(1, "one", {"level": 1}, id="a", tags=("x:y",)), Row({"n": 2}, id="b")]
first += [(n, n) for n in range(3, 1000)]
"""
READ = """
put(first, project="p")
put([Row(1, "changed", {"level": 2}, id="a", tags=("x:y",)), Row("new", id="c")], project="p")
now, before = read("numbers", project="p"), read("numbers", project="p", version=1)
assert shown(before) == shown(Dataset(first)), shown(before)[:3]
assert shown(now)[:2] == [["a", 1, "changed", {"level": 2}, ["x:y"]], ["b", {"n": 2}, None, None, []]]
assert shown(now)[-1][:2] == ["c", "new"] and len(shown(now)) == 1000
again = Experiment("again", dataset=read("numbers", version=1), task=same, project="p")
again.run(progress=False, limit=3)
assert shown(read("numbers", project="p")) == shown(now)  # what version 1 said is put into no newer one
wrong = [{"name": "none"}, {"name": "numbers", "version": 9}]
print(json.dumps([refused(lambda: read(project="p", **each)) for each in wrong]))
"""


def test_the_store_s_rows_are_read_at_any_version_and_not_put_in_again(machine: Machine) -> None:
    ended = machine.run(
        PROGRAM
        + "read = Dataset.from_store\n"
        + READ
        + """
put(first, project="q")
print(json.dumps(refused(lambda: read("numbers"))))
"""
    )
    (none, no_version), several = ended.told
    assert "there is no dataset 'none' in" in none
    assert "has no version 9; the current one is 2" in no_version
    assert "several projects have a dataset 'numbers': say project=, of: p, q" in several
