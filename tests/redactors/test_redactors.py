from __future__ import annotations

import doctest
import inspect
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from llmobs_trace import redactors
from llmobs_trace.encode import Redactor, encode
from llmobs_trace.errors import ConfigurationError
from llmobs_trace.redactors import chain, personal_data, secrets

BOTH = chain(secrets, personal_data)
REDACTORS = pytest.mark.parametrize(
    "redact", [secrets, personal_data, BOTH], ids=["secrets", "personal", "both"]
)

# What the rules look for and stumble over, to be put together at random.
PIECES = st.sampled_from(
    [
        "password", "api_key", "secret", "Bearer ", "bearer", "basic ", "Authorization", "cookie",
        "datadog key ", "sk-", "sk-ant-", "ghp_", "AKIA", "eyJ", "xoxb-", "-----BEGIN PRIVATE KEY-----",
        "-----END PRIVATE KEY-----", "://", "user:pw@", "@", "example.com", "ann@example.com", "+",
        "415-555-2671", "4111 1111 1111 1111", "DE89370400440532013000", "10.1.2.3", "2001:db8::1",
        "123-45-6789", "phone ", "=", ":", " ", "\n", "\"", "'", "`", "\\", "\\\"", ",", ";", "&", "(",
        ")", "[", "]", "{", "}", "-", "_", ".", "/", "[redacted: email]", "[redacted: ",
        "0123456789abcdef0123456789abcdef", "aB3dE6gH9jK2mN5pQ8sT1vW4xY7zC0fLaB3dE6g", "Ym9iOnB3", "null",
        "${X}", "\u017f", "İ", "--token", "-p", "sshpass ", "curl ", "-u", "set", "_PROD", "<input ",
        "name=", "value=", "kind: Secret\n", "data:\n  a: ", "insert into t (password) values (", "\"kty\"",
        "|", "identified by ", "is ", "provided", "sk_live_", "auth=(", "{",
    ]
)  # fmt: skip
TEXTS = st.one_of(st.text(max_size=30), st.lists(PIECES, max_size=12).map("".join))
VALUES = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), TEXTS
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(
            TEXTS | st.sampled_from(["password", "phone", "value", "name", "type"]), inner, max_size=4
        ),
    ),
    max_leaves=12,
)

# Whole secrets that nothing around them can belong to, and where they may stand.
PLANTED = st.sampled_from(
    [
        "ghp_" + "aB3dE6gH9jK2mN5pQ8sT1vW4xY7zC0fLaB3d",
        "sk-" + "proj-aB3dE6gH9jK2mN5pQ8sT1vW4xY7zC0fLaB3d",
        "AKIA" + "IOSFODNN7EXAMPLE",
        "ann.planted@example.com",
        "4111111111111111",
        "DE89370400440532013000",
        "2001:db8:85a3::8a2e:370:7334",
    ]
)
NEIGHBOURS = st.text(alphabet=" \t\n.,;!?()<>{}'\"|*", max_size=6).map(lambda text: f" {text} ")


# What else is there: nothing that was planted.
OTHERS = st.recursive(
    st.none() | st.booleans() | st.integers(0, 999) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=6,
)


def shape(value: Any) -> Any:
    """What stays of a value when its texts and numbers are left out."""
    if isinstance(value, dict):
        return [shape(item) for item in value.values()]
    if isinstance(value, list):
        return [[], *map(shape, value)]
    return value if value is None or isinstance(value, bool) else "leaf"


@REDACTORS
@given(value=VALUES)
def test_out_comes_plain_json_of_the_same_shape(redact: Callable[[str, Any], Any], value: Any) -> None:
    seen = redact("input", value)
    assert shape(json.loads(json.dumps(seen))) == shape(value)


@pytest.mark.parametrize("redact", [secrets, personal_data])
@given(value=VALUES)
def test_a_second_time_changes_nothing(redact: Callable[[str, Any], Any], value: Any) -> None:
    once = redact("input", value)
    assert redact("input", once) == once


