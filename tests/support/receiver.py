"""A scripted HTTP receiver in a process of its own: keeps what came, and answers what a test told it to.

    with Receiver() as receiver:
        receiver.script(Reply(status=503), Reply(status=429, headers={"Retry-After": "1"}))
        ...                                   # the third request, and all others, get `Receiver.usual`
        [first, *others] = receiver.wait_for(3)
        assert first.path == "/api/v2/llm-obs/v1/experiments/e/events"

Another process, so that the interpreter lock, a fork or a crash of the test's own process does not reach
it. It ends with the test's process: it reads commands from a pipe, one line of JSON each. What one receiver
leaves, the next one has: it is a new server, at another port, and the interpreter has started already.
"""

from __future__ import annotations

import atexit
import base64
import json
import os
import socket
import ssl
import struct
import subprocess
import sys
import threading
import time
from collections import defaultdict, deque
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote


@dataclass(frozen=True)
class Reply:
    """One answer. Delays in seconds; the defaults are an ordinary 202.

    `drip_seconds`: send it byte after byte, so far apart, from its first byte, or from the body's with
    `drip_body_only`. `close_after_bytes`: send so much of it, then close. `silent`: never answer, keep the
    connection open. `close`: read the request, then close without an answer; `reset`: the same, with a reset.
    `repeats_body`: the body is the request's. `takes_nothing`: whatever the status, it is no acceptance.
    """

    status: int = 202
    headers: dict[str, str] = field(default_factory=dict)
    body: str = "{}"
    delay_seconds: float = 0.0
    drip_seconds: float = 0.0
    drip_body_only: bool = False
    close_after_bytes: int | None = None
    silent: bool = False
    close: bool = False
    repeats_body: bool = False
    reset: bool = False
    takes_nothing: bool = False


@dataclass(frozen=True)
class Received:
    """One request; `at_s` is the monotonic clock when it had come whole, `connection` counts them.

    `status` is what was answered; 0 where nothing was, too little to know it, or nothing is behind it.
    """

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    at_s: float
    connection: int
    status: int

    @property
    def experiment_id(self) -> str:
        return unquote(self.path.split("/")[-2])

    @property
    def attributes(self) -> dict[str, list[dict[str, Any]]]:
        found: dict[str, list[dict[str, Any]]] = json.loads(self.body)["data"]["attributes"]
        return found

    @property
    def spans(self) -> list[dict[str, Any]]:
        return self.attributes.get("spans", [])

    @property
    def metrics(self) -> list[dict[str, Any]]:
        return self.attributes.get("metrics", [])


