from __future__ import annotations

import copy
import functools
import pickle
from enum import Enum
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmobs_trace.settings import checks
from llmobs_trace.settings.checks import Secret, Unfit
from llmobs_trace.wire import is_loopback

anything = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(),
    st.binary(),
    st.lists(st.integers()),
    st.builds(object),
)


class Hostile:
    """Whoever shows, compares or measures it fails."""

    def __repr__(self) -> str:
        raise RuntimeError("shown")

    __str__ = __bool__ = __len__ = __eq__ = __repr__  # type: ignore[assignment]
    __hash__ = object.__hash__


class Town(str, Enum):
    SITE = "datadoghq.eu"


EVERY_CHECK = [
    checks.flag,
    checks.number(0, 1),
    checks.number(1, 10, int),
    checks.identifier,
    checks.key,
    checks.choice(("a", "b")),
    checks.site,
    checks.base_url,
    checks.path,
    checks.path_or_off,
    checks.redactor,
]


@pytest.mark.parametrize("check", EVERY_CHECK)
@given(value=anything)
def test_a_check_takes_a_value_or_says_why_not_and_nothing_else(check: Any, value: object) -> None:
    said = "given"
    try:
        check(value)
    except Unfit as unfit:
        said = str(unfit)
    assert said.startswith("given")


@pytest.mark.parametrize("check", EVERY_CHECK)
def test_a_check_runs_no_code_of_a_value_it_refuses(check: Any) -> None:
    with pytest.raises(Unfit, match="given a"):
        check(Hostile())


@pytest.mark.parametrize("text", ["1", "true", "TRUE", " yes ", "On"])
def test_what_means_on(text: str) -> None:
    assert checks.read_flag(text) is True


@pytest.mark.parametrize("text", ["0", "false", "False", "no", "OFF "])
def test_what_means_off(text: str) -> None:
    assert checks.read_flag(text) is False


@given(st.floats(0, 1) | st.integers(0, 1))
def test_a_number_within_its_bounds_is_taken_also_as_text(value: float) -> None:
    assert checks.number(0, 1)(value) == value
    assert checks.number(0, 1)(checks.read_as(float)(repr(value))) == value


@pytest.mark.parametrize(
    "value", [True, -0.1, 1.1, float("nan"), float("inf"), 10**400, "0.5", None, "nan", 1j]
)
def test_a_number_outside_its_bounds_or_of_another_type_is_refused(value: object) -> None:
    with pytest.raises(Unfit):
        checks.number(0, 1)(value)


@pytest.mark.parametrize("text", ["", "1e6", "1.0", "many", "9" * 5000])
def test_a_whole_number_is_not_read_from_other_text(text: str) -> None:
    with pytest.raises(Unfit):
        checks.number(0, 10**9, int)(checks.read_as(int)(text))


def test_an_enum_member_that_is_a_string_is_its_text() -> None:
    assert checks.site(Town.SITE) == "datadoghq.eu"
    assert type(checks.site(Town.SITE)) is str


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("datadog.com", "datadoghq.com"),
        ("https://app.datadoghq.eu/llm", "datadoghq.eu"),
        ("api.us5.datadoghq.com", "us5.datadoghq.com"),
        ("us3", "us3.datadoghq.com"),
        ("EU", "datadoghq.eu"),
        ("us2.ddog-gov.co", "us2.ddog-gov.com"),
    ],
)
def test_a_site_that_is_nearly_right_is_refused_with_the_right_one_in_the_message(
    given: str, meant: str
) -> None:
    with pytest.raises(Unfit, match=rf"did you mean {meant}\?"):
        checks.site(given)


@pytest.mark.parametrize(
    ("given", "used"),
    [
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("http://127.9.9.9", "http://127.9.9.9"),
        ("http://localhost:80/", "http://localhost:80"),
        ("HTTP://LOCALHOST:1", "http://localhost:1"),
        ("http://[::1]:8080", "http://[::1]:8080"),
        ("https://proxy.example.com/datadog/", "https://proxy.example.com/datadog"),
        (" https://api.datadoghq.com ", "https://api.datadoghq.com"),
    ],
)
def test_base_urls_over_tls_or_to_loopback(given: str, used: str) -> None:
    assert checks.base_url(given) == used


@pytest.mark.parametrize(
    "given",
    [
        "",
        "127.0.0.1:8080",
        "ftp://127.0.0.1",
        "http://",
        "https://:443",
        "http://example.com",
        "http://0.0.0.0:80",
        "http://localhost.example.com",
        "http://127.0.0.1.example.com",
        "http://127.0.0.1:99999",
        "http://127.0.0.1:0",
        "http://127.0.0.1\\.example.com",
        "http://127.0.0.1\t.example.com",
        "http://user:pass@127.0.0.1",
        "http://example.com#@127.0.0.1",
        "https://example.com?x=1",
        "https://exämple.com",
        "https://[::1",
        "https://a..b",
        f"https://{'a' * 64}.example",
        "https://%31.example.com",
    ],
)
def test_base_urls_that_are_refused(given: str) -> None:
    with pytest.raises(Unfit):
        checks.base_url(given)


