"""Plays a model that takes a tenth of a second, behind a limit of so many requests or tokens a second.

python -m benchmarks.runners.limited requests|tokens RATE

It prints its port, and at the end of its stdin what came.

Both are buckets that hold one second's worth and fill evenly, as providers have them. What is too much is
answered at once by 429: for requests with `retry-after-ms`, for tokens with `x-ratelimit-reset-tokens`.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from dataclasses import asdict, dataclass, field

ANSWER_SECONDS = 0.1


@dataclass
class Bucket:
    """Holds `rate` at most and fills by that much a second."""

    rate: float
    level: float = 0.0
    filled_at: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        self.level = self.rate

    def take(self, cost: float) -> float:
        """Take so much and give 0, or take nothing and give the seconds until it could be taken."""
        now = time.monotonic()
        self.level = min(self.level + (now - self.filled_at) * self.rate, self.rate)
        self.filled_at = now
        if self.level < cost:
            return (cost - self.level) / self.rate
        self.level -= cost
        return 0.0


@dataclass
class Came:
    """What came until now; `seconds` from the first request to the last answer, `cost` what was allowed."""

    served: int = 0
    refused: int = 0
    cost: float = 0.0
    seconds: float = 0.0
    began: float = field(default=0.0, repr=False)


def answer(bucket: Bucket, came: Came, by_tokens: bool, tokens: int) -> tuple[int, str]:
    """A status and a header."""
    came.began = came.began or time.monotonic()
    cost = float(tokens) if by_tokens else 1.0
    wait = bucket.take(cost)
    if wait:
        came.refused += 1
        if by_tokens:
            return 429, f"x-ratelimit-reset-tokens: {wait * 1000:.0f}ms"
        return 429, f"retry-after-ms: {wait * 1000:.0f}"
    came.served += 1
    came.cost += cost
    return 200, "x-served: 1"


async def serve(by_tokens: bool, rate: float) -> Came:
    """Answer until stdin ends."""
    bucket, came = Bucket(rate), Came()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await reader.readline():
                length = 0
                while line := (await reader.readline()).strip().lower():
                    if line.startswith(b"content-length:"):
                        length = int(line.partition(b":")[2])
                asked = json.loads(await reader.readexactly(length))
                status, header = answer(bucket, came, by_tokens, asked["tokens"])
                if status == 200:
                    await asyncio.sleep(ANSWER_SECONDS)
                    came.seconds = time.monotonic() - came.began
                body = json.dumps({"text": f"answer to {asked['question']}"}).encode()
                head = f"HTTP/1.1 {status} -\r\ncontent-type: application/json\r\n{header}\r\n"
                writer.write(f"{head}content-length: {len(body)}\r\n\r\n".encode() + body)
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.to_thread(sys.stdin.read)
    return came


if __name__ == "__main__":
    result = asyncio.run(serve(sys.argv[1] == "tokens", float(sys.argv[2])))
    print(json.dumps(asdict(result)), flush=True)
