"""Tells from a name what its value is: `DB_PASSWORD` names a password, `max_tokens` names none. Pure.

A name is that of a member, an environment variable, a header, a command's option. What it ends with, written
without blanks, hyphens and underscores, says what its value is.
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import Final

# `token` and `pass` alone say so only of a value that looks made up: models count and list tokens, evaluators
# let pass.
_TOKENS: Final = (
    "access", "api", "auth", "bearer", "bot", "csrf", "deploy", "github", "gitlab", "hf", "huggingface",
    "jwt", "npm", "oauth", "personal", "private", "refresh", "registry", "security", "service", "session",
    "slack", "user", "vault", "xsrf",
)  # fmt: skip
# Whose keys are called by their name alone: `OPENAI_KEY`, `groq-key`.
_PROVIDERS: Final = (
    "ai21", "anthropic", "aws", "azure", "azureopenai", "bedrock", "brave", "cerebras", "claude", "cohere",
    "datadog", "dd", "deepgram", "deepseek", "elevenlabs", "exa", "firecrawl", "fireworks", "gemini",
    "google", "googlemaps", "groq", "huggingface", "jina", "langfuse", "langsmith", "llm", "mailgun",
    "maps", "mistral", "mixpanel", "newrelic", "nvidia", "openai", "openrouter", "perplexity", "pinecone",
    "replicate", "sendgrid", "serpapi", "serper", "stripe", "tavily", "together", "twilio", "voyage",
    "wandb", "xai",
)  # fmt: skip
_ENDINGS: Final[dict[str, tuple[str, ...]]] = {
    "password": (
        "password", "passwords", "passwd", "passphrase", "passcode", "pwd", "passwort", "motdepasse",
        "contraseña", "пароль", "密码",
    ),
    "API key": (
        "apikey", "apikeys", "appkey", "applicationkey", "subscriptionkey", "functionskey", "licensekey",
    ),
    "secret key": (
        "secretkey", "secretaccesskey", "accesskey", "accountkey", "privatekey", "signingkey",
        "encryptionkey", "masterkey", "sharedkey", "clientkey", "authkey", "hmackey", "deploykey", "sshkey",
        "storagekey", "sharedaccesskey",
    ),
    "secret": ("secret", "secrets", "clientsecrets", "sharedaccesssignature", "sastoken"),
    "token": tuple(f"{before}token" for before in _TOKENS),
}  # fmt: skip
_WHOLE: Final = {
    "authorization": "authorization",
    "proxyauthorization": "authorization",
    "cookie": "cookie",
    "cookies": "cookie",
    "setcookie": "cookie",
    "sessionid": "cookie",
    "phpsessid": "cookie",
    "jsessionid": "cookie",
    "connectsid": "cookie",
    "idtoken": "token",
    "credential": "credentials",
    "credentials": "credentials",
}
HINTS: Final = (
    "pass", "pwd", "secret", "key", "token", "authorization", "cookie", "credential", "sessid", "sessionid",
    "connect.sid", "contrase", "пароль", "密码", "accesssignature", "auth", "_pw", "_pat", "_salt",
)  # fmt: skip
# A word of its own: `add_key` ends in "dd" and "key" too.
_PROVIDERS_KEY: Final = re.compile(rf"(?:.*[^a-z0-9])?(?:{'|'.join(_PROVIDERS)})[_ -]?key", re.DOTALL)

_IF_MADE_UP: Final = {"token": ("token", 16), "pass": ("password", 6), "auth": ("credentials", 12)}
_MADE_UP: Final = re.compile(r"(?=[^a-z]*[a-z])(?=[^0-9]*[0-9])\S+", re.ASCII | re.IGNORECASE)
# An environment's variables: `STRIPE_LIVE_KEY` is a key where its value looks like one, `PRIMARY_KEY` is
# none.
_SHOUTED: Final = re.compile(r"[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)*_(KEY|TOKEN|SECRET|PASS|PW|PAT|AUTH|SALT)")
_LABELS: Final = {
    "key": "API key", "token": "token", "secret": "secret", "pass": "password", "pw": "password",
    "pat": "token", "auth": "credentials", "salt": "secret", "credential": "credentials",
    "credentials": "credentials",
}  # fmt: skip
# By which data is found: no secrets, though they may look drawn.
_OF_DATA: Final = ("public", "primary", "foreign", "sort", "partition", "cache", "object", "s3", "host")
_NO_SECRETS: Final = re.compile(rf"(?:^|_)(?:{'|'.join(_OF_DATA).upper()})_(?:KEY|TOKEN)$")
# Of both cases and digits, so many: under any name of a key but those by which data is found.
_DRAWN: Final = re.compile(r"(?=[^a-z]*[a-z])(?=[^A-Z]*[A-Z])(?=[^0-9]*[0-9])[A-Za-z0-9_-]{20,}", re.ASCII)
_NO_KEYS: Final = tuple(f"{what}key" for what in (
    *_OF_DATA, "row", "index", "idempotency", "dedup", "routing", "issue", "publishable", "site", "lookup",
    "hash", "range", "group",
))  # fmt: skip
# Lower-case names have these, too; `token` and `key` don't tell there: `next_token`, `sort_key`.
_ENDS_IN_PASS: Final = re.compile(r".*[_.-](pass|pw|pat|credentials?)", re.DOTALL)
_IS_PATH: Final = re.compile(r"[~.]{0,2}[\\/]|[A-Za-z]:\\|\w+://|.*\.\w{2,5}\Z")
# What a name may go on with and still be that name: `SMTP_PASSWORD_PROD`, `secret_key_base`, `api_key_2`.
_SUFFIX: Final = (
    r"(?:[_.-](?:prod|production|dev|development|staging|stage|test|testing|live|sandbox|local|default|old|new"
    r"|previous|current|next|primary|secondary|main|base|base64|b64|data|plain|plaintext|raw|value|ro|rw|\d{1,2}"
    r"))(?![A-Za-z0-9_])"
)
SUFFIX: Final = re.compile(_SUFFIX, re.ASCII | re.IGNORECASE)
_LAST: Final = re.compile(_SUFFIX + r"\Z", re.ASCII | re.IGNORECASE)
_OTHER: Final = re.compile(r"[\W_]+")


def named(name: str, value: object) -> str | None:
    """What a member's value is by the member's name; None where that says nothing."""
    lowered = name.lower()
    if not any(hint in lowered for hint in HINTS):
        return None
    suffix = _LAST.search(name)
    if suffix is not None:
        name = name[: suffix.start()]
        lowered = name.lower()
    plain = _OTHER.sub("", lowered)
    for label, endings in _ENDINGS.items():
        if plain.endswith(endings):
            return label
    if _PROVIDERS_KEY.fullmatch(lowered):
        return "API key"
    if not isinstance(value, str):
        return _WHOLE.get(plain)
    label, at_least = _IF_MADE_UP.get(plain, ("", 0))
    if label and (is_made_up(value, at_least) or (label == "credentials" and is_basic(value))):
        return label
    shouted = _SHOUTED.fullmatch(name)
    if shouted is not None and is_made_up(value, 8) and not _NO_SECRETS.search(name):
        return _LABELS[shouted[1].lower()]
    if plain.endswith("key") and _DRAWN.fullmatch(value) and not plain.endswith(_NO_KEYS):
        return "API key"
    passes = _ENDS_IN_PASS.fullmatch(lowered)
    if passes is not None and is_made_up(value, 6) and not _IS_PATH.match(value):
        return _LABELS[passes[1]]
    return _WHOLE.get(plain)


def is_made_up(value: str, at_least: int) -> bool:
    """Whether a text looks like what nobody would write: letters and digits in one word, so many of them."""
    return len(value) >= at_least and _MADE_UP.fullmatch(value) is not None


def is_basic(text: str) -> bool:
    """Whether this is `user:password` in base64, as HTTP and registries have it; other words are not."""
    try:
        decoded = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        return False
    return b":" in decoded and decoded.isascii()
