"""Makes the bytes that one span and one metric would be sent as, and sends nothing; on the main thread.

Nothing is made up for show: the span is captured, encoded, batched and posted by what does so in a program,
into a transport that writes down what it is given. The keys are masked before they get there.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from llmobs_trace import experiment_span, record_metric
from llmobs_trace.capture.recorder import Recorder, Scope
from llmobs_trace.deliver import DatadogDestination
from llmobs_trace.deliver.batch import Batch, by_experiment
from llmobs_trace.journal import Position
from llmobs_trace.journal.records import split
from llmobs_trace.process.life import recording_to
from llmobs_trace.settings.config import Config
from llmobs_trace.wire import mark_of

if TYPE_CHECKING:
    import httpx

_MASK = "(not shown)"


class Sample(Struct, frozen=True):
    """What would go out: an HTTP request, or for the local store the events as its rows keep them."""

    method: str
    url: str
    headers: list[tuple[str, str]]
    body: str


class _Masked:
    """Stands where a key would."""

    def reveal(self) -> str:
        return _MASK


def make(config: Config) -> Sample:
    """The request for one sample span and its metric, which is not sent."""
    (entries,) = by_experiment(split(b"".join(_lines(config)), Position(0, 0)))[0].values()
    batch = Batch.of(_shown(config.experiment_id, "EXPERIMENT_ID"), entries)
    if config.destination == "local":
        rows = b"\n".join([*batch.metrics, *batch.spans]).decode()
        return Sample("", Path(config.database).as_uri(), [], rows)
    return _posted(config, batch)


def _shown(some_id: str, instead: str) -> str:
    """What is not found or made yet has no id to be shown."""
    return some_id if mark_of(some_id) is None else instead


def _lines(config: Config) -> list[bytes]:
    lines: list[bytes] = []
    scope = Scope(
        config.experiment_id,
        _shown(config.project_id, "PROJECT_ID"),
        _shown(config.dataset_id, "DATASET_ID"),
    )
    with (
        recording_to(Recorder(lines.append, scope)),
        experiment_span("sample", input={"question": "2 + 2?"}, expected_output="4", row_id="sample") as span,
    ):
        span.set_output("4")
        record_metric("exact_match", True, assessment="pass")
    return lines


def _posted(config: Config, batch: Any) -> Sample:
    import httpx

    noted: list[httpx.Request] = []

    def note(request: httpx.Request) -> httpx.Response:
        noted.append(request)
        return httpx.Response(202)

    on_paper = httpx.Client(transport=httpx.MockTransport(note), trust_env=False)
    destination = DatadogDestination(config.base_url, _Masked(), _Masked(), on_paper)
    destination.open()
    try:
        destination.send(batch, config.request_timeout)
    finally:
        destination.close()
    (request,) = noted
    headers = [(name.decode("ascii"), value.decode("latin-1")) for name, value in request.headers.raw]
    return Sample(request.method, str(request.url), headers, request.content.decode())
