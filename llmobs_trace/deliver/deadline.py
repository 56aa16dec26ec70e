"""One deadline for a whole request, where httpx has one for each read. Sender's thread; `cut` any.

httpx's timeouts bound each read and each write: a server that drips a byte a second, in the headers
already, holds a request for ever. httpx tells of each stream that it opens through its `trace` extension;
from then on that stream's reads and writes take what is left of the request's time.
"""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Callable
from typing import Any, Final, Protocol

from llmobs_trace.deliver.clock import Clock

# A write waits anew for each piece that the system takes; a small one is taken at once.
_WRITE_BYTES: Final = 64 * 1024


class OutOfTime(Exception):
    """The request's time is up."""


class Stream(Protocol):
    """What httpx's transport reads from and writes to."""

    read: Callable[..., bytes]
    write: Callable[..., None]

    def get_extra_info(self, info: str) -> Any: ...


class Deadline:
    """Bounds the streams of one client, which it uses one at a time."""

    def __init__(self) -> None:
        self._expires_at = 0.0
        self._socket: socket.socket | None = None

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

    def cut(self) -> None:
        """Make reads and writes that are under way return, from another thread."""
        connected = self._socket
        if connected is not None:
            with contextlib.suppress(OSError):  # nobody is connected any more
                # Not SSLSocket's own, which takes the TLS state away under the reader's feet.
                socket.socket.shutdown(connected, socket.SHUT_RDWR)

    def forget(self) -> None:
        """In a forked child: close our copy of the connection without a word to the other side."""
        connected, self._socket = self._socket, None
        if connected is not None:
            with contextlib.suppress(OSError):
                os.close(connected.detach())

    def _bind(self, stream: Stream) -> None:
        read, write = stream.read, stream.write

        def read_in_time(max_bytes: int, timeout: float | None = None) -> bytes:
            return read(max_bytes, timeout=self.left())

        def write_in_time(buffer: bytes, timeout: float | None = None) -> None:
            view = memoryview(buffer)
            for begin in range(0, len(view), _WRITE_BYTES):
                write(view[begin : begin + _WRITE_BYTES], timeout=self.left())

        with contextlib.suppress(AttributeError):  # of another httpx: then each read has its timeout, as ever
            stream.read = read_in_time
            stream.write = write_in_time
        self._socket = stream.get_extra_info("socket")
