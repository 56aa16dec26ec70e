"""Listens on a port until a signal says to end. The main thread, whose event loop has all connections.

Built on asyncio's streams: a connection that waits costs some kilobytes and no thread, so a client that drips
(slow-loris) holds up nobody, every wait has its end, and a client that is not read from is not written to.
The parsing is ours (`http`): `http.server` reads bodies of any size, knows neither chunks nor pipelining, and
gives a thread to each connection. All that takes time is done by the few threads of `service`.
"""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

from msgspec import Struct, field

from llmobs_trace.receiver.access import Access
from llmobs_trace.receiver.budget import Budget
from llmobs_trace.receiver.connection import Connection
from llmobs_trace.receiver.http import MAX_HEAD_BYTES
from llmobs_trace.receiver.limits import Limits
from llmobs_trace.receiver.problems import problem
from llmobs_trace.receiver.rehearsal import Rehearsal, Script
from llmobs_trace.receiver.service import StoreService, Taken

_ENDING: Final = (signal.SIGINT, signal.SIGTERM)
# Requests that are being answered when the end comes have so long; the store gives up waiting before.
_GRACE_SECONDS: Final = 15.0
# glibc's name for it, in <malloc.h>.
_M_MMAP_THRESHOLD: Final = -3
_MAPPED_FROM_BYTES: Final = 128 << 10
# What the process needs beside its connections: the store's files, its own.
_OTHER_FILES: Final = 64
# Beyond the cap, so many connections at a time are told why they are closed.
_SENT_AWAY_AT_ONCE: Final = 16


class ServerSettings(Struct, frozen=True):
    """What to serve, where, to whom; `port` 0: any that is free."""

    database: Path
    host: str = "127.0.0.1"
    port: int = 0
    access: Access = field(default_factory=Access)
    experiments: frozenset[str] = frozenset()
    limits: Limits = field(default_factory=Limits)
    script: Script = field(default_factory=Script)


def serve(
    settings: ServerSettings, ready: Callable[[str], None], tell: Callable[[str], None] | None = None
) -> Taken:
    """Serve until SIGINT or SIGTERM; `ready` is told the base URL once connections are taken.

    `tell` gets a line for each request of the endpoint.

    Raises `StoreError` where the store can't be opened, and `OSError` where the address can't be had.
    """
    _give_large_buffers_back()
    service = StoreService(
        settings.database,
        settings.access,
        settings.experiments,
        Rehearsal(settings.script),
        settings.limits,
        tell,
    )
    try:
        asyncio.run(_Server(settings, service).run(ready))
    finally:
        service.close()
    return service.totals


class _Server:
    def __init__(self, settings: ServerSettings, service: StoreService) -> None:
        self._settings = settings
        self._service = service
        self._budget = Budget(settings.limits.max_held_bytes)
        self._connections: dict[Connection, asyncio.Task[None]] = {}
        self._most_connections = _most_connections(settings.limits.max_connections)

    async def run(self, ready: Callable[[str], None]) -> None:
        ended = asyncio.Event()
        _when_told_to_end(ended.set)
        settings = self._settings
        # A name with two addresses would get a port for each.
        host = "127.0.0.1" if settings.host == "localhost" else settings.host
        listener = await asyncio.start_server(
            self._serve, host, settings.port, limit=MAX_HEAD_BYTES, backlog=256
        )
        ready(_base_url(listener.sockets[0]))
        await ended.wait()
        listener.close()
        # A second signal doesn't wait.
        ended.clear()
        again = asyncio.ensure_future(ended.wait())
        for connection in list(self._connections):
            connection.end()
        waiting = {again, *self._connections.values()}
        while waiting - {again} and not again.done():
            done, waiting = await asyncio.wait(
                waiting, timeout=_GRACE_SECONDS, return_when=asyncio.FIRST_COMPLETED
            )
            if not done:
                break
        again.cancel()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = Connection(reader, writer, self._service, self._settings.limits, self._budget)
        count = len(self._connections)
        if count >= self._most_connections + _SENT_AWAY_AT_ONCE:
            connection.abort()
            return
        task = asyncio.current_task()
        assert task is not None
        self._connections[connection] = task
        try:
            if count < self._most_connections:
                await connection.run()
            else:
                await connection.send_away(
                    problem(503, "there are too many connections", headers=(("Retry-After", "1"),))
                )
        finally:
            del self._connections[connection]


def _when_told_to_end(call: Callable[[], None]) -> None:
    """Have a signal that asks for the end call this in the running loop."""
    loop = asyncio.get_running_loop()
    for number in _ENDING:
        try:
            loop.add_signal_handler(number, call)
        except NotImplementedError:  # Windows; its loop is woken by a signal that Python handles
            signal.signal(number, lambda *_: loop.call_soon_threadsafe(call))


def _base_url(listening: socket.socket) -> str:
    """How this machine reaches what is listened on; where that is every address, by loopback's."""
    address, port = listening.getsockname()[:2]
    name = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(address, address)
    return f"http://[{name}]:{port}" if ":" in name else f"http://{name}:{port}"


def _give_large_buffers_back() -> None:
    """Have glibc map buffers of bodies, and unmap them, rather than keep them in its heap.

    Left to itself it raises the size from which it does so with each buffer that is freed, up to 32 MiB:
    measured after bodies of 15 MB, 160 MB stayed with the process; so, 52 MB.
    """
    with suppress(ImportError, OSError, AttributeError, TypeError):  # another C library, or Windows
        import ctypes

        ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, _MAPPED_FROM_BYTES)


def _most_connections(wanted: int) -> int:
    try:
        import resource
    except ImportError:  # Windows
        return wanted
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return wanted if soft == resource.RLIM_INFINITY else max(1, min(wanted, soft - _OTHER_FILES))
