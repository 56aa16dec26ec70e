"""Checks that a configuration's destination can be reached, without sending an event; on the main thread.

What is sent to Datadog are documented GET requests without a body, which can carry no event:

    GET /api/v2/validate_keys                       are both keys valid, for this site?
    GET /api/v2/llm-obs/v1/experiments?filter[id]=  do they see this experiment?

and where events go by name, those of `names`.

Nothing is posted, not even an empty list of events: the endpoint doesn't say that it would store nothing
then. They go by the way that events go: the same client, certificates and proxy, to the same URL, and no
redirect is followed.
"""

from __future__ import annotations

import os
import shutil
import socket
import ssl
import threading
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar
from urllib.parse import quote, urlsplit

import msgspec
from msgspec import Struct

from llmobs_trace.cli.doctor import names
from llmobs_trace.cli.doctor.check import Check
from llmobs_trace.errors import StoreError
from llmobs_trace.http_client.acceptance import page_of
from llmobs_trace.http_client.environment import WrongEnvironment, new_client, proxy_to, reason
from llmobs_trace.settings.config import Config
from llmobs_trace.settings.places import file_problem
from llmobs_trace.store import schema
from llmobs_trace.store.store import Store
from llmobs_trace.wire import API_KEY_HEADER, APP_KEY_HEADER, CONTENT_TYPE, mark_of

if TYPE_CHECKING:
    import httpx

_SECONDS: Final = 10.0
_LEAST_FREE_BYTES: Final = 16 << 20
_MAX_BODY_BYTES: Final = 64 << 10
_KEYS_PATH: Final = "/api/v2/validate_keys"
_EXPERIMENTS_PATH: Final = "/api/v2/llm-obs/v1/experiments"

_Result = TypeVar("_Result")


class CheckedDestination(Struct, frozen=True):
    """Where events go, and what was found on the way there, as far as that went."""

    kind: str
    name: str
    checks: list[Check]

    @property
    def trouble(self) -> Check | None:
        """The first thing that keeps events from arriving."""
        return next((check for check in self.checks if check.ok is False), None)


def look(config: Config, seconds: float = _SECONDS) -> CheckedDestination:
    """Look at the configured destination, each step for at most so many seconds."""
    if not config.enabled:
        return CheckedDestination(
            "none", "nowhere", [Check("tracing", None, "switched off: nothing is recorded")]
        )
    if config.destination == "local":
        return look_at_store(config.database)
    return CheckedDestination("datadog", config.base_url, _datadog(config, seconds))


def look_at_store(database: Path) -> CheckedDestination:
    """Look at a local store, whether or not it is configured."""
    return CheckedDestination("local", str(database), _local(database))


# --- Datadog ------------------------------------------------------------------------------------------------


def _datadog(config: Config, seconds: float) -> list[Check]:
    try:
        proxy = proxy_to(config.base_url)
        new_client(config.base_url).close()
    except WrongEnvironment as wrong:
        return [Check("environment", False, str(wrong))]
    parts = urlsplit(proxy.url if proxy else config.base_url)
    host = parts.hostname or ""
    by_way = f", the proxy of {proxy.variable} for {config.base_url}" if proxy else ""
    try:
        found = _within(seconds, lambda: socket.getaddrinfo(host, None, type=socket.SOCK_STREAM))
    except (OSError, UnicodeError) as error:
        return [
            Check(
                "name",
                False,
                f"{host}{by_way} can't be resolved: {getattr(error, 'strerror', None) or error}",
            )
        ]
    addresses = sorted({str(address[4][0]) for address in found})
    checks = [Check("name", True, f"{host} is {', '.join(addresses[:4])}{by_way}")]
    opened = _Opened()

    def ask(path: str) -> tuple[int, bytes]:
        with new_client(config.base_url) as client:
            return _get(client, config, path, opened, seconds)

    try:
        status, body = _within(seconds, lambda: ask(_KEYS_PATH))
    except Exception as error:
        said = "no answer in time" if isinstance(error, TimeoutError) else reason(error, config.base_url)
        return [*checks, *opened.checks, Check(opened.next, False, said)]
    checks += opened.checks
    checks.append(_keys(status, body))
    if checks[-1].ok:
        try:
            checks += _what_events_go_to(config, lambda path: _within(seconds, lambda: ask(path)), seconds)
        except Exception as error:
            said = "no answer in time" if isinstance(error, TimeoutError) else reason(error, config.base_url)
            checks.append(Check("experiment", None, said))
    return checks


def _what_events_go_to(
    config: Config, ask: Callable[[str], tuple[int, bytes]], seconds: float
) -> list[Check]:
    found = names.look(config, seconds) if config.mark else []
    if mark_of(config.experiment_id) is None:
        path = f"{_EXPERIMENTS_PATH}?filter[id]={quote(config.experiment_id, safe='')}&page[limit]=1"
        found.append(_experiment(*ask(path), config.experiment_id))
    return found


