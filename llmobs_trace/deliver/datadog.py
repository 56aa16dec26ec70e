"""Batches in, answers of Datadog's endpoint out, on one keep-alive connection. Sender's thread; `abort` any.

httpx is imported by `open`, not before: off the user's thread, and never by a program that has nothing to
send.
"""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import time
from typing import TYPE_CHECKING, Final, Protocol
from urllib.parse import urlsplit

import msgspec

from llmobs_trace.deliver.answers import Answer
from llmobs_trace.deliver.backoff import asked_seconds
from llmobs_trace.deliver.batch import Batch
from llmobs_trace.deliver.deadline import Deadline, OutOfTime
from llmobs_trace.wire import API_KEY_HEADER, APP_KEY_HEADER, CONTENT_TYPE, events_path, is_loopback

if TYPE_CHECKING:
    import httpx

# Of an answer's body; and of those, how many characters a log line takes.
_MAX_BODY_BYTES: Final = 64 * 1024
_SHORTEST_KEY_CHARACTERS: Final = 8
_MAX_DETAIL_CHARACTERS: Final = 300
# An answer that has begun says all that matters; its rest is read only to keep the connection.
_REST_SECONDS: Final = 1.0


class Key(Protocol):
    """A key that shows itself only when asked."""

    def reveal(self) -> str: ...


class _Error(msgspec.Struct):
    title: str = ""
    detail: str = ""


class _Errors(msgspec.Struct):
    # A 429's are bare strings, the others' are objects.
    errors: list[_Error | str]


class DatadogDestination:
    """The endpoint at `base_url`; the keys go into two headers and nowhere else."""

    fork_while_sending = True

    def __init__(self, base_url: str, api_key: Key, app_key: Key) -> None:
        self.name = base_url
        self._keys = (api_key, app_key)
        self._client: httpx.Client | None = None
        self._deadline = Deadline()
        self._quiet = _Quiet()

    def open(self) -> None:
        if self._client is None:
            self._client = _new_client(self.name)
            self._quiet.begin()

    def send(self, batch: Batch, timeout_seconds: float) -> Answer:
        self._deadline.set(timeout_seconds)
        try:
            return self._post(self.name + events_path(batch.experiment_id), batch.body(), timeout_seconds)
        except OutOfTime:
            return Answer(detail=f"no answer within {timeout_seconds:g} s")
        except Exception as error:
            return Answer(detail=self._fit_to_print(_reason(error)))

    def abort(self) -> None:
        self._deadline.cut()

    def close(self) -> None:
        client, self._client = self._client, None
        self._quiet.end()
        if client is not None:
            client.close()

    def after_fork_in_child(self) -> None:
        self._deadline.forget()
        self._deadline = Deadline()
        self._client = None
        self._quiet.end()

    def _post(self, url: str, body: bytes, timeout_seconds: float) -> Answer:
        client = self._client
        assert client is not None  # `open` comes first
        self._quiet.thread_id = threading.get_ident()
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
        try:
            said = self._rest_of(response, timeout_seconds)
        finally:
            response.close()
            # It refers to the response: both, and the body with them, would stay until the next collection of
            # the garbage, or for good where a program has switched that off.
            with contextlib.suppress(AttributeError):  # of another httpx
                del response.stream
        status = response.status_code
        if status // 100 == 2:
            return Answer(status=status)
        headers = {name.lower(): value for name, value in response.headers.items()}
        return Answer(
            status=status,
            detail=self._fit_to_print(_words(said) or response.reason_phrase),
            retry_after_seconds=asked_seconds(status, headers, time.time()),
        )

    def _rest_of(self, response: httpx.Response, timeout_seconds: float) -> bytes:
        """The body, as far as it comes; the status is there, so nothing that happens to the rest matters."""
        self._deadline.set(min(timeout_seconds, _REST_SECONDS))
        said = b""
        try:
            for part in response.iter_raw():
                said += part
                if len(said) >= _MAX_BODY_BYTES:
                    break
        except Exception:
            return said
        return said[:_MAX_BODY_BYTES]

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
    """Keeps httpx's line for each request of ours out of the user's log; other threads' are theirs."""

    def __init__(self) -> None:
        super().__init__()
        self.thread_id: int | None = None

    def begin(self) -> None:
        logging.getLogger("httpx").addFilter(self)

    def end(self) -> None:
        logging.getLogger("httpx").removeFilter(self)

    def filter(self, record: logging.LogRecord) -> bool:
        return record.thread != self.thread_id


def _new_client(base_url: str) -> httpx.Client:
    import ssl

    import httpx

    "localhost".encode("idna")  # imports what name resolution would import later, when a fork may come in
    verify: ssl.SSLContext | bool
    if base_url.startswith("http://"):
        verify = ssl.SSLContext(
            ssl.PROTOCOL_TLS_CLIENT
        )  # unused there, and made without 20 ms of certificates
    elif os.environ.get("SSL_CERT_FILE"):
        verify = ssl.create_default_context(cafile=os.environ["SSL_CERT_FILE"])
    elif os.environ.get("SSL_CERT_DIR"):
        verify = ssl.create_default_context(capath=os.environ["SSL_CERT_DIR"])
    else:
        verify = True
    return httpx.Client(
        trust_env=False,  # it would send a loopback request, keys and all, through HTTP_PROXY
        verify=verify,
        proxy=_proxy(base_url),
        follow_redirects=False,
        limits=httpx.Limits(max_connections=1, max_keepalive_connections=1, keepalive_expiry=60.0),
    )


def _proxy(base_url: str) -> str | None:
    """The proxy that the environment names for this URL; none for this machine itself."""
    from urllib import request

    parts = urlsplit(base_url)
    if is_loopback(parts.hostname or ""):
        return None
    proxies = request.getproxies_environment()
    proxy = proxies.get(parts.scheme) or proxies.get("all")
    if not proxy or request.proxy_bypass_environment(parts.netloc, proxies):  # type: ignore[attr-defined]
        return None
    return proxy if "://" in proxy else f"http://{proxy}"


def _reason(error: Exception) -> str:
    """What broke, in words; never an exception's own where it may quote a header."""
    import httpx

    if isinstance(error, httpx.TimeoutException):
        return "no connection in time" if isinstance(error, httpx.ConnectTimeout) else "no answer in time"
    if isinstance(error, (httpx.LocalProtocolError, UnicodeError)):
        return "the request can't be written: is there a wrong character in a key?"
    if isinstance(error, (httpx.TransportError, OSError)):
        return f"{type(error).__name__}: {error}"
    return type(error).__name__


def _words(said: bytes) -> str:
    """The server's own words: the errors of its JSON, or the text as it is."""
    try:
        errors = msgspec.json.decode(said, type=_Errors).errors
    except (msgspec.DecodeError, RecursionError):
        return said.decode("utf-8", "replace")
    return "; ".join(
        error if isinstance(error, str) else ": ".join(filter(None, (error.title, error.detail)))
        for error in errors
    )
