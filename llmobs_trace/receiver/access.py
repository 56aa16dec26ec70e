"""Decides from a request's head whether its sender may be answered. Pure; any thread.

On loopback a page of any site can make the browser ask: what keeps it out is the name that it asks for. A
site that resolves its own name to 127.0.0.1 (DNS rebinding) sends that name as the `Host`, so only names of
this machine are answered. An address in digits can't be rebound.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Mapping
from typing import Final

from msgspec import Struct

from llmobs_trace.receiver.http import Head, Reply
from llmobs_trace.receiver.problems import problem
from llmobs_trace.wire import API_KEY_HEADER, APP_KEY_HEADER, is_loopback

_BROWSERS_QUESTION: Final = (("WWW-Authenticate", 'Basic realm="llmobs-trace", charset="UTF-8"'),)


class Access(Struct, frozen=True):
    """Who may ask. A key of None: any that is not empty. `names` are hosts beyond this machine's own.

    `everywhere`: not loopback alone is listened on, so that pages need a key too.
    """

    api_key: str | None = None
    app_key: str | None = None
    names: frozenset[str] = frozenset()
    everywhere: bool = False

    def refuses_host(self, head: Head) -> Reply | None:
        """A request for a host that isn't this one; None where it is."""
        given = head.headers.get("host")
        if given is None or self._is_ours(_host_of(given)):
            return None
        return problem(
            403,
            f"this server is not {given[:200]!r}: it answers to this machine's own names"
            " (llmobs-trace serve --allow-host NAME adds one)",
            header="Host",
        )

    def refuses_keys(self, headers: Mapping[str, str], *, api_alone: bool = False) -> Reply | None:
        """A post without its keys, or with wrong ones; None where they will do."""
        keys = ((API_KEY_HEADER, self.api_key), (APP_KEY_HEADER, self.app_key))
        for name, expected in keys[: 1 if api_alone else 2]:
            given = headers.get(name.lower(), "")
            if not given:
                return problem(401, f"the header {name} is missing or empty", header=name)
            if expected is not None and not _same(given, expected):
                return problem(
                    403, f"the key in {name} is not the one that this server was given", header=name
                )
        return None

    def refuses_viewer(self, headers: Mapping[str, str]) -> Reply | None:
        """A browser that may not look; None where it may. Any user name goes with the key as its password."""
        if not self.everywhere:
            return None
        password = _password(headers.get("authorization", ""))
        keys = [key for key in (self.api_key, self.app_key) if key is not None]
        if password is not None and any(_same(password, key) for key in keys):
            return None
        return problem(
            401,
            "the viewer needs a key here: any user name, and either key as the password",
            header="Authorization",
            headers=_BROWSERS_QUESTION,
        )

    def _is_ours(self, host: str) -> bool:
        return is_loopback(host) or host in self.names or (self.everywhere and _is_address(host))


def _host_of(given: str) -> str:
    """A `Host` without its port, in lower case, an IPv6 address without its brackets."""
    host = given.strip().lower()
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0].rstrip(".")


def _is_address(host: str) -> bool:
    from ipaddress import ip_address

    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _same(given: str, expected: str) -> bool:
    # A header's bytes were read as latin-1, whatever they are.
    return hmac.compare_digest(given.encode("latin-1"), expected.encode())


def _password(authorization: str) -> str | None:
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        return base64.b64decode(token.strip(), validate=True).decode("latin-1").partition(":")[2]
    except (binascii.Error, ValueError):
        return None
