"""A loopback receiver in a process of its own that takes whatever a tracer exports, and counts it.

    python -m benchmarks.sink MARK NAME...       first line out: {"NAME": port, …}
    a name on stdin                              one line out: what has come to that port so far

Every tracer has a port of its own and gets the answers its own server would give (`benchmarks.answers`). A
call is found by a text that its output holds and nothing else does, so that a span sent in two pieces, or a
root, is not counted as a call. Bodies are kept as they came and looked at only when somebody asks: counting
takes no time from the one who sends. The process ends with its stdin.
"""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
import threading
import zlib
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from benchmarks.answers import Answer, answer

ROOT = Path(__file__).parent.parent


@dataclass
class Received:
    """What came to one port. Bytes are those on the wire: compressed where they were."""

    requests: int = 0
    body_bytes: int = 0
    head_bytes: int = 0
    calls: int = 0
    # Paths that the server doesn't have, and bodies that can't be read: a tracer that changed its protocol.
    unknown: dict[str, int] = field(default_factory=dict)


class Sink:
    """The process, seen from the one that measures. Use it in a `with` block."""

    def __init__(self, names: list[str], mark: str, python: str = sys.executable) -> None:
        self._process = subprocess.Popen(
            [python, "-m", "benchmarks.sink", mark, *names],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        self._ports: dict[str, int] = json.loads(self._ask(None))

    def __enter__(self) -> Sink:
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def url(self, name: str) -> str:
        """Where the tracer of this name exports to."""
        return f"http://127.0.0.1:{self._ports[name]}"

    def received(self, name: str) -> Received:
        """All that has come to this tracer's port since the beginning."""
        return Received(**json.loads(self._ask(name)))

    def _ask(self, name: str | None) -> str:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        if name is not None:
            self._process.stdin.write(name + "\n")
            self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("the sink's process has ended")
        return line


class _Port(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, name: str, mark: bytes) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.name = name
        self._mark = mark
        self._lock = threading.Lock()  # guards the two below
        self._received = Received()
        self._unread: list[tuple[str, str, bytes]] = []

    def take(self, path: str, encoding: str, head_bytes: int, body: bytes, known: bool) -> None:
        with self._lock:
            self._received.requests += 1
            self._received.head_bytes += head_bytes
            self._received.body_bytes += len(body)
            if not known:
                self._doubt(path)
            elif body:
                self._unread.append((path, encoding, body))

    def look(self) -> Received:
        with self._lock:
            unread, self._unread = self._unread, []
            for path, encoding, body in unread:
                try:
                    self._received.calls += _DECODERS[encoding](body).count(self._mark)
                except Exception as fault:
                    self._doubt(f"{path}: {type(fault).__name__}: {fault}")
            return self._received

    def _doubt(self, what: str) -> None:
        self._received.unknown[what] = self._received.unknown.get(what, 0) + 1


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = 1 << 16
    server: _Port

    def _reply(self) -> None:
        body = self._body()
        found = answer(self.server.name, self.command, self.path)
        encoding = self.headers.get("Content-Encoding", "identity")
        head_bytes = len(self.requestline) + 2 + len(self.headers.as_bytes())
        self.server.take(self.path, encoding, head_bytes, body, found is not None)
        status, said, content_type = found or Answer(404)
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        if status != 204:
            self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        if status != 204:
            self.wfile.write(said)
        self.wfile.flush()

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _reply

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        while self.rfile.readline().strip():  # trailers
            pass
        return b"".join(parts)

    def log_message(self, format: str, *args: Any) -> None:
        """Keep quiet."""


def _unzstd(body: bytes) -> bytes:
    import zstandard  # there in the sink's own environment

    unpacked: bytes = zstandard.ZstdDecompressor().decompressobj().decompress(body)
    return unpacked


_DECODERS: dict[str, Callable[[bytes], bytes]] = {
    "identity": bytes,
    "gzip": gzip.decompress,
    "deflate": zlib.decompress,
    "zstd": _unzstd,
}


def main(mark: str, names: list[str]) -> int:
    ports = {name: _Port(name, mark.encode()) for name in names}
    for port in ports.values():
        threading.Thread(target=port.serve_forever, daemon=True).start()
    print(json.dumps({name: port.server_address[1] for name, port in ports.items()}), flush=True)
    for line in sys.stdin:
        print(json.dumps(asdict(ports[line.strip()].look())), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
