"""What the local store costs: keeping events, taking them from many clients at once, and showing them.

    python -m benchmarks.store                       1,000, 100,000 and 1,000,000 spans: some six minutes
    python -m benchmarks.store --quick               1,000 and 20,000: about a minute
    python -m benchmarks.store --spans 1000 50000    others
    python -m benchmarks.store --conditions          conditions alone, on 20,000 rows with 25 metrics each

Times are of the wall clock and depend on what else the machine does; beside them is what the processor was
busy for. Pages are asked of `llmobs-trace serve`, in a process of its own, over one connection.
"""

from __future__ import annotations

import argparse
import http.client
import json
import multiprocessing
import os
import platform
import sqlite3
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from benchmarks.made_up import METRICS_A_ROW, SPANS_A_ROW, MadeUp
from benchmarks.serving import serving
from llmobs_trace.store import queries
from llmobs_trace.store.store import Store
from llmobs_trace.wire import API_KEY_HEADER, APP_KEY_HEADER, events_path

ROWS_A_BATCH = 70
CLIENTS = 8
ASKED = 5
EXPERIMENT = "made-up"
# What it is compared with: as many rows, and nothing below them.
OTHER = "made-up-again"

_Rows = Iterator[tuple[list[bytes], list[bytes]]]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.store", description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="1,000 and 20,000 spans")
    parser.add_argument("--spans", type=int, nargs="+", metavar="N", help="how many, instead")
    parser.add_argument("--conditions", action="store_true", help="conditions on rows alone")
    parser.add_argument("--directory", type=Path, help="where to keep the stores (default: a temporary one)")
    arguments = parser.parse_args()
    sizes = arguments.spans or ([1_000, 20_000] if arguments.quick else [1_000, 100_000, 1_000_000])
    print(
        f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}, {os.cpu_count()} processors\n"
    )
    with tempfile.TemporaryDirectory(prefix="llmobs-bench-", dir=arguments.directory) as scratch:
        directory = Path(scratch)
        if arguments.conditions:
            print(*narrowed(directory, 2_000 if arguments.quick else 20_000), sep="\n")
            return 0
        print("### Keeping events, beside the bare inserts of the same ones\n")
        print(*ingest(directory, 2_000 if arguments.quick else 10_000), sep="\n", end="\n\n")
        print(f"### {CLIENTS} clients at once through the receiver, while a viewer reads\n")
        print(*concurrent(directory / "served.db", 200 if arguments.quick else 1_000), sep="\n", end="\n\n")
        print("### Pages, in milliseconds: the first time, then the median\n")
        print(*pages(directory, sizes), sep="\n")
    return 0


# --- Keeping events -----------------------------------------------------------------------------------------


def ingest(directory: Path, rows: int) -> list[str]:
    """`Store.add` and bare inserts, in the same transactions, in turns."""
    batches = list(_batches(0, rows))
    count = rows * (SPANS_A_ROW + METRICS_A_ROW)
    taken: dict[str, list[tuple[float, float]]] = {"bare": [], "Store.add": []}
    size_bytes: dict[str, int] = {}
    for number in range(3):
        for name, keep in (("bare", _bare), ("Store.add", _kept)):
            path = directory / f"{name}-{number}.db"
            wall, busy = time.perf_counter(), time.process_time()
            keep(path, batches)
            taken[name].append((time.perf_counter() - wall, time.process_time() - busy))
            size_bytes[name] = path.stat().st_size
            path.unlink()
    event_bytes = sum(len(event) for batch in batches for events in batch for event in events) / count
    bare = min(busy for _, busy in taken["bare"])
    lines = [
        f"{count:,} events of {event_bytes:.0f} bytes, {ROWS_A_BATCH * 14} a transaction; the best of 3.",
        "",
        "| what | events/s | processor µs each | ÷ bare | bytes each on disk |",
        "|---|---|---|---|---|",
    ]
    for name, each in taken.items():
        wall, busy = min(wall for wall, _ in each), min(busy for _, busy in each)
        lines.append(
            f"| {name} | {count / wall:,.0f} | {busy / count * 1e6:.1f} | {busy / bare:.1f}"
            f" | {size_bytes[name] / count:.0f} |"
        )
    return lines


def _batches(
    first: int, rows: int, seed: int = 1, rows_of: Callable[..., _Rows] = MadeUp.rows
) -> Iterator[tuple[list[bytes], list[bytes]]]:
    made_up = MadeUp(seed)
    for start in range(first, first + rows, ROWS_A_BATCH):
        spans: list[bytes] = []
        metrics: list[bytes] = []
        for of_row, of_metrics in rows_of(made_up, start, min(ROWS_A_BATCH, first + rows - start)):
            spans += of_row
            metrics += of_metrics
        yield spans, metrics


def _kept(path: Path, batches: list[tuple[list[bytes], list[bytes]]]) -> None:
    with Store(path) as store:
        for spans, metrics in batches:
            store.add(EXPERIMENT, spans, metrics)


