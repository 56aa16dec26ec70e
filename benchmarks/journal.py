"""What the queue costs its callers while nobody delivers: appends up to its bound and far beyond.

    python -m benchmarks.journal            1,000,000 appends
    python -m benchmarks.journal --quick    100,000

The sender keeps house as it does in an outage (a spare segment, unmapping), and nothing is acknowledged: the
journal fills to its bound, and from there on the newest are refused and counted.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path

from llmobs_trace.journal import Queue, open_journal, this_process

SLICES = 10
RECORD = b'{"experiment":"experiment","span":{"fill":"%b"}}\n' % (b"x" * 550)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.journal", description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="100,000 appends instead of 1,000,000")
    parser.add_argument("--directory", type=Path, help="where to keep the journal (default: a temporary one)")
    arguments = parser.parse_args()
    count = 100_000 if arguments.quick else 1_000_000
    with tempfile.TemporaryDirectory(prefix="llmobs-bench-", dir=arguments.directory) as scratch:
        for title, directory in (("The journal", Path(scratch)), ("The queue in memory", None)):
            print(f"### {title}, {count:,} appends of {len(RECORD)} bytes, nobody delivers\n")
            print(*table(directory, count, max_bytes=count * len(RECORD) // 4), sep="\n", end="\n\n")
        print("### A record that stays in every segment, as of a paused experiment\n")
        print(*pinned(Path(scratch), count), sep="\n")
    return 0


def table(directory: Path | None, count: int, max_bytes: int) -> list[str]:
    """One row for each tenth of the appends."""
    queue = open_journal(
        directory, owner=this_process("nowhere"), max_bytes=max_bytes, memory_bytes=max_bytes
    )
    lines = [
        f"The bound is {max_bytes / 1e6:.0f} MB; stored as {queue.storage}.",
        "",
        "| appends | ns each | p99 ns | refused | memory MB | mapped MB | disk MB | files | descriptors |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    stop = threading.Event()
    sender = threading.Thread(target=_keep_house, args=(queue, stop), daemon=True)
    sender.start()
    try:
        for number in range(1, SLICES + 1):
            each_ns, p99_ns = _append(queue, count // SLICES)
            own_bytes, mapped_bytes = memory_bytes()
            files = [] if directory is None else [path for path in directory.rglob("*") if path.is_file()]
            disk_bytes = sum(path.stat().st_blocks * 512 for path in files)
            lines.append(
                f"| {number * count // SLICES:,} | {each_ns:.0f} | {p99_ns} | {queue.dropped():,} "
                f"| {own_bytes / 1e6:.1f} | {mapped_bytes / 1e6:.1f} | {disk_bytes / 1e6:.1f} | {len(files)} "
                f"| {len(os.listdir('/proc/self/fd'))} |"
            )
    finally:
        stop.set()
        sender.join()
        counts = queue.counts()
        queue.close(keep=False)
    lines += ["", f"recorded {counts.recorded:,} = pending {counts.pending:,} + dropped {counts.dropped:,}"]
    return lines


def pinned(directory: Path, count: int) -> list[str]:
    """All but one record of each segment are delivered: how much the journal holds for the sake of those."""
    queue = open_journal(directory, owner=this_process("nowhere"), segment_bytes=256 << 10, max_bytes=8 << 20)
    every = (256 << 10) // len(RECORD)
    at = queue.start()
    held = 0
    for number in range(1, count // 4 + 1):
        queue.append(RECORD)
        if number % every == 0:
            records, at = queue.read(at, 1 << 20)
            queue.acknowledge(records[1:])
            queue.prepare()
            held = max(held, sum(path.stat().st_size for path in directory.rglob("*.segment")))
    counts = queue.counts()
    queue.close(keep=False)
    return [
        f"{counts.delivered:,} delivered, {counts.pending:,} pending ({counts.pending_bytes / 1e3:.0f} kB), "
        f"{counts.dropped:,} refused; files of at most {held / 1e6:.1f} MB, within a bound of 8.4 MB"
    ]


def _append(queue: Queue, count: int) -> tuple[float, int]:
    """How long an append takes, in nanoseconds: the mean over all, and the 99th percentile of some."""
    append, clock = queue.append, time.perf_counter_ns
    sample = min(count // 10, 10_000)
    began = clock()
    for _ in range(count - sample):
        append(RECORD)
    mean_ns = (clock() - began) / (count - sample)
    single_ns = []
    for _ in range(sample):
        began = clock()
        append(RECORD)
        single_ns.append(clock() - began)
    return mean_ns, round(statistics.quantiles(single_ns, n=100)[98])


def _keep_house(queue: Queue, stop: threading.Event) -> None:
    while not stop.wait(0.01):
        queue.prepare()


def memory_bytes() -> tuple[int, int]:
    """The process's own memory and what it has mapped of files."""
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    own, mapped = (int(status[name].split()[0]) << 10 for name in ("RssAnon", "RssFile"))
    return own, mapped


if __name__ == "__main__":
    sys.exit(main())
