"""opik as its documentation sets it up for a server of one's own: the address in the environment, `track`."""

from __future__ import annotations

import os
from typing import Any

from benchmarks.peers.worker import Tracer


def set_up(url: str, messages: Any, reply: Any) -> Tracer:
    os.environ.update(
        OPIK_URL_OVERRIDE=f"{url}/api",
        OPIK_PROJECT_NAME="benchmark",
        # Its reports about itself, to servers that aren't the sink.
        OPIK_SENTRY_ENABLE="false",
        OPIK_ANALYTICS_ENABLE="false",
    )
    import opik

    @opik.track(name="answered", type="llm")
    def call(messages: Any) -> Any:
        return reply

    return Tracer(
        call=lambda: call(messages),
        root=lambda: opik.start_as_current_span("root"),
        flush=opik.flush_tracker,
        distribution="opik",
    )
