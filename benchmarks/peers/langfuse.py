"""langfuse as its documentation sets it up: keys in the environment, `observe`; it batches by itself."""

from __future__ import annotations

import os
from typing import Any

from benchmarks.peers.worker import Tracer


def set_up(url: str, messages: Any, reply: Any) -> Tracer:
    os.environ.update(LANGFUSE_PUBLIC_KEY="pk-lf-key", LANGFUSE_SECRET_KEY="sk-lf-key", LANGFUSE_BASE_URL=url)
    from langfuse import get_client, observe

    client = get_client()

    @observe(name="answered", as_type="generation")
    def call(messages: Any) -> Any:
        return reply

    return Tracer(
        call=lambda: call(messages),
        root=lambda: client.start_as_current_observation(name="root"),
        flush=client.flush,
        distribution="langfuse",
    )
