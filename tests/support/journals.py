"""Records for the tests of the journal and of what empties it: lines that say which one they are."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from llmobs_trace.journal import Position, Record, Source, open_journal, this_process

from .delivery import span

DESTINATION = "https://api.example.test"


def line(number: object, size_bytes: int = 0) -> bytes:
    """A record that says which one it is, of at least a size."""
    text = json.dumps({"experiment": "e", "span": {"n": number, "fill": ""}}, separators=(",", ":"))
    fill = "x" * max(0, size_bytes - len(text) - 1)
    return text.replace('"fill":""', f'"fill":"{fill}"').encode() + b"\n"


def numbers(records: list[Record]) -> list[Any]:
    """Which ones these are."""
    return [json.loads(record.line)["span"]["n"] for record in records]


def everything(source: Source, at: Position | None = None, max_bytes: int = 1 << 20) -> list[Record]:
    """All that is pending from a position on."""
    at = source.start() if at is None else at
    records: list[Record] = []
    while True:
        found, at = source.read(at, max_bytes)
        if not found:
            return records
        records += found


def leave(root: Path, *experiments: str, destination: str = "there") -> None:
    """A journal of an ended process for each, with one span; the first is the oldest."""
    queue = open_journal(root / "made", owner=this_process(destination))
    queue.append(span(0, "template"))
    queue.close(keep=True)
    [template] = (root / "made").glob("*.journal")
    [segment] = template.glob("*.segment")
    before = len(list(root.glob("*.journal")))
    for number, experiment in enumerate(experiments, before):
        home = root / f"{number:020d}.journal"
        shutil.copytree(template, home)
        (home / segment.name).write_bytes(span(number, experiment))
    shutil.rmtree(root / "made")
