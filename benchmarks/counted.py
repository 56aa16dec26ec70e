"""A receiver that accepts everything and keeps nothing but the spans' ids, in a process of its own.

python -m benchmarks.counted PORT        at the end of its stdin it says how many came, and how many differ
"""

from __future__ import annotations

import re
import socket
import subprocess
import sys
import threading
from io import BufferedReader

_SPAN_ID = re.compile(rb'"span_id":"([0-9a-f]{16})"')
_ANSWER = b"HTTP/1.1 202 Accepted\r\ncontent-length: 2\r\n\r\n{}"


def free_port() -> int:
    """A port at which nobody listens now."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def start(port: int) -> subprocess.Popen[str]:
    """Start one at a port; it is listening when this returns."""
    command = [sys.executable, "-m", "benchmarks.counted", str(port)]
    sink = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert sink.stdout is not None
    sink.stdout.readline()
    return sink


def stop(sink: subprocess.Popen[str]) -> tuple[int, int]:
    """End it: how many spans came, and how many of them differ."""
    out, _ = sink.communicate("")
    came, different = map(int, out.split())
    return came, different


def read_request(stream: BufferedReader) -> bytes | None:
    """The body of the next request on a connection; None where no whole one comes any more."""
    if not stream.readline():
        return None
    size_bytes = 0
    while line := stream.readline().strip().lower():
        if line.startswith(b"content-length:"):
            size_bytes = int(line.split(b":")[1])
    body = stream.read(size_bytes)
    return body if len(body) == size_bytes else None


def span_ids(body: bytes) -> list[bytes]:
    """The ids of the spans in a body."""
    return _SPAN_ID.findall(body)


def _serve(connection: socket.socket, ids: list[bytes]) -> None:
    stream = connection.makefile("rb")
    while (body := read_request(stream)) is not None:
        ids += span_ids(body)
        connection.sendall(_ANSWER)


def _main() -> None:
    ids: list[bytes] = []
    listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))

    def accept() -> None:
        while True:
            threading.Thread(target=_serve, args=(listener.accept()[0], ids), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    print("listening", flush=True)
    sys.stdin.read()
    print(len(ids), len(set(ids)))


if __name__ == "__main__":
    _main()
