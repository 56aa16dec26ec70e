"""When a sender tries again, beside when the server asked it to: over real sockets, for 1,000 intervals.

    python -m benchmarks.schedule             100 seconds of outage, 1,000 times the flush interval
    python -m benchmarks.schedule --quick     10 seconds

The server asks for time in each way there is, one after the other, says nothing of it now and then, and takes
everything when the outage is over. Spans are recorded all the while.
"""

from __future__ import annotations

import argparse
import itertools
import socket
import sys
import tempfile
import threading
import time
from email.utils import formatdate
from pathlib import Path
from typing import NamedTuple

from benchmarks import doctor
from benchmarks.counted import read_request, span_ids
from llmobs_trace import configure, delivery_stats, experiment_span, flush, shutdown

INTERVAL_SECONDS = 0.1
ASKED_SECONDS = 3


class Request(NamedTuple):
    """When one came, what was answered, and the earliest moment that this allows for the next."""

    at_s: float
    answer: str
    next_at_s: float


class Server:
    """Refuses until `over_at_s` of the monotonic clock."""

    def __init__(self, over_at_s: float) -> None:
        self.over_at_s = over_at_s
        self.requests: list[Request] = []
        self.ids: list[bytes] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            connection, _ = self._listener.accept()
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        stream = connection.makefile("rb")
        while (body := read_request(stream)) is not None:
            now = time.monotonic()
            if now >= self.over_at_s:
                self.requests.append(Request(now, "202", now))
                self.ids += span_ids(body)
                connection.sendall(b"HTTP/1.1 202 Accepted\r\ncontent-length: 2\r\n\r\n{}")
                continue
            status, header, wait_seconds = self._refusal()
            shown = f"{status} {header or 'without a word of when'}"
            self.requests.append(Request(now, shown, now + wait_seconds))
            lines = [f"HTTP/1.1 {status} Refused", "content-length: 2", *([header] if header else [])]
            connection.sendall(("\r\n".join(lines) + "\r\n\r\n{}").encode())

    def _refusal(self) -> tuple[int, str, float]:
        """One after the other: status, header, and for how long it asks."""
        until_s = int(time.time()) + 1 + ASKED_SECONDS
        ways = [
            (429, f"Retry-After: {ASKED_SECONDS}", float(ASKED_SECONDS)),
            (503, f"Retry-After: {formatdate(until_s, usegmt=True)}", until_s - time.time()),
            (429, f"X-RateLimit-Reset: {ASKED_SECONDS}", float(ASKED_SECONDS)),
            (503, "", 0.0),
        ]
        return ways[len(self.requests) % len(ways)]


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.schedule", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--quick", action="store_true", help="10 seconds of outage instead of 100")
    arguments = parser.parse_args()
    seconds = 10.0 if arguments.quick else 1000 * INTERVAL_SECONDS
    began_s = time.monotonic()
    server = Server(began_s + seconds)
    with tempfile.TemporaryDirectory(prefix="llmobs-bench-") as scratch:
        configure(
            api_key="none", app_key="none", experiment_id="e", project_id="p", dataset_id="d",
            base_url=server.url, journal=scratch, flush_interval=INTERVAL_SECONDS,
        )  # fmt: skip
        while time.monotonic() < server.over_at_s:
            with experiment_span("row"):
                pass
            time.sleep(INTERVAL_SECONDS)
        assert flush(60)
        assert shutdown(60)
        last = doctor.said_of(Path(scratch))
    stats = delivery_stats()
    print(*table(server.requests, began_s), sep="\n")
    pairs = list(itertools.pairwise(server.requests))
    early = [one for one, after in pairs if after.at_s < one.next_at_s - 0.01]
    came = len(set(server.ids))
    print(
        f"\n{len(server.requests)} requests in {seconds:.0f} s of outage, {len(early)} of them earlier than "
        f"asked for; {stats.recorded:,} recorded, {stats.delivered:,} delivered, {came:,} different came."
    )
    print(f"\ndoctor: {last}")
    assert not early
    account = f"{stats.recorded:,} recorded = {stats.delivered:,} delivered"
    assert last.startswith(f"nothing lost: {account}, by 1 process"), last
    assert stats.delivered == stats.recorded == came == len(server.ids)
    return 0


def table(requests: list[Request], began_s: float) -> list[str]:
    """One row a request: when it came, what was answered, when the next one was allowed, and when it came."""
    lines = ["| at s | answer | next allowed at s | next at s |", "|---|---|---|---|"]
    for one, after in itertools.pairwise(requests):
        lines.append(
            f"| {one.at_s - began_s:.2f} | {one.answer} | {one.next_at_s - began_s:.2f}"
            f" | {after.at_s - began_s:.2f} |"
        )
    return lines


if __name__ == "__main__":
    sys.exit(main())
