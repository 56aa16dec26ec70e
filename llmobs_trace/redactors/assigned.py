"""Finds what a text assigns to a telling name: `password=hunter2`, `"api_key": "k-1"`, `--token X`. Pure.

The hard half is what is no value: `password = getpass.getpass()`, `api_key=config.api_key`, `password: str`
and "API key: see Settings" name something without giving it away, and a text of code or prose is spoilt where
they go. So a bare value is read as code or prose first (`values`), and only what is neither is a secret.

What a name ends with is looked for first, since that is one search of C's: no pattern is tried at every
character of a text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from .names import HINTS, SUFFIX, is_made_up, named
from .rule import MARKER, Found, Rule
from .values import is_code, is_described, is_no_secret, is_prose

# What names end with that tell anything; an `s` may follow.
_ENDINGS: Final = (
    "password", "passwd", "passphrase", "passcode", "passwort", "pwd", "key", "secret", "token",
    "authorization", "credential", "signature", "pass", "auth", "_pat", "_pw", "_salt", "sessionid",
    "motdepasse", "mot de passe", "contraseña", "пароль", "密码",
)  # fmt: skip
_LONGEST_NAME: Final = 64
# What a sentence may have between a name and its sign: `the API key provided: 8f3b…`.
_SAID: Final = ("provided", "given", "used", "received", "supplied", "entered", "found")
_ENDS: Final = r"\s\"'`&;,)}\]>|"
# What ends a value does not where a value's character follows.
_GOES_ON: Final = rf"(?:[^{_ENDS}<\[]|{MARKER}|\[|<(?!/)|[,)}}\]](?![{_ENDS}]|\Z))"
_VALUE: Final = (
    r"[fFrRbBuUN@]{0,2}(?P<escape>\\{0,7})(?P<quote>[\"'`])"
    r"(?P<quoted>[^\r\n]*?)(?=(?<!\\)(?P=escape)(?P=quote)|[\r\n]|\Z)"
    rf"|(?P<bare>(?:(?:bearer|basic|token|apikey|digest|splunk|bot|ssws|negotiate|ntlm|geniekey)[ \t]+)?"
    rf"(?:{MARKER}|[^{_ENDS}({{\[<])"
    rf"{_GOES_ON}{{0,127}})"
)
# Of a long one the beginning tells; else a text of names alone would be read from each of them to its end.
_REST: Final = re.compile(f"{_GOES_ON}*", re.ASCII)
_ASSIGNED: Final = re.compile(
    # JSON within JSON, as tools are called with, has its quotes behind backslashes. `setenv("API_KEY", "x")`
    # and `["x-api-key", "v"]` have a comma between two texts in quotes, XML and lists of variables an
    # attribute.
    # What is declared has its type before the sign, and Markdown's names are bold.
    r"s?(?P<sign>(?:\[\d{0,5}\]|\??:[ \t]{0,4}[&A-Za-z][\w.<>|\[\] ?']{0,40}?|[ \t]{1,4}string)"
    r"[ \t]{0,4}=[ \t]{0,4}(?=@?[\"'`])|[*_]{1,3}:[ \t]{1,4}|:[*_]{1,3}[ \t]{1,4}"
    rf"|[ \t]{{1,2}}(?:{'|'.join(_SAID)})[ \t]{{0,2}}[:=][ \t]{{0,4}}"
    r"|\([ \t]{0,4}(?=[\"'`])|[ \t]{1,2}(?=[\"'`][^\s\"'`]{6,200}[\"'`](?![\w:]))"
    r"|\\{0,7}[\"'`]?\]?[ \t]{0,20}(?:=>|:=|==?|:)[ \t]{0,20}"
    r"|\\{0,7}[\"'`],[ \t]{0,20}(?=\\{0,7}[\"'`])"
    r"|\\{0,7}[\"']?[ \t,]{1,20}\\{0,7}[\"']?value\\{0,7}[\"']?[ \t]{0,20}[=:][ \t]{0,20}"
    r"|[\"']?[ \t]{0,20}\r?\n[ \t]{1,20}value:[ \t]{1,20}"
    r"|>(?=[^<\r\n]{1,200}</))"
    rf"(?:{_VALUE})",
    re.ASCII | re.IGNORECASE,
)
# Behind a blank: of an option (`--password X`, `"--password", "X"`), and of what sets a variable.
_GIVEN: Final = re.compile(
    r"s?(?P<sign>[ \t]{1,4}(?:(?:is|was)[ \t]{1,4})?|\\{0,3}[\"'],[ \t]{0,4})"
    rf"(?:(?P<escape>\\{{0,3}})(?P<quote>[\"'])(?P<quoted>[^\r\n\"']{{1,4096}})|(?P<bare>[^{_ENDS}(\[{{$-][^{_ENDS}]*))",
    re.ASCII,
)
_SETS: Final = re.compile(
    r"(?:^|[\s\"'])(?:set|env|arg|setx|setenv|add|export|#define|const)[ \t]+(?:--?[\w-]{1,30}[ \t]+){0,3}"
    r"(?:[^\s\"'=]{1,80}[.:/])?\Z",
    re.I,
)
# A block of YAML: the lines that stand further in than the name's.
_BLOCK: Final = re.compile(r"[\"']?:[ \t]{0,20}[|>][-+0-9]{0,2}[ \t]{0,20}\r?\n")
_INDENT: Final = re.compile(r"[ \t]*")
_INDENT_OF_NAME: Final = re.compile(r"[ \t]*(?:- +)*")
# A docstring's `:param password: of the user`; the end of an ARN, which is a name.
_IS_FIELD: Final = re.compile(
    r":(?:param|parameter|arg|argument|type|keyword|raises|ivar|vartype|cvar)[ ][\w.\[\] |]*\Z|\barn:\S*\Z"
)
# Who sets, of those whose argument in brackets is the value: `setPassword("x")`, `.apiKey("x")`.
_SETTER: Final = re.compile(r"(?:set|with|use)_?[A-Za-z]", re.ASCII | re.IGNORECASE)
_APOSTROPHE: Final = re.compile(r"(?<=[A-Za-z])'(?=[A-Za-z])|\\\\.", re.ASCII)
# A path, an address, an expression.
_IS_SAID_OTHERWISE: Final = re.compile(r"[^\s=(]*[=(]|\w+://|[~.]{0,2}/|[\w-]+(?:\.[a-z]+)+\Z", re.ASCII)
# A secret in a sentence ("the secret: patience") is none; as a name it is joined, quoted, or assigned to.
_SECRET: Final = re.compile(r"\\*[\"'`]|[ \t]*=|>|\??:[ \t]*[\w.<>|\[\] ]{1,40}=[ \t]*[\"'`]")


def _assigned(text: str) -> Iterator[Found]:
    done = 0
    for end in _ends_of_names(text):
        if end < done:
            continue
        found = _assigned_at(text, end)
        if found is not None:
            done = found.end
            yield found


def _ends_of_names(text: str) -> list[int]:
    lowered = text.lower()
    if len(lowered) != len(text):  # of "İ" there are two characters then
        lowered = "".join(each.lower() if each.isascii() else each for each in text)
    ends = set()
    for ending in _ENDINGS:
        at = lowered.find(ending)
        while at >= 0:
            ends.add(at + len(ending))
            at = lowered.find(ending, at + len(ending))
    return sorted(ends)


def _assigned_at(text: str, end: int) -> Found | None:
    """What is assigned to the name that ends at `end`, if anything is and the name tells something."""
    suffix = SUFFIX.match(text, end)
    if suffix is not None:
        end = suffix.end()
    match = _ASSIGNED.match(text, end)
    if match is not None and match["sign"].isspace() and _is_set(text, _beginning_of_name(text, end)):
        match = None
    given = None if match is not None else _GIVEN.match(text, end)
    block = _BLOCK.match(text, end) if match is None or match["bare"] is not None else None
    if match is None and given is None and block is None:
        return None
    begin = _beginning_of_name(text, end)
    if block is not None:
        lines = _block(text, begin, block.end())
        label = _label(text, begin, end, text[slice(*lines)]) if lines is not None else None
        return Found(*lines, label) if lines is not None and label is not None else None
    if match is None:
        assert given is not None
        return _given(text, begin, end, given)
    part = "quoted" if match["quoted"] is not None else "bare"
    value, name = match[part], text[begin:end]
    if not value or is_no_secret(value, name):
        return None
    if part == "quoted":
        if match["quote"] not in match["sign"] and _is_within(text, begin, match["quote"]):
            return None
        if not _says(match["sign"], value, text, begin, name):
            return None
        # Two texts beside each other are often a list of names: `["api_key", "type"]`.
        if (
            "," in match["sign"]
            and "value" not in match["sign"].lower()
            and not is_made_up(value.split()[-1], 6)
        ):
            return None
    if _IS_FIELD.search(text, max(0, begin - 120), begin):
        return None
    label = _label(text, begin, end, value) or _of_option(text, begin, end, value)
    if label is None:
        return None
    if part == "bare":
        if match["sign"].strip(" \t:=") in _SAID and not is_made_up(value.rstrip(".,;"), 6):
            return None
        at = match.end(part)
        before, after = text[max(0, begin - 80) : begin], text[at : at + 4]
        if (
            "==" in match["sign"]
            or (match["sign"].strip() == ":" and after.startswith((" | N", " = ")))  # of a type
            or is_code(value, name, match["sign"], before, after[:1])
            or is_prose(value, match["sign"], after)
        ):
            return None
        rest = _REST.match(text, at)
        return Found(match.start(part), at if rest is None else rest.end(), label)
    return Found(*match.span(part), label)


def _is_within(text: str, begin: int, quote: str) -> bool:
    """Whether the name is in quotes, which end behind it: `input("Password: ")`, `"bad key: " + why`."""
    line = text.rfind("\n", max(0, begin - 400), begin) + 1
    if line == 0 and begin > 400:
        return text[begin - 1] == quote
    before = text[line:begin]
    return len(_APOSTROPHE.sub("", before).split(quote)) % 2 == 0


def _says(sign: str, value: str, text: str, begin: int, name: str) -> bool:
    """Whether such a sign makes what is in quotes the name's value, where it is no usual one."""
    if sign.startswith("("):
        is_member = text[begin - 1 : begin] in (".", ">")
        return _SETTER.match(name) is not None or (is_member and is_made_up(value, 6))
    if sign.isspace() or sign.strip(" \t:=") in _SAID:
        # `pass` is a verb, too.
        return is_made_up(value, 6) and "=" not in value and name.lower() not in ("pass", "auth")
    return True


