"""Runs one runner's experiment against a limited server, and prints what came of it as a line of JSON.

python benchmarks/runners/limits_worker.py llmobs_trace|mlflow URL ROWS
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import time

import httpx

JOBS = 64
client = httpx.Client(limits=httpx.Limits(max_connections=JOBS), timeout=30)
url = sys.argv[2]


def ask(question: str) -> str:
    tokens = 500 + sum(question.encode()) % 1000
    reply = client.post(url, json={"question": question, "tokens": tokens})
    reply.raise_for_status()
    return str(reply.json()["text"])


def right(output: str, expected_output: str) -> bool:
    return output == expected_output


def questions(count: int) -> list[str]:
    return [f"question {number}" for number in range(count)]


def by_llmobs_trace(count: int) -> dict[str, object]:
    from llmobs_trace import Dataset, Experiment

    rows = [(question, f"answer to {question}") for question in questions(count)]
    experiment = Experiment("limits", dataset=Dataset(rows), task=ask, evaluators=[right])
    result = experiment.run(jobs=JOBS, progress=False)
    milliseconds = sorted(row.duration_ns / 1e6 for row in result.rows)
    return {
        "done": result.scores["right"].scored,
        "failed": result.failed,
        "ms": [statistics.median(milliseconds), milliseconds[int(len(milliseconds) * 0.95)]],
    }


def by_mlflow(count: int) -> dict[str, object]:
    import mlflow
    from mlflow.genai import evaluate, scorer

    mlflow.set_tracking_uri(f"sqlite:///{os.environ['HOME']}/mlflow.db")

    @scorer
    def as_expected(outputs: str, expectations: dict[str, str]) -> bool:
        return right(outputs, expectations["answer"])

    data = [
        {"inputs": {"question": question}, "expectations": {"answer": f"answer to {question}"}}
        for question in questions(count)
    ]
    result = evaluate(data=data, predict_fn=ask, scorers=[as_expected])
    table = result.result_df
    done = int(table["as_expected/value"].notna().sum())
    milliseconds = sorted(table["execution_duration"].tolist())
    return {
        "done": done,
        "failed": count - done,
        "ms": [statistics.median(milliseconds), milliseconds[int(len(milliseconds) * 0.95)]],
    }


if __name__ == "__main__":
    began = time.monotonic()
    came = {"llmobs_trace": by_llmobs_trace, "mlflow": by_mlflow}[sys.argv[1]](int(sys.argv[3]))
    print(json.dumps({**came, "seconds": time.monotonic() - began}))
