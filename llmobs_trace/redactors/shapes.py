"""Finds secrets in the shapes of files and languages, where a name and its value stand apart. Pure.

A form's field, an HTML tag, a variable of Terraform, a row of a Markdown table: each names what it holds,
with other words between the two. `INSERT INTO users (name, password) VALUES ('bob', 'x')` names its columns
first, and of a Kubernetes secret every value is one, whatever its name. JWK: RFC 7517; multipart: RFC 7578.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from .assigned import indented
from .names import is_made_up, named
from .rule import END_OF_KEY, Found, Rule
from .values import is_no_secret

_ANY_CASE: Final = re.ASCII | re.IGNORECASE


def _named(regex: str, *hints: str, made_up: int = 0) -> Rule:
    """What stands as `it`, where the `name` in the same match tells what it is."""
    compiled = re.compile(regex, _ANY_CASE)

    def find(text: str) -> Iterator[Found]:
        for match in compiled.finditer(text):
            name, value = match["name"].strip(), match["it"]
            label = _label(name, value)
            if label is not None and (not made_up or is_made_up(value, made_up)):
                yield Found(*match.span("it"), label)

    return Rule(find, hints)


def _label(name: str, value: str) -> str | None:
    """What the name says that the value is; None where it says nothing, or the value gives nothing away."""
    label = named(name, value)
    return None if label is None or is_no_secret(value, name) else label


# --- Tags ---------------------------------------------------------------------------------------------------

_TAG: Final = re.compile(
    r"<(?:input|meta|param|property|add|setting|entry|option)\s(?P<within>[^<>]{1,1000})", _ANY_CASE
)
_ATTRIBUTE: Final = re.compile(r"([\w:-]{1,40})=(?:\"([^\"]*)\"|'([^']*)'|([^\s\"'>]+))")


def _tags(text: str) -> Iterator[Found]:
    """Of HTML and XML, what such a tag's other attributes name: `<input type="password" value="x">`."""
    for tag in _TAG.finditer(text):
        said: dict[str, re.Match[str]] = {}
        for attribute in _ATTRIBUTE.finditer(text, *tag.span("within")):
            said[attribute[1].lower()] = attribute
        held = said.get("value") or said.get("content")
        if held is None:
            continue
        value = held[held.lastindex or 0]
        for naming in ("type", "name", "key", "id"):
            if (name := said.get(naming)) is not None:
                label = _label(name[name.lastindex or 0], value)
                if label is not None:
                    yield Found(*held.span(held.lastindex or 0), label)
                    break


# --- Columns ------------------------------------------------------------------------------------------------

_INSERT: Final = re.compile(
    r"\binsert[ \t]+into[ \t]+[^\s(]{1,120}\s{0,4}\((?P<columns>[^()]{1,2000})\)\s{0,4}values\s{0,4}",
    _ANY_CASE,
)
_ROW: Final = re.compile(r"\s{0,4},?\s{0,4}\((?P<row>(?:'(?:[^'\\\r\n]|''|\\.)*'|[^()'])*)\)")
_CELL: Final = re.compile(r"\s*(?:[NEnebB]?'(?P<quoted>(?:[^'\\\r\n]|''|\\.)*)'|[^,']+)")


def _inserted(text: str) -> Iterator[Found]:
    for insert in _INSERT.finditer(text):
        columns = [column.strip(" \t\r\n\"'`[]") for column in insert["columns"].split(",")]
        at = insert.end()
        while (row := _ROW.match(text, at)) is not None:
            at = row.end()
            for column, cell in zip(columns, _CELL.finditer(row["row"]), strict=False):
                value = cell["quoted"]
                label = _label(column, value) if value else None
                if label is not None:
                    begin = row.start("row") + cell.start("quoted")
                    yield Found(begin, begin + len(value), label)


# --- Kubernetes ---------------------------------------------------------------------------------------------

_IS_SECRET: Final = re.compile(r"^[ \t]*kind:[ \t]*[\"']?(?:Secret|SealedSecret)[\"']?[ \t]*$", re.MULTILINE)
_DATA: Final = re.compile(r"^(?P<indent>[ \t]*)(?:data|stringData):[ \t]*\r?\n", re.MULTILINE)
_MEMBER: Final = re.compile(r"[\"']?[\w.-]{1,253}[\"']?:[ \t]+(?P<it>[^\s#|>{\[][^\r\n]*)")


def _in_a_secret(text: str) -> Iterator[Found]:
    """Of each document that is a secret, what its data holds, in one line each."""
    at = 0
    for document in re.split(r"(?<=\n)(?=---)", text):
        if _IS_SECRET.search(document):
            for data in _DATA.finditer(document):
                for line, _ in indented(document, data.end(), len(data["indent"])):
                    member = _MEMBER.match(document, line)
                    if member is not None and not is_no_secret(member["it"].strip("\"'"), ""):
                        yield Found(at + member.start("it"), at + member.end("it"), "secret")
        at += len(document)


# --- Private keys -------------------------------------------------------------------------------------------

_END_OF_KEY: Final = re.compile(END_OF_KEY)
_BASE64: Final = re.compile(r"[A-Za-z0-9+/=]{4,128}")


def _end_of_a_key(text: str) -> Iterator[Found]:
    """The last lines of a private key whose first ones were cut off."""
    done = 0
    for end in _END_OF_KEY.finditer(text):
        begin = line = end.start()
        while line > done and text[line - 1] == "\n":
            above = text.rfind("\n", done, line - 1) + 1 or done
            if _BASE64.fullmatch(text[above : line - 1].strip()) is None:
                break
            begin = line = above
        done = end.end()
        if begin < end.start():
            yield Found(begin, done, "private key")


_JWK: Final = re.compile(r"\"(?:d|p|q|dp|dq|qi|k)\"[ \t]{0,4}:[ \t]{0,4}\"(?P<it>[\w-]{16,4096})\"", re.ASCII)


def _in_a_jwk(text: str) -> Iterator[Found]:
    return (Found(*match.span("it"), "private key") for match in _JWK.finditer(text))


SHAPES: Final[tuple[Rule, ...]] = (
    _named(r"form-data;[^\r\n]{0,80}?\bname=\"(?P<name>[^\"\r\n]{1,64})\"[^\r\n]{0,200}\r?\n"
           r"(?:[^\r\n]{1,200}\r?\n){0,4}\r?\n(?P<it>[^\r\n]+)", "form-data"),
    _named(r"<(?P<name>[\w:.-]{1,64})>(?P<it>[^<>\r\n]{1,4096})</", "</"),
    Rule(_tags, ("value=", "content=")),
    _named(r"\bvariable[ \t]+\"(?P<name>\w{1,64})\"[ \t]*\{[^{}]{0,400}?(?<=\s)default[ \t]*=[ \t]*"
           r"\"(?P<it>[^\"\r\n]+)\"", "variable"),
    _named(r"(?m:^)[ \t]*\|[ \t*`]*(?P<name>[\w -]{1,64}?)[ \t*`]*\|[ \t`]*(?P<it>[^\s|`]+)[ \t`]*\|", "|",
           made_up=6),
    Rule(_inserted, ("insert",)),
    Rule(_in_a_secret, ("secret",)),
    Rule(_end_of_a_key, ("private key",)),
    Rule(_in_a_jwk, ('"kty"',)),
)  # fmt: skip
