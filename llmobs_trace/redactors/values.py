"""Tells a secret from code, prose and placeholders that stand in its place. Pure.

`password = getpass.getpass()`, `api_key=config.api_key`, "API key: see Settings" and `--password PASSWORD`
give nothing away; to replace them would spoil what is read for its code or its words.
"""

from __future__ import annotations

import re
from typing import Final

from .names import is_made_up
from .rule import MARKER

# They say that there is something, that there is nothing, or of which type it is.
_NO_VALUES: Final = frozenset({
    "null", "none", "nil", "true", "false", "undefined", "void", "str", "string", "int", "integer", "float",
    "number", "bytes", "bool", "boolean", "any", "object", "list", "dict", "tuple", "set", "char", "varchar",
    "text", "secretstr", "self", "this", "cls", "...", "…", "required", "optional", "missing", "invalid",
    "unset", "empty", "hidden", "redacted", "masked", "expired", "incorrect", "wrong", "include", "omit",
    "same-origin", "inherit", "read", "write", "read-write",
})  # fmt: skip
_LOOKED_UP: Final = (
    "os.environ", "os.getenv", "getenv(", "process.env", "$", "{", "%(", "%s", "vault:", "arn:",
)  # fmt: skip
_DOTTED: Final = re.compile(
    r"[&*]{0,2}[A-Za-z_]+\d?(?:(?:\.|::|->|\?\.)[A-Za-z_]+\d?)+(?:(?:\?\.)?[(\[].*|<[A-Za-z]\w*)?"
    # What is called may have digits: `base64.b64encode(user)`.
    r"|[A-Za-z_]\w*(?:(?:\.|::|->|\?\.)[A-Za-z_]\w*)+(?:\?\.)?[(\[].*",
    re.ASCII | re.DOTALL,
)
_CALLED: Final = re.compile(r"[A-Za-z_]\w*[(\[].*", re.ASCII | re.DOTALL)
# `db_password`, `API_KEY`, `apiKey`: a name in code has no digits within, and words that are joined.
_VARIABLE: Final = re.compile(
    r"_*[a-z]+(?:_[a-z]+)+\d?|[A-Z]+(?:_[A-Z]+)+|[a-z]+(?:[A-Z][a-z]+)+|(?:[A-Z]+[a-z]+){2,}", re.ASCII
)
# A symbol of Ruby's, a tag of YAML's.
_TAG: Final = re.compile(r"[:!][A-Za-z]")
_SCHEME: Final = re.compile(r"\A(?:bearer|basic|token)(?:[ \t]+|\Z)", re.IGNORECASE)
_LETTERS: Final = re.compile(r"[^\W\d_]+")
# Without braces a variable has digits at its end alone: `$tr0ub4dor` is a password.
_PLACEHOLDER: Final = re.compile(
    rf"<[^<>]*>|\{{(?![^}}]*[A-Za-z0-9+/=]{{24}}).*\}}|\$\{{[\w.:-]+\}}|\$(?:[a-z_.:-]+\d*|\d)|\$\(.*|`[^`]*`|%\w+%|(?:%[sdr]\W?)+|[*.•#_?-]+"
    rf"|(?:\w{{1,8}}[-_]){{0,3}}(?:x{{3,}}|\*{{3,}})|[\w-]{{0,12}}(?:\.\.\.|…)"
    rf"|(?:{MARKER})+"
    r"|(?:your|my|the|some|insert|enter|put)[-_ ].*|(?:example|changeme|placeholder|dummy|todo|tbd|n/a)",
    re.ASCII | re.IGNORECASE | re.DOTALL,
)
# What makes several words in quotes a sentence about a password, and no password of several words.
_SENTENCE: Final = re.compile(
    r"\b(?:is|are|was|must|should|cannot|can't|be|the|your|for|not|please|enter|has|have|been|with|to|of|at|an?"
    r"|if|and|or|here|from|in|on|least|characters|required)\b",
    re.IGNORECASE,
)
_WORDS_OF_PROSE: Final = frozenset(
    ["see", "use", "ask", "get", "set", "yes", "no", "ok", "on", "off", "how", "what", "where", "why", "when"]
)
# Where the value is kept, not what it is.
_REFERENCE: Final = re.compile(
    r"(?:aws:)?arn:|op://|vault:|ssm:|secretsmanager:|projects/[^/]+/secrets/|keyring:"
)
_KEYWORDS: Final = frozenset(
    {"await", "new", "not", "lambda", "yield", "async", "function", "typeof", "if", "func"}
)
_NAMES_OF_SECRETS: Final = frozenset(
    {
        "password",
        "passwd",
        "passphrase",
        "pwd",
        "secret",
        "token",
        "key",
        "keyfile",
        "auth",
        "cred",
        "creds",
        "credential",
        "credentials",
    }
)
_OF_AN_OPTION: Final = frozenset(
    {"option", "options", "flag", "flags", "argument", "arguments", "parameter", "value"}
)
_NO_LETTERS: Final = re.compile(r"[\W_]+")


