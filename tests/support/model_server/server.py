"""Listens on a socket of this machine, in threads of its own, and gives the answers that it was told to."""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any

from support.model_server.answers import Answer, of_json


@dataclass(frozen=True)
class Received:
    """A request as it came."""

    method: str
    path: str
    headers: dict[str, str]
    body: Any


class ModelServer:
    """`with ModelServer() as server:`, then `server.will(answer, …)`: the next requests are answered so, and
    all after them like the last; or `server.answers_by(function)`, which gets each request. `server.url` is
    its base; `server.received` are the requests.
    """

    def __init__(self) -> None:
        self.received: list[Received] = []
        self._answers: deque[Answer] = deque()
        self._by: Callable[[Received], Answer] | None = None
        self._is_over = threading.Event()
        self._listening = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._listening.daemon_threads = True
        self._thread = threading.Thread(target=self._listening.serve_forever, args=(0.01,), daemon=True)
        self.url = f"http://127.0.0.1:{self._listening.server_port}"

    def will(self, *answers: Answer) -> None:
        """Answer the next requests so."""
        self._answers = deque(answers)

    def answers_by(self, function: Callable[[Received], Answer]) -> None:
        """Answer each request as the function says, in the request's own thread."""
        self._by = function

    def __enter__(self) -> ModelServer:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._is_over.set()
        self._listening.shutdown()
        self._listening.server_close()
        self._thread.join()

    def next_answer(self, received: Received) -> Answer:
        self.received.append(received)
        if self._by is not None:
            return self._by(received)
        if not self._answers:
            return of_json({"error": {"message": "no answer was scripted", "type": "test"}}, 400)
        return self._answers.popleft() if len(self._answers) > 1 else self._answers[0]

    def wait_until_over(self) -> None:
        self._is_over.wait(60)


def _handler(server: ModelServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # headers and body in one go: nobody waits for an acknowledgement in between
        disable_nagle_algorithm = True

        def log_message(self, format: str, *args: Any) -> None:
            return

        def handle(self) -> None:
            with suppress(BrokenPipeError, ConnectionResetError):  # the client left before the end
                super().handle()

        def finish(self) -> None:
            with suppress(BrokenPipeError, ConnectionResetError, ValueError):
                super().finish()

        def do_POST(self) -> None:
            length = int(self.headers.get("content-length") or 0)
            raw = self.rfile.read(length)
            try:
                body = json.loads(raw)
            except ValueError:
                body = raw
            headers = {name.lower(): value for name, value in self.headers.items()}
            answer = server.next_answer(Received("POST", self.path, headers, body))
            self._give(answer)

        def _give(self, answer: Answer) -> None:
            self.send_response(answer.status)
            self.send_header("content-type", answer.content_type)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            if answer.pieces is None and not answer.stalls and not answer.breaks:
                self.send_header("content-length", str(len(answer.body)))
                self.end_headers()
                self.wfile.write(answer.body)
                self.wfile.flush()
                return
            self.send_header("transfer-encoding", "chunked")
            self.end_headers()
            for piece in answer.pieces or ():
                self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))
                self.wfile.flush()
            if answer.stalls:
                self.wfile.flush()
                server.wait_until_over()
            if answer.breaks or answer.stalls:
                self.close_connection = True
                self.wfile.flush()
                return  # without the chunk that says that it was the last
            self.wfile.write(b"0\r\n\r\n")
            self.wfile.flush()

    return Handler
