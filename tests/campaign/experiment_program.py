"""The program of an experiment's run: runs it, or goes on with it, and writes down what it came to.

    experiment_program.py [SIGNAL CALLS]      sends itself the signal at that call of its functions

The plan is `plan.json` in the working directory; each call is a line in `calls`, so that it counts whatever
becomes of the process.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import multiprocessing
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

from llmobs_trace import Dataset, Experiment, current_span, evaluator, experiment_span
from llmobs_trace.experiment import limits
from llmobs_trace.store import queries
from llmobs_trace.store.store import Store

limits._SHORTEST_SECONDS = 0.0
_count = itertools.count(1)


class Busy(Exception):
    status_code = 503


def called(what: str) -> None:
    with open("calls", "a") as file:
        file.write(f"{what}\n")
    is_worker = multiprocessing.parent_process() is not None
    if len(sys.argv) > 2 and not is_worker and next(_count) == int(sys.argv[2]):
        os.kill(os.getpid(), signal.Signals[sys.argv[1]])


def answer(input: dict[str, Any]) -> dict[str, int]:
    called(f"task {input['n']}")
    with experiment_span("model", kind="llm"):
        time.sleep(0.002)
    if input["raises"]:
        raise ValueError(str(input["n"]))
    if input["passes_later"] and not os.path.exists("passed"):
        Path("passed").touch()
        raise Busy("later")
    return {"n": input["n"]}


async def answer_async(input: dict[str, Any]) -> dict[str, int]:
    await asyncio.sleep(0.002)
    return answer(input)


def score(output: dict[str, int]) -> float:
    called(f"score {output['n']}")
    if span := current_span():
        span.set_tags({"scored": True})
    return output["n"] / 10


@evaluator(label="graceful")
def on_error(error: BaseException | None) -> bool | None:
    called("graceful")
    return None if error is None else True


def rows(plan: dict[str, Any]) -> Iterator[tuple[dict[str, Any], int]]:
    for n in range(plan["rows"]):
        is_either = {name: plan[name] == n for name in ("raises", "passes_later")}
        yield {"n": n, **is_either}, n


def shown(result: Any) -> dict[str, Any]:
    """What it came to, without times, ids and numbers of attempts."""
    with Store(Path.home() / ".llmobs" / "experiments.db", read_only=True) as store:
        events = [json.loads(span.event) for span in queries.spans(store, result.experiment_id)]
        metrics = [json.loads(metric.event) for metric in queries.metrics(store, result.experiment_id)]
    units = {}
    for event in events:
        tags = dict(tag.split(":", 1) for tag in event["tags"])
        if tags["span_kind"] == "experiment" and "parent_id" not in tags:
            units[event["span_id"]] = (tags["dataset_record_id"], tags["run_iteration"], event["status"])
    return {
        "rows": sorted(Counter(map(str, units.values())).items()),
        "metrics": sorted(
            Counter(
                str(
                    (
                        units.get(one["span_id"]),
                        one["label"],
                        one.get("score_value", one.get("boolean_value")),
                    )
                )
                for one in metrics
            ).items()
        ),
        "scores": {label: str(each) for label, each in result.scores.items()},
        "summary": result.summary,
        "status": [result.status, result.failed, result.left, result.exit_code],
        "result": [
            [row.row_id, row.run_iteration, row.output, row.error and row.error.message, sorted(row.scores)]
            for row in result.rows
        ],
        "printed": [line.replace(result.experiment_id, "") for line in result.lines()],
    }


def count(rows: Any) -> int:
    return len(list(rows))


def main() -> None:
    plan = json.loads(Path("plan.json").read_text())
    experiment = Experiment(
        "campaign",
        dataset=Dataset(lambda: rows(plan)),
        task=answer_async if plan["kind"] == "async" else answer,
        evaluators=[score, on_error],
        summary_evaluators=[count],
        repeats=plan["repeats"],
    )
    executor = None
    if plan["kind"] == "processes":
        context = multiprocessing.get_context("fork")
        executor = lambda: ProcessPoolExecutor(2, mp_context=context)  # noqa: E731
    result = experiment.run(jobs=plan["jobs"], executor=executor, progress=False)
    Path("shown.json").write_text(json.dumps(shown(result)))


if __name__ == "__main__":
    main()
