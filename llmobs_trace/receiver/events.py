"""Splits a body into its events, each as its bytes, or tells all that is wrong with it. Pure.

What is as documented is read by types, one event after the other: a body as objects is several times its
size. Only what isn't is walked (`faults`). Events go out without blanks between their tokens, so that a
metric, which is known by its bytes, is one however it was written.
"""

from __future__ import annotations

from typing import Any, Final, Literal

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from llmobs_trace.receiver import faults
from llmobs_trace.receiver.compact import NoJSON, compact
from llmobs_trace.receiver.problems import Fault
from llmobs_trace.receiver.schema import BODY, METRIC, PLACEHOLDER, SPAN


class Events(Struct, frozen=True):
    """A body's events, each as its JSON on the wire."""

    spans: list[bytes]
    metrics: list[bytes]


class BadBody(Struct, frozen=True):
    """What is wrong with a body; `more`: not all of it is listed."""

    faults: list[Fault]
    more: bool = False


class _Attributes(Struct, forbid_unknown_fields=True):
    spans: list[Raw] | UnsetType = UNSET
    metrics: list[Raw] | UnsetType = UNSET


class _Data(Struct, forbid_unknown_fields=True):
    attributes: _Attributes
    type: Literal["events"]


class _Body(Struct, forbid_unknown_fields=True):
    data: _Data


_Decoder = msgspec.json.Decoder[Any]

_whole: Final[_Decoder] = msgspec.json.Decoder(BODY.typed)
_listed: Final = msgspec.json.Decoder(_Body)
_span: Final[_Decoder] = msgspec.json.Decoder(SPAN.typed)
_metric: Final[_Decoder] = msgspec.json.Decoder(METRIC.typed)
_raw_span: Final[_Decoder] = msgspec.json.Decoder(SPAN.raw)
_raw_metric: Final[_Decoder] = msgspec.json.Decoder(METRIC.raw)
_encode: Final = msgspec.json.Encoder().encode


def read(body: bytes | bytearray) -> Events | BadBody:
    """Read one whole body; a `bytearray` is emptied on the way, so as not to be held longer."""
    try:
        text = compact(body)
        if isinstance(body, bytearray):
            body.clear()
        return _read(text)
    except NoJSON as error:
        return BadBody([Fault("", f"the body is not JSON: {error}", "json")])
    except RecursionError:
        return BadBody([Fault("", "the body is nested too deeply", "depth")])


def _read(text: bytes) -> Events | BadBody:
    taken = _as_documented(text)
    if taken is not None:
        return taken
    found, more = faults.find(text)
    if found:
        return BadBody(found, more)
    return _rewritten(text)


def _as_documented(text: bytes) -> Events | None:
    """The events of a body that is as documented and plainly written; None for all others."""
    try:
        if text.count(b",") > faults.MAX_ITEMS:
            # It may hold millions of items; of events, and this tells, no more than its size allows.
            _whole.decode(text)
        attributes = _listed.decode(text).data.attributes
        spans, metrics = attributes.spans or [], attributes.metrics or []
        if _outer_length(attributes) + sum(map(_length, (spans, metrics))) != len(text):
            return None
        events = Events([bytes(each) for each in spans], [bytes(each) for each in metrics])
        if all(map(_is_span, events.spans)) and all(map(_is_metric, events.metrics)):
            return events
    except msgspec.ValidationError:
        pass
    return None


# A reader keeps the last of two members of one name: where one is left out, what was read is shorter than the
# text, and where a name is written with escapes, too.


def _outer_length(attributes: _Attributes) -> int:
    """The length of a body with such attributes, whose lists are empty."""
    lists: list[list[Raw] | UnsetType] = [
        each if each is UNSET else [] for each in (attributes.spans, attributes.metrics)
    ]
    return len(_encode(_Body(_Data(_Attributes(*lists), "events"))))


def _length(items: list[Raw]) -> int:
    """The length of a list's items, and of what is between them."""
    return sum(len(memoryview(each)) for each in items) + max(0, len(items) - 1)


def _is_span(event: bytes) -> bool:
    span = _span.decode(event)
    meta = span.meta
    if meta is not UNSET and not (
        _is_value(meta.input) and _is_value(meta.output) and _is_object(meta.expected_output)
    ):
        return False
    if not _are_tags(span.tags):
        return False
    return len(_encode(_raw_span.decode(event))) == len(event)


def _is_metric(event: bytes) -> bool:
    metric = _metric.decode(event)
    if not (_is_object(metric.json_value) and _is_object(metric.metadata) and _are_tags(metric.tags)):
        return False
    return len(_encode(_raw_metric.decode(event))) == len(event)


def _is_object(value: Any) -> bool:
    return value is UNSET or memoryview(value)[0] == 0x7B


def _are_tags(value: Any) -> bool:
    if value is UNSET:
        return True
    view = memoryview(value)
    items = faults.strings(view) if view[0] == 0x5B else None
    return items is not None and all(memoryview(item)[0] == 0x22 for item in items)


def _is_value(value: Any) -> bool:
    if value is UNSET:
        return True
    view = memoryview(value)
    return view[0] != 0x5B or next(faults.unfit_items(view), None) is None


def _rewritten(text: bytes) -> Events:
    """Events without fault that are written in a way that nobody else is to be bothered with."""
    attributes = _listed.decode(text).data.attributes
    spans = [_encode(_raw_span.decode(each)) for each in attributes.spans or []]
    metrics = []
    for each in attributes.metrics or []:
        metric = _raw_metric.decode(each)
        if metric.score_value is not UNSET and bytes(metric.score_value) == PLACEHOLDER:
            metric.score_value = UNSET
        metrics.append(_encode(metric))
    return Events(spans, metrics)