def _is_set(text: str, begin: int) -> bool:
    return text[begin : begin + 1] == "-" or _SETS.search(text, max(0, begin - 120), begin) is not None


def _given(text: str, begin: int, end: int, match: re.Match[str]) -> Found | None:
    if not _is_set(text, begin):
        return _told(text, begin, end, match)
    part = "quoted" if match["quoted"] is not None else "bare"
    value = match[part]
    name = text[begin:end].lstrip("-")
    if is_no_secret(value, name) or (
        part == "bare" and is_described(value, text[match.end() : match.end() + 2])
    ):
        return None
    label = _label(text, begin, end, value) or _of_option(text, begin, end, value)
    return Found(*match.span(part), label) if label is not None else None


def _of_option(text: str, begin: int, end: int, value: str) -> str | None:
    """`--token` and `--secret` have one meaning, where the words have two."""
    name = text[begin:end].lower()
    return name.lstrip("-") if name in ("--token", "--secret", "-token") and len(value) >= 8 else None


def _told(text: str, begin: int, end: int, match: re.Match[str]) -> Found | None:
    """What follows a name in a sentence, where nobody would write it: `using API key 8f3b…`."""
    value = match["bare"] or ""
    value = value.rstrip(".,;:!?")
    if not is_made_up(value, 16) or _IS_SAID_OTHERWISE.match(value):
        return None
    label = _label(text, begin, end, value)
    at = match.start("bare")
    return Found(at, at + len(value), label) if label is not None else None


