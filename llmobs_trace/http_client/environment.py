"""Makes the HTTP client that events go by, as the environment says of proxies and certificates. Any thread.

The sender and `doctor` use this one, so what `doctor` finds is what the sender meets. What in the environment
keeps every request from being sent is told by its variable, what that holds, and the way out; passwords in it
are shown nowhere.
"""

from __future__ import annotations

import os
import re
import ssl
import sys
from collections.abc import Callable
from http.cookiejar import CookieJar, DefaultCookiePolicy
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final
from urllib import request
from urllib.parse import urlsplit

from msgspec import Struct

from llmobs_trace.http_client.whole_import import import_whole
from llmobs_trace.wire import is_loopback

if TYPE_CHECKING:
    import httpx

_SOCKS: Final = ("socks5", "socks5h")
_SCHEMES: Final = ("http", "https", *_SOCKS)


class WrongEnvironment(Exception):
    """Why no request can be sent from here: the variable at fault, what it holds, and the way out."""


class ProxyServer(Struct, frozen=True):
    """A proxy of the environment; `url` may hold a password, `shown` does not."""

    variable: str
    url: str

    @property
    def shown(self) -> str:
        return _without_password(self.url)


def new_client(base_url: str) -> httpx.Client:
    """A client for requests to this URL alone; raises `WrongEnvironment`.

    It follows no redirect and keeps no cookies: a server that sets them would make each request larger.
    """
    import_whole("httpx")
    import httpx

    "localhost".encode("idna")  # imports what name resolution would import later, when a fork may come in
    proxy = proxy_to(base_url)
    certificates = _certificates(base_url)
    try:
        return httpx.Client(
            trust_env=False,  # it would send a loopback request, keys and all, through HTTP_PROXY
            verify=certificates,
            proxy=None if proxy is None else _as_httpx(proxy, certificates),
            follow_redirects=False,
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
            limits=httpx.Limits(max_connections=1, max_keepalive_connections=1, keepalive_expiry=60.0),
        )
    except (ValueError, httpx.InvalidURL) as error:
        if proxy is None:
            raise
        # Its own words may repeat the URL.
        raise WrongEnvironment(_of(proxy, f"which is no URL ({type(error).__name__})", base_url)) from None


def proxy_to(base_url: str) -> ProxyServer | None:
    """The proxy that the environment names for this URL; none for this machine itself. Raises
    `WrongEnvironment` where it can't be used.
    """
    parts = urlsplit(base_url)
    if is_loopback(parts.hostname or ""):
        return None
    proxies = request.getproxies_environment()
    scheme = parts.scheme if proxies.get(parts.scheme) else "all"
    given = proxies.get(scheme)
    if not given or request.proxy_bypass_environment(parts.netloc, proxies):  # type: ignore[attr-defined]
        return None
    proxy = ProxyServer(_variable(f"{scheme}_proxy", given), given if "://" in given else f"http://{given}")
    problem = _problem(proxy.url)
    if problem is not None:
        raise WrongEnvironment(_of(proxy, problem, base_url))
    return proxy


def reason(error: Exception, base_url: str) -> str:
    """What broke on the way to this URL, in words; never an exception's own where it may quote a header."""
    import httpx

    if isinstance(error, httpx.TimeoutException):
        is_connecting = isinstance(error, httpx.ConnectTimeout)
        return "no connection in time" + _by_way(base_url) if is_connecting else "no answer in time"
    if isinstance(error, (httpx.LocalProtocolError, UnicodeError)):
        return "the request can't be written: is there a wrong character in a key?"
    if isinstance(error, (httpx.TransportError, OSError)):
        words = f"{type(error).__name__}: {error}"
        return words + (_about_certificates() if "CERTIFICATE" in words else _by_way(base_url))
    return type(error).__name__


# --- Proxies ------------------------------------------------------------------------------------------------


def _as_httpx(proxy: ProxyServer, certificates: ssl.SSLContext) -> httpx.Proxy:
    import httpx

    is_tls = urlsplit(proxy.url).scheme == "https"
    return httpx.Proxy(proxy.url, ssl_context=certificates if is_tls else None)


def _variable(name: str, given: str) -> str:
    """The variable that a proxy is from: of the two spellings the one in small letters counts."""
    spellings = [each for each in os.environ if each.lower() == name and os.environ[each] == given]
    return name if name in spellings or not spellings else spellings[0]


