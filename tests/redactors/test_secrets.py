from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from llmobs_trace.redactors import secrets

# Made up in the forms that the providers document; put together here, so that no scanner takes them for real
ALPHABET = "aB3dE6gH9jK2mN5pQ8sT1vW4xY7zC0fL"


def made(length: int, characters: str = ALPHABET) -> str:
    return (characters * (length // len(characters) + 1))[:length]


def jwt(header: dict[str, str]) -> str:
    parts = (json.dumps(part).encode() for part in (header, {"sub": "1234567890"}))
    return ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts) + "." + made(43)


KEYS = {
    "Anthropic key": "sk-ant-" + "api03-" + made(93) + "AA",
    "OpenRouter key": "sk-or-" + "v1-" + made(64, "0123456789abcdef"),
    "OpenAI key": "sk-" + made(20) + "T3BlbkFJ" + made(20),
    "AWS key": "AKIA" + "IOSFODNN7EXAMPLE",
    "GitHub key": "ghp_" + made(36),
    "GitLab key": "glpat-" + made(20),
    "Slack key": "xoxb-" + "123456789012-1234567890123-" + made(24),
    "Google key": "AIza" + made(35),
    "Hugging Face key": "hf_" + made(34),
    "Stripe key": "sk_live_" + made(24),
    "Groq key": "gsk_" + made(52),
    "xAI key": "xai-" + made(80),
    "Perplexity key": "pplx-" + made(48),
    "LangSmith key": "lsv2_pt_" + made(32, "0123456789abcdef") + "_" + made(10, "0123456789abcdef"),
    "Langfuse key": "sk-lf-" + "0a1b2c3d-0a1b-0a1b-0a1b-0a1b2c3d4e5f",
    "Databricks key": "dapi" + made(32, "0123456789abcdef"),
    "npm key": "npm_" + made(36),
    "PyPI key": "pypi-" + "AgEIcHlwaS5vcmc" + made(60),
    "SendGrid key": "SG." + made(22) + "." + made(43),
    "JWT": jwt({"alg": "HS256", "typ": "JWT"}),
}
OTHER_FORMS = [
    ("OpenAI key", "sk-" + "proj-" + made(74) + "T3BlbkFJ" + made(74)),
    ("OpenAI key", "sk-" + "svcacct-" + made(58) + "_-x"),
    ("GitHub key", "github_pat_" + made(22) + "_" + made(59)),
    ("GitHub key", "ghs_" + made(36)),
    ("AWS key", "ASIA" + "Y34FZKBOKMUTVV7A"),
    ("Slack key", "xapp-" + "1-A0123456789-1234567890123-" + made(32)),
    ("Google key", "ya29." + made(60)),
]


@pytest.mark.parametrize(("label", "key"), [*KEYS.items(), *OTHER_FORMS])
@pytest.mark.parametrize(
    "around", ["{}", "use {} now", '"{}"', "(key={})", "https://h/?x={}&y=1", "a\n{}\nb"]
)
def test_a_key_of_a_provider_is_replaced_by_what_it_was(label: str, key: str, around: str) -> None:
    assert secrets("input", around.format(key)) == around.format(f"[redacted: {label}]")


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("password=hunter2 next", "password=[redacted: password] next"),
        ("DB_PASSWORD=p,w)d\nnext", "DB_PASSWORD=[redacted: password]\nnext"),
        ("api_key: k-1", "api_key: [redacted: API key]"),
        ("x-api-key: k-1", "x-api-key: [redacted: API key]"),
        ("api_key='a b'", "api_key='[redacted: API key]'"),
        ("OpenAI(api_key=k1, timeout=5)", "OpenAI(api_key=[redacted: API key], timeout=5)"),
        ('{"password": "a\\"b", "user": "bob"}', '{"password": "[redacted: password]", "user": "bob"}'),
        ('{\\"password\\": \\"a\\\\\\"b\\", \\"n\\": 1}',
         '{\\"password\\": \\"[redacted: password]\\", \\"n\\": 1}'),
        ('{"password":12345,"user":"bob"}', '{"password":[redacted: password],"user":"bob"}'),
        ("os.environ['API_KEY'] = 'k'", "os.environ['API_KEY'] = '[redacted: API key]'"),
        ("password='never closed\nnext", "password='[redacted: password]\nnext"),
        ("AWS_SECRET_ACCESS_KEY=a/b+c=", "AWS_SECRET_ACCESS_KEY=[redacted: secret key]"),
        ("client_secret=x&grant=y", "client_secret=[redacted: secret]&grant=y"),
        ("?access_token=x#top", "?access_token=[redacted: token]"),
        ("?token=abcdefgh&x=1", "?token=[redacted: token]&x=1"),
        ("?X-Amz-Expires=9&X-Amz-Signature=0f1e2d3c", "?X-Amz-Expires=9&X-Amz-Signature=[redacted: token]"),
        ("?sv=2024-11-04&sig=a%2Bb%2Fc%3D", "?sv=2024-11-04&sig=[redacted: token]"),
        ('{"token": "a1b2c3d4e5f6g7h8"}', '{"token": "[redacted: token]"}'),
        ("TOKEN=a1b2c3d4e5f6g7h8", "TOKEN=[redacted: token]"),
        ("user: bob, pass: hunter2", "user: bob, pass: [redacted: password]"),
        ("Server=h;Pwd=x;Uid=y", "Server=h;Pwd=[redacted: password];Uid=y"),
        ("Authorization: Bearer abc", "Authorization: [redacted: authorization]"),
        ("Authorization: Basic Ym9iOnB3", "Authorization: [redacted: authorization]"),
        ("a Bearer mF_9.B5f-4.1JqM!", "a Bearer [redacted: bearer token]!"),
        ("curl -H 'basic Ym9iOmh1bnRlcjI='", "curl -H 'basic [redacted: basic credentials]'"),
        ("Set-Cookie: id=a3f; Secure\nnext", "Set-Cookie: [redacted: cookie]\nnext"),
        ("postgres://bob:hunter2@db:5432/x", "postgres://[redacted: credentials]@db:5432/x"),
        ("redis://:p@ss@h", "redis://[redacted: credentials]@h"),
        ("https://ann@x.com:pw@h/", "https://[redacted: credentials]@h/"),
        (
            "https://hooks.slack.com/services/T00000000/B00000000/" + made(24),
            "https://hooks.slack.com/services/[redacted: Slack webhook]",
        ),
        (f"Datadog API key {made(32, '0123456789abcdef')}.", "Datadog API key [redacted: Datadog key]."),
        (f"dd-application-key is {made(40, '0123456789abcdef')}",
         "dd-application-key is [redacted: Datadog key]"),
        (
            f"-----BEGIN RSA PRIVATE KEY-----\n{made(64)}\n-----END RSA PRIVATE KEY-----\nnext",
            "[redacted: private key]\nnext",
        ),
        (f"-----BEGIN PRIVATE KEY-----\\n{made(64)}", "[redacted: private key]"),
    ],
)  # fmt: skip
def test_what_a_text_gives_away_is_replaced_and_the_rest_stays(text: str, seen: str) -> None:
    assert secrets("input", text) == seen


