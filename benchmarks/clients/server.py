"""Answers OpenAI's chat completions on this machine, whole or as a stream of so many chunks.

python -m benchmarks.clients.server CHUNKS      first line out: its port. It ends with its stdin
"""

from __future__ import annotations

import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

_MADE = {"id": "chatcmpl-1", "created": 1, "model": "gpt-4.1-mini-2025-04-14"}
_USAGE = {"prompt_tokens": 20, "completion_tokens": 1, "total_tokens": 21}


def _whole() -> bytes:
    choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "Four."}}
    return json.dumps({**_MADE, "object": "chat.completion", "choices": [choice], "usage": _USAGE}).encode()


def _streamed(chunks: int) -> bytes:
    delta = {"role": "assistant", "content": "tok "}
    choices = [{"index": 0, "delta": delta, "finish_reason": None}]
    chunk = json.dumps({**_MADE, "object": "chat.completion.chunk", "choices": choices})
    return f"data: {chunk}\n\n".encode() * chunks + b"data: [DONE]\n\n"


def main(chunks: str) -> int:
    whole, streamed = _whole(), _streamed(int(chunks))

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1

        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
            is_stream = bool(asked.get("stream"))
            body = streamed if is_stream else whole
            self.send_response(200)
            self.send_header("content-type", "text/event-stream" if is_stream else "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.server_port, flush=True)
    sys.stdin.read()
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
