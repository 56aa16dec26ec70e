"""Sends batches to Datadog's endpoint by HTTP, on one keep-alive connection. Sender's thread; `abort` any."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from llmobs_trace.deliver.answers import Answer, Verdict
from llmobs_trace.deliver.batch import Batch
from llmobs_trace.http_client.acceptance import ACCEPTING, MAX_BODY_BYTES, what_came
from llmobs_trace.http_client.backoff import asked_seconds
from llmobs_trace.http_client.request import Came, Connection, Hindered, Key, NoAnswer
from llmobs_trace.wire import events_path

if TYPE_CHECKING:
    import httpx


class DatadogDestination:
    """The endpoint at `base_url`; the keys go into two headers and nowhere else. `client`, if any, is used
    until it is closed, instead of one of our own.
    """

    fork_while_sending = True

    def __init__(self, base_url: str, api_key: Key, app_key: Key, client: httpx.Client | None = None) -> None:
        self.name = base_url
        self._connection = Connection(base_url, api_key, app_key, client)

    def open(self) -> None:
        self._connection.open()

    def send(self, batch: Batch, timeout_seconds: float) -> Answer:
        path = events_path(batch.experiment_id)
        try:
            came = self._connection.ask("POST", path, batch.body(), timeout_seconds)
        except Hindered as hindered:
            return Answer(detail=str(hindered), verdict=Verdict.HINDERED)
        except NoAnswer as none:
            return Answer(detail=str(none))
        if came.status in ACCEPTING or came.status // 100 == 2:
            return self._accepted(came)
        return Answer(
            status=came.status,
            detail=self._connection.fit_to_print(came.words),
            retry_after_seconds=asked_seconds(came.status, came.headers, time.time()),
        )

    def abort(self) -> None:
        self._connection.abort()

    def close(self) -> None:
        self._connection.close()

    def after_fork_in_child(self) -> None:
        self._connection.after_fork_in_child()

    def _accepted(self, came: Came) -> Answer:
        """An acceptance, if it is one: what is acknowledged here is nowhere else any more."""
        instead = what_came(came.status, came.headers, came.body)
        is_cut = not came.is_whole and len(came.body) < MAX_BODY_BYTES and came.status in ACCEPTING
        if is_cut and (instead is not None or not came.body):
            # It may yet have been anything. To send the events once more is harmless.
            return Answer(detail=f"the answer broke off after HTTP {came.status}", verdict=Verdict.BROKEN)
        if instead is None:
            return Answer(status=came.status)
        return Answer(
            status=came.status, detail=self._connection.fit_to_print(instead), verdict=Verdict.NOT_ACCEPTED
        )