@pytest.mark.parametrize(
    "text",
    [
        "The password is not the point; passwords rarely are.",
        "the secret: patience",
        "token: the, logprob: -0.1",
        "?token=next&design=4",
        "pass: 3, fail: 12; pass: yes; pass: 2/5",
        '{"token": "internationalisation", "pass": "partially", "next_token": "a1b2c3d4e5f6g7h8"}',
        "max_tokens=4096, prompt_tokens: 12, eos_token='</s>', next_token: x",
        "def login(user: str, password: str, api_key=None) -> Token:",
        '{"password": null, "api_key": true}',
        "api_key=os.environ['KEY'] or os.getenv('KEY')",
        "password: ${DB_PASSWORD}",
        "a bearer of good news; Bearer certificates; basic instructions; Basic training2",
        "sk-loading-skeleton-circle-of-12-items-in-a-row",
        "risk-assessment-0123456789012345678901234567890",
        "https://example.com:8080/a@b and http://h/?q=a:b@c",
        "mailto:bob@example.com",
        "dd.trace_id=0123456789abcdef0123456789abcdef dd.span_id=12",
        "commit 0123456789abcdef0123456789abcdef01234567",
        "datadog trace 0123456789abcdef0123456789abcdef",
        "eyJust.a.sentence eyJhbGci",
        "fortune cookie: you will be rich",
        "primary_key: 5, keyboard=us, monkey: see, sort_key=name, foreign key: id",
        "-----BEGIN PUBLIC KEY-----\nMIIB\n-----END PUBLIC KEY-----",
        "3fa85f64-5717-4562-b3fc-2c963f66afa6",
        "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAUA",
        "authority: b, author=c, authorized: d",
    ],
)
def test_what_only_looks_like_a_secret_stays(text: str) -> None:
    assert secrets("input", text) == text


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("password", "password"),
        ("DB_PASSWORD", "password"),
        ("userPassword", "password"),
        ("api_key", "API key"),
        ("X-Api-Key", "API key"),
        ("DD-APPLICATION-KEY", "API key"),
        ("openaiApiKey", "API key"),
        ("aws_secret_access_key", "secret key"),
        ("client_secret", "secret"),
        ("accessToken", "token"),
        ("Authorization", "authorization"),
        ("Set-Cookie", "cookie"),
        ("credentials", "credentials"),
    ],
)
def test_a_telling_name_gives_its_value_away_whatever_it_is(name: str, label: str) -> None:
    marker = f"[redacted: {label}]"
    value = {name: "x", "list": [{name: 12}], "deep": {name: {"v": ["y", 1.5], "none": None, "there": True}}}
    assert secrets("input", value) == {
        name: marker,
        "list": [{name: marker}],
        "deep": {name: {"v": [marker, marker], "none": None, "there": True}},
    }