class Receiver:
    """The test's side. `url` is where to send; `tls` is the path of a PEM file with certificate and key."""

    def __init__(self, tls: Path | None = None) -> None:
        self._tls = tls
        self._process: subprocess.Popen[str] | None = None
        self._lock = threading.Lock()  # one command and its answer at a time
        self.url = ""
        self.port = 0

    def __enter__(self) -> Receiver:
        idle = _idle[os.getpid()]
        self._process = idle.pop() if idle else _start()
        self.port = int(self._ask(do="begin", tls=self._tls and str(self._tls)))
        self.url = f"https://localhost:{self.port}" if self._tls else f"http://127.0.0.1:{self.port}"
        return self

    def __exit__(self, *_: object) -> None:
        process = self._process
        assert process is not None
        self._ask(do="stop")
        _idle[os.getpid()].append(process)

    def script(self, *replies: Reply, experiment_id: str | None = None) -> None:
        """What the next requests get, one after the other; of one experiment, or of those without."""
        self._ask(do="script", replies=[asdict(reply) for reply in replies], experiment_id=experiment_id)

    def usual(self, reply: Reply, experiment_id: str | None = None) -> None:
        """What requests get that no script is left for."""
        self._ask(do="usual", reply=asdict(reply), experiment_id=experiment_id)

    def refuse(self, reply: Reply, *, containing: str = "", larger_than_bytes: int = -1) -> None:
        """What requests get that no script is left for, if their body holds this text, and is larger.

        Rules add up; the first that fits counts.
        """
        rule = {"reply": asdict(reply), "containing": containing, "larger_than_bytes": larger_than_bytes}
        self._ask(do="refuse", **rule)

    def refuse_nothing(self) -> None:
        """The rules of `refuse` are forgotten."""
        self._ask(do="refuse nothing")

    def forget(self) -> None:
        """Scripts, usual replies and rules are forgotten: an ordinary server again, which has what came."""
        self._ask(do="forget")

    def requests(self) -> list[Received]:
        """All requests so far, in the order in which they came."""
        return self.wait_for(0)

    def wait_for(self, count: int, timeout_seconds: float = 20.0) -> list[Received]:
        """All requests so far, once they are `count`; an AssertionError where they don't come in time."""
        raw = self._ask(do="requests", count=count, timeout_seconds=timeout_seconds)
        requests = [Received(**{**one, "body": base64.b64decode(one["body"])}) for one in raw]
        assert len(requests) >= count, f"{len(requests)} of {count} requests within {timeout_seconds} s"
        return requests

    def accepted(self) -> list[Received]:
        """Those that were answered with a 2xx."""
        return [request for request in self.requests() if request.status // 100 == 2]

    def connections(self) -> int:
        """How many connections were accepted so far."""
        return int(self._ask(do="connections"))

    def stop_listening(self) -> None:
        """Refuse connections from now on, and break those that are open."""
        self._ask(do="stop")

    def listen_again(self) -> None:
        """At the same port."""
        self._ask(do="listen")

    def _ask(self, **command: object) -> Any:
        process = self._process
        assert process is not None
        assert process.stdin is not None
        assert process.stdout is not None
        with self._lock:
            process.stdin.write(json.dumps(command) + "\n")
            process.stdin.flush()
            line = process.stdout.readline()
        assert line, "the receiver has ended"
        return json.loads(line)


# By whose children they are: what is forked from there must not talk to them too.
_idle: dict[int, list[subprocess.Popen[str]]] = defaultdict(list)


def _start() -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-I", __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    atexit.register(_end, process, os.getpid())
    return process


def _end(process: subprocess.Popen[str], parent: int) -> None:
    if os.getpid() == parent:
        process.communicate(timeout=10)


# --- The other process --------------------------------------------------------------------------------------


class _Server:
    def __init__(self, tls: str | None) -> None:
        self._context: ssl.SSLContext | None = None
        if tls is not None:
            self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._context.load_cert_chain(tls)
        self._changed = threading.Condition()  # guards everything below
        self._requests: list[dict[str, object]] = []
        self._scripts: dict[str | None, deque[Reply]] = defaultdict(deque)
        self._usual: dict[str | None, Reply] = {None: Reply()}
        self._refusals: list[tuple[bytes, int, Reply]] = []
        self._open: set[socket.socket] = set()
        self._connections = 0
        self._listener = self._listen(0)
        self.port: int = self._listener.getsockname()[1]

    def obey(self, command: dict[str, Any]) -> object:
        with self._changed:
            match command["do"]:
                case "script":
                    self._scripts[command["experiment_id"]].extend(Reply(**one) for one in command["replies"])
                case "usual":
                    self._usual[command["experiment_id"]] = Reply(**command["reply"])
                case "refuse":
                    reply = Reply(**command["reply"])
                    rule = (command["containing"].encode(), command["larger_than_bytes"], reply)
                    self._refusals.append(rule)
                case "refuse nothing":
                    self._refusals.clear()
                case "forget":
                    self._scripts.clear()
                    self._usual = {None: Reply()}
                    self._refusals.clear()
                case "connections":
                    return self._connections
                case "requests":
                    count, seconds = command["count"], command["timeout_seconds"]
                    self._changed.wait_for(lambda: len(self._requests) >= count, seconds)
                    return self._requests
                case "stop":
                    # Closing alone leaves the listener alive while another thread waits in its accept.
                    with suppress(OSError):  # closed already
                        self._listener.shutdown(socket.SHUT_RDWR)
                    self._listener.close()
                    for connection in self._open:
                        with suppress(OSError):
                            connection.shutdown(socket.SHUT_RDWR)
                case "listen":
                    self._listener = self._listen(self.port)
        return None

    def _listen(self, port: int) -> socket.socket:
        listener = socket.create_server(("127.0.0.1", port), backlog=128)
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()
        return listener

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with self._changed:
            self._connections += 1
            number = self._connections
        try:
            if self._context is not None:
                connection = self._context.wrap_socket(connection, server_side=True)
            with self._changed:
                self._open.add(connection)
            stream = connection.makefile("rb")
            while self._answer(connection, stream, number):
                pass
        except OSError:
            pass
        finally:
            with self._changed:
                self._open.discard(connection)
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()

    def _answer(self, connection: socket.socket, stream: Any, number: int) -> bool:
        """Serve one request; False where the connection is done with."""
        request_line = stream.readline().decode("latin-1").split()
        if len(request_line) < 2:
            return False
        headers = {}
        while line := stream.readline().decode("latin-1").strip():
            name, _, value = line.partition(":")
            headers[name.strip().lower()] = value.strip()
        size_bytes = int(headers.get("content-length", 0))
        body = stream.read(size_bytes)
        if len(body) < size_bytes:
            return False  # the other side broke off: no server takes half a body
        with self._changed:
            reply = self._next_reply(request_line[1], body)
            self._requests.append(
                {
                    "method": request_line[0],
                    "path": request_line[1],
                    "headers": headers,
                    "body": base64.b64encode(body).decode(),
                    "at_s": time.monotonic(),
                    "connection": number,
                    "status": 0 if _is_unsaid(reply) else reply.status,
                }
            )
            self._changed.notify_all()
        if reply.delay_seconds:
            time.sleep(reply.delay_seconds)
        if reply.silent:
            stream.read()  # until the other side gives up
            return False
        if reply.repeats_body:
            reply = replace(reply, body=body.decode())
        if reply.reset:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            stream.close()
            connection.close()  # the last that holds it, and before anybody shuts it down in good order
            return False
        return not reply.close and _send(connection, reply)

    def _next_reply(self, path: str, body: bytes) -> Reply:
        parts = path.split("/")
        experiment_id = unquote(parts[-2]) if len(parts) > 2 else None
        for key in (experiment_id, None):
            if self._scripts[key]:
                return self._scripts[key].popleft()
            if key in self._usual:
                return self._refusal(body) or self._usual[key]
        raise AssertionError("there is always a usual reply")

    def _refusal(self, body: bytes) -> Reply | None:
        for containing, larger_than_bytes, reply in self._refusals:
            if containing in body and len(body) > larger_than_bytes:
                return reply
        return None


def _head(reply: Reply) -> str:
    lines = [f"HTTP/1.1 {reply.status} Scripted", "content-type: application/json"]
    lines += [f"content-length: {len(reply.body.encode())}"]
    lines += [f"{name}: {value}" for name, value in reply.headers.items()]
    return "\r\n".join(lines) + "\r\n\r\n"


def _is_unsaid(reply: Reply) -> bool:
    """Whether the other side never gets to know the status, or nothing is behind it."""
    cut = reply.close_after_bytes
    return (
        reply.takes_nothing
        or reply.silent
        or reply.close
        or reply.reset
        or (cut is not None and cut < len(_head(reply)))
    )


def _send(connection: socket.socket, reply: Reply) -> bool:
    body = reply.body.encode()
    head = _head(reply)
    message = head.encode("latin-1") + body
    if reply.close_after_bytes is not None:
        message = message[: reply.close_after_bytes]
    at_once = len(message)
    if reply.drip_seconds:
        at_once = len(head) if reply.drip_body_only else 0
    connection.sendall(message[:at_once])
    for byte in message[at_once:]:
        time.sleep(reply.drip_seconds)
        connection.sendall(bytes((byte,)))
    return reply.close_after_bytes is None


def _main() -> None:
    for line in sys.stdin:
        command = json.loads(line)
        if command["do"] == "begin":
            server = _Server(command["tls"])
            answer: object = server.port
        else:
            answer = server.obey(command)
        print(json.dumps(answer), flush=True)
    os._exit(0)


if __name__ == "__main__":
    _main()
