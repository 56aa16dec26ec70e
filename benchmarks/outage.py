"""What an outage costs a program: spans against a receiver that is down, far beyond the journal's bound.

    python -m benchmarks.outage             1,000,000 spans, and 1,000 configurations one after the other
    python -m benchmarks.outage --quick     100,000 and 100

Then the receiver comes up, and what was kept arrives. The journal's bound is a quarter of what is recorded.
"""

from __future__ import annotations

import argparse
import logging
import os
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path

from benchmarks import counted, doctor
from benchmarks.journal import memory_bytes
from llmobs_trace import configure, delivery_stats, experiment_span, flush, shutdown

SLICES = 10
QUESTION = {"messages": [{"role": "user", "content": "x" * 400}]}
# A span of `_call` as it is recorded, but for a few bytes.
SPAN_BYTES = 760


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.outage", description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a tenth of it")
    parser.add_argument("--directory", type=Path, help="where to keep the journal (default: a temporary one)")
    arguments = parser.parse_args()
    count, cycles = (100_000, 100) if arguments.quick else (1_000_000, 1_000)
    with tempfile.TemporaryDirectory(prefix="llmobs-bench-", dir=arguments.directory) as scratch:
        print(f"### {count:,} spans while the receiver is down\n")
        outage(Path(scratch) / "journal", count)
        print(f"\n### {cycles:,} times configure, a span, shutdown\n")
        print(cycled(Path(scratch), cycles))
    return 0


def outage(journal: Path, count: int) -> None:
    """Prints a row for each tenth, then what came of it all."""
    port = counted.free_port()
    log = _Lines()
    logging.getLogger("llmobs_trace").addHandler(log)
    max_bytes = max(count * SPAN_BYTES // 4, 1 << 20)
    configure(
        api_key="none", app_key="none", experiment_id="e", project_id="p", dataset_id="d",
        base_url=f"http://127.0.0.1:{port}", journal=str(journal), max_journal_bytes=max_bytes,
    )  # fmt: skip
    print(f"The journal's bound is {max_bytes / 1e6:.0f} MB; a span is some {SPAN_BYTES} bytes.\n")
    print(
        "| spans | CPU µs a call | median µs | dropped | memory MB | mapped MB | disk MB | files | senders |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    for number in range(1, SLICES + 1):
        mean_s, median_s = _record(count // SLICES)
        own_bytes, mapped_bytes = memory_bytes()
        disk_bytes = sum(path.stat().st_blocks * 512 for path in journal.rglob("*") if path.is_file())
        print(
            f"| {number * count // SLICES:,} | {mean_s * 1e6:.1f} | {median_s * 1e6:.1f} "
            f"| {delivery_stats().dropped:,} | {own_bytes / 1e6:.1f} | {mapped_bytes / 1e6:.1f} "
            f"| {disk_bytes / 1e6:.1f} | {len(os.listdir('/proc/self/fd'))} | {_senders()} |",
            flush=True,
        )
    kept = delivery_stats().pending
    print(f"\ndoctor: {doctor.said_of(journal)}")
    lines_before = len(log.lines)
    receiver = counted.start(port)
    began = time.perf_counter()
    assert flush(600), "everything that was kept is delivered"
    seconds = time.perf_counter() - began
    assert shutdown(60)
    came, different = counted.stop(receiver)
    stats = delivery_stats()
    print(
        f"\nThe receiver came back: of {kept:,} that had been kept {stats.delivered:,} were delivered in "
        f"{seconds:.1f} s; {came:,} came, {different:,} different ones."
    )
    print(
        f"recorded {stats.recorded:,} = delivered {stats.delivered:,} + pending {stats.pending:,} "
        f"+ rejected {stats.rejected:,} + dropped {stats.dropped:,}; {stats.retried} requests were retried, "
        f"{lines_before} lines logged in the outage and {len(log.lines) - lines_before} at its end."
    )
    last = doctor.said_of(journal)
    print(f"\ndoctor: {last}")
    assert different == stats.delivered == kept
    account = f"{stats.recorded:,} recorded = {kept:,} delivered + {stats.dropped:,} dropped"
    assert last.startswith(f"{stats.dropped:,} events lost: {account}"), last


def cycled(scratch: Path, cycles: int) -> str:
    """How many threads and descriptors so many configurations leave."""
    before = len(os.listdir("/proc/self/fd"))
    most = 0
    for _ in range(cycles):
        configure(journal=str(scratch / "cycles"), database=str(scratch / "x.db"), destination="local")
        with experiment_span("row"):
            pass
        most = max(most, _senders())
        assert shutdown(10)
    after = len(os.listdir("/proc/self/fd"))
    return (
        f"{most} sender thread at most, {_senders()} at the end; {before} descriptors before, {after} after."
    )


@experiment_span
def _call(question: object) -> str:
    return "an answer"


def _record(count: int) -> tuple[float, float]:
    """Seconds a call: of this thread's processor, all calls' mean; and by the clock, a sample's median."""
    sample = min(count // 10, 10_000)
    began = time.thread_time()
    for _ in range(count - sample):
        _call(QUESTION)
    mean_s = (time.thread_time() - began) / (count - sample)
    single_s = []
    for _ in range(sample):
        began = time.perf_counter()
        _call(QUESTION)
        single_s.append(time.perf_counter() - began)
    return mean_s, statistics.median(single_s)


def _senders() -> int:
    return sum(thread.name.startswith("llmobs") for thread in threading.enumerate())


class _Lines(logging.Handler):
    """Counts what is logged."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


if __name__ == "__main__":
    sys.exit(main())