def test_a_name_that_tells_nothing_leaves_its_value() -> None:
    plain = {
        "token": "the",
        "max_tokens": 5,
        "eos_token": "</s>",
        "key": "a",
        "primary_key": 5,
        "author": "b",
        "password": None,
        "has_password": True,
        "cookie_banner": "c",
        "password_hint": "your dog",
        "api_key": "",
    }
    assert secrets("input", plain) == plain


@pytest.mark.parametrize(
    ("name", "value", "label"), [("token", "a1b2c3d4e5f6g7h8", "token"), ("pass", "hunter2", "password")]
)
def test_a_name_of_two_meanings_tells_of_a_value_that_looks_made_up(
    name: str, value: str, label: str
) -> None:
    others = ["yes", True, 12, "12 of 16 tests in all", "internationalisation", "12345678901234567", ["a1"]]
    assert secrets("input", [{name: value}, *({name: other} for other in others)]) == [
        {name: f"[redacted: {label}]"},
        *({name: other} for other in others),
    ]


def test_a_schema_that_describes_a_password_is_not_one() -> None:
    tool: dict[str, Any] = {
        "properties": {"password": {"type": "string", "description": "of the user", "minLength": None}},
        "required": ["user", "password"],
    }
    assert secrets("input", tool) == tool
    tool["properties"]["password"]["default"] = "hunter2"
    assert secrets("input", tool)["properties"]["password"]["default"] == "[redacted: password]"


def test_a_listed_environment_is_read_by_the_names_in_it() -> None:
    listed = [
        {"name": "DB_PASSWORD", "value": "x"},
        {"key": "X-Api-Key", "value": "y"},
        {"name": "n", "value": "z"},
    ]
    assert [each["value"] for each in secrets("input", listed)] == [
        "[redacted: password]",
        "[redacted: API key]",
        "z",
    ]  # fmt: skip


def test_a_secret_in_a_members_name_goes_and_all_members_stay() -> None:
    first, second = KEYS["GitHub key"], "ghp_" + made(36)[::-1]
    assert secrets("input", {first: 1, second: 2, "[redacted: GitHub key]": 3}) == {
        "[redacted: GitHub key]": 1,
        "[redacted: GitHub key] (2)": 2,
        "[redacted: GitHub key] (3)": 3,
    }


def test_the_value_that_was_given_is_left_as_it_was() -> None:
    given = {"password": ["x", {"y": "z"}]}
    secrets("input", given)
    assert given == {"password": ["x", {"y": "z"}]}