@given(
    st.text(st.sampled_from("htps:/.@\\#?%[]1270localhost\t e-"), max_size=30).map(
        lambda rest: f"http://{rest}"
    )
)
def test_a_plain_http_url_that_is_taken_goes_to_loopback_by_every_reader(text: str) -> None:
    try:
        url = checks.base_url(text)
    except Unfit:
        return
    assert is_loopback(urlsplit(url).hostname or "")
    assert is_loopback(httpx.URL(url).host)


@pytest.mark.parametrize(
    "given", ["https://u:s3cret@h", "https://h?key=s3cret", "https://h#s3cret", "https://u:s3cret@h\\"]
)
def test_a_url_that_may_hold_a_secret_is_not_shown(given: str) -> None:
    with pytest.raises(Unfit, match="not shown") as refused:
        checks.base_url(given)
    assert "s3cret" not in str(refused.value)


@pytest.mark.parametrize("given", ["s3 cret", "s3cret\u00e9", "s3\ncret", "\x00s3cret"])
def test_a_key_that_no_header_can_hold_is_refused_and_not_shown(given: str) -> None:
    with pytest.raises(Unfit) as refused:
        checks.key(given)
    assert "s3" not in str(refused.value)


def test_a_line_end_after_a_key_is_not_part_of_it() -> None:
    assert checks.key("s3cret\n").reveal() == "s3cret"


def test_a_key_is_revealed_and_shown_nowhere() -> None:
    secret = Secret("s3cret")
    assert secret.reveal() == "s3cret"
    for shown in (repr(secret), str(secret), f"{secret}", f"{[secret]}", f"{secret!r:>30}"):
        assert "s3cret" not in shown
    assert not hasattr(secret, "__dict__")
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        with pytest.raises(TypeError, match="not pickled"):
            pickle.dumps(secret, protocol)
    assert copy.copy(secret) is secret
    assert copy.deepcopy([secret]) == [secret]
    assert len({secret, Secret("s3cret"), Secret("other")}) == 2


def test_a_path_is_absolute_and_a_tilde_is_the_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert checks.path("a/../b.db") == str(tmp_path / "b.db")
    assert checks.path(Path("~/b.db")) == str(tmp_path / "home" / "b.db")


@pytest.mark.parametrize("given", ["sqlite:///exp.db", "https://x/y.db", ":memory:"])
def test_what_other_libraries_call_a_database_is_no_path(given: str) -> None:
    with pytest.raises(Unfit, match="which is no path"):
        checks.path(given)


@pytest.mark.parametrize(
    "value", [None, "off", "OFF", " Off ", "0", "false", "No", "none", "NULL", "memory", ":memory:"]
)
def test_none_and_what_means_off_mean_no_directory(value: object) -> None:
    assert checks.path_or_off(value) is None


@pytest.mark.parametrize("check", [checks.path, checks.path_or_off])
@pytest.mark.parametrize("value", ["1", "true", " On ", "YES"])
def test_what_means_on_says_no_place(check: Any, value: str) -> None:
    with pytest.raises(Unfit, match=f"names no place; for a file of that name write ./{value.strip()}$"):
        check(value)


@pytest.mark.parametrize("value", ["off", "0", "none", "Memory"])
def test_a_database_is_not_switched_off(value: str) -> None:
    with pytest.raises(Unfit, match="names no place"):
        checks.path(value)


def test_a_place_that_is_called_like_such_a_word_is_meant_where_it_looks_like_a_path(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    for meant in ("./off", Path("off"), str(tmp_path / "off"), "off/"):
        assert checks.path_or_off(meant) == checks.path(meant) == str(tmp_path / "off")


def test_redactors_are_called_with_a_field_and_a_value() -> None:
    def redact(field: str, value: object) -> object:
        return value

    def named(*, field: str, value: object) -> object:
        return value

    async def later(field: str, value: object) -> object:
        return value

    def yielding(field: str, value: object) -> object:
        yield value

    class Later:
        async def __call__(self, field: str, value: object) -> object:
            return value

    assert checks.redactor(redact) is redact
    assert callable(checks.redactor(functools.partial(redact)))
    assert checks.redactor(max) is max
    for unfit in (named, later, yielding, Later(), lambda value: value, "redact"):
        with pytest.raises(Unfit):
            checks.redactor(unfit)


@given(st.text(min_size=200))
def test_a_long_value_is_shown_briefly(text: str) -> None:
    assert len(checks.shown(text)) < 120
