"""What a decorated call costs beside a hand-inlined span, and where its time goes: one command, one table.

    python -m benchmarks            about a minute
    python -m benchmarks --quick    about ten seconds

Every figure is a ratio of medians from one run, in rounds that take turns, so that a drifting machine moves
both sides.
"""

from __future__ import annotations

import argparse
import platform
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

from benchmarks import inlined, steps
from benchmarks.timing import ratio_table, rounds


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer rounds: about ten seconds")
    arguments = parser.parse_args()
    number, repeats = (2_000, 5) if arguments.quick else (10_000, 15)

    print(f"Python {platform.python_version()} on {platform.platform()}, {_processor()}")
    print(", ".join(f"{package} {version(package)}" for package in ("wrapt", "msgspec", "httpx")), end="\n\n")
    with tempfile.TemporaryDirectory(prefix="llmobs-bench-") as scratch:
        for title, subjects in inlined.tables(Path(scratch)):
            with subjects as timed:
                print(f"### {title}\n")
                print(*ratio_table(next(iter(timed)), rounds(timed, number, repeats)), sep="\n", end="\n\n")
        print("### Where the time of a decorated call goes\n")
        print(*steps.table(number, repeats), sep="\n")
    return 0


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


if __name__ == "__main__":
    sys.exit(main())