@pytest.mark.parametrize(
    ("value", "seen"),
    [
        ([["accept", "*/*"], ["x-api-key", "k"]], [["accept", "*/*"], ["x-api-key", "[redacted: API key]"]]),
        (["tool", "--password", "k", "run"], ["tool", "--password", "[redacted: password]", "run"]),
        (["password", "k", "x"], ["password", "k", "x"]),
        ([{"Name": "DB_PASSWORD", "Value": "k"}], [{"Name": "DB_PASSWORD", "Value": "[redacted: password]"}]),
        ({"field": "password", "content": "k"}, {"field": "password", "content": "[redacted: password]"}),
        ({"role": "user", "content": "password"}, {"role": "user", "content": "password"}),
        ({"auth": "dXNlcjpwYXNz"}, {"auth": "[redacted: credentials]"}),
        ({"auth": "oauth2"}, {"auth": "oauth2"}),
        ({"OPENAI_KEY": "k", "add_key": "k"}, {"OPENAI_KEY": "[redacted: API key]", "add_key": "k"}),
        ({"PRIMARY_KEY": "a1b2c3d4e5f6"}, {"PRIMARY_KEY": "a1b2c3d4e5f6"}),
        ({"STRIPE_LIVE_KEY": "a1b2c3d4e5f6"}, {"STRIPE_LIVE_KEY": "[redacted: API key]"}),
    ],
)  # fmt: skip
def test_a_name_gives_away_what_stands_beside_it(value: Any, seen: Any) -> None:
    assert secrets("input", value) == seen


def test_a_private_key_that_was_read_as_lines_goes_to_its_last_line() -> None:
    lines = ["-----BEGIN RSA PRIVATE KEY-----\n", made(64) + "\n", "-----END RSA PRIVATE KEY-----\n", "next"]
    assert secrets("input", lines) == [*["[redacted: private key]"] * 3, "next"]


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("api_key: |\n  abc\n  def\n\nnext: 1", "api_key: |\n  [redacted: API key]\n\nnext: 1"),
        (
            "  - db_password: >-\n      abc\n    x: 1",
            "  - db_password: >-\n      [redacted: password]\n    x: 1",
        ),
        ("password: |\nnext: 1", "password: |\nnext: 1"),
        ("curl \\\n -u bob:pw \\\n h", "curl \\\n -u bob:[redacted: password] \\\n h"),
        ("https://" + made(24) + "@h.example", "https://[redacted: credentials]@h.example"),
        ("the password is hunter2.", "the password is [redacted: password]"),
        ("$2b$12$" + made(53), "[redacted: password hash]"),
        ("password=" + "<your password>", "password=" + "<your password>"),
        ("DB_PASSWORD=p<w", "DB_PASSWORD=[redacted: password]"),
    ],
)
def test_a_place_gives_away_what_stands_in_it(text: str, seen: str) -> None:
    assert secrets("input", text) == seen


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        # A name that goes on.
        ("SMTP_PASSWORD_PROD=a-b", "SMTP_PASSWORD_PROD=[redacted: password]"),
        ("secret_key_base: a-b", "secret_key_base: [redacted: secret key]"),
        ("ansible_ssh_pass: abc123", "ansible_ssh_pass: [redacted: password]"),
        # A declaration has a type before its sign, Markdown stars around it.
        ('private readonly secret: string = "a-b";',
         'private readonly secret: string = "[redacted: secret]";'),
        ('char password[20] = "a-b";', 'char password[20] = "[redacted: password]";'),
        ('var password string = "a-b"', 'var password string = "[redacted: password]"'),
        ("**Password:** a-b", "**Password:** [redacted: password]"),
        # A setter's argument.
        ('client.setPassword("a-b")', 'client.setPassword("[redacted: password]")'),
        # Said in a sentence.
        ("Incorrect API key provided: abc1234. See", "Incorrect API key provided: [redacted: API key] See"),
        ("using API key " + made(16) + ".", "using API key [redacted: API key]."),
        ("with bearer token " + made(16), "with bearer token [redacted: token]"),
        # A command's list of arguments, as a program shows it.
        ("Command '['sshpass', '-p', 'a-b', 'ssh']'",
         "Command '['sshpass', '-p', '[redacted: password]', 'ssh']'"),
        ("gh secret set X --body a-b", "gh secret set X --body [redacted: secret]"),
        ("echo 'bob:a-b' | chpasswd", "echo 'bob:[redacted: password]' | chpasswd"),
        # A user beside it.
        ("get(url, auth=('bob', 'a-b'))", "get(url, auth=('bob', '[redacted: password]'))"),
        ("redis://bob:a#b@h:6379/0", "redis://[redacted: credentials]@h:6379/0"),
        # What stands apart from its name.
        ("INSERT INTO t (id, password) VALUES (1, 'a''b'), (2, 'c')",
         "INSERT INTO t (id, password) VALUES (1, '[redacted: password]'), (2, '[redacted: password]')"),
        ('<input value="a-b" type="password">', '<input value="[redacted: password]" type="password">'),
        ('<meta name="csrf-token" content="a-b">', '<meta name="csrf-token" content="[redacted: token]">'),
        ('form-data; name="password"\r\n\r\na-b\r\n--x',
         'form-data; name="password"\r\n\r\n[redacted: password]\r\n--x'),
        ('variable "db_password" {\n  default = "a-b"\n}',
         'variable "db_password" {\n  default = "[redacted: password]"\n}'),
        ("| API key | abc123 |", "| API key | [redacted: API key] |"),
        ("kind: Secret\ndata:\n  conn: YQ==\ntype: Opaque",
         "kind: Secret\ndata:\n  conn: [redacted: secret]\ntype: Opaque"),
        ("kind: ConfigMap\ndata:\n  conn: YQ==\n---\nkind: Secret\ndata:\n  b: YQ==",
         "kind: ConfigMap\ndata:\n  conn: YQ==\n---\nkind: Secret\ndata:\n  b: [redacted: secret]"),
        (f"{made(64)}\n{made(30)}==\n-----END PRIVATE KEY-----\nnext", "[redacted: private key]\nnext"),
        (f'{{"kty":"EC","x":"{made(20)}","d":"{made(20)}"}}',
         f'{{"kty":"EC","x":"{made(20)}","d":"[redacted: private key]"}}'),
        ('Authorization: Digest username="bob", response="ab"', "Authorization: [redacted: authorization]"),
    ],
)  # fmt: skip
def test_what_is_said_around_a_secret_gives_it_away(text: str, seen: str) -> None:
    assert secrets("input", text) == seen


