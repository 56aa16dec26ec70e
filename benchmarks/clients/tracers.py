"""Lists the tracers that instrument OpenAI's client: what to install, and the line that their documentation
gives for it.

Each is set up for production by its module in `benchmarks.peers`; those of OpenTelemetry by the SDK's.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, NamedTuple


class Instrumented(NamedTuple):
    """`instrument` takes a client object and answers with the one to call; most wrap it where it stands."""

    name: str
    peer: str  # the module of `benchmarks.peers` that sets it up
    requirements: tuple[str, ...]
    instrument: Callable[[Any], Any]
    distribution: str  # whose version is told


def _ours(client: Any) -> Any:
    from llmobs_trace import instrument

    instrument("openai")
    return client


def _openllmetry(client: Any) -> Any:
    from opentelemetry.instrumentation.openai import OpenAIInstrumentor

    OpenAIInstrumentor().instrument()
    return client


def _openinference(client: Any) -> Any:
    from openinference.instrumentation.openai import OpenAIInstrumentor

    OpenAIInstrumentor().instrument()
    return client


def _opentelemetry(client: Any) -> Any:
    os.environ["OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"] = "true"
    from opentelemetry.instrumentation.openai_v2 import OpenAIInstrumentor

    OpenAIInstrumentor().instrument()
    return client


def _ddtrace(client: Any) -> Any:
    import ddtrace

    ddtrace.patch(openai=True)
    return client


def _langfuse(client: Any) -> Any:
    from langfuse.openai import OpenAI

    return OpenAI(api_key="key", base_url=str(client.base_url))


def _langsmith(client: Any) -> Any:
    from langsmith.wrappers import wrap_openai

    return wrap_openai(client)


def _opik(client: Any) -> Any:
    from opik.integrations.openai import track_openai

    return track_openai(client)


def _mlflow(client: Any) -> Any:
    import mlflow

    mlflow.openai.autolog()
    return client


def _logfire(client: Any) -> Any:
    import logfire

    logfire.instrument_openai(client)
    return client


def _braintrust(client: Any) -> Any:
    from braintrust import wrap_openai

    return wrap_openai(client)


_SDK = ("opentelemetry-sdk", "opentelemetry-exporter-otlp-proto-http")

OURS = Instrumented("llmobs-trace", "llmobs_trace", (), _ours, "llmobs-trace")
OTHERS = (
    Instrumented(
        "OpenTelemetry",
        "opentelemetry",
        (*_SDK, "opentelemetry-instrumentation-openai-v2", "httpx"),  # which it needs, and does not say
        _opentelemetry,
        "opentelemetry-instrumentation-openai-v2",
    ),
    Instrumented(
        "OpenLLMetry",
        "opentelemetry",
        (*_SDK, "opentelemetry-instrumentation-openai"),
        _openllmetry,
        "opentelemetry-instrumentation-openai",
    ),
    Instrumented(
        "OpenInference",
        "opentelemetry",
        (*_SDK, "openinference-instrumentation-openai"),
        _openinference,
        "openinference-instrumentation-openai",
    ),
    Instrumented("ddtrace", "ddtrace", ("ddtrace",), _ddtrace, "ddtrace"),
    Instrumented("langfuse", "langfuse", ("langfuse",), _langfuse, "langfuse"),
    Instrumented("langsmith", "langsmith", ("langsmith",), _langsmith, "langsmith"),
    Instrumented("opik", "opik", ("opik",), _opik, "opik"),
    Instrumented("mlflow", "mlflow", ("mlflow",), _mlflow, "mlflow"),
    Instrumented("logfire", "logfire", ("logfire",), _logfire, "logfire"),
    Instrumented("braintrust", "braintrust", ("braintrust",), _braintrust, "braintrust"),
)
