"""mlflow as its documentation sets it up: a tracking server, an experiment, `trace`; it logs asynchronously
by itself.
"""

from __future__ import annotations

import os
from typing import Any

from benchmarks.peers.worker import Tracer


def set_up(url: str, messages: Any, reply: Any) -> Tracer:
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"  # to a server that isn't the sink
    import mlflow

    mlflow.set_tracking_uri(url)
    mlflow.set_experiment("benchmark")

    @mlflow.trace(name="answered", span_type="CHAT_MODEL")
    def call(messages: Any) -> Any:
        return reply

    return Tracer(
        call=lambda: call(messages),
        root=lambda: mlflow.start_span(name="root"),
        flush=mlflow.flush_trace_async_logging,
        distribution="mlflow",
    )
