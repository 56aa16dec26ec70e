"""Records, a destination of the tests' own, and a pace for tests: what tests of delivery share."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from typing import Any

from llmobs_trace.deliver import Answer, Batch, DatadogDestination, Pace
from llmobs_trace.settings.checks import Secret

from .receiver import Receiver

LONG = 20.0  # seconds that no test takes

API_KEY = "canary-api-key-0123456789abcdef"
APP_KEY = "canary-app-key-0123456789abcdef"

# Fast enough for a test, and otherwise as it is.
QUICK = Pace(base_seconds=0.05, cap_seconds=0.2, pause_seconds=0.2, pause_cap_seconds=0.4)
# What `drain` is told where a test has no reason to tell it anything else.
USUAL: dict[str, Any] = {"request_timeout": 10.0, "max_batch_bytes": 4 << 20}


def span(number: int, experiment_id: str = "e", **more: object) -> bytes:
    """A record that holds a span."""
    head = json.dumps({"experiment": experiment_id}, ensure_ascii=False, separators=(",", ":"))[:-1]
    event = json.dumps({"span_id": str(number), **more}, ensure_ascii=False, separators=(",", ":"))
    return f'{head},"span":{event}}}\n'.encode()


def metric(number: int, experiment_id: str = "e") -> bytes:
    """A record that holds a metric."""
    return span(number, experiment_id).replace(b',"span":', b',"metric":', 1)


class OwnDestination:
    """Answers as it is told to, in this process; `sent` are the batches that came."""

    name = "own destination"
    fork_while_sending = True

    def __init__(self, answer: Callable[[Batch], Answer] = lambda batch: Answer(status=202)) -> None:
        self.answer = answer
        self.sent: list[Batch] = []
        self.threads: set[str] = set()
        self.is_closed = False
        self.aborted = threading.Event()

    def open(self) -> None:
        pass

    def send(self, batch: Batch, timeout_seconds: float) -> Answer:
        self.sent.append(batch)
        self.threads.add(threading.current_thread().name)
        return self.answer(batch)

    def abort(self) -> None:
        self.aborted.set()

    def close(self) -> None:
        self.is_closed = True

    def after_fork_in_child(self) -> None:
        pass

    def span_ids(self, experiment_id: str = "e") -> list[str]:
        batches = [batch for batch in self.sent if batch.experiment_id == experiment_id]
        return [json.loads(one)["span_id"] for batch in batches for one in batch.spans]


def datadog(receiver: Receiver) -> DatadogDestination:
    return DatadogDestination(receiver.url, Secret(API_KEY), Secret(APP_KEY))


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + LONG
    while not condition():
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.005)


def delivered_ids(receiver: Receiver, experiment_id: str = "e") -> list[str]:
    requests = [request for request in receiver.accepted() if request.experiment_id == experiment_id]
    return [one["span_id"] for request in requests for one in request.spans]
