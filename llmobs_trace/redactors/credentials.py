"""What gives access, as two tables: forms in a text, and names whose value goes whatever it is. Data.

Forms are those that the providers document, as collected in gitleaks' config/gitleaks.toml and GitHub's list
of secret scanning patterns; GitHub: "Behind GitHub's new authentication token formats" (2021), AWS: "IAM
identifiers", Slack: "Token types", JWT: RFC 7519 and 7516, Bearer: RFC 6750, Basic: RFC 7617, PEM: RFC 7468.
Where lengths have changed over the years the shortest that was ever given out is the bound: later ones are
longer.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Callable, Iterator
from typing import Final

from .rule import MARKER, Found, Rule, pattern

__all__ = ["RULES", "named"]

# --- Names --------------------------------------------------------------------------------------------------

# What a name ends with, written without blanks, hyphens and underscores, says what its value is. `token` and
# `pass` alone say so only of a value that looks made up: models count and list tokens, evaluators let pass.
_TOKENS: Final = (
    "access", "api", "auth", "bearer", "bot", "csrf", "deploy", "github", "gitlab", "hf", "huggingface",
    "jwt", "npm", "oauth", "personal", "refresh", "registry", "security", "service", "session", "slack",
    "user", "vault", "xsrf",
)  # fmt: skip
_ENDINGS: Final[dict[str, tuple[str, ...]]] = {
    "password": ("password", "passwords", "passwd", "passphrase", "passcode", "pwd"),
    "API key": ("apikey", "apikeys", "appkey", "applicationkey", "subscriptionkey"),
    "secret key": (
        "secretkey", "accesskey", "accountkey", "privatekey", "signingkey", "encryptionkey", "masterkey",
        "sharedkey", "authkey",
    ),
    "secret": ("secret", "secrets"),
    "token": tuple(f"{before}token" for before in _TOKENS),
}  # fmt: skip
_WHOLE: Final = {
    "authorization": "authorization",
    "proxyauthorization": "authorization",
    "cookie": "cookie",
    "setcookie": "cookie",
    "credential": "credentials",
    "credentials": "credentials",
}
_HINTS: Final = ("pass", "pwd", "secret", "key", "token", "authorization", "cookie", "credential")
_IF_MADE_UP: Final = {"token": ("token", 16), "pass": ("password", 6)}  # of so many characters at least
_MADE_UP: Final = re.compile(r"(?=[^a-z]*[a-z])(?=[^0-9]*[0-9])\S+", re.ASCII | re.IGNORECASE)
_OTHER: Final = re.compile(r"[^a-z0-9]+")


def named(name: str, value: object) -> str | None:
    """What a member's value is by the member's name; None where that says nothing."""
    lowered = name.lower()
    if not any(hint in lowered for hint in _HINTS):
        return None
    plain = _OTHER.sub("", lowered)
    for label, endings in _ENDINGS.items():
        if plain.endswith(endings):
            return label
    label, at_least = _IF_MADE_UP.get(plain, ("", 0))
    if label and isinstance(value, str) and len(value) >= at_least and _MADE_UP.fullmatch(value):
        return label
    return _WHOLE.get(plain)


# --- Names in a text ----------------------------------------------------------------------------------------

# Of source code and of JSON: they say that there is something, or of which type.
_NO_VALUES: Final = frozenset(
    {"null", "none", "true", "false", "undefined", "nil", "str", "string", "int", "bytes", "bool", "any"}
)
_LOOKED_UP: Final = ("os.environ", "os.getenv", "getenv(", "process.env", "${", "{{")


def _spelled(name: str) -> str:
    """A name's words may be joined by `_`, `-` or a blank, or not at all."""
    for first in ("application", "subscription", "encryption", "signing", "private", "account", "secret",
                  "master", "shared", "access", "auth", "api", "app", *_TOKENS):  # fmt: skip
        if name.startswith(first) and len(name) > len(first) and name != "secrets":
            return f"{first}[_ -]?{name[len(first) :]}"
    return name


