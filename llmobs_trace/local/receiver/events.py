"""A body comes in as bytes, its events go out as bytes, each on its own, or all that is wrong with it. Pure.

What is as documented is read once by types; only what isn't is walked (`faults`). Events go out without
blanks between their tokens, so that a metric, which is known by its bytes, is one however it was written.
"""

from __future__ import annotations

import codecs
import re
from typing import Any, Final

import msgspec
from msgspec import UNSET, Raw, Struct

from llmobs_trace.local.receiver import faults
from llmobs_trace.local.receiver.problems import Fault
from llmobs_trace.local.receiver.schema import BODY, PLACEHOLDER


class Events(Struct, frozen=True):
    """A body's events, each as its JSON on the wire."""

    spans: list[bytes]
    metrics: list[bytes]


class Refused(Struct, frozen=True):
    """What is wrong with a body; `more`: not all of it is listed."""

    faults: list[Fault]
    more: bool = False


class _NoJSON(Exception):
    """What a body is instead, in words that follow `not JSON:`."""


class _Attributes(Struct):
    spans: list[Raw] = []
    metrics: list[Raw] = []


class _Data(Struct):
    attributes: _Attributes


class _Body(Struct):
    data: _Data


_typed: Final[msgspec.json.Decoder[Any]] = msgspec.json.Decoder(BODY.typed)
_raw: Final[msgspec.json.Decoder[Any]] = msgspec.json.Decoder(BODY.raw)
_listed: Final = msgspec.json.Decoder(_Body)
_encode: Final = msgspec.json.Encoder().encode

_SURROGATE: Final = re.compile(rb"\\u[dD][89a-fA-F]")
# One escape after the other, so that an escaped backslash is not taken for the beginning of one.
_ESCAPE: Final = re.compile(
    rb"\\(?:(u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})|(u[dD][89a-fA-F][0-9a-fA-F]{2})|.)",
    re.DOTALL,
)


def read(body: bytes | bytearray) -> Events | Refused:
    """Read one whole body; a `bytearray` is emptied on the way, so as not to be held longer."""
    try:
        text = _compact(body)
        if isinstance(body, bytearray):
            body.clear()
        return _read(text)
    except _NoJSON as error:
        return Refused([Fault("", f"the body is not JSON: {error}", "json")])
    except RecursionError:
        return Refused([Fault("", "the body is nested too deeply", "depth")])


def _read(text: bytes) -> Events | Refused:
    if _is_as_documented(text):
        attributes = _listed.decode(text).data.attributes
        return Events([bytes(raw) for raw in attributes.spans], [bytes(raw) for raw in attributes.metrics])
    found, more = faults.find(text)
    if found:
        return Refused(found, more)
    return _rewritten(text)


def _compact(body: bytes | bytearray) -> bytes:
    """The same JSON without blanks; raises `_NoJSON`."""
    if not body:
        raise _NoJSON("it is empty")
    if body[:3] == codecs.BOM_UTF8:
        raise _NoJSON("it begins with a byte order mark")
    if not body.isascii():
        _check_utf8(body)
    if _SURROGATE.search(body):
        # Half a character, as of a text that was cut: it can't be kept, and is no reason to lose the event.
        body = _ESCAPE.sub(lambda found: rb"\ufffd" if found[2] else found[0], body)
    try:
        return bytes(msgspec.json.format(body, indent=-1))
    except msgspec.DecodeError as error:
        raise _NoJSON(_in_our_words(str(error))) from None


def _check_utf8(body: bytes | bytearray) -> None:
    # In pieces: as one text it would take up to four times its size.
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        for start in range(0, len(body), 1 << 16):
            decoder.decode(body[start : start + (1 << 16)])
        decoder.decode(b"", True)
    except UnicodeDecodeError:
        raise _NoJSON("it is not UTF-8") from None


def _in_our_words(said: str) -> str:
    if "truncated" in said:
        return "it ends too early"
    return said.removeprefix("JSON is malformed: ")


def _is_as_documented(text: bytes) -> bool:
    try:
        body = _typed.decode(text)
    except msgspec.ValidationError:
        return False
    attributes = body.data.attributes
    for span in attributes.spans or ():
        meta = span.meta
        if meta is not UNSET and not (
            _is_value(meta.input) and _is_value(meta.output) and _is_object(meta.expected_output)
        ):
            return False
    for metric in attributes.metrics or ():
        if not (_is_object(metric.json_value) and _is_object(metric.metadata)):
            return False
    return _length(text) == len(text)


def _length(text: bytes) -> int:
    """The length of what a reader keeps, who keeps the last of two members of one name."""
    body = _raw.decode(text)
    attributes = body.data.attributes
    lists = [each for each in (attributes.spans, attributes.metrics) if each]
    attributes.spans, attributes.metrics = (
        [] if each is not UNSET else each for each in (attributes.spans, attributes.metrics)
    )
    return len(_encode(body)) + sum(len(each) - 1 + sum(len(_encode(one)) for one in each) for each in lists)


def _is_object(value: Any) -> bool:
    return value is UNSET or memoryview(value)[0] == 0x7B


def _is_value(value: Any) -> bool:
    if value is UNSET:
        return True
    view = memoryview(value)
    return view[0] != 0x5B or next(faults.unfit_items(view), None) is None


def _rewritten(text: bytes) -> Events:
    """Events without fault that are written in a way that nobody else is to be bothered with."""
    attributes = _raw.decode(text).data.attributes
    metrics = attributes.metrics or []
    for metric in metrics:
        if metric.score_value is not UNSET and bytes(metric.score_value) == PLACEHOLDER:
            metric.score_value = UNSET
    return Events([_encode(span) for span in attributes.spans or []], [_encode(metric) for metric in metrics])
