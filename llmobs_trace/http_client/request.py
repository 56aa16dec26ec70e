"""Asks one server by HTTP, on one keep-alive connection, and tells what came, or what broke, in words. One
thread at a time; `abort` any.

httpx is imported by `open`, not before: off the user's thread, and never by a program that has nothing to
send.
"""

from __future__ import annotations

import contextlib
import logging
import threading
from typing import TYPE_CHECKING, Any, Final, Protocol

import msgspec

from llmobs_trace.http_client.acceptance import ACCEPTING, MAX_BODY_BYTES, words_of
from llmobs_trace.http_client.deadline import Deadline, OutOfTime
from llmobs_trace.wire import API_KEY_HEADER, APP_KEY_HEADER, CONTENT_TYPE

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


class Hindered(Exception):
    """Nothing can be sent from here; the text, without keys, says which variable is at fault."""


class NoAnswer(Exception):
    """No answer came, or none in time; the text, without keys, says what broke."""


class Came(msgspec.Struct, frozen=True, kw_only=True):
    """What came: `headers` have their names in lower case, `body` is as much of it as came and was wanted."""

    status: int
    headers: dict[str, str]
    body: bytes
    is_whole: bool
    reason: str

    @property
    def words(self) -> str:
        """The server's own words, as they came."""
        return _words(self.body) or self.reason


class _Errors(msgspec.Struct):
    errors: list[Any]


class Connection:
    """The server at `base_url`; the keys go into two headers and nowhere else. `client`, if any, is used
    until it is closed, instead of one of our own.
    """

    def __init__(self, base_url: str, api_key: Key, app_key: Key, client: httpx.Client | None = None) -> None:
        self.base_url = base_url
        self._keys = (api_key, app_key)
        self._client = client
        self._hindrance = ""  # what keeps a client from being made
        self._deadline = Deadline()
        self._quiet = _Quiet()

    def open(self) -> None:
        if self._client is None:
            from llmobs_trace.http_client.environment import WrongEnvironment, new_client

            try:
                self._client = new_client(self.base_url)
            except WrongEnvironment as wrong:
                self._hindrance = str(wrong)
            else:
                self._quiet.begin()

    def ask(
        self,
        method: str,
        path: str,
        body: bytes | None,
        timeout_seconds: float,
        max_bytes: int = MAX_BODY_BYTES,
    ) -> Came:
        """One request and what came of it, within `timeout_seconds` in all; of an acceptance's body at most
        `max_bytes`. Raises `Hindered` and `NoAnswer`.
        """
        if self._client is None:
            raise Hindered(self.fit_to_print(self._hindrance))
        self._deadline.is_ours()  # what is not is left alone, and another connection made
        self._deadline.set(timeout_seconds)
        self._quiet.thread_id = threading.get_ident()
        try:
            return self._asked(self._client, method, path, body, timeout_seconds, max_bytes)
        except OutOfTime:
            broke = f"no answer within {timeout_seconds:g} s"
        except Exception as error:
            from llmobs_trace.http_client.environment import reason

            broke = self.fit_to_print(reason(error, self.base_url))
        finally:
            self._quiet.thread_id = None
        # Outside of the handler: httpx's error holds the request, and that the keys.
        raise NoAnswer(broke)

    def abort(self) -> None:
        """Make an `ask` that is under way return soon."""
        self._deadline.cut()

    def close(self) -> None:
        """Let go of the connection; `open` may follow."""
        client, self._client = self._client, None
        if client is not None:
            self._deadline.is_ours()
            self._quiet.thread_id = threading.get_ident()
            client.close()
        self._quiet.end()

    def after_fork_in_child(self) -> None:
        """Forget what is the parent's, without a word to the other side."""
        self._deadline.forget()
        self._deadline = Deadline()
        self._client = None
        self._quiet.end()

    def __del__(self) -> None:
        # The loggers hold its filter, whoever forgot to close it.
        self._quiet.end()

    def fit_to_print(self, text: str) -> str:
        """A server may repeat the keys in what it says, and may say more than a log line takes."""
        for key in self._keys:
            secret = key.reveal()
            # One so short is a test's, and part of other words.
            if len(secret) >= _SHORTEST_KEY_CHARACTERS:
                text = text.replace(secret, "***")
        text = " ".join("".join(char if char.isprintable() else " " for char in text).split())
        return text if len(text) <= _MAX_DETAIL_CHARACTERS else text[: _MAX_DETAIL_CHARACTERS - 1] + "…"

    def _headers(self, *, has_body: bool) -> dict[str, str]:
        return {
            API_KEY_HEADER: self._keys[0].reveal(),
            APP_KEY_HEADER: self._keys[1].reveal(),
            "Accept": CONTENT_TYPE,
            "User-Agent": "llmobs-trace",
            # What is read is bounded; what it unpacks to would not be.
            "Accept-Encoding": "identity",
            **({"Content-Type": CONTENT_TYPE} if has_body else {}),
        }

    def _asked(
        self,
        client: httpx.Client,
        method: str,
        path: str,
        body: bytes | None,
        timeout_seconds: float,
        max_bytes: int,
    ) -> Came:
        request = client.build_request(
            method,
            self.base_url + path,
            content=body,
            # In no variable here: a debugger, or a tool that reports crashes, shows those of every frame.
            headers=self._headers(has_body=body is not None),
            timeout=timeout_seconds,
            extensions={"trace": self._deadline.trace},
        )
        response = client.send(request, stream=True, follow_redirects=False)
        status = response.status_code
        if status not in ACCEPTING:
            self._deadline.set(min(timeout_seconds, _REST_SECONDS))
            max_bytes = MAX_BODY_BYTES
        try:
            said, is_whole = _rest_of(response, max_bytes)
        finally:
            response.close()
            # It refers to the response: both, and the body with them, would stay until the next collection of
            # the garbage, or for good where a program has switched that off.
            with contextlib.suppress(AttributeError):  # of another httpx
                del response.stream
        return Came(
            status=status,
            headers={name.lower(): value for name, value in response.headers.items()},
            body=said,
            is_whole=is_whole,
            reason=response.reason_phrase,
        )


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


def _rest_of(response: httpx.Response, max_bytes: int) -> tuple[bytes, bool]:
    """The body, as far as it comes and is of interest; whether that is all of it."""
    said = bytearray()
    try:
        for part in response.iter_raw():
            said += part
            if len(said) >= max_bytes:
                return bytes(said[:max_bytes]), False
    except Exception:
        return bytes(said), False
    return bytes(said), True


def _words(said: bytes) -> str:
    """The server's own words: the errors of its JSON, or the text as it is."""
    try:
        return words_of(msgspec.json.decode(said, type=_Errors).errors)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return said.decode("utf-8", "replace")
