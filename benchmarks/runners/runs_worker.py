"""Runs one runner's experiment of many short rows, and prints what it took as a line of JSON.

python benchmarks/runners/runs_worker.py llmobs_trace|ddtrace|pydantic_evals ROWS JOBS [CALLS [LAST]]

Each call of the task is a byte in the file CALLS; the one that makes it LAST bytes long kills the process.
The task finds both in the environment: in its own module they would be a part of its code.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TASK_SECONDS = 0.001
RUNNER, ROWS, JOBS = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])


def called(file: str) -> None:
    with open(file, "ab") as calls:
        calls.write(b".")
        calls.flush()
        if os.fstat(calls.fileno()).st_size >= int(os.environ.get("LAST", sys.maxsize)):
            os.kill(os.getpid(), signal.SIGKILL)


def answer(question: str) -> str:
    if file := os.environ.get("CALLS"):
        called(file)
    time.sleep(TASK_SECONDS)
    return f"answer to {question}"


def rows() -> Iterator[tuple[str, str]]:
    for number in range(ROWS):
        yield f"question {number}", f"answer to question {number}"


def right(output: str, expected_output: str) -> bool:
    return output == expected_output


def length(output: str) -> float:
    return len(output) / 100


def by_llmobs_trace() -> Callable[[], int]:
    from llmobs_trace import Dataset, Experiment

    experiment = Experiment("runs", dataset=Dataset(rows), task=answer, evaluators=[right, length])
    return lambda: experiment.run(jobs=JOBS, progress=False).scores["length"].scored


def by_pydantic_evals() -> Callable[[], int]:
    from pydantic_evals import Case, Dataset
    from pydantic_evals.evaluators import Evaluator, EvaluatorContext

    @dataclass
    class Right(Evaluator[str, str, Any]):
        def evaluate(self, ctx: EvaluatorContext[str, str, Any]) -> bool:
            return right(ctx.output, ctx.expected_output or "")

    @dataclass
    class Length(Evaluator[str, str, Any]):
        def evaluate(self, ctx: EvaluatorContext[str, str, Any]) -> float:
            return length(ctx.output)

    cases = [Case(name=given, inputs=given, expected_output=expected) for given, expected in rows()]
    dataset = Dataset(name="runs", cases=cases, evaluators=[Right(), Length()])

    def run() -> int:
        report = dataset.evaluate_sync(answer, max_concurrency=JOBS, progress=False)
        return sum("Length" in case.scores for case in report.cases)

    return run


def by_ddtrace() -> Callable[[], int]:
    from ddtrace.llmobs import LLMObs

    LLMObs.enable(
        ml_app="runs",
        api_key="key",
        app_key="app",
        site="datadoghq.com",
        project_name="runs",
        agentless_enabled=True,
    )
    records = [{"input_data": {"question": given}, "expected_output": expected} for given, expected in rows()]
    dataset = LLMObs.create_dataset(dataset_name=f"runs-{time.time_ns()}", records=records)

    def task(input_data: dict[str, str], config: Any = None) -> str:
        return answer(input_data["question"])

    def is_right(input_data: Any, output_data: str, expected_output: str) -> bool:
        return right(output_data, expected_output)

    def how_long(input_data: Any, output_data: str, expected_output: str) -> float:
        return length(output_data)

    experiment = LLMObs.experiment("runs", task, dataset, [is_right, how_long])

    def run() -> int:
        result = experiment.run(jobs=JOBS)
        return sum(row["evaluations"]["how_long"]["value"] is not None for row in result["rows"])

    return run


def resident_mb() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 1e6


def watch(over: threading.Event, seen: list[float], senders: dict[str, float]) -> None:
    """Look at the memory, and at the processor time of the thread that delivers."""
    ticks = os.sysconf("SC_CLK_TCK")
    while not over.wait(0.2):
        seen.append(resident_mb())
        for thread in threading.enumerate():
            if thread.name == "llmobs-trace-sender":
                fields = (
                    Path(f"/proc/self/task/{thread.native_id}/stat").read_text().rpartition(")")[2].split()
                )
                senders["cpu"] = (int(fields[11]) + int(fields[12])) / ticks


def main() -> None:
    os.environ |= dict(zip(("CALLS", "LAST"), sys.argv[4:], strict=False))
    run = {"llmobs_trace": by_llmobs_trace, "ddtrace": by_ddtrace, "pydantic_evals": by_pydantic_evals}[
        RUNNER
    ]()
    over, seen, senders = threading.Event(), [resident_mb()], {"cpu": 0.0}
    threading.Thread(target=watch, args=(over, seen, senders), daemon=True).start()
    began, cpu = time.perf_counter(), time.process_time()
    scored = run()
    took = {
        "scored": scored,
        "seconds": time.perf_counter() - began,
        "cpu": time.process_time() - cpu,
        "sender_cpu": senders["cpu"],
        "began_mb": seen[0],
        "tenth_mb": seen[len(seen) // 10],
        "most_mb": max(seen),
    }
    over.set()
    print(json.dumps(took), flush=True)
    os._exit(0)


if __name__ == "__main__":
    main()
