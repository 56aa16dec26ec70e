"""A program closes every descriptor, and has the same numbers again: SQLite writes to none of its files."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from support.events import span

from llmobs_trace.store import queries
from llmobs_trace.store.store import Store

ROOT = Path(__file__).parents[2]
DATA = b"the program's own data\n" * 8

PROGRAM = """
import gc, os, sys
from pathlib import Path
from support.events import span
from llmobs_trace.errors import StoreError
from llmobs_trace.store.store import Store

path, end = Path(sys.argv[1], "x.db"), sys.argv[2]
store = Store(path)
store.add("e", [span("before")], [])
reader = Store(path, read_only=True)
assert len(list(reader.select("SELECT * FROM span"))) == 1
os.closerange(3, 1024)
own = []
for number in range(40):
    data = path.with_name(f"data-{number}")
    data.write_bytes(b"the program's own data\\n" * 8)
    own.append(os.open(data, os.O_RDWR))


def is_refused(call):
    try:
        call()
    except StoreError as error:
        return "was open when this program closed all open files" in str(error)


if end == "use":
    assert is_refused(lambda: store.add("e", [span("after")], []))
    assert is_refused(lambda: store.add("e", [span("after")], []))
    assert is_refused(reader.renew)
    assert is_refused(lambda: Store(path))
if end == "close":
    store.close()
    reader.close()
if end == "forget":
    assert is_refused(lambda: store.add("e", [span("after")], []))
    assert is_refused(reader.renew)
    del store, reader
    gc.collect()
for file in own:
    os.fstat(file)
"""


@pytest.mark.parametrize("end", ["use", "close", "forget"])
def test_once_the_program_has_closed_its_descriptors_a_store_is_left_to_others(
    tmp_path: Path, end: str
) -> None:
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}"}
    subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tmp_path), end], check=True, env=environment, timeout=60
    )
    assert {path.read_bytes() for path in tmp_path.glob("data-*")} == {DATA}
    with Store(tmp_path / "x.db") as store:
        store.add("e", [span("after")], [])
        assert queries.find_experiment(store, "e").spans == 2


def test_a_store_that_another_of_the_same_file_is_closed_beside_goes_on(tmp_path: Path) -> None:
    first = Store(tmp_path / "x.db", read_only=False)
    with Store(tmp_path / "x.db") as second:
        second.add("e", [span("a")], [])
        first.close()
        own = [os.open(os.devnull, os.O_RDONLY) for _ in range(20)]  # they have the numbers that it had
        second.add("e", [span("b")], [])
        for file in own:
            os.close(file)
        assert queries.find_experiment(second, "e").spans == 2
