"""Answers a request of the viewer. A thread of the readers.

The headers here hold for every page and every answer of `/api`: nothing is loaded from elsewhere, no page of
another site may frame it or read it, and nothing is run that isn't one of the viewer's own files.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable
from typing import Final

from llmobs_trace import viewer
from llmobs_trace.errors import StoreError
from llmobs_trace.receiver.http import Head, Reply
from llmobs_trace.receiver.problems import problem
from llmobs_trace.store.store import Store
from llmobs_trace.viewer import Apart, respond, writes

METHODS: Final = ("GET", "HEAD")

_SMALL_BYTES: Final = 1024
_COMPRESSIBLE: Final = ("text/", "application/json", "image/svg")
_LEVEL: Final = 3  # half of the default's time, a tenth more bytes

SECURITY: Final = (
    (
        "Content-Security-Policy",
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:;"
        " base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    ("X-Frame-Options", "DENY"),
    ("Referrer-Policy", "no-referrer"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
)


def page(reading: Callable[[], Store], head: Head, apart: Apart) -> Reply:
    """Answer a GET or HEAD; a HEAD's body is left to whoever sends the answer."""
    try:
        query = viewer.query_of(head.query)
    except ValueError:
        return problem(400, "the query has too many parameters")
    try:
        found = respond(reading(), head.path, query, head.headers, apart)
    except StoreError as error:
        return problem(503, str(error))
    if found is None:
        return problem(404, f"there is nothing at {head.path[:200]}")
    headers = found.headers
    body = found.body
    if found.content_type.startswith(_COMPRESSIBLE):
        headers += (("Vary", "Accept-Encoding"),)
        if len(body) >= _SMALL_BYTES and _takes_gzip(head):
            body = gzip.compress(body, _LEVEL, mtime=0)
            headers += (("Content-Encoding", "gzip"),)
    return Reply(found.status, body, found.content_type, headers)


def change(store: Store, head: Head, body: bytes) -> Reply:
    """Answer a POST that may change something; on the writer's thread."""
    try:
        done = writes.write(store, head.path, body)
    except StoreError as error:
        return problem(503, str(error))
    return Reply(done.status, done.body, done.content_type, done.headers)


def asked_about(head: Head) -> list[str]:
    """The experiments that a page is about."""
    try:
        return viewer.asked_about(head.path, viewer.query_of(head.query))
    except ValueError:
        return []


def _takes_gzip(head: Head) -> bool:
    for coding in head.headers.get("accept-encoding", "").lower().split(","):
        name, _, weight = coding.partition(";")
        if name.strip() == "gzip":
            return weight.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
    return False