class _Opened:
    """What httpx tells of a connection while it opens it."""

    def __init__(self) -> None:
        self.checks: list[Check] = []
        self.next = "connection"

    def trace(self, event: str, info: dict[str, Any]) -> None:
        if event.endswith("connect_tcp.complete") and self.next == "connection":
            peer = info["return_value"].get_extra_info("server_addr")
            self.checks.append(Check("connection", True, f"to {peer[0]} port {peer[1]}"))
            self.next = "answer"
        elif event.endswith("start_tls.started"):
            self.next = "TLS"
        elif event.endswith("start_tls.complete") and self.next == "TLS":
            layer = info["return_value"].get_extra_info("ssl_object")
            self.checks.append(Check("TLS", True, _certificate(layer)))
            self.next = "answer"


def _certificate(layer: ssl.SSLObject | ssl.SSLSocket) -> str:
    certificate: dict[str, Any] = layer.getpeercert() or {}
    until = f", the certificate is valid until {certificate['notAfter']}" if "notAfter" in certificate else ""
    return f"{layer.version()}{until}"


def _get(
    client: httpx.Client, config: Config, path: str, opened: _Opened, seconds: float
) -> tuple[int, bytes]:
    """One GET with the keys in their headers; the status, and the beginning of the body."""
    headers = {"Accept": CONTENT_TYPE, "User-Agent": "llmobs-trace", "Accept-Encoding": "identity"}
    for header, key in ((API_KEY_HEADER, config.api_key), (APP_KEY_HEADER, config.app_key)):
        if key is not None:
            headers[header] = key.reveal()
    request = client.build_request(
        "GET", config.base_url + path, headers=headers, timeout=seconds, extensions={"trace": opened.trace}
    )
    del headers
    response = client.send(request, stream=True, follow_redirects=False)
    with closing(response):
        body = b""
        for part in response.iter_raw():
            body += part
            if len(body) > _MAX_BODY_BYTES:
                break
        return response.status_code, body


def _keys(status: int, body: bytes) -> Check:
    """Nothing that the server says is shown: it may repeat the keys."""
    answered = f"GET {_KEYS_PATH} was answered {status}"
    if status == 200 and _member(body, "status") == "ok":
        return Check("keys", True, "both are valid here")
    if status in (401, 403):
        advice = "check DD_API_KEY, DD_APP_KEY, and that they belong to DD_SITE"
        return Check("keys", False, f"refused ({answered}): {advice}")
    if 300 <= status < 400:
        return Check(
            "keys", False, f"redirected ({answered}), which is never followed: check site and base_url"
        )
    is_page = status // 100 == 2 and page_of(body) is not None
    if is_page or status == 203:
        came = f"{'a page' if is_page else 'the version of a proxy'} ({answered})"
        advice = "check base_url, and login pages and proxies on the way"
        return Check("keys", False, f"{came}, so something else than the endpoint answers: {advice}")
    return Check(
        "keys", None, f"{answered}: the server is there, but does not say whether the keys are valid"
    )


def _experiment(status: int, body: bytes, experiment_id: str) -> Check:
    """An experiment that isn't listed may still take events: the list is of what these keys may see."""
    listed = _member(body, "data")
    if status != 200 or not isinstance(listed, list):
        return Check("experiment", None, f"the list of experiments was answered {status}")
    if any(isinstance(each, dict) and each.get("id") == experiment_id for each in listed):
        return Check("experiment", True, f"{experiment_id} is known")
    return Check("experiment", None, f"{experiment_id} is not among those that these keys may see")


def _member(body: bytes, name: str) -> object:
    try:
        said = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None
    return said.get(name) if isinstance(said, dict) else None


def _within(seconds: float, work: Callable[[], _Result]) -> _Result:
    """Do it on a thread of its own, which is left behind where it takes longer: looking a name up may."""
    results: list[_Result] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            results.append(work())
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run, name="llmobs-trace-doctor", daemon=True)
    thread.start()
    thread.join(seconds)
    if errors:
        raise errors[0]
    if not results:
        raise TimeoutError(f"nothing within {seconds:g} s")
    return results[0]


# --- The local store ----------------------------------------------------------------------------------------


def _local(database: Path) -> list[Check]:
    there = os.path.exists(database)
    checks = [_opens(database) if there else Check("store", True, "not there yet: the first event makes it")]
    problem = file_problem(database)
    checks.append(Check("writable", problem is None, problem or "yes"))
    with suppress(OSError):
        free_bytes = shutil.disk_usage(_nearest(database)).free
        checks.append(
            Check("free space", free_bytes >= _LEAST_FREE_BYTES, f"{free_bytes / (1 << 20):,.0f} MiB")
        )
    return checks


def _opens(database: Path) -> Check:
    try:
        with Store(database, read_only=True, busy_seconds=5.0) as store:
            (version,) = next(store.select("PRAGMA user_version"))
            (count,) = next(store.select("SELECT count(*) FROM experiment"))
    except StoreError as error:
        return Check("store", False, str(error))
    held = f"{count} experiment{'' if count == 1 else 's'}"
    return Check("store", True, f"opens, version {version} of {len(schema.MIGRATIONS)}, {held}")


def _nearest(path: Path) -> Path:
    """The path, or the nearest directory above it that is there."""
    return next((place for place in (path, *path.parents) if os.path.exists(place)), Path("/"))
