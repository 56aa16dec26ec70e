"""Sends batches to Datadog's endpoint by HTTP, on one keep-alive connection. Sender's thread; `abort` any.

httpx is imported by `open`, not before: off the user's thread, and never by a program that has nothing to
send.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from typing import TYPE_CHECKING, Any, Final, Protocol

import msgspec

from llmobs_trace.deliver.answers import ACCEPTING, Answer, Verdict
from llmobs_trace.deliver.backoff import asked_seconds
from llmobs_trace.deliver.batch import Batch
from llmobs_trace.deliver.body_of_2xx import MAX_BODY_BYTES, what_came, words_of
from llmobs_trace.deliver.deadline import Deadline, OutOfTime
from llmobs_trace.wire import API_KEY_HEADER, APP_KEY_HEADER, CONTENT_TYPE, events_path

if TYPE_CHECKING:
    import httpx

_SHORTEST_KEY_CHARACTERS: Final = 8
# What a log line takes of an answer's words.
_MAX_DETAIL_CHARACTERS: Final = 300
# A refusal that has begun says all that matters; its rest is read for its words, and to keep the connection.
_REST_SECONDS: Final = 1.0


class Key(Protocol):
    """A key that shows itself only when asked."""

    def reveal(self) -> str: ...


class _Errors(msgspec.Struct):
    errors: list[Any]


class DatadogDestination:
    """The endpoint at `base_url`; the keys go into two headers and nowhere else."""

    fork_while_sending = True

    def __init__(self, base_url: str, api_key: Key, app_key: Key) -> None:
        self.name = base_url
        self._keys = (api_key, app_key)
        self._client: httpx.Client | None = None
        self._hindrance = ""  # what keeps a client from being made
        self._deadline = Deadline()
        self._quiet = _Quiet()

    def open(self) -> None:
        if self._client is None:
            from llmobs_trace.deliver.environment import WrongEnvironment, new_client

            try:
                self._client = new_client(self.name)
            except WrongEnvironment as wrong:
                self._hindrance = str(wrong)
            else:
                self._quiet.begin()

    def send(self, batch: Batch, timeout_seconds: float) -> Answer:
        if self._client is None:
            return Answer(detail=self._fit_to_print(self._hindrance), verdict=Verdict.HINDERED)
        self._deadline.is_ours()  # what is not is left alone, and another connection made
        self._deadline.set(timeout_seconds)
        self._quiet.thread_id = threading.get_ident()
        try:
            return self._post(
                self._client, self.name + events_path(batch.experiment_id), batch.body(), timeout_seconds
            )
        except OutOfTime:
            return Answer(detail=f"no answer within {timeout_seconds:g} s")
        except Exception as error:
            from llmobs_trace.deliver.environment import reason

            return Answer(detail=self._fit_to_print(reason(error, self.name)))
        finally:
            self._quiet.thread_id = None

    def abort(self) -> None:
        self._deadline.cut()

    def close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            self._deadline.is_ours()
            self._quiet.thread_id = threading.get_ident()
            client.close()
        self._quiet.end()

    def after_fork_in_child(self) -> None:
        self._deadline.forget()
        self._deadline = Deadline()
        self._client = None
        self._quiet.end()

    def _post(self, client: httpx.Client, url: str, body: bytes, timeout_seconds: float) -> Answer:
        request = client.build_request(
            "POST",
            url,
            content=body,
            headers={
                API_KEY_HEADER: self._keys[0].reveal(),
                APP_KEY_HEADER: self._keys[1].reveal(),
                "Content-Type": CONTENT_TYPE,
                "Accept": CONTENT_TYPE,
                "User-Agent": "llmobs-trace",
                # What is read is bounded; what it unpacks to would not be.
                "Accept-Encoding": "identity",
            },
            timeout=timeout_seconds,
            extensions={"trace": self._deadline.trace},
        )
        response = client.send(request, stream=True, follow_redirects=False)
        status = response.status_code
        if status not in ACCEPTING:
            self._deadline.set(min(timeout_seconds, _REST_SECONDS))
        try:
            said, is_whole = _rest_of(response)
        finally:
            response.close()
            # It refers to the response: both, and the body with them, would stay until the next collection of
            # the garbage, or for good where a program has switched that off.
            with contextlib.suppress(AttributeError):  # of another httpx
                del response.stream
        headers = {name.lower(): value for name, value in response.headers.items()}
        if status in ACCEPTING or status // 100 == 2:
            return self._accepted(status, headers, said, is_whole=is_whole)
        return Answer(
            status=status,
            detail=self._fit_to_print(_words(said) or response.reason_phrase),
            retry_after_seconds=asked_seconds(status, headers, time.time()),
        )

    def _accepted(self, status: int, headers: dict[str, str], said: bytes, *, is_whole: bool) -> Answer:
        """An acceptance, if it is one: what is acknowledged here is nowhere else any more."""
        came = what_came(status, headers, said)
        is_cut = not is_whole and len(said) < MAX_BODY_BYTES and status in ACCEPTING
        if is_cut and (came is not None or not said):
            # It may yet have been anything. To send the events once more is harmless.
            return Answer(detail=f"the answer broke off after HTTP {status}", verdict=Verdict.BROKEN)
        if came is None:
            return Answer(status=status)
        return Answer(status=status, detail=self._fit_to_print(came), verdict=Verdict.NOT_ACCEPTED)

    def _fit_to_print(self, text: str) -> str:
        """A server may repeat the keys in what it says, and may say more than a log line takes."""
        for key in self._keys:
            secret = key.reveal()
            # One so short is a test's, and part of other words.
            if len(secret) >= _SHORTEST_KEY_CHARACTERS:
                text = text.replace(secret, "***")
        text = " ".join("".join(char if char.isprintable() else " " for char in text).split())
        return text if len(text) <= _MAX_DETAIL_CHARACTERS else text[: _MAX_DETAIL_CHARACTERS - 1] + "…"


class _Quiet(logging.Filter):
    """Keeps what httpx and httpcore say of our requests, a dozen lines for each, out of the user's log; what
    they say of other threads' is the user's.
    """

    def __init__(self) -> None:
        super().__init__()
        self.thread_id: int | None = None
        self._loggers: list[logging.Logger] = []

    def begin(self) -> None:
        # A logger's filters are not asked for what its children say, so each has one.
        names = list(logging.Logger.manager.loggerDict)
        self._loggers = [logging.getLogger(name) for name in names if name.startswith(("httpx", "httpcore"))]
        for logger in self._loggers:
            logger.addFilter(self)

    def end(self) -> None:
        self.thread_id = None
        for logger in self._loggers:
            logger.removeFilter(self)
        self._loggers = []

    def filter(self, record: logging.LogRecord) -> bool:
        return record.thread != self.thread_id


def _rest_of(response: httpx.Response) -> tuple[bytes, bool]:
    """The body, as far as it comes and is of interest; whether that is all of it."""
    said = b""
    try:
        for part in response.iter_raw():
            said += part
            if len(said) >= MAX_BODY_BYTES:
                return said[:MAX_BODY_BYTES], False
    except Exception:
        return said, False
    return said, True


def _words(said: bytes) -> str:
    """The server's own words: the errors of its JSON, or the text as it is."""
    try:
        return words_of(msgspec.json.decode(said, type=_Errors).errors)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return said.decode("utf-8", "replace")
