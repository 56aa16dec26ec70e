"""Holds a whole request to one deadline, where httpx has one for each read. Sender's thread; `cut` any.

httpx's timeouts bound each read and each write: a server that drips a byte a second, in the headers
already, holds a request for ever. httpx tells of each stream that it opens through its `trace` extension;
from then on that stream's reads and writes take what is left of the request's time.

A program that becomes a daemon closes every descriptor that it finds, and then has the same numbers again for
connections of its own: before each use it is looked whether the number is still our connection's.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
from collections.abc import Callable
from typing import Any, Final, Protocol

from llmobs_trace.http_client.clock import Clock
from llmobs_trace.journal.files import Identity, identity_of

# A write waits anew for each piece that the system takes; a small one is taken at once.
_WRITE_BYTES: Final = 64 * 1024


class OutOfTime(Exception):
    """The request's time is up."""


class ByteStream(Protocol):
    """What httpx's transport reads from and writes to."""

    read: Callable[..., bytes]
    write: Callable[..., None]

    def get_extra_info(self, info: str) -> Any: ...


class Deadline:
    """Bounds the streams of one client, which it uses one at a time."""

    def __init__(self) -> None:
        self._expires_at = 0.0
        self._socket: socket.socket | None = None
        self._identity: Identity | None = None  # the socket's

    def set(self, timeout_seconds: float) -> None:
        """A request begins: it has so long."""
        self._expires_at = Clock.now() + timeout_seconds

    def left(self) -> float:
        """Seconds until the request's time is up; raises `OutOfTime` where it is."""
        seconds = self._expires_at - Clock.now()
        if seconds <= 0:
            raise OutOfTime
        return seconds

    def trace(self, event: str, info: dict[str, Any]) -> None:
        """What httpx calls before and after each step of a request."""
        if event.endswith(".started") and "timeout" in info:
            # Connecting and shaking hands come one after the other, from one budget.
            info["timeout"] = self.left()
        elif event.endswith(("connect_tcp.complete", "start_tls.complete")):
            self._bind(info["return_value"])

    def is_ours(self) -> bool:
        """Whether the connection is still there, if one was made; else nobody will touch its number again."""
        connected = self._socket
        if connected is None or identity_of(connected.fileno()) == self._identity:
            return True
        connected.detach()
        return False

    def cut(self) -> None:
        """Make reads and writes that are under way return, from another thread."""
        connected = self._socket
        if connected is not None and self.is_ours():
            with contextlib.suppress(OSError):  # nobody is connected any more
                # Not SSLSocket's own, which takes the TLS state away under the reader's feet.
                socket.socket.shutdown(connected, socket.SHUT_RDWR)

    def forget(self) -> None:
        """In a forked child: close our copy of the connection without a word to the other side."""
        is_ours = self.is_ours()
        connected, self._socket = self._socket, None
        if connected is not None and is_ours:
            with contextlib.suppress(OSError):
                os.close(connected.detach())

    def _bind(self, stream: ByteStream) -> None:
        read, write = stream.read, stream.write

        def read_in_time(max_bytes: int, timeout: float | None = None) -> bytes:
            self._check()
            return read(max_bytes, timeout=self.left())

        def write_in_time(buffer: bytes, timeout: float | None = None) -> None:
            view = memoryview(buffer)
            for begin in range(0, len(view), _WRITE_BYTES):
                self._check()
                write(view[begin : begin + _WRITE_BYTES], timeout=self.left())

        with contextlib.suppress(AttributeError):  # of another httpx: then each read has its timeout, as ever
            stream.read = read_in_time
            stream.write = write_in_time
        self._socket = stream.get_extra_info("socket")
        self._identity = None if self._socket is None else identity_of(self._socket.fileno())

    def _check(self) -> None:
        if not self.is_ours():
            raise OSError(errno.EBADF, "this program closed the connection")
