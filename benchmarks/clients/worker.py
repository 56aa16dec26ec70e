"""Measures what one tracer adds to a call and to a chunk of OpenAI's client, in that tracer's environment.

    python -m benchmarks.clients.worker NAME SINK MODEL CHUNKS ROUNDS     first line in: what to ask

It prints the tracer's version, and microseconds of the calling thread's CPU time: a call and a chunk, before
and after the tracer's one line, each the median of several rounds. The client, its server and what the server
says are the same for all.
"""

from __future__ import annotations

import importlib
import json
import statistics
import sys
import time
from importlib.metadata import version
from typing import Any

from benchmarks.clients.tracers import OTHERS, OURS
from benchmarks.peers.worker import Tracer


def main(name: str, sink: str, model: str, chunks_text: str, rounds_text: str) -> int:
    answers, sys.stdout = sys.stdout, sys.stderr
    chosen = next(each for each in (OURS, *OTHERS) if each.name == name)
    message = json.loads(sys.stdin.readline())
    asked = {"model": "gpt-4.1-mini", "messages": message["messages"], "temperature": 0}
    import openai

    chunks, rounds = int(chunks_text), int(rounds_text)
    client = openai.OpenAI(api_key="key", base_url=f"{model}/v1", max_retries=0)
    module = importlib.import_module(f"benchmarks.peers.{chosen.peer}")
    tracer: Tracer = module.set_up(sink, **message)
    bare = _measured(client, asked, tracer, chunks, rounds)
    traced = _measured(chosen.instrument(client), asked, tracer, chunks, rounds)
    told = {"version": version(tracer.distribution), "openai": openai.__version__}
    told |= {f"bare_{what}": value for what, value in bare.items()}
    told |= {f"traced_{what}": value for what, value in traced.items()}
    print(json.dumps(told), file=answers, flush=True)
    return 0


def _measured(
    client: Any, asked: dict[str, Any], tracer: Tracer, chunks: int, rounds: int
) -> dict[str, float]:
    calls = 50
    for _ in range(calls):
        client.chat.completions.create(**asked)
    taken: dict[str, list[float]] = {"call": [], "chunk": []}
    for _ in range(rounds):
        with tracer.root():
            began = time.thread_time()
            for _ in range(calls):
                client.chat.completions.create(**asked)
            taken["call"].append((time.thread_time() - began) / calls * 1e6)
            began = time.thread_time()
            for _ in client.chat.completions.create(**asked, stream=True):
                pass
            taken["chunk"].append((time.thread_time() - began) / chunks * 1e6)
        tracer.flush()
    return {what: statistics.median(values) for what, values in taken.items()}


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
