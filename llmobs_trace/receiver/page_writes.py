"""Decides whether a request that changes something comes from a page of this server. Pure; any thread.

Any site's page can make a browser post to this machine. What it can't do is read an answer of ours, and so
know the token that our pages are given; say a header of its own without asking first, which we do not allow;
send JSON by a form; or have the browser say another `Origin` than its own. One that gives this machine
another name (DNS rebinding) says that name as its `Host`. All four are looked at. A cookie would be sent
along by the browser, whoever's page it is: there is none.
"""

from __future__ import annotations

import hmac
import secrets
from typing import Final

import msgspec

from llmobs_trace.receiver.access import Access
from llmobs_trace.receiver.http import Head, Reply
from llmobs_trace.receiver.problems import problem
from llmobs_trace.viewer import writes
from llmobs_trace.wire import CONTENT_TYPE

TOKEN_PATH: Final = "/api/token"
_TOKEN_HEADER: Final = "X-LLMObs-Trace-Token"


class PageWrites:
    """`token` is one server's, for as long as it runs."""

    def __init__(self) -> None:
        self._token = secrets.token_urlsafe(32)

    def token(self, head: Head) -> Reply:
        """The token, for a page of ours."""
        if head.headers.get("sec-fetch-site", "same-origin") != "same-origin":
            return problem(403, "the token is for pages of this server", header="Sec-Fetch-Site")
        body = msgspec.json.encode({"token": self._token})
        return Reply(200, body, CONTENT_TYPE, (("Cache-Control", "no-store"),))

    def refuse(self, head: Head, access: Access) -> Reply | None:
        """Why nothing is changed; None where it may be."""
        host = head.headers.get("host")
        if host is None:
            return problem(403, "a change needs a Host", header="Host")
        refusal = access.refuses_viewer(head.headers)
        if refusal is not None:
            return refusal
        origin = head.headers.get("origin", "").lower()
        if origin not in (f"http://{host.lower()}", f"https://{host.lower()}"):
            return problem(403, "changes are taken from pages of this server alone", header="Origin")
        given = head.headers.get(_TOKEN_HEADER.lower(), "")
        if not hmac.compare_digest(given.encode("latin-1"), self._token.encode()):
            return problem(403, "the token is not this server's: load the page anew", header=_TOKEN_HEADER)
        if head.headers.get("content-type", "").partition(";")[0].strip().lower() != CONTENT_TYPE:
            return problem(415, f"the body is to be {CONTENT_TYPE}", header="Content-Type")
        if head.length_bytes is None or head.length_bytes < 0:
            return problem(411, "the length of the body is missing", header="Content-Length")
        if head.length_bytes > writes.MAX_BYTES:
            return problem(413, f"a change is {writes.MAX_BYTES} bytes at most", header="Content-Length")
        return None