def _bare(path: Path, batches: list[tuple[list[bytes], list[bytes]]]) -> None:
    """The events alone, each by a number, in one table: what SQLite needs to keep them at all."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("CREATE TABLE event (key INTEGER PRIMARY KEY, event TEXT NOT NULL)")
    for spans, metrics in batches:
        connection.execute("BEGIN IMMEDIATE")
        events = [(event.decode(),) for event in (*spans, *metrics)]
        connection.executemany("INSERT INTO event (event) VALUES (?)", events)
        connection.execute("COMMIT")
    connection.close()


# --- Many clients -------------------------------------------------------------------------------------------


def concurrent(path: Path, rows: int) -> list[str]:
    """Each client posts so many rows of its own; somebody looks at the pages until all have."""
    spawning = multiprocessing.get_context("spawn")
    with serving(path) as port:
        barrier = spawning.Barrier(CLIENTS + 1)
        clients = [
            spawning.Process(target=_post_all, args=(port, number, rows, barrier))
            for number in range(CLIENTS)
        ]
        for client in clients:
            client.start()
        done = threading.Event()
        looked: list[float] = []
        viewer = threading.Thread(target=_look, args=(port, done, looked))
        barrier.wait()
        began = time.perf_counter()
        viewer.start()
        for client in clients:
            client.join()
        seconds = time.perf_counter() - began
        done.set()
        viewer.join()
    with Store(path, read_only=True) as store:
        found = queries.find_experiment(store, EXPERIMENT)
    posted = CLIENTS * rows * SPANS_A_ROW, CLIENTS * rows * METRICS_A_ROW
    kept = found.spans, found.metrics
    return [
        f"{sum(posted):,} events posted in {seconds:.1f} s, {sum(posted) / seconds:,.0f} a second;"
        f" {sum(posted) - sum(kept):,} lost, {found.rows:,} of {CLIENTS * rows:,} rows.",
        f"{len(looked):,} pages read meanwhile: median {statistics.median(looked) * 1e3:.0f} ms,"
        f" slowest {max(looked) * 1e3:.0f} ms.",
    ]


def _post_all(port: int, number: int, rows: int, barrier: Any) -> None:
    bodies = [
        b'{"data":{"type":"events","attributes":{"spans":[%b],"metrics":[%b]}}}'
        % (b",".join(spans), b",".join(metrics))
        for spans, metrics in _batches(number * rows, rows, seed=number)
    ]
    headers = {API_KEY_HEADER: "k", APP_KEY_HEADER: "k", "Content-Type": "application/json"}
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    barrier.wait()
    for body in bodies:
        connection.request("POST", events_path(EXPERIMENT), body, headers)
        answer = connection.getresponse()
        answer.read()
        assert answer.status == 202, answer.status


def _look(port: int, done: threading.Event, looked: list[float]) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    while not done.is_set():
        for path in (
            "/api/revision",
            "/api/experiments",
            f"/api/experiments/{EXPERIMENT}/rows?sort=latency",
        ):
            began = time.perf_counter()
            connection.request("GET", path)
            connection.getresponse().read()
            looked.append(time.perf_counter() - began)
    connection.close()


# --- Conditions ---------------------------------------------------------------------------------------------


def narrowed(directory: Path, rows: int) -> list[str]:
    """How long each kind of condition takes, to a hundred rows with all that was measured of them."""
    path = directory / "conditions.db"
    with Store(path) as store:
        for spans, metrics in _batches(0, rows, rows_of=MadeUp.measured):
            store.add(EXPERIMENT, spans, metrics)
    lines = [
        f"| of {rows:,} rows with 25 metrics | rows | ms, first | ms, median |",
        "|---|---|---|---|",
    ]
    with serving(path) as port:
        for name, asked in questions(("measure_0=pass", "measure_1>0.5")).items():
            if "compare" not in asked and ("where=" in asked or "sort=" in asked or "/groups" in asked):
                first, median = _timed(port, asked)
                lines.append(f"| {name} | {_total(port, asked)} | {first * 1e3:.0f} | {median * 1e3:.0f} |")
    path.unlink()
    return lines


def _total(port: int, path: str) -> str:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    connection.request("GET", path)
    found = json.loads(connection.getresponse().read())
    connection.close()
    return f"{found['total']:,}" if "total" in found else f"{len(found['groups'])} groups"


# --- Pages --------------------------------------------------------------------------------------------------


def pages(directory: Path, sizes: list[int]) -> list[str]:
    """A line for each question, a column for each size."""
    measured: dict[str, list[str]] = {}
    for size in sizes:
        path = directory / f"{size}.db"
        began = time.perf_counter()
        with Store(path) as store:
            for spans, metrics in _batches(0, size // SPANS_A_ROW):
                store.add(EXPERIMENT, spans, metrics)
            for spans, metrics in _batches(0, size // SPANS_A_ROW, seed=2, rows_of=MadeUp.roots):
                store.add(OTHER, spans, metrics)
        print(f"{size:,} spans made and kept in {time.perf_counter() - began:.0f} s", file=sys.stderr)
        with serving(path) as port:
            for name, asked in questions().items():
                first, median = _timed(port, asked)
                measured.setdefault(name, []).append(f"{first * 1e3:.0f} · {median * 1e3:.0f}")
            seconds, slowest = _verdicts(port)
            measured.setdefault(VERDICTS, []).append(f"{seconds * 1e3:.0f}")
            measured.setdefault(MEANWHILE, []).append(f"{slowest * 1e3:.0f}")
        path.unlink()
    lines = [f"| page | {' | '.join(f'{size:,} spans' for size in sizes)} |", f"|---|{'---|' * len(sizes)}"]
    return lines + [f"| {name} | {' | '.join(times)} |" for name, times in measured.items()]


def _verdicts(port: int) -> tuple[float, float]:
    """How long until the verdicts are there, and the slowest first page of rows that was read meanwhile."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)

    def asked(path: str) -> Any:
        connection.request("GET", path)
        answer = connection.getresponse()
        found = json.loads(answer.read())
        assert answer.status == 200, (path, found)
        return found

    slowest = 0.0
    began = time.perf_counter()
    while asked(f"/api/compare?{_BOTH}").get("pending"):
        looked = time.perf_counter()
        asked(f"/api/experiments/{EXPERIMENT}/rows")
        slowest = max(slowest, time.perf_counter() - looked)
        time.sleep(0.05)
    seconds = time.perf_counter() - began
    connection.close()
    return seconds, slowest


