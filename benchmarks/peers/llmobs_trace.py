"""This library as it comes: the mapped journal, every option at its default but where to send."""

from __future__ import annotations

from tempfile import mkdtemp
from typing import Any

from benchmarks.peers.worker import Tracer
from llmobs_trace import configure, experiment_span, flush


def set_up(url: str, messages: Any, reply: Any) -> Tracer:
    configure(
        base_url=url,
        api_key="key",
        app_key="key",
        experiment_id="experiment",
        project_id="project",
        dataset_id="dataset",
        # Under the run's own directory, which is its TMPDIR.
        journal=mkdtemp(prefix="journal-"),
    )

    @experiment_span("answered", kind="llm")
    def call(messages: Any) -> Any:
        return reply

    return Tracer(
        call=lambda: call(messages),
        root=lambda: experiment_span("root"),
        flush=lambda: flush(60),
        distribution="llmobs-trace",
    )
