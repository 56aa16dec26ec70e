"""ddtrace's LLM Observability without an agent, as its documentation sets it up: `LLMObs.enable`, the
decorator, `annotate`.
"""

from __future__ import annotations

import os
from typing import Any

from benchmarks.peers.worker import Tracer


def set_up(url: str, messages: Any, reply: Any) -> Tracer:
    os.environ.update(
        DD_LLMOBS_OVERRIDE_ORIGIN=url,
        # What would go to an agent, and none is there: the spans of APM, telemetry, remote configuration.
        DD_APM_TRACING_ENABLED="false",
        DD_INSTRUMENTATION_TELEMETRY_ENABLED="false",
        DD_REMOTE_CONFIGURATION_ENABLED="false",
    )
    from ddtrace.llmobs import LLMObs
    from ddtrace.llmobs.decorators import llm

    LLMObs.enable(ml_app="benchmark", api_key="key", site="datadoghq.com", agentless_enabled=True)

    @llm(model_name="model", name="answered")
    def call() -> Any:
        LLMObs.annotate(input_data=messages, output_data=reply)
        return reply

    return Tracer(
        call=call,
        root=lambda: LLMObs.workflow(name="root"),
        flush=LLMObs.flush,
        distribution="ddtrace",
    )