# Longer ones first: of two names that begin alike the first that matches is taken.
_SPELLINGS: Final = "|".join(
    sorted((_spelled(name) for names in _ENDINGS.values() for name in names if name != "secret"), key=len)[
        ::-1
    ]
)
_ENDS: Final = r"\s\"'`&;,)}\]>|"
_ASSIGNED: Final = re.compile(
    # A secret in a sentence ("the secret: patience") is none; as a name it is joined, quoted, or assigned to.
    rf"(?P<name>{_SPELLINGS}|(?<=[_-])secret|secret(?=\\*[\"'`]|[ \t]*=)|(?<![a-z0-9])authorization"
    r"|(?<![a-z0-9_-])(?:token|pass))"
    # JSON within JSON, as tools are called with, has its quotes behind backslashes.
    r"\\{0,7}[\"'`]?\]?[ \t]{0,20}(?:=>|:=|==?|:)[ \t]{0,20}"
    r"(?:(?P<escape>\\{0,7})(?P<quote>[\"'`])"
    r"(?P<quoted>[^\r\n]*?)(?=(?<!\\)(?P=escape)(?P=quote)|[\r\n]|\Z)"
    rf"|(?P<bare>(?:(?:bearer|basic|token|apikey|digest)[ \t]+)?(?:{MARKER}|[^{_ENDS}({{\[<])"
    # What ends a value does not where a value's character follows.
    rf"(?:{MARKER}|[^{_ENDS}]|[,)}}\]](?![{_ENDS}]|\Z))*))",
    re.ASCII | re.IGNORECASE,
)


def _assigned(text: str) -> Iterator[Found]:
    for match in _ASSIGNED.finditer(text):
        part = "quoted" if match["quoted"] is not None else "bare"
        value = match[part]
        if part == "bare" and (value.lower() in _NO_VALUES or value.startswith(_LOOKED_UP)):
            continue
        label = named(match["name"], value)
        if value and label is not None:
            yield Found(*match.span(part), label)


# --- Forms --------------------------------------------------------------------------------------------------


def _has_digit(text: str) -> bool:
    return len(text) >= 40 or any(character.isdigit() for character in text)


def _is_basic(text: str) -> bool:
    """`user:password` in base64, which other words after "basic" are not."""
    try:
        return b":" in base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        return False


def _is_jwt(text: str) -> bool:
    """Its header says how it is signed or encrypted."""
    header = text.split(".", 1)[0][:4096]
    try:
        said = json.loads(base64.urlsafe_b64decode(header + "=" * (-len(header) % 4)))
    except (binascii.Error, ValueError, RecursionError):
        return False
    return isinstance(said, dict) and "alg" in said


def _key(provider: str, regex: str, *hints: str, holds: Callable[[str], bool] | None = None) -> Rule:
    return pattern(f"{provider} key", rf"(?<![A-Za-z0-9]){regex}", *hints, holds=holds)