# One of each kind, each of which about half of all rows meet, or as many as there are.
CONDITIONS = (
    *("f1>0.5", "exact=true", "latency>0.3", "tag.language=zh", "exact!=pass", "helpful=missing", "f1!=n/a"),
    *(
        "cost_usd<=0.001",
        "error=any",
        "error!=TimeoutError",
        "kind=llm",
        "name=look_up",
        "row_id!=row-000001",
    ),
)
VERDICTS = "the verdicts of a comparison, once: worked out beside the pages"
MEANWHILE = "the slowest first 100 rows meanwhile"
_BOTH = urlencode({"a": EXPERIMENT, "b": OTHER})


def questions(more: tuple[str, ...] = ()) -> dict[str, str]:
    """What the viewer asks, as paths, by what it is for; `more` are other conditions."""
    words = MadeUp().words
    experiment = f"/api/experiments/{quote(EXPERIMENT, safe='')}"

    def rows(**query: object) -> str:
        return f"{experiment}/rows?{urlencode(query, doseq=True)}"

    return {
        "whether anything changed": "/api/revision",
        "the experiments": "/api/experiments",
        "one experiment: scores, histograms, latency": experiment,
        "its first 100 rows": rows(),
        "the last 100": rows(order="desc"),
        "the slowest first": rows(sort="latency", order="desc"),
        "the lowest score first": rows(sort="f1"),
        "the dearest first": rows(sort="cost_usd", order="desc"),
        "the cheapest first": rows(sort="cost_usd"),
        "those that raised": rows(where="status=error"),
        "those whose score failed": rows(where="f1=failed"),
        "those scored between 0.5 and 0.6": rows(where=["f1>=0.5", "f1<0.6"]),
        **{f"{condition}": rows(where=condition) for condition in (*CONDITIONS, *more)},
        "five conditions, by a tag": rows(where=[*CONDITIONS[:4], f"text={words[20]}"], sort="tag.language"),
        "what each language scores": f"{experiment}/groups?by=tag.language",
        "and where a score is high": f"{experiment}/groups?by=tag.language&where=f1%3E0.5",
        "a word in nearly every span": rows(where=f"text={words[0]}"),
        "a rare word": rows(where=f"text={words[3000]}"),
        "two words, the lowest score first": rows(where=f"text={words[20]} {words[90]}", sort="f1"),
        "two compared: the first 100 rows": f"/api/compare/rows?{_BOTH}",
        "two compared: answers that changed": f"/api/compare/rows?{_BOTH}&changed=1",
        "two compared: by what the score differs": f"/api/compare/rows?{_BOTH}&sort=score:f1",
        "two compared: by what the cost differs": f"/api/compare/rows?{_BOTH}&sort=cost_usd",
        "two compared: scores that flipped": f"/api/compare/rows?{_BOTH}&flipped=f1",
        "one trace": f"{experiment}/traces/{1:032x}",
        "one span": f"{experiment}/spans/{1:012x}{0:04x}",
    }


def _timed(port: int, path: str) -> tuple[float, float]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    taken = []
    for _ in range(ASKED + 1):
        began = time.perf_counter()
        connection.request("GET", path)
        answer = connection.getresponse()
        answer.read()
        assert answer.status == 200, (path, answer.status)
        taken.append(time.perf_counter() - began)
    connection.close()
    return taken[0], statistics.median(taken[1:])


if __name__ == "__main__":
    sys.exit(main())
