"""Turns a finished span into its journal record: one line of JSON, as it is journalled and sent. User's
thread.

Nothing is encoded twice: input and output come as bytes from when they were given, the constant parts as
bytes from the scope, and the event is joined around them. The record is `{"experiment":…,"span":{…}}`, the
span as on the wire.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from llmobs_trace.capture import model_sums, row_ids
from llmobs_trace.capture.details import NO_DETAILS, Details
from llmobs_trace.capture.recorder import Recorder
from llmobs_trace.capture.user_tags import encoded_tags, tag_text
from llmobs_trace.capture.values import redacted_text
from llmobs_trace.encode import Redactor, encode, encode_text, fit
from llmobs_trace.wire import KIND_TAG, PARENT_TAG, ROW_TAG

if TYPE_CHECKING:
    from llmobs_trace.capture.span import Span

_decode = msgspec.json.Decoder().decode
_VALUES = ("input", "output", "expected_output")


def span_record(span: Span, recorder: Recorder, duration_ns: int) -> bytes:
    """The record of a finished span, no longer than the recorder's `max_event_bytes`."""
    details = span._details
    row_id = ""
    if (
        span.parent_id is not None
        and recorder.redactor is None
        and (details is None or details.has_library_tags_alone())
    ):
        # The hot path: most spans have a parent, an input and an output, and that is all; a model call has
        # the library's own tags too.
        more = "" if details is None else b",".join((b"", *details.library_tags())).decode()
        tail = (
            f'}},"status":"ok","tags":["parent_id:{span.parent_id}","span_kind:{span.kind}"{more}],'
            f'"span_id":"{span.span_id}","trace_id":"{span.trace_id}",'
            f'"start_ns":{span.start_ns},"duration":{duration_ns}}}}}\n'
        ).encode()
    else:
        tail, row_id = _tail_of_a_root(span, recorder, duration_ns)
    if tail:
        given, output = span._input, span._output
        scope, name = span._scope, span.name
        head = scope.span_heads.get(name) or scope.span_head(name)
        if not output:
            record = b"".join((head, b'"input":', given, tail)) if given else head + tail
        elif given:
            record = b"".join((head, b'"input":', given, b',"output":', output, tail))
        else:
            record = b"".join((head, b'"output":', output, tail))
        if len(record) <= recorder.max_event_bytes:
            return record
        if row_id:
            details = span._details = Details()
            details.row_id = row_id  # it was counted
    fields = _fields(span, recorder)
    if sum(map(len, fields.values())) <= recorder.max_event_bytes:
        record = _join(span, duration_ns, fields)
        if len(record) <= recorder.max_event_bytes:
            return record
    return _cut_record(span, duration_ns, fields, recorder.max_event_bytes)


def _tail_of_a_root(span: Span, recorder: Recorder, duration_ns: int) -> tuple[bytes, str]:
    """What follows the values of a root of which nothing more was said, and the id that it has as a row;
    nothing of any other span.
    """
    if (
        span._details is not None
        or span.parent_id is not None
        or recorder.redactor is not None
        or span._scope.row_tags
        or model_sums.by_trace
    ):
        return b"", ""
    row_id = row_tag = ""
    if span.kind == "experiment":
        row_id = row_ids.row_id(span._scope.experiment_id, span._input or encode_text(span.name))
        row_tag = f',"dataset_record_id:{row_id}"'
    tail = (
        f'}},"status":"ok","tags":["span_kind:{span.kind}"{row_tag}],'
        f'"span_id":"{span.span_id}","trace_id":"{span.trace_id}",'
        f'"start_ns":{span.start_ns},"duration":{duration_ns}}}}}\n'
    )
    return tail.encode(), row_id


_ROW = "tags.row"


def _cut_record(span: Span, duration_ns: int, fields: dict[str, bytes], max_bytes: int) -> bytes:
    """The record of a span whose fields are too large together: they are cut, the largest first."""
    # How much is not the fields': joining 10 MB to find that out takes as long as encoding them.
    fixed = len(_join(span, duration_ns, dict.fromkeys(fields, b"")))
    # Cut, a row's id might be another row's.
    row_tag = {_ROW: fields.pop(_ROW)} if _ROW in fields else {}
    fixed += sum(map(len, row_tag.values()))
    fields = {**fit(fields, max_bytes - fixed), **row_tag}
    record = _join(span, duration_ns, fields)
    if len(record) > max_bytes:
        record = _join(span, duration_ns, _with_fewer_tags(fields, len(record) - max_bytes))
    return record


