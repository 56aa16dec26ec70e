"""A program that delivers to `serve` on a day on which much goes wrong: all arrives, once."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.serving import Serving

from llmobs_trace import configure, delivery_stats, experiment_span, flush


@pytest.mark.parametrize(
    "words",
    [
        ["--rehearse-429", "40", "--retry-after", "0"],
        ["--rehearse-5xx", "40"],
        ["--rehearse-drop", "40"],
        ["--rate-limit", "2/2", "--rehearse-latency", "1-50"],
    ],
    ids=lambda words: words[0],
)
def test_what_is_rehearsed_loses_nothing_and_doubles_nothing(tmp_path: Path, words: list[str]) -> None:
    with Serving(tmp_path / "experiments.db", *words, "--seed", "3") as server:
        configure(
            api_key="k",
            app_key="k",
            base_url=server.url,
            experiment_id="e",
            project_id="p",
            dataset_id="d",
            max_batch_bytes=16384,
        )
        for number in range(100):
            with experiment_span("row", input=f"{number} " + "x" * 500) as span:
                span.record_metric("score", number / 100)
        assert flush(60)
        stats = delivery_stats()
        assert (stats.delivered, stats.rejected, stats.dropped) == (200, 0, 0)
        assert stats.retried > 0
        spans, metrics = server.stored()
        assert len({span["span_id"] for span in spans}) == len(spans) == len(metrics) == 100