RULES: Final[tuple[Rule, ...]] = (
    pattern(
        "private key",
        r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----.*?"
        r"(?:-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----|\Z)",
        "private key",
        flags=re.ASCII | re.DOTALL,
    ),
    # Both may hold an `@` that should have been quoted: the last one ends them.
    pattern(
        "credentials",
        rf"(?<=://)(?:{MARKER}|[^\s/?#:\"'`<>])*:(?:{MARKER}|[^\s/?#\"'`<>])+(?=@)",
        "://",
    ),
    # What signs a URL, or stands in it for a person, opens what it leads to.
    pattern(
        "token",
        r"(?<=[?&])(?:x-(?:amz|goog)-)?(?:sig|signature|token)=(?P<it>[^\s&#\"'`<>\[\]]{8,})",
        "sig=",
        "signature=",
        "token=",
        flags=re.ASCII | re.IGNORECASE,
    ),
    Rule(_assigned, _HINTS),
    pattern(
        "cookie",
        r"(?<![a-z0-9])cookie\\{0,7}[\"']?[ \t]{0,20}:[ \t]{0,20}\\{0,7}[\"']?"
        r"(?P<it>[\w.-]{1,256}=[^\r\n\"']*)",
        "cookie",
        flags=re.ASCII | re.IGNORECASE,
    ),
    pattern(
        "bearer token",
        r"\bbearer[ \t]{1,20}(?P<it>[A-Za-z0-9._~+/=-]{8,})",
        "bearer",
        flags=re.ASCII | re.IGNORECASE,
        holds=_has_digit,
    ),
    pattern(
        "basic credentials",
        r"\bbasic[ \t]{1,20}(?P<it>[A-Za-z0-9+/]{4,}={0,2})",
        "basic",
        flags=re.ASCII | re.IGNORECASE,
        holds=_is_basic,
    ),
    pattern("JWT", r"(?<![\w-])eyJ[\w-]{10,}(?:\.[\w-]*){2,4}", ".", holds=_is_jwt),
    _key("Anthropic", r"sk-ant-[\w-]{16,}", "sk-ant-"),
    _key("OpenRouter", r"sk-or-[\w-]{16,}", "sk-or-"),
    _key(
        "OpenAI",
        r"sk-(?:proj|svcacct|admin|None)-[\w-]{16,}",
        "sk-proj-",
        "sk-svcacct-",
        "sk-admin-",
        "sk-none-",
    ),
    _key("Langfuse", r"sk-lf-[\w-]{16,}", "sk-lf-"),
    _key("OpenAI", r"sk-[A-Za-z0-9]{20,}", "sk-", holds=_has_digit),
    _key(
        "AWS",
        r"(?:AKIA|ASIA|ABIA|ACCA|A3T[A-Z0-9])[A-Z0-9]{16}(?![A-Za-z0-9])",
        "akia",
        "asia",
        "abia",
        "acca",
        "a3t",
    ),
    _key(
        "GitHub",
        r"(?:gh[pousr]_[A-Za-z0-9]{36,}|github_pat_\w{22,})",
        "ghp_",
        "gho_",
        "ghu_",
        "ghs_",
        "ghr_",
        "github_pat_",
    ),
    _key("GitLab", r"gl(?:pat|dt|rt|cbt|ptt|ft|soat)-[\w-]{20,}", "gl"),
    _key("Slack", r"(?:xox[abceoprs]|xapp|xoxe\.xox[bp])-[A-Za-z0-9-]{10,}", "xox", "xapp-"),
    pattern(
        "Slack webhook",
        r"hooks\.slack\.com/(?:services|workflows|triggers)/(?P<it>[\w+/-]{20,})",
        "hooks.slack.com",
    ),
    _key("Google", r"(?:AIza[\w-]{35}|GOCSPX-[\w-]{28}|ya29\.[\w-]{20,})", "aiza", "gocspx-", "ya29."),
    _key("Hugging Face", r"(?:hf|api_org)_[A-Za-z0-9]{34,}", "hf_", "api_org_"),
    _key("Stripe", r"(?:sk|rk)_(?:live|test|prod)_[A-Za-z0-9]{10,}", "k_live_", "k_test_", "k_prod_"),
    _key("Groq", r"gsk_[A-Za-z0-9]{40,}", "gsk_"),
    _key("xAI", r"xai-[A-Za-z0-9]{40,}", "xai-"),
    _key("Perplexity", r"pplx-[A-Za-z0-9]{40,}", "pplx-"),
    _key("LangSmith", r"lsv2_(?:pt|sk)_[0-9a-f]{32}_[0-9a-f]{10}", "lsv2_"),
    _key("Databricks", r"dapi[0-9a-f]{32}(?:-\d)?", "dapi"),
    _key("npm", r"npm_[A-Za-z0-9]{36}", "npm_"),
    _key("PyPI", r"pypi-AgE[\w-]{50,}", "pypi-age"),
    _key("SendGrid", r"SG\.[\w-]{22}\.[\w-]{43}", "sg."),
    # They are 32 or 40 hexadecimal digits, as trace ids and hashes are: what tells is the context.
    pattern(
        "Datadog key",
        r"(?:datadog|\bdd[ _-])[^\r\n]{0,40}?(?:key|token)[^\r\n]{0,12}?"
        r"(?<![0-9a-z])(?P<it>[0-9a-f]{40}|[0-9a-f]{32})(?![0-9a-z])",
        "datadog",
        "dd",
        flags=re.ASCII | re.IGNORECASE,
    ),
)