@pytest.mark.parametrize(
    "prefix", ["acme_sk_", "acme_pat_", "acme_live_", "acme-api-", "acme_secret_v2_", "acme_prod_token_"]
)
def test_a_key_that_says_what_it_is_goes_whoever_gave_it_out(prefix: str) -> None:
    assert secrets("input", f"got {prefix}{made(24)} back") == "got [redacted: API key] back"


@pytest.mark.parametrize("name", ["pk_live_", "resp_", "call_", "msg_", "chatcmpl-", "run_", "sha256-"])
def test_an_id_and_what_may_be_shown_stay(name: str) -> None:
    text = f"got {name}{made(24)} back"
    assert secrets("input", text) == text


@pytest.mark.parametrize(
    ("value", "seen"),
    [
        (["curl", "-u", "bob:a-b", "h"], ["curl", "-u", "bob:[redacted: password]", "h"]),
        (["sshpass", "-p", "a-b", "ssh", "h"], ["sshpass", "-p", "[redacted: password]", "ssh", "h"]),
        (["tar", "-p", "a-b"], ["tar", "-p", "a-b"]),
        ({"ParameterKey": "DbPassword", "ParameterValue": "a"},
         {"ParameterKey": "DbPassword", "ParameterValue": "[redacted: password]"}),
        ({"kty": "oct", "k": "a"}, {"kty": "oct", "k": "[redacted: private key]"}),
        ({"kind": "Secret", "data": {"a": "b"}}, {"kind": "Secret", "data": {"a": "[redacted: secret]"}}),
        ({"kind": "ConfigMap", "data": {"a": "b"}}, {"kind": "ConfigMap", "data": {"a": "b"}}),
        (["-----BEGIN PRIVATE KEY-----", ""], ["[redacted: private key]"] * 2),
    ],
)  # fmt: skip
def test_members_and_arguments_are_read_together(value: Any, seen: Any) -> None:
    assert secrets("input", value) == seen
    assert secrets("input", seen) == seen
