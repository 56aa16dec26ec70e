"""Takes the time of OpenAI's client, bare or with one tracer's line, in that tracer's environment.

    python -m benchmarks.clients.worker NAME bare|traced SINK MODEL CHUNKS

The first line in is what to ask; the first out, the versions. Each further line in is a round: the answer is
the CPU time of the thread that calls, in microseconds of each call, and of a chunk in each stream.
"""

from __future__ import annotations

import importlib
import json
import sys
import time
from contextlib import nullcontext
from importlib.metadata import version
from typing import Any

from benchmarks.clients.tracers import OTHERS, OURS
from benchmarks.peers.worker import Tracer

CALLS = 25
STREAMS = 3
# Without any: some instrument clients as soon as they are set up.
_NONE: Tracer = Tracer(call=lambda: None, root=nullcontext, flush=lambda: None, distribution="")


def main(name: str, how: str, sink: str, model: str, chunks_text: str) -> int:
    # What a tracer prints must not get between the answers.
    answers, sys.stdout = sys.stdout, sys.stderr
    chosen = next(each for each in (OURS, *OTHERS) if each.name == name)
    message = json.loads(sys.stdin.readline())
    asked = {"model": "gpt-4.1-mini", "messages": message["messages"], "temperature": 0}
    import openai

    client: Any = openai.OpenAI(api_key="key", base_url=f"{model}/v1", max_retries=0)
    tracer = _NONE
    if how == "traced":
        tracer = importlib.import_module(f"benchmarks.peers.{chosen.peer}").set_up(sink, **message)
        client = chosen.instrument(client)
    _round(client, asked, tracer, int(chunks_text))
    told = {
        "version": version(chosen.distribution),
        "openai": openai.__version__,
    }
    print(json.dumps(told), file=answers, flush=True)
    for _ in sys.stdin:
        print(json.dumps(_round(client, asked, tracer, int(chunks_text))), file=answers, flush=True)
    return 0


def _round(client: Any, asked: dict[str, Any], tracer: Tracer, chunks: int) -> dict[str, list[float]]:
    took: dict[str, list[float]] = {"call": [], "chunk": []}
    with tracer.root():
        for _ in range(CALLS):
            began = time.thread_time()
            client.chat.completions.create(**asked)
            took["call"].append((time.thread_time() - began) * 1e6)
        for _ in range(STREAMS):
            began = time.thread_time()
            for _ in client.chat.completions.create(**asked, stream=True):
                pass
            took["chunk"].append((time.thread_time() - began) / chunks * 1e6)
    tracer.flush()
    return took


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