def _problem(url: str) -> str | None:
    try:
        parts = urlsplit(url)
        scheme, host = parts.scheme, parts.hostname
    except ValueError:
        return "which is no URL"
    if scheme not in _SCHEMES:
        hint = " (did you mean socks5://?)" if scheme.startswith("socks") else ""
        return f"a kind of proxy that is not supported{hint}"
    if not host:
        return "which names no host"
    try:
        is_port = parts.port != 0
    except ValueError:
        is_port = False
    if not is_port:
        return "whose port is not a number from 1 to 65535"
    try:
        host.encode("idna")
    except UnicodeError:
        return "whose host is not a valid name"
    if scheme in _SOCKS and find_spec("socksio") is None:
        return "which needs a package: pip install 'httpx[socks]'"
    return None


def _of(proxy: ProxyServer, problem: str, base_url: str) -> str:
    parts = urlsplit(base_url)
    wanted = f"{parts.scheme}_proxy".upper()
    first = "" if proxy.variable.upper() == wanted else " (it comes first)"
    way_out = f"set {wanted}=http://HOST:PORT{first}, or NO_PROXY={parts.hostname} to go without a proxy"
    return f"{proxy.variable} is {proxy.shown!r}, {problem}; {way_out}"


def _by_way(base_url: str) -> str:
    try:
        proxy = proxy_to(base_url)
    except WrongEnvironment:
        return ""
    return f" (by way of {proxy.variable}, {proxy.shown!r})" if proxy is not None else ""


def _without_password(url: str) -> str:
    """A URL as it may be shown: without its user, its query, and a port that may be a password instead."""
    scheme, mark, rest = re.fullmatch(r"(?:(.*?)(://))?(.*)", url, re.DOTALL).groups("")  # type: ignore[union-attr]
    _, at, rest = rest.rpartition("@")
    address, query = re.fullmatch(r"([^?#]*)(.*)", rest, re.DOTALL).groups()  # type: ignore[union-attr]
    host, colon, port = address.rpartition(":")
    if colon and not re.fullmatch(r"\d*(/.*)?|[\da-fA-F]*\]", port):
        address = f"{host}:***"
    return f"{scheme}{mark}{'***@' if at else ''}{address}{'?***' if query else ''}"


# --- Certificates -------------------------------------------------------------------------------------------


def _certificates(base_url: str) -> ssl.SSLContext:
    """What a server's certificate is held against. Raises `WrongEnvironment` where that can't be read."""
    if base_url.startswith("http://"):
        return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # unused there, and made without 20 ms of certificates
    import httpx

    file, directory = os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR")
    try:
        if file:
            return ssl.create_default_context(cafile=file)
        if directory:
            _list_any(directory)
            return ssl.create_default_context(capath=directory)
        context = httpx.create_ssl_context(trust_env=False)
        # The contexts of `ssl` have it by themselves, and httpx's since it takes them from there, 0.28.
        key_log = os.environ.get("SSLKEYLOGFILE")
        if key_log and not context.keylog_filename and not sys.flags.ignore_environment:
            context.keylog_filename = key_log
        return context
    except (OSError, ValueError) as error:
        raise WrongEnvironment(_whose_fault(error)) from None


def _load(file: str) -> None:
    ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cafile=file)


def _list_any(directories: str) -> None:
    """Look into the first that is there, of several as OpenSSL takes them; raises OSError where none is."""
    names = directories.split(os.pathsep)
    os.scandir(next(filter(os.path.isdir, names), names[0])).close()


def _append(file: str) -> None:
    open(file, "ab").close()


# What a client reads on the way: the variable, how to find out whether it is at fault, and the way out.
_READ: Final[tuple[tuple[str, Callable[[str], None], str, str], ...]] = (
    ("SSL_CERT_FILE", _load, "read", "name a file of certificates in PEM form"),
    ("SSL_CERT_DIR", _list_any, "read", "name a directory of certificates"),
    ("SSLKEYLOGFILE", _append, "written", "name a file that can be"),
)


def _whose_fault(error: Exception) -> str:
    for variable, read, done, way_out in _READ:
        held = os.environ.get(variable)
        try:
            if held:
                read(held)
        except ssl.SSLError:
            return f"{variable} is {held!r}, which holds no certificate in PEM form; {way_out}, or unset it"
        except (OSError, ValueError) as found:
            why = getattr(found, "strerror", None) or found
            return f"{variable} is {held!r}, which can't be {done} ({why}); {way_out}, or unset it"
    return f"no certificates can be read ({error}); set SSL_CERT_FILE to a file of them in PEM form"


def _about_certificates() -> str:
    for variable in ("SSL_CERT_FILE", "SSL_CERT_DIR"):
        if held := os.environ.get(variable):
            return f" (held against {variable}, {held!r})"
    return "; where something on the way looks into TLS, set SSL_CERT_FILE to its certificates"
