"""Runs one runner's experiment against a limited server, and prints what came of it as a line of JSON.

python benchmarks/runners/limits_worker.py llmobs_trace|mlflow URL ROWS
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import httpx

JOBS = 64
Came = tuple[int, int, list[float]]  # how many were done and failed, and the latencies in milliseconds
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


def by_llmobs_trace(count: int) -> Came:
    from llmobs_trace import Dataset, Experiment

    rows = [(question, f"answer to {question}") for question in questions(count)]
    experiment = Experiment("limits", dataset=Dataset(rows), task=ask, evaluators=[right])
    result = experiment.run(jobs=JOBS, progress=False)
    return result.scores["right"].scored, result.failed, [row.duration_ns / 1e6 for row in result.rows]


def by_mlflow(count: int) -> Came:
    """Its limiter as its evaluation uses it by default, with as many threads as ours and without its store:
    that needs a database server to take the traces of 64 threads. On SQLite they wait for each other until
    they are given up, at some three rows a second, so that no limit is ever met.
    """
    from mlflow.environment_variables import MLFLOW_GENAI_EVAL_MAX_RETRIES
    from mlflow.genai.evaluation.harness import AUTO_INITIAL_RPS
    from mlflow.genai.evaluation.rate_limiter import RPSRateLimiter, call_with_retry

    limiter = RPSRateLimiter(AUTO_INITIAL_RPS, adaptive=True)
    milliseconds: list[float] = []

    def timed(question: str) -> str:
        began = time.perf_counter()
        answer = ask(question)
        milliseconds.append((time.perf_counter() - began) * 1000)
        return answer

    def row(question: str) -> bool:
        try:
            said = call_with_retry(lambda: timed(question), limiter, MLFLOW_GENAI_EVAL_MAX_RETRIES.get())
        except httpx.HTTPStatusError:
            return False
        return right(str(said), f"answer to {question}")

    with ThreadPoolExecutor(JOBS) as pool:
        done = sum(pool.map(row, questions(count)))
    return done, count - done, milliseconds


if __name__ == "__main__":
    runner = {"llmobs_trace": by_llmobs_trace, "mlflow": by_mlflow}[sys.argv[1]]
    done, failed, milliseconds = runner(int(sys.argv[3]))
    milliseconds.sort()
    median_and_p95 = [statistics.median(milliseconds), milliseconds[int(len(milliseconds) * 0.95)]]
    print(json.dumps({"done": done, "failed": failed, "ms": median_and_p95}))
