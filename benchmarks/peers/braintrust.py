"""braintrust as its documentation sets it up: `init_logger`, `traced`; it flushes asynchronously itself."""

from __future__ import annotations

import os
from typing import Any

from benchmarks.peers.worker import Tracer


def set_up(url: str, messages: Any, reply: Any) -> Tracer:
    os.environ["BRAINTRUST_API_URL"] = url
    import braintrust

    logger = braintrust.init_logger(project="benchmark", api_key="key", app_url=url)

    @braintrust.traced(name="answered", type="llm")
    def call(messages: Any) -> Any:
        return reply

    return Tracer(
        call=lambda: call(messages),
        root=lambda: logger.start_span(name="root"),
        flush=logger.flush,
        distribution="braintrust",
    )
