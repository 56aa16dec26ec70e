"""Writes the active span into HTTP headers and reads it from them: W3C trace context. User's thread.

`traceparent` is https://www.w3.org/TR/trace-context/: `00-<trace id>-<span id>-<flags>`, bit 0 of the flags
says sampled. The experiment, project and dataset ids ride in `tracestate`, percent-encoded, as the member
`llmobs=e:…;p:…;d:…`; other vendors' members stay.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, MutableMapping
from types import FrameType, TracebackType
from typing import TypeVar
from urllib.parse import quote, unquote

from llmobs_trace.capture import active
from llmobs_trace.capture import recorder as slot
from llmobs_trace.capture.entry import Active, Carried
from llmobs_trace.capture.ids import NO_SPAN_ID, NO_TRACE_ID, new_span_id
from llmobs_trace.capture.lifetime import lost
from llmobs_trace.capture.opened_by import take
from llmobs_trace.capture.recorder import Recorder, Scope
from llmobs_trace.capture.span import clock_ns
from llmobs_trace.wire import id_problem

H = TypeVar("H", bound=MutableMapping[str, str])

_TRACEPARENT = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_OURS = "llmobs"
_MAX_MEMBERS = 32


def inject(headers: H) -> H:
    """Add the active span's `traceparent` and `tracestate` to `headers`, a mapping of names to texts, in
    place, and return them.

    >>> with experiment_span("client"):
    ...     sorted(inject({"accept": "*/*"}))
    ['accept', 'traceparent', 'tracestate']

    Without an active span nothing is added. An unsampled trace is handed on as such. Raises nothing.
    """
    try:
        found = active.now(active.caller(1))
        if (
            found is not None
            and found.trace_id not in ("", NO_TRACE_ID)
            and (slot.current or slot.get()).enabled
        ):
            span_id = found.span_id if found.span_id != NO_SPAN_ID else new_span_id()
            real_ids = slot.current.real_ids if slot.current is not None else {}
            ids = [real_ids.get(some_id, some_id) for some_id in found._scope.ids]
            tracestate = _with_ours(_value(headers, "tracestate"), ids)
            _set(headers, "traceparent", f"00-{found.trace_id}-{span_id}-{'01' if found._sampled else '00'}")
            _set(headers, "tracestate", tracestate)
    except RecursionError:
        slot.faults.count += 1  # no room for a call that says so
    except Exception as fault:
        slot.fault(fault)
    return headers


def _with_ours(tracestate: str, ids: list[str]) -> str:
    parts = zip("epd", ids, strict=True)
    ours = f"{_OURS}=" + ";".join(f"{letter}:{quote(value, safe='')}" for letter, value in parts)
    others = [member for member in _members(tracestate) if not member.startswith(f"{_OURS}=")]
    return ",".join([ours, *others[: _MAX_MEMBERS - 1]])


def _members(tracestate: str) -> list[str]:
    return [member.strip() for member in tracestate.split(",") if "=" in member]


def _value(headers: Mapping[str, str], name: str) -> str:
    """A header's value whatever its case; ASGI's bytes are taken too, and several of one name are joined."""
    return ",".join([_text(value) for key, value in headers.items() if _text(key).lower() == name])


def _set(headers: MutableMapping[str, str], name: str, value: str) -> None:
    """Set a header in the place of those of the name in any case, such as came in and are handed on."""
    # `keys`, since not every kind of headers can be gone through by itself.
    for key in [key for key in headers.keys() if key != name and _text(key).lower() == name]:  # noqa: SIM118
        del headers[key]
    headers[name] = value


def _text(given: object) -> str:
    return given.decode("latin-1") if isinstance(given, bytes) else str(given)


def extract(headers: Mapping[str, str], recorder: Recorder, *, trust: bool = False) -> Carried | None:
    """What `headers` hand over; None where there is no valid `traceparent`.

    Whoever may send a request may write headers. Unless they are trusted, they name no experiment that the
    program has not named itself: what nobody takes would fill the journal.
    """
    # `http.client` and others have headers that are no `Mapping`, but are read like one.
    if not hasattr(headers, "items"):
        kind = type(headers).__name__
        slot.misuse(f"continue_trace takes a mapping of names to values, not {kind}: no trace is continued")
        return None
    match = _TRACEPARENT.fullmatch(_value(headers, "traceparent").strip())
    if match is None:
        return None
    version, trace_id, span_id, flags, more = match.groups()
    # Version ff is forbidden; version 00 has four parts, later ones may have more.
    if version == "ff" or (version == "00" and more) or not int(trace_id, 16) or not int(span_id, 16):
        return None
    scope = _scope(_value(headers, "tracestate"), recorder, trust=trust)
    return Carried(trace_id, span_id, scope, bool(int(flags, 16) & 1))


def _scope(tracestate: str, recorder: Recorder, *, trust: bool) -> Scope:
    for member in _members(tracestate):
        name, _, value = member.partition("=")
        if name.strip() == _OURS:
            parts = dict(part.split(":", 1) for part in value.split(";") if ":" in part)
            ids = [unquote(parts.get(letter, "")) for letter in "epd"]
            if not any(id_problem(value) for value in ids):
                return recorder.scope_from_headers(*ids, trust=trust) or recorder.scope
    return recorder.scope


class continue_trace:
    """`with continue_trace(headers):` spans in the block are children of the span that made the headers.

    >>> with experiment_span("client") as client:
    ...     headers = inject({})
    >>> with continue_trace(headers), experiment_span("server") as server:
    ...     server.parent_id == client.span_id
    True

    `headers` is any mapping of names to values, in any case. What is malformed is ignored: then the block
    changes nothing. The trace's ids and its sampling are taken from them; experiment, project and dataset
    only where this program has named that experiment itself, or, with `trust`, as they are: for headers of
    one's own services, and never for a stranger's. `async with` does the same. Raises nothing.
    """

    __slots__ = ("_headers", "_open", "_opens", "_trust")

    def __init__(self, headers: Mapping[str, str], *, trust: bool = False) -> None:
        self._headers = headers
        self._trust = trust is True
        self._open: list[Active | None] = []
        self._opens = object()  # by which it knows them

    def __enter__(self) -> None:
        try:
            self._enter(sys._getframe(1))
        except RecursionError:
            slot.faults.count += 1
        except Exception as fault:
            slot.fault(fault)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        try:
            self._leave(sys._getframe(1))
        except Exception as fault:
            lost(self._open.pop() if self._open else None, fault)

    async def __aenter__(self) -> None:
        try:
            self._enter(sys._getframe(1))
        except RecursionError:
            slot.faults.count += 1
        except Exception as fault:
            slot.fault(fault)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        try:
            self._leave(sys._getframe(1))
        except Exception as fault:
            lost(self._open.pop() if self._open else None, fault)

    def _enter(self, frame: FrameType) -> None:
        recorder = slot.current or slot.get()
        carried = extract(self._headers, recorder, trust=self._trust) if recorder.enabled else None
        # First, so that leaving finds an entry for each one that was made.
        self._open.append(carried)
        if carried is not None:
            carried._opened_ns = clock_ns()
            carried._opened_by = self._opens
            active.place(carried, active.current_chain(), frame)

    def _leave(self, frame: FrameType) -> None:
        carried = take(self._open, self._opens, frame) if self._open else None
        if carried is not None:
            try:
                active.leave(carried)
            finally:
                carried._ended = True
