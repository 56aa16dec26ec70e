"""Import time beside that of the two dependencies it can't do without, each in a new process, in turns."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

from benchmarks.figures import Figure, Plan, ratios
from benchmarks.rows import private_environment
from benchmarks.timing import Timed, rounds

_IMPORT = "import time; began = time.perf_counter(); import {}; print(time.perf_counter() - began)"


def measure(plan: Plan) -> Iterator[Figure]:
    def importing(modules: str) -> Timed:
        def timed(number: int) -> float:
            run = subprocess.run(
                [sys.executable, "-c", _IMPORT.format(modules)],
                cwd=plan.scratch,
                env=private_environment(plan),
                capture_output=True,
                text=True,
                check=True,
            )
            return float(run.stdout)

        return timed

    subjects = {"ours": importing("llmobs_trace"), "theirs": importing("wrapt, msgspec")}
    seconds = rounds(subjects, 1, 7 if plan.quick else 31)
    yield ratios("import", seconds["ours"], seconds["theirs"], per="an import")