def _with_fewer_tags(fields: dict[str, bytes], excess: int) -> dict[str, bytes]:
    """Where each field has its least and all are still too much, there are many tags: the last ones go."""
    tags = [name for name in fields if name.startswith("tags.") and name != _ROW]
    fewer = dict(fields)
    excess += 64  # for the tag that says so
    cut = 0
    while excess > 0 and cut < len(tags):
        cut += 1
        excess -= len(fewer.pop(tags[-cut])) + 1
    if cut:
        fewer["tags.cut"] = encode_text(f"…:[{cut} of {len(tags)} tags cut]")
    return fewer


def _fields(span: Span, recorder: Recorder) -> dict[str, bytes]:
    """Everything of the user's in a span, by the names redaction and cutting know."""
    fields = {"name": _text(recorder, "name", span.name)}
    if span._input:
        fields["input"] = span._input
    if span._output:
        fields["output"] = span._output
    details = span._details or NO_DETAILS
    if details.expected is not None:
        fields["expected_output"] = details.expected
    if details.failure is not None:
        failure = details.failure
        fields["error.type"] = encode_text(failure.type)
        fields["error.message"] = _text(recorder, "error.message", failure.message)
        fields["error.stack"] = _text(recorder, "error.stack", failure.stack)
    given = details.tags
    if given and span.kind in model_sums.COUNTED_KINDS:
        model_sums.count(span.trace_id, span.span_id, span.parent_id, given)
    if span.parent_id is None and model_sums.by_trace and (sums := model_sums.take(span.trace_id)):
        details = span._details = span._details or Details()
        details.own_tags = (*details.own_tags, *[f"{name}:{tag_text(value)}" for name, value in sums.items()])
        # A root that is a call itself, or was told a total, says each name once.
        given = {name: value for name, value in (given or {}).items() if name not in sums}
    tags = encoded_tags(given, recorder.redactor) if given else []
    for number, tag in enumerate(tags):
        fields[f"tags.{number}"] = tag
    if (
        span.parent_id is None
        and span.kind == "experiment"
        and not (details.tags and ROW_TAG in details.tags)
    ):
        identity = fields.get("input", fields["name"])
        row_id = details.row_id
        if row_id is not None and recorder.redactor is not None:
            row_id = _seen_row_id(recorder.redactor, row_id)
        row_id = row_id or row_ids.row_id(span._scope.experiment_id, identity)
        fields[_ROW] = encode_text(f"{ROW_TAG}:{row_id}")
    return fields


def _seen_row_id(redactor: Redactor, row_id: str) -> str | None:
    """What a redactor leaves of a row's id, as the tag that it is; None where that names no row any more."""
    seen = _decode(redactor.apply("tags", encode({ROW_TAG: row_id})))
    left = seen.get(ROW_TAG) if isinstance(seen, dict) else None
    return left if left == row_id else None


def _text(recorder: Recorder, field: str, text: str) -> bytes:
    encoded = encode_text(text)
    return encoded if recorder.redactor is None else redacted_text(recorder.redactor, field, encoded)


def _join(span: Span, duration_ns: int, fields: dict[str, bytes]) -> bytes:
    tags = [f'"{PARENT_TAG}:{span.parent_id}"'.encode()] if span.parent_id is not None else []
    tags.append(f'"{KIND_TAG}:{span.kind}"'.encode())
    if span.parent_id is None and span.kind == "experiment":
        tags += span._scope.row_tags
    tags += [encoded for name, encoded in fields.items() if name.startswith("tags.")]
    if span._details is not None:
        tags += span._details.library_tags()
    meta = [b'"%b":%b' % (name.encode(), fields[name]) for name in _VALUES if name in fields]
    status = b"ok"
    if "error.type" in fields:
        status = b"error"
        meta.append(
            b'"error":{"type":%b,"message":%b,"stack":%b}'
            % (fields["error.type"], fields["error.message"], fields["error.stack"])
        )
    return (
        b'%b%b},"status":"%b","tags":[%b],"span_id":"%b","trace_id":"%b","start_ns":%d,"duration":%d}}\n'
        % (
            span._scope.span_head_of(fields["name"]),
            b",".join(meta),
            status,
            b",".join(tags),
            span.span_id.encode(),
            span.trace_id.encode(),
            span.start_ns,
            max(duration_ns, 0),
        )
    )
