"""langsmith as its documentation sets it up: the environment, `traceable`; it batches by itself."""

from __future__ import annotations

import os
from typing import Any

from benchmarks.peers.worker import Tracer


def set_up(url: str, messages: Any, reply: Any) -> Tracer:
    os.environ.update(LANGSMITH_TRACING="true", LANGSMITH_API_KEY="key", LANGSMITH_ENDPOINT=url)
    from langsmith import Client, trace, traceable

    client = Client()

    @traceable(name="answered", run_type="llm", client=client)
    def call(messages: Any) -> Any:
        return reply

    return Tracer(
        call=lambda: call(messages),
        root=lambda: trace("root", client=client),
        flush=client.flush,
        distribution="langsmith",
    )