def _block(text: str, begin: int, at: int) -> tuple[int, int] | None:
    line = text.rfind("\n", 0, begin) + 1
    outer = _INDENT_OF_NAME.match(text, line)
    assert outer is not None
    lines = list(indented(text, at, outer.end() - line))
    return (lines[0][0], lines[-1][1]) if lines else None


def indented(text: str, at: int, outer: int) -> Iterator[tuple[int, int]]:
    """From `at` on, as long as lines stand further in than `outer`: where each one's text begins and ends.

    Blank lines are passed over.
    """
    while at < len(text):
        end = text.find("\n", at)
        end = len(text) if end < 0 else end
        inner = _INDENT.match(text, at, end)
        assert inner is not None
        if text[at:end].strip():
            if inner.end() - at <= outer:
                return
            yield inner.end(), end
        at = end + 1


def _label(text: str, begin: int, end: int, value: str) -> str | None:
    """What the name says, alone or with the word or two before it: `key`, `api key`, `secret access key`."""
    name = text[begin:end]
    if name.lower().lstrip("-") == "secret":
        is_joined = text[begin - 1 : begin] == "." or is_made_up(value, 8)
        return "secret" if is_joined or _SECRET.match(text, end) else None
    label = named(name, value)
    for _ in range(2):
        if label is not None or text[begin - 1 : begin] != " ":
            return label
        wider = _beginning_of_name(text, begin - 1)
        if wider == begin - 1:
            return None
        begin = wider
        label = named(text[begin:end], value)
    return label


def _beginning_of_name(text: str, end: int) -> int:
    at, lowest = end, max(0, end - _LONGEST_NAME)
    while at > lowest and (text[at - 1].isalnum() or text[at - 1] in "_-"):
        at -= 1
    return at


ASSIGNED: Final = Rule(_assigned, HINTS)
