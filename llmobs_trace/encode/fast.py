"""Any value in, JSON bytes out: plain ones the short way, others by the walker. On the user's thread.

What a reader finds for each type (``known``, ``records`` and ``tables`` hold the readers):

- ``None``, ``bool``, ``str``: itself; a lone surrogate as its escape, ``\\ud800``
- ``int``: a number within 64 bits; else a string of its digits, past some 4,200 digits in hexadecimal,
  past 65,536 bits its size
- ``float``: a number; else ``"NaN"``, ``"Infinity"``, ``"-Infinity"``
- ``complex``, ``Fraction``, ``Decimal``: a string that loses nothing: ``"(1+2j)"``, ``"1/3"``, ``"1.10"``
- ``list``, ``tuple``, ``deque``, dict views: an array
- ``set``, ``frozenset``: an array, sorted by its members' JSON: the same in every run
- ``dict`` and its kin: an object. Keys that are no strings as their JSON text; of two that come out alike
  the later says its type: ``"1 <int>"``
- namedtuples, dataclasses, attrs, pydantic 1 and 2, ``msgspec.Struct``, ``SimpleNamespace``: an object of
  their stored fields by name, extra fields included, those excluded from serialisation left out
- ``Enum``: its value where that is a scalar, else ``"Color.RED"``
- ``datetime``, ``date``, ``time``, ``timedelta``: ISO 8601; a time zone that is the user's class by its
  name
- ``bytes``, ``bytearray``, ``memoryview``: ``"<bytes of 5 bytes, base64: aGVsbG8=>"``, the middle of more
  than 1,024 left out
- ``UUID``, ``Path``, ``range``: their usual text
- exceptions: ``{"exception": "ValueError", "args": […]}``
- numpy scalars and arrays: the number; nested arrays, of a large one its head
- pandas ``DataFrame``, ``Series``, ``Index``: an array of row objects; an object by index, or an array
- secrets of pydantic: ``"**********"``
- functions, classes, modules, generators: ``"<function app.search>"``
- anything else, mocks and proxies included: ``"<module.Class>"``
- a cycle, too deep, too much: ``"<cycle: dict>"``, ``"<too deep: list>"``, ``"<cut: …>"``
- a reader that failed: ``"<module.Class: not readable, ValueError>"``

Left to itself msgspec turns NaN into ``null``, integers beyond 64 bits into numbers that few readers keep,
bytes into bare base64, ``{1: …, "1": …}`` into a repeated key, and calls attributes of dataclasses and time
zones. So nothing reaches it here but exact builtin types that were looked at first.
"""

from __future__ import annotations

from typing import Final

import msgspec

from llmobs_trace.encode.plain import FEW, MAX_CHARACTERS, is_plain_far, is_plain_near
from llmobs_trace.encode.walk import encode_by_walking, escape_surrogates

_to_json: Final = msgspec.json.Encoder().encode


def encode(value: object) -> bytes:
    """Any value in, compact UTF-8 JSON out. Never raises, runs none of the value's code. User's thread.

    >>> encode({"question": "2 + 2?", "scores": [1, float("nan")]})
    b'{"question":"2 + 2?","scores":[1,"NaN"]}'
    """
    # The hot path. Texts, and lists of dicts of texts, are what most calls are given and give: looked
    # at in place, since each call on the way would cost as much as three items.
    try:
        kind = type(value)
        if kind is dict and len(value) <= FEW:  # type: ignore[arg-type]
            for key, item in value.items():  # type: ignore[attr-defined]
                if type(key) is not str:
                    break
                if type(item) is str:
                    continue
                if type(item) is not list or len(item) > FEW:
                    break
                for member in item:
                    if type(member) is not dict or len(member) > FEW:
                        break
                    for name, text in member.items():
                        if type(name) is not str or type(text) is not str:
                            break
                    else:
                        continue
                    break
                else:
                    continue
                break
            else:
                return _to_json(value)
        if kind is str:
            if len(value) <= MAX_CHARACTERS:  # type: ignore[arg-type]
                return _to_json(value)
        elif kind is dict or kind is list or kind is tuple:
            plain = is_plain_near(value)
            if plain or (plain is None and is_plain_far(value)):
                return _to_json(value)
        elif kind is bool or value is None:
            return _to_json(value)
    except Exception:  # lone surrogates, a dict that another thread changed, no memory: the walker copes
        pass
    return encode_by_walking(value)


def encode_text(text: str) -> bytes:
    """A text in, a JSON string out, lone surrogates as visible escapes. Never raises. User's thread.

    >>> encode_text('say "hi"')
    b'"say \\\\"hi\\\\""'
    """
    try:
        if type(text) is not str:
            text = str.__str__(text)
        if len(text) <= MAX_CHARACTERS:
            try:
                return _to_json(text)
            except UnicodeEncodeError:
                return _to_json(escape_surrogates(text))
    except Exception:  # not a text after all
        pass
    written = encode_by_walking(text)
    return written if written[:1] == b'"' else _to_json(written.decode())