@given(planted=PLANTED, before=NEIGHBOURS, after=NEIGHBOURS, value=OTHERS)
def test_what_was_planted_is_nowhere_in_what_comes_out(
    planted: str, before: str, after: str, value: Any
) -> None:
    text = before + planted + after
    for given_value in (
        text,
        [value, text],
        {"a": {"b": [text]}, "c": value},
        {text: value},
        json.dumps({"a": text}),
    ):
        assert planted not in json.dumps(BOTH("input", given_value), ensure_ascii=False)


@given(
    name=st.sampled_from(["password", "DB_PASSWORD", "api-key", "client_secret", "accessToken"]), value=VALUES
)
def test_nothing_of_a_value_under_a_telling_name_comes_out(name: str, value: Any) -> None:
    canary = "canary-7f3a"
    nested = {name: [value, canary, {"x": canary, "y": {"z": [canary]}}]}
    assert canary not in json.dumps(secrets("tags", nested))


@given(
    password=st.text(alphabet=st.characters(codec="utf-8"), min_size=1).map(lambda text: f"{text}canary7f3a")
)
@example(password="$canary7f3a")
def test_a_password_in_json_within_json_goes_whatever_is_in_it(password: str) -> None:
    text = json.dumps({"user": "bob", "password": password, "n": 1})
    for _ in range(3):
        assert "canary7f3a" not in json.dumps(secrets("input", text))
        text = json.dumps({"arguments": text})


@pytest.mark.parametrize(
    "field", ["name", "input", "tags", "error.message", "error.stack", "label", "reasoning"]
)
def test_the_field_makes_no_difference(field: str) -> None:
    assert BOTH(field, "ann@example.com ghp_" + "a1" * 18) == "[redacted: email] [redacted: GitHub key]"


def test_a_chain_hands_on_what_each_left() -> None:
    seen: list[Any] = []

    def last(field: str, value: Any) -> Any:
        seen.append((field, value))
        return "done"

    assert chain(secrets, last)("output", "password=x") == "done"
    assert seen == [("output", "password=[redacted: password]")]
    assert chain()("output", 5) == 5


def test_as_an_option_it_sees_encoded_values() -> None:
    assert Redactor(BOTH).apply("input", encode({"password": "x", "to": ["ann@example.com"]})) == (
        b'{"password":"[redacted: password]","to":["[redacted: email]"]}'
    )


@pytest.mark.parametrize("redact", [secrets, personal_data, BOTH])
def test_configure_takes_them(redact: Callable[[str, Any], Any]) -> None:
    from llmobs_trace.settings.config import resolve

    assert resolve({"redact": redact, "journal": None}, {}).redact is redact


def test_every_label_is_one_that_the_next_redactor_knows_as_a_marker() -> None:
    from llmobs_trace.redactors import names, people, providers
    from llmobs_trace.redactors.rule import MARKER, marker

    labels = [
        *names._ENDINGS,
        *names._WHOLE.values(),
        *re.findall(r'_(?:key|near)\(\s*"([^"]+)"', inspect.getsource(providers)),
        *people._NAMED.values(),
        "Slack webhook",
    ]
    assert "1Password" in labels
    for label in labels:
        assert re.fullmatch(MARKER, marker(label))


# --- Time ---------------------------------------------------------------------------------------------------

