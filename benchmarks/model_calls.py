"""What tracing a model call takes beside OpenAI's own client, and whether a long stream keeps to its text.

    python -m benchmarks.model_calls                    calls, and a stream of 50,000 chunks: half a minute
    python -m benchmarks.model_calls --chunks 1000000   a long stream: some minutes

A call and a chunk are measured by the thread's own clock, with what the client gives at hand. The long stream
goes through the real client, its bytes from memory: its text has to be recorded whole, and the process may
grow with the text alone.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import openai
from openai._models import FinalRequestOptions
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from llmobs_trace import experiment_span, instrument
from llmobs_trace.capture.recorder import Recorder, Scope
from llmobs_trace.model_calls import openai as ours
from llmobs_trace.model_calls.call import begin_call, streamed
from llmobs_trace.model_calls.streams import watched
from llmobs_trace.model_calls.wrappers import wrapped
from llmobs_trace.process import life

ASKED: dict[str, Any] = {
    "model": "gpt-4.1-mini",
    "messages": [{"role": "system", "content": "Be short."}, {"role": "user", "content": "What is 2+2?"}],
    "temperature": 0,
}
USAGE = {"prompt_tokens": 20, "completion_tokens": 1, "total_tokens": 21}
MADE = {"id": "chatcmpl-1", "created": 1, "model": "gpt-4.1-mini-2025-04-14"}
TEXT = "tok "
GOALS = {"call": 40, "chunk": 2}
LARGEST_EVENT_BYTES = 16 << 20


def _answer() -> bytes:
    choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "Four."}}
    return json.dumps({**MADE, "object": "chat.completion", "choices": [choice], "usage": USAGE}).encode()


class Chunks(httpx2.SyncByteStream):
    """The body of a stream, a hundred chunks at a time."""

    def __init__(self, count: int) -> None:
        self._count = count

    def __iter__(self) -> Iterator[bytes]:
        delta = {"role": "assistant", "content": TEXT}
        choices = [{"index": 0, "delta": delta, "finish_reason": None}]
        chunk = json.dumps({**MADE, "object": "chat.completion.chunk", "choices": choices})
        piece = f"data: {chunk}\n\n".encode() * 100
        for _ in range(self._count // 100):
            yield piece
        yield b"data: [DONE]\n\n"


def client_of(chunks: int) -> openai.OpenAI:
    whole = _answer()

    def handle(request: httpx2.Request) -> httpx2.Response:
        if json.loads(request.content).get("stream"):
            headers = {"content-type": "text/event-stream"}
            return httpx2.Response(200, headers=headers, stream=Chunks(chunks))
        return httpx2.Response(200, headers={"content-type": "application/json"}, content=whole)

    http = httpx2.Client(transport=httpx2.MockTransport(handle))
    return openai.OpenAI(api_key="k", base_url="http://model.invalid/v1", http_client=http)


def our_own(number: int, repeats: int) -> None:
    """Print what a call and a chunk take of ours alone: by functions that stand for the client's, and give at
    once what it would. The client's own milliseconds would drown them.
    """
    client, answer = openai.OpenAI(api_key="k"), ChatCompletion.model_validate(json.loads(_answer()))
    options = FinalRequestOptions.construct(method="post", url="/chat/completions", json_data=ASKED)
    piece = next(iter(Chunks(100))).split(b"\n\n")[0].removeprefix(b"data: ")
    chunks = [ChatCompletionChunk.model_validate(json.loads(piece)) for _ in range(number)]

    def request(client: openai.OpenAI, cast_to: type, options: FinalRequestOptions) -> ChatCompletion:
        return answer

    def stream(client: openai.OpenAI, cast_to: type, options: FinalRequestOptions) -> Iterator[Any]:
        call = begin_call(ours.ChatCompletions(), ASKED, None)
        given = (chunk for chunk in chunks)
        return given if call is None else watched(streamed(call), given)

    traced = wrapped(request, ours.REQUESTS)
    taken: dict[str, list[float]] = {"call": [], "chunk": []}
    with experiment_span("row"):
        for counted in range(-1, repeats):
            began = time.thread_time()
            for _ in range(number):
                traced(client, ChatCompletion, options)
            called = time.thread_time()
            for _ in range(number):
                request(client, ChatCompletion, options)
            bare = time.thread_time()
            for _ in stream(client, ChatCompletionChunk, options):
                pass
            streamed_at = time.thread_time()
            for _ in (chunk for chunk in chunks):
                pass
            ended = time.thread_time()
            if counted >= 0:
                taken["call"].append((called - began - (bare - called)) / number * 1e6)
                taken["chunk"].append((streamed_at - bare - (ended - streamed_at)) / number * 1e6)
    for name, values in taken.items():
        spread = f"{min(values):.2f} to {max(values):.2f}"
        print(f"{name}: {statistics.median(values):.2f} µs of ours ({spread}); goal {GOALS[name]} µs")


def memory(chunks: int, records: list[bytes]) -> None:
    """Print how much a stream of so many chunks makes the process grow; hold its text to what was said."""
    began_bytes = _resident_bytes()
    began = time.thread_time()
    most = 0
    with client_of(chunks) as client:
        for number, _ in enumerate(client.chat.completions.create(**ASKED, stream=True)):
            if number % 10_000 == 0:
                most = max(most, _resident_bytes() - began_bytes)
    seconds = time.thread_time() - began
    said = json.loads(records[-1])["span"]["meta"]["output"]["content"]
    assert said == TEXT * (chunks // 100 * 100), "the text was not recorded whole"
    print(
        f"{chunks:,} chunks: {len(said):,} characters recorded whole; {most / 1e6:.1f} MB more while it ran; "
        f"{seconds / chunks * 1e6:.1f} µs a chunk, the client's work included"
    )


def _resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--chunks", type=int, default=50_000)
    arguments = parser.parse_args()
    records: list[bytes] = []
    recorder = Recorder(records.append, Scope("e", "p", "d"), max_event_bytes=LARGEST_EVENT_BYTES)
    with life.recording_to(recorder):
        instrument("openai")
        our_own(2_000, 9)
        memory(arguments.chunks, records)


if __name__ == "__main__":
    main()
