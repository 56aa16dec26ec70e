from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Callable

import pytest
from support.serving import KEYS, SPAN, Serving, body

from llmobs_trace.receiver.access import Access
from llmobs_trace.receiver.http import parse_head

Serve = Callable[..., Serving]


def basic(password: str) -> dict[str, str]:
    return {"authorization": "Basic " + base64.b64encode(f"anybody:{password}".encode()).decode()}


def answers_to(access: Access, host: str) -> bool:
    return access.refuses_host(parse_head(f"GET / HTTP/1.1\r\nHost: {host}".encode())) is None


@pytest.mark.parametrize(
    "host", ["localhost", "LocalHost:8080", "127.0.0.1:1", "127.1.2.3", "[::1]:80", "[::1]", "localhost."]
)
def test_this_machine_s_own_names_are_answered(host: str) -> None:
    assert answers_to(Access(), host)


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "localhost.evil.example",
        "127.0.0.1.evil.example:80",
        "evil.example:127.0.0.1",
        "192.168.0.7",
        "[::2]",
        "",
        "0.0.0.0",
        "localhost@evil.example",
    ],
)
def test_no_other_name_is(host: str) -> None:
    assert not answers_to(Access(), host)


def test_where_other_machines_may_ask_so_are_addresses_and_the_names_it_was_given() -> None:
    access = Access("k", "l", frozenset({"receiver"}), everywhere=True)
    assert answers_to(access, "192.168.0.7:80")
    assert answers_to(access, "receiver:80")
    assert not answers_to(access, "evil.example")


def test_a_missing_key_is_401_and_a_wrong_one_403() -> None:
    access = Access("key", "ключ")
    sent = "ключ".encode().decode("latin-1")  # as a header's bytes are read
    assert access.refuses_keys({"dd-api-key": "key", "dd-application-key": sent}) is None
    for headers, status in (
        ({}, 401),
        ({"dd-api-key": "key"}, 401),
        ({"dd-api-key": "", "dd-application-key": sent}, 401),
        ({"dd-api-key": "kez", "dd-application-key": sent}, 403),
        ({"dd-api-key": "key", "dd-application-key": "key"}, 403),
    ):
        refused = access.refuses_keys(headers)
        assert refused is not None
        assert refused.status == status
        assert b"kez" not in refused.body


def test_beyond_loopback_the_viewer_asks_for_a_key() -> None:
    access = Access("key", "other key", everywhere=True)
    assert access.refuses_viewer(basic("key")) is None
    assert access.refuses_viewer(basic("other key")) is None
    for headers in (
        {},
        basic(""),
        basic("wrong"),
        {"authorization": "Basic !"},
        {"authorization": "Bearer key"},
    ):
        refused = access.refuses_viewer(headers)
        assert refused is not None
        assert refused.status == 401
        assert dict(refused.headers)["WWW-Authenticate"].startswith("Basic ")
    assert Access().refuses_viewer({}) is None


def test_a_page_of_a_site_that_points_its_name_here_gets_nothing(server: Serving) -> None:
    for path in ("/", "/api/experiments", "/assets/index.html"):
        assert server.get(path, Host=f"evil.example:{server.port}").status == 403
    refused = server.post(body([SPAN]), Host="evil.example")
    assert (refused.status, refused.errors[0]["source"]) == (403, {"header": "Host"})


def test_pages_are_sent_with_the_headers_that_keep_them_apart(server: Serving) -> None:
    assert server.ask("PUT", "/").headers["x-content-type-options"] == "nosniff"
    for path in ("/", "/api/experiments", "/experiments/e", "/nowhere"):
        headers = server.get(path).headers
        policy = dict(each.strip().split(" ", 1) for each in headers["content-security-policy"].split(";"))
        assert policy["default-src"] == "'none'"
        assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
        assert policy["frame-ancestors"] == "'none'"
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cross-origin-resource-policy"] == "same-origin"
        assert "access-control-allow-origin" not in headers


def test_pages_are_compressed_for_who_takes_it(server: Serving) -> None:
    path = "/assets/app.js"
    whole = server.get(path)
    assert "content-encoding" not in whole.headers
    packed = server.get(path, Accept_Encoding="br, gzip;q=0.5")
    assert packed.headers["content-encoding"] == "gzip"
    assert gzip.decompress(packed.body) == whole.body
    assert packed.headers["vary"] == whole.headers["vary"] == "Accept-Encoding"
    # What the browser has already it doesn't get again, compressed or not.
    assert server.get(path, If_None_Match=packed.headers["etag"]).status == 304
    assert "content-encoding" not in server.get(path, Accept_Encoding="gzip;q=0").headers


def test_it_listens_beyond_this_machine_only_with_keys(serve: Serve) -> None:
    api, app = KEYS.values()
    server = serve("--host", "0.0.0.0", "--api-key", api, "--app-key", app)
    assert server.url == f"http://127.0.0.1:{server.port}"
    assert server.get("/").status == 401
    assert server.get("/api/experiments").status == 401
    assert server.get("/", **basic(api)).status == 200
    assert server.post(body([SPAN])).status == 202
    assert server.post(body([SPAN]), **{"DD-API-KEY": "x"}).status == 403


def test_keys_are_taken_from_the_environment_too_where_other_users_do_not_see_them(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    api, app = KEYS.values()
    monkeypatch.setenv("LLMOBS_TRACE_SERVE_API_KEY", "not this one")
    monkeypatch.setenv("LLMOBS_TRACE_SERVE_APP_KEY", app)
    server = serve("--host", "0.0.0.0", "--api-key", api)  # the argument wins
    assert server.post(body([SPAN])).status == 202
    assert server.post(body([SPAN]), **{"DD-APPLICATION-KEY": "x"}).status == 403
    assert server.get("/", **basic(app)).status == 200
    assert server.get("/", **basic("not this one")).status == 401


def test_keys_that_are_in_the_environment_alone_are_the_ones_that_pass(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    api, app = KEYS.values()
    monkeypatch.setenv("LLMOBS_TRACE_SERVE_API_KEY", f" {api}\n")  # as it is read from a file
    monkeypatch.setenv("LLMOBS_TRACE_SERVE_APP_KEY", app)
    server = serve("--host", "0.0.0.0")
    assert server.post(body([SPAN])).status == 202
    for header in KEYS:
        assert server.post(body([SPAN]), **{header: "x"}).status == 403
    assert [server.get("/", **basic(key)).status for key in (api, app, "x")] == [200, 200, 401]


def test_what_the_doctor_asks_is_answered(serve: Serve) -> None:
    server = serve(
        "--api-key", KEYS["DD-API-KEY"], "--app-key", KEYS["DD-APPLICATION-KEY"], "--experiment", "e 1"
    )
    keys, experiments = "/api/v2/validate_keys", "/api/v2/llm-obs/v1/experiments"
    assert json.loads(server.get(keys, **KEYS).body) == {"status": "ok"}
    assert server.get(keys).status == 401
    assert server.get(keys, **{**KEYS, "DD-API-KEY": "x"}).status == 403
    assert server.ask("POST", keys, b"", **KEYS).headers["allow"] == "GET"
    for query, seen in (
        ("?filter[id]=e%201&page[limit]=1", ["e 1"]),
        ("?filter[id]=e%202", []),
        ("", ["e 1"]),
    ):
        answer = server.get(experiments + query, **KEYS)
        assert (answer.status, [each["id"] for each in json.loads(answer.body)["data"]]) == (200, seen)
