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

OURS = Instrumented("llmobs-trace", "llmobs_trace", (), _ours)
OTHERS = (
    Instrumented(
        "OpenTelemetry",
        "opentelemetry",
        (*_SDK, "opentelemetry-instrumentation-openai-v2"),
        _opentelemetry,
    ),
    Instrumented(
        "OpenLLMetry", "opentelemetry", (*_SDK, "opentelemetry-instrumentation-openai"), _openllmetry
    ),
    Instrumented(
        "OpenInference", "opentelemetry", (*_SDK, "openinference-instrumentation-openai"), _openinference
    ),
    Instrumented("ddtrace", "ddtrace", ("ddtrace",), _ddtrace),
    Instrumented("langfuse", "langfuse", ("langfuse",), _langfuse),
    Instrumented("langsmith", "langsmith", ("langsmith",), _langsmith),
    Instrumented("opik", "opik", ("opik",), _opik),
    Instrumented("mlflow", "mlflow", ("mlflow",), _mlflow),
    Instrumented("logfire", "logfire", ("logfire",), _logfire),
    Instrumented("braintrust", "braintrust", ("braintrust",), _braintrust),
)
