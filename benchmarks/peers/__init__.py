"""The tracers to compare with, as data: what to install, and where its documentation says how to set it up.

The module of each one's name beside this file sets it up; it runs in an environment of its own.
"""

from __future__ import annotations

from typing import NamedTuple


class Peer(NamedTuple):
    """`name` is also its module's name here, and what the sink knows it by."""

    name: str
    title: str
    requirements: tuple[str, ...]
    documented: str


OURS = "llmobs_trace"

PEERS = (
    Peer(
        "opentelemetry",
        "OpenTelemetry SDK",
        ("opentelemetry-sdk", "opentelemetry-exporter-otlp-proto-http"),
        "https://opentelemetry.io/docs/languages/python/exporters/",
    ),
    Peer(
        "ddtrace",
        "ddtrace",
        ("ddtrace",),
        "https://docs.datadoghq.com/llm_observability/instrumentation/sdk/?tab=python",
    ),
    Peer(
        "langfuse",
        "langfuse",
        ("langfuse",),
        "https://langfuse.com/docs/observability/sdk/overview",
    ),
    Peer(
        "langsmith",
        "langsmith",
        ("langsmith",),
        "https://docs.langchain.com/langsmith/annotate-code",
    ),
    Peer(
        "opik",
        "opik",
        ("opik",),
        "https://www.comet.com/docs/opik/tracing/log_traces",
    ),
    Peer(
        "mlflow",
        "mlflow",
        ("mlflow",),
        "https://mlflow.org/docs/latest/genai/tracing/prod-tracing/",
    ),
    Peer(
        "logfire",
        "logfire",
        ("logfire",),
        "https://logfire.pydantic.dev/docs/guides/onboarding-checklist/add-manual-tracing/",
    ),
    Peer(
        "braintrust",
        "braintrust",
        ("braintrust",),
        "https://www.braintrust.dev/docs/guides/traces/customize",
    ),
    Peer(
        "weave",
        "weave",
        ("weave",),
        "https://weave-docs.wandb.ai/guides/tracking/tracing",
    ),
)