# Beginnings without their ends, and runs that a careless pattern would read again from every character. Such
# a text takes some hundredths of a second where that is linear, and seconds where it is quadratic: then the
# system ends the program.
_HOSTILE = """
import signal
from llmobs_trace.redactors import chain, credentials, people, personal_data, secrets
redact = chain(secrets, personal_data)
pieces = [
    "a", "1", "-", ".", ":", "/", " ", "@", "_", "\\\\", '"', "+", "=", "[", "(", "A", "a.", "a-", "1 ",
    "1-", "1.", "1:", "a@", "a@b.", "@a.", "a.a@", "://", "://a:", "://a:b", "password", "password=",
    'password="', "password='a", 'password=\\\\\\\\"', "password: ", "password  ", "api_key", "secret",
    "api-", "access_", "=,", "password=a,", "bearer ", "bearer", "basic ", "basic aaaa", "cookie:",
    "cookie: a", "authorization: bearer ", "eyJ", "eyJa.", "eyJaaaaaaaaaaaaaaa.", "sk-", "sk-ant-",
    "sk-proj-", "ghp_", "AKIA", "xox", "xoxb-", "SG.", "hf_", "npm_", "glpat-", "datadog", "datadog key",
    "dd-", "datadogkeykeykey", "-----BEGIN ", "-----BEGIN PRIVATE KEY-----", "PRIVATE KEY", "[redacted: ",
    "[redacted: email]", "://[redacted: email]", "password=[redacted: email]", "phone ", "phone 1",
    "phone me us at on is no ", "+1", "+1 ", "(415) 555-", "415-555-", "123-45-", "4111 ",
    "4111 1111 1111 111", "2001:", "2001:db8:", "::ffff:", "fe80::", "10.1.", "255.", "DE89", "DE89 3704 ",
    "gb82", "aB3 ", "curl -u ", "curl -u a:b ", "sshpass -p ", "mysql ", " -p", " -p a", "secret --body ",
    "set ", "export a", "password(", "password: a = ", "password: a", "password 'aaaaaa", "password_1",
    "_prod_prod",
    "api_key is ", "authorization: a b=", "authorization: a b=c,", "b=", "auth=('a',", "<input ",
    "<input name=a ", "name=a ", "<a>", "<password>", "form-data; name=", 'variable "',
    'variable "password" {', "| password ",
    "|", "insert into a (", "insert into a (b) values ('", "('',", "kind: Secret\\n",
    "kind: Secret\\ndata:\\n",
    "data:\\n", "---\\n", '"kty" "d":"', "-----END PRIVATE KEY-----", "aaaa\\n-----END PRIVATE KEY-----",
    "KEY=", "password=a(", "password=a.", "identified by ", "oracle:thin:a/", "x://a:b#", "echo a:",
    "net user a ",
    "{", "{{", "%s", "x-", "a-a_",
    "pat_", "sk_a", "live_", "0123456789abcdef", "AAAA", "A%3D", "+ASt", "JQQJ99",
]
# Every rule looks at every text: each hint is there, where it ends nothing.
rules = credentials.RULES + people.RULES
hints = "! " + " ".join(hint for rule in rules for hint in rule.hints)
for piece in pieces:
    text = piece * (10_000 // len(piece))
    for made in (text + hints, "password=" + text):
        signal.setitimer(signal.ITIMER_PROF, 0.3)
        redact("input", made)
# And each rule what it looks for, of whatever it is: of a rule that is added tomorrow, too.
for rule in rules:
    for hint in rule.hints:
        for piece in (hint, hint + " ", hint + "a", hint.upper() + "=", hint + "0aA-"):
            signal.setitimer(signal.ITIMER_PROF, 0.3)
            for _ in rule.find(piece * (10_000 // len(piece or " "))):
                pass
print("done")
"""


def test_no_text_takes_more_than_linear_time() -> None:
    run = subprocess.run(
        [sys.executable, "-c", _HOSTILE],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert (run.stdout, run.stderr) == ("done\n", "")


# --- What is said of them -----------------------------------------------------------------------------------


def test_the_examples_of_the_docstrings_hold() -> None:
    result = doctest.testmod(redactors)
    assert result.attempted >= 3
    assert result.failed == 0


def test_the_example_of_the_manual_holds() -> None:
    redact = chain(secrets, personal_data)
    given = {"url": "postgres://bob:hunter2@db/x", "api_key": "k-1", "by": "ann@example.com", "n": 5}
    assert redact("input", given) == {
        "url": "postgres://[redacted: credentials]@db/x",
        "api_key": "[redacted: API key]",
        "by": "[redacted: email]",
        "n": 5,
    }


@pytest.mark.parametrize(
    ("redactors", "given"),
    [(([secrets, personal_data],), "a list"), ((secrets, "x"), "a str")],
)
def test_a_chain_of_what_is_no_redactor_is_refused_at_once(redactors: tuple[Any, ...], given: str) -> None:
    """Else each value of the run would be replaced by a marker."""
    with pytest.raises(ConfigurationError, match=rf"^chain: given {given}; expected .*chain\(secrets, "):
        chain(*redactors)
