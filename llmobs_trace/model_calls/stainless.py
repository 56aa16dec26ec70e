"""Reads the requests of clients that one generator makes (openai's, anthropic's): all of their calls come to
one function, `request`, by whatever way the caller went. User's thread.

So a call is known by its path, whether it came by `create`, `parse`, a stream's manager or a raw response,
and client objects that were there before are wrapped with the rest. What the client's own code has done to
the arguments is done by then: what was not given is not there, most iterables are lists.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from types import FrameType
from typing import Any, Final

import msgspec

from llmobs_trace.capture import active
from llmobs_trace.capture import recorder as slot
from llmobs_trace.model_calls.bodies import watch_body
from llmobs_trace.model_calls.call import Call, begin_call, current_call, streamed
from llmobs_trace.model_calls.clients import Client
from llmobs_trace.model_calls.dialect import Dialect
from llmobs_trace.model_calls.streams import Withheld, watch
from llmobs_trace.model_calls.wrappers import Args, Kwargs

_decode = msgspec.json.Decoder().decode

# What stands for an argument that was left out, where the client takes it away only as it sends.
_NOT_GIVEN: Final = frozenset({"NotGiven", "Omit"})
# Of these none is such.
_PLAIN: Final = frozenset({bool, dict, float, int, list, str, type(None)})

# Headers by which the client's own code says to itself by what way the caller came.
_RAW_HEADER: Final = "x-stainless-raw-response"
_HELPER_HEADER: Final = "x-stainless-helper-method"
_STREAM_HELPER_HEADER: Final = "x-stainless-stream-helper"
_NO_HEADERS: Final[Mapping[str, Any]] = {}


class Requests:
    """`request(self, cast_to, options, *, stream, stream_cls)`, by the paths that are model calls.

    - `dialects`: path -> how its arguments and answers read
    - `provider`: whose model a client object speaks to
    - `usage`: path -> what a stream's arguments lack that would ask for its usage, and which chunks are there
      for that alone
    """

    def __init__(
        self,
        client: Client,
        dialects: Mapping[str, Dialect],
        provider: Callable[[Any], str | None],
        usage: Mapping[str, tuple[Mapping[str, Any], Withheld]] | None = None,
    ) -> None:
        self._client = client
        self._dialects = dialects
        self._provider = provider
        self._usage = usage or {}

    def begin(self, args: Args, kwargs: Kwargs, frame: Any) -> Call | None:
        if not self._client.is_on:
            return None
        client, options = args[0], kwargs["options"] if "options" in kwargs else args[2]
        dialect = self._dialects.get(options.url)
        if dialect is None or options.method.lower() != "post":
            return None
        given = options.json_data
        if not _is_mapping(given):
            return None
        headers = _NO_HEADERS
        if (told := options.headers) and _is_mapping(told):
            headers = {name.lower(): value for name, value in told.items()}
        if (more := options.extra_json) and _is_mapping(more):
            given = {**given, **more}
        arguments: Mapping[str, Any] = given
        if not _PLAIN.issuperset(map(type, given.values())):
            given = _read_once(options, given)
            arguments = {
                name: value for name, value in given.items() if type(value).__name__ not in _NOT_GIVEN
            }
        is_stream = arguments.get("stream")
        if is_stream and headers:
            by_helper = str(headers.get(_HELPER_HEADER)).rpartition(".")[2] == "stream"
            if by_helper or _STREAM_HELPER_HEADER in headers:
                # It is the helper's, and not the caller's.
                arguments = {name: value for name, value in arguments.items() if name != "stream"}
        call = begin_call(dialect, arguments, frame, provider=self._provider(client))
        # Who reads the raw answer would see the chunk that is there for us alone.
        if call is not None and self._client.stream_usage and is_stream and _RAW_HEADER not in headers:
            lacking, withheld = self._usage.get(options.url, ({}, None))
            if withheld is not None and not lacking.keys() & arguments.keys():
                options.json_data = {**options.json_data, **lacking}
                call.withheld = withheld
        return call

    def returned(self, call: Call, result: Any) -> Any:
        # What an answer has not is not asked of it: its class takes 10 µs to say so.
        its = getattr(result, "__dict__", {})
        response = its.get("http_response")
        if "_decoder" in its:  # a stream; what it iterates over need not be there yet
            watch(result, streamed(call))
        elif response is None:
            call.answered(result)
        elif response.is_closed:
            call.answered(_decode(response.content))
        else:
            watch_body(response, streamed(call))
        return result


def _read_once(options: Any, given: Mapping[str, Any]) -> Mapping[str, Any]:
    """The arguments with a list in the place of what can be iterated once, as a generator of messages; the
    client sends the list.
    """
    once = {name: _listed(value) for name, value in given.items() if hasattr(value, "__next__")}
    if not once:
        return given
    if _is_mapping(options.json_data):
        mine = {name: again for name, (_, again) in once.items() if name in options.json_data}
        options.json_data = {**options.json_data, **mine}
    return {**given, **{name: found for name, (found, _) in once.items()}}


def _listed(iterator: Iterator[Any]) -> tuple[list[Any], Any]:
    """All that comes of an iterator, and what stands for it: the same list, or what raises as it did."""
    found: list[Any] = []
    try:
        found.extend(iterator)
    except Exception as error:
        return found, _raising(found, error)
    return found, found


def _raising(found: list[Any], error: Exception) -> Iterator[Any]:
    yield from found
    raise error


def _is_mapping(value: Any) -> bool:
    """An abstract class takes ten times as long to say of a dict what it is."""
    return type(value) is dict or (value is not None and isinstance(value, Mapping))


def counting_retries(
    original: Callable[..., Any], find_call: Callable[[FrameType | None], Call | None] = current_call
) -> Callable[..., Any]:
    """What stands in the place of a method that is called, or awaited, once before each retry. `find_call`
    says of which call it is one, by the frame that waits.
    """

    @functools.wraps(original)
    def before_retry(*args: Any, **kwargs: Any) -> Any:
        try:
            call = find_call(active.caller(0))
            if call is not None:
                call.retries += 1
        except Exception as fault:
            slot.fault(fault)
        return original(*args, **kwargs)

    return before_retry
