"""What each tracer's own server would answer: a table of routes by tracer.

Answers are what the clients need to go on as in production: a project that exists, limits and flags as the
hosted service gives them, then 200s.
"""

from __future__ import annotations

import json
import re
from typing import NamedTuple


class Answer(NamedTuple):
    """A status and a body."""

    status: int
    body: bytes = b"{}"
    content_type: str = "application/json"


def _json(body: object) -> Answer:
    return Answer(200, json.dumps(body).encode())


_ACCEPTED = Answer(202)
_NO_CONTENT = Answer(204, b"")
# An empty ExportTraceServiceResponse: everything was taken.
_OTLP_DONE = Answer(200, b"", "application/x-protobuf")
_ANY_ID = "00000000-0000-4000-8000-000000000000"

_LANGSMITH_INFO = {
    "version": "0.10.0",
    "instance_flags": {
        "blob_storage_enabled": True,
        "dataset_examples_multipart_enabled": True,
        "zstd_compression_enabled": True,
    },
    "batch_ingest_config": {
        "use_multipart_endpoint": True,
        "scale_up_qsize_trigger": 1000,
        "scale_up_nthreads_limit": 16,
        "scale_down_nempty_trigger": 4,
        "size_limit": 100,
        "size_limit_bytes": 20_971_520,
    },
}
_MLFLOW_EXPERIMENT = {
    "experiment_id": "1",
    "name": "benchmark",
    "artifact_location": "mlflow-artifacts:/1",
    "lifecycle_stage": "active",
}
_MLFLOW_TRACE = {
    "trace_id": "tr-1",
    "trace_location": {"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": "1"}},
    "request_time": "2026-01-01T00:00:00Z",
    "state": "OK",
    # The spans came over OTLP and are in the server's database: no second copy is wanted.
    "tags": {"mlflow.trace.spansLocation": "TRACKING_STORE"},
}
_BRAINTRUST_ORGANIZATION = {"id": _ANY_ID, "name": "benchmark", "api_url": "", "proxy_url": ""}
_WANDB_ACCOUNT = {
    "project": {"name": "benchmark"},
    "viewer": {"username": "user", "defaultEntity": {"name": "entity"}},
}

# The first route that matches "METHOD path" answers.
ROUTES: dict[str, tuple[tuple[str, Answer], ...]] = {
    "llmobs_trace": (("POST /api/v2/llm-obs/v1/experiments/[^/]+/events", _ACCEPTED),),
    "opentelemetry": (("POST /v1/traces", _OTLP_DONE),),
    "ddtrace": (("POST /api/v2/llmobs", _ACCEPTED),),
    "langfuse": (("POST /api/public/otel/v1/traces", _OTLP_DONE),),
    "langsmith": (("GET /info", _json(_LANGSMITH_INFO)), ("POST /runs/(multipart|batch)", _ACCEPTED)),
    "opik": (
        ("GET /api/is-alive/ping", _json({"message": "Healthy Server", "healthy": True})),
        ("(POST|PUT|PATCH) /api/v1/private/(spans|traces).*", _NO_CONTENT),
        ("(GET|POST) /api/v1/private/projects.*", _json({"id": _ANY_ID, "name": "benchmark"})),
    ),
    "mlflow": (
        (
            "GET /api/2.0/mlflow/experiments/get(-by-name)?",
            _json({"experiment": _MLFLOW_EXPERIMENT}),
        ),
        ("GET /version", Answer(200, b"3.17.2", "text/html")),
        ("POST /v1/traces", _OTLP_DONE),
        ("POST /api/3.0/mlflow/traces", _json({"trace": {"trace_info": _MLFLOW_TRACE}})),
    ),
    "logfire": (
        ("GET /v1/info", _json({"project_name": "benchmark", "project_url": "http://127.0.0.1/"})),
        ("POST /v1/(traces|metrics|logs)", _OTLP_DONE),
    ),
    "braintrust": (
        # Its empty addresses leave the client with those it was given.
        ("POST /api/apikey/login", _json({"org_info": [_BRAINTRUST_ORGANIZATION]})),
        ("POST /v1/project", _json({"id": _ANY_ID, "name": "benchmark", "org_id": _ANY_ID})),
        ("GET /version", _json({"logs3_payload_max_bytes": 6_000_000})),
        ("POST /logs3", _json({"ids": []})),
    ),
    "weave": (
        (
            "GET /server_info",
            _json({"min_required_weave_python_version": "0.0.0", "trace_server_version": "99.0.0"}),
        ),
        ("POST /graphql", _json({"data": _WANDB_ACCOUNT})),
        ("POST /(obj|file|table)/create", _json({"digest": "0" * 43, "object_id": "answered"})),
        ("POST /v2/[^/]+/[^/]+/calls/complete", _json({})),
    ),
}
_COMPILED = {name: [(re.compile(route), found) for route, found in routes] for name, routes in ROUTES.items()}


def answer(name: str, method: str, path: str) -> Answer | None:
    """What the server of this tracer answers; None where it has no such path."""
    asked = f"{method} {path.split('?')[0]}"
    return next((found for route, found in _COMPILED[name] if route.fullmatch(asked)), None)