def is_no_secret(value: str, name: str) -> bool:
    """Whether this is a placeholder, a word for nothing, the name again, or a sentence about passwords."""
    value = _SCHEME.sub("", value)
    word = value.rstrip(".,:;)]}").lower()
    if not word or word in _NO_VALUES or _PLACEHOLDER.fullmatch(value) or _REFERENCE.match(value):
        return True
    if (word.isdigit() and len(word) <= 2) or (name == "accesskey" and len(word) == 1):  # HTML's attribute
        return True
    if len(word) <= 64 and _NO_LETTERS.sub("", word).rstrip("s") == _NO_LETTERS.sub("", name.lower()).rstrip(
        "s"
    ):
        return True
    words = value[:400].split()
    return (
        len(words) >= 3
        and _SENTENCE.search(value, 0, 400) is not None
        and not any(is_made_up(word.strip("\"'`.,;:()"), 6) for word in words)
    )


def _is_variable(value: str) -> bool:
    """Whether this is written as a name, whose words are longer than those of letters drawn at random."""
    if _VARIABLE.fullmatch(value) is None:
        return False
    return "_" in value or len(value) < 16 or 3 * sum(map(str.isupper, value)) <= len(value)


def is_code(value: str, name: str, sign: str, before: str, after: str) -> bool:
    """Whether a bare value is an expression, whose own value stands elsewhere.

    `before` is what stands before the name, `after` the character behind the value.
    """
    value = _SCHEME.sub("", value)
    if value.startswith(_LOOKED_UP) or _DOTTED.fullmatch(value) or _CALLED.fullmatch(value):
        return True
    if _TAG.match(value) or _is_variable(value) or value.lower() == name.lower():
        return True
    if value in _KEYWORDS or (sign[:1] == " " and value.lower() in _NAMES_OF_SECRETS):
        return True
    if before.endswith(("self.", "this.", "self._", "this._")) and _LETTERS.fullmatch(value) is not None:
        return True
    # An argument (`connect(user, password=pw)`), a member (`"token": token`: JSON has quotes), or a
    # statement.
    is_argument = after in (",", ")") and before.rstrip()[-1:] in ("(", ",")
    is_statement = after == ";" and sign.startswith(" ")
    return (is_argument or is_statement or sign[:1] in ('"', "'")) and _LETTERS.fullmatch(value) is not None


def is_prose(value: str, sign: str, rest: str) -> bool:
    """Whether a bare value behind a colon is the next word of a sentence; `rest` is what follows it."""
    if sign.strip() != ":":
        return False
    word = value.rstrip(".,;:!?")
    more = rest.lstrip(" \t")
    goes_on = (rest[:1] in " \t" and more[:1].isalpha()) or (
        more[:1] in (",", ";") and more[1:3].strip().isalpha()
    )
    if goes_on and (_LETTERS.fullmatch(word) or (word.isdigit() and len(word) <= 2)):
        return True
    return word.lower() in _WORDS_OF_PROSE


def is_described(value: str, rest: str) -> bool:
    """Whether an option is spoken of, as in its help: `--password PASSWORD`, `--token is required`."""
    word = value.rstrip(".,:;!?")
    goes_on = rest[:1] == " " and rest[1:2].isalpha()
    return (
        word in _OF_AN_OPTION
        or (word.isupper() and _LETTERS.fullmatch(word.replace("_", "")) is not None)
        or (goes_on and word.islower() and word.isalpha())
    )
