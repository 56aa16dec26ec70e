"""Reads an experiment's events back from Datadog, or a server like it, page by page. Any thread, one at a
time.
"""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import quote

import msgspec

from llmobs_trace.catalog.asking import Asking, Question, Times
from llmobs_trace.http_client.request import Connection, Key


class RemotePage(msgspec.Struct):
    """Some of an experiment's spans, each with its metrics in `eval_metrics`, as they were sent back."""

    spans: list[msgspec.Raw] = []
    summary_metrics: list[msgspec.Raw] = []


class _Data(msgspec.Struct):
    attributes: RemotePage = msgspec.field(default_factory=RemotePage)


class _Body(msgspec.Struct):
    data: _Data = msgspec.field(default_factory=_Data)


_decode = msgspec.json.Decoder(_Body).decode


class RemoteEvents:
    """The events of experiments at `base_url`; each page is asked for again within `seconds`."""

    def __init__(
        self, base_url: str, api_key: Key, app_key: Key, seconds: float = 30.0, times: Times | None = None
    ) -> None:
        self._asking = Asking(Connection(base_url, api_key, app_key), seconds, times or Times())

    def close(self) -> None:
        """Let go of the connection."""
        self._asking.close()

    def pages(self, experiment_id: str) -> Iterator[RemotePage]:
        """All of them. Raises `CatalogError`, also where there is no such experiment."""
        question = Question(
            "GET",
            f"/api/v2/llm-obs/v3/experiments/{quote(experiment_id, safe='')}/events",
            f"reading the events of the experiment {experiment_id!r} back",
            "the experiment",
        )
        for body in self._asking.pages(question, {"page[limit]": "1000"}):
            yield self._asking.read(question, body, lambda text: _decode(text).data.attributes)
