"""Plays a model provider over a socket: what each test scripts is answered, one answer a request.

`server` listens; `answers` says what an answer is; one module a protocol makes them (`openai`, …).
"""

from __future__ import annotations

from support.model_server.answers import Answer, events, of_json
from support.model_server.server import ModelServer, Received

__all__ = ["Answer", "ModelServer", "Received", "events", "of_json"]
