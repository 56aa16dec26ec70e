"""`llmobs-trace serve` in a process of its own, and what a client without manners may do to it.

with Serving(tmp_path / "x.db") as server:
    assert server.post(body(spans=[SPAN])).status == 202
    [reply] = server.raw(b"GET / HTTP/1.1\\r\\nHost: localhost\\r\\n\\r\\n")
"""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

from llmobs_trace.store import queries
from llmobs_trace.store.store import Store

KEYS = {"DD-API-KEY": "an api key", "DD-APPLICATION-KEY": "an application key"}
JSON = {"Content-Type": "application/json"}
LONG = 20.0

SPAN: dict[str, Any] = {
    "dataset_id": "9f64e5c7-dc5a-45c8-a17c-1b85f0bec97d",
    "duration": 1500000000,
    "name": "llm_call",
    "project_id": "a33671aa-24fd-4dcd-9b33-a8ec7dde7751",
    "span_id": "span-7a1b2c3d",
    "start_ns": 1705314600000000000,
    "status": "ok",
    "trace_id": "abc123def456",
}
METRIC: dict[str, Any] = {
    "label": "faithfulness",
    "metric_type": "score",
    "span_id": "span-7a1b2c3d",
    "timestamp_ms": 1705314600000,
}

# With bounds that a test can wait for, which the command line has no arguments for.
_WITH_LIMITS = """
import json, sys
from pathlib import Path
from llmobs_trace.receiver.limits import Limits
from llmobs_trace.receiver.server import ServerSettings, serve
settings = ServerSettings(Path(sys.argv[1]), limits=Limits(**json.loads(sys.argv[2])))
serve(settings, lambda url: print(url, flush=True))
"""


class Reply(NamedTuple):
    """An answer; header names in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def errors(self) -> list[Any]:
        found: list[Any] = json.loads(self.body)["errors"]
        return found

    @property
    def pointers(self) -> list[str]:
        return [error["source"]["pointer"] for error in self.errors]


def request(spans: Any = (), metrics: Any = ()) -> dict[str, Any]:
    """A request body, as an object."""
    return {
        "data": {"attributes": {"metrics": list(metrics), "spans": list(spans)}, "type": "events"},
    }


def body(spans: Any = (), metrics: Any = ()) -> bytes:
    return json.dumps(request(spans, metrics)).encode()


def events_path(experiment_id: str) -> str:
    return f"/api/v2/llm-obs/v1/experiments/{quote(experiment_id, safe='')}/events"


class Serving:
    """A server on the store at `database`; `limits` in place of the command's own."""

    def __init__(self, database: Path, *words: str, limits: dict[str, Any] | None = None) -> None:
        self.database = database
        start = ["-m", "llmobs_trace", "serve", "--database", str(database), *words]
        if limits is not None:
            start = ["-c", _WITH_LIMITS, str(database), json.dumps(limits)]
        self.process = subprocess.Popen(
            [sys.executable, *start],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
        assert self.process.stdout is not None
        self.url = self.process.stdout.readline().strip()
        assert self.url, self.process.communicate()[1]
        self.port = int(self.url.rpartition(":")[2])

    def __enter__(self) -> Serving:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.returncode is None:
            self.process.kill()
            self.process.communicate()

    def end(self, number: int = signal.SIGTERM) -> tuple[int, str]:
        """Ask it to end; its exit code and what it said on stderr."""
        self.process.send_signal(number)
        _, said = self.process.communicate(timeout=LONG)
        return self.process.returncode, said

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=LONG)

    def ask(self, method: str, path: str, data: bytes | None = None, **headers: str) -> Reply:
        """One request on a connection of its own, by Python's own client; `_` in a name stands for `-`."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=LONG)
        try:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, data, named)
            return _reply(connection.getresponse())
        finally:
            connection.close()

    def get(self, path: str, **headers: str) -> Reply:
        return self.ask("GET", path, **headers)

    def post(self, data: bytes, experiment_id: str = "e", **headers: str) -> Reply:
        """A post with keys and a content type, unless `headers` say otherwise."""
        return self.ask("POST", events_path(experiment_id), data, **{**JSON, **KEYS, **headers})

    def raw(self, data: bytes, *, replies: int = 1) -> list[Reply]:
        """Bytes as they are, and the answers to them; fewer where the other side closes."""
        with self.connect() as connection:
            connection.sendall(data)
            return read_replies(connection, replies)

    def stored(self) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """All spans and metrics in the store, as on the wire."""
        spans: list[dict[str, Any]] = []
        metrics: list[dict[str, Any]] = []
        with Store(self.database, read_only=True) as store:
            for experiment in queries.experiments(store):
                spans += [json.loads(span.event) for span in queries.spans(store, experiment.id)]
                metrics += [json.loads(metric.event) for metric in queries.metrics(store, experiment.id)]
        return spans, metrics

    def resident_bytes(self) -> int:
        """The memory that it has now."""
        with open(f"/proc/{self.process.pid}/statm") as pages:
            return int(pages.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def peak_bytes(self) -> int:
        """The most memory that it has had."""
        with open(f"/proc/{self.process.pid}/status") as lines:
            [line] = [line for line in lines if line.startswith("VmHWM:")]
        return int(line.split()[1]) * 1024


def read_replies(connection: socket.socket, count: int) -> list[Reply]:
    """Answers from a connection, in their order; those that came before it was closed."""
    stream = connection.makefile("rb")
    found: list[Reply] = []
    with suppress(OSError):
        while len(found) < count:
            line = stream.readline()
            if not line:
                break
            status, headers = int(line.split()[1]), {}
            while header := stream.readline().decode("latin-1").strip():
                name, _, value = header.partition(":")
                headers[name.lower()] = value.strip()
            found.append(Reply(status, headers, stream.read(int(headers.get("content-length", 0)))))
    return found


def _reply(response: http.client.HTTPResponse) -> Reply:
    headers = {name.lower(): value for name, value in response.getheaders()}
    return Reply(response.status, headers, response.read())
