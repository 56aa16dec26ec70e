"""Encodes any value as JSON bytes: plain ones the short way, others by the walker. User's thread.

What a reader finds for each type (``stdlib_types`` and others hold the readers):

- ``None``, ``bool``, ``str``: itself; a lone surrogate as its escape, ``\\ud800``
- ``int``: a number within 64 bits; else a string of its digits, past some 4,200 digits in hexadecimal,
  past 65,536 bits its size
- ``float``: a number; else ``"NaN"``, ``"Infinity"``, ``"-Infinity"``
- ``complex``, ``Fraction``, ``Decimal``: a string that loses nothing: ``"(1+2j)"``, ``"1/3"``, ``"1.10"``;
  of a decimal past some 70,000 digits its size
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
- ``UUID``, ``Path``, ``range``, ``slice``, time zones, ``ipaddress``'s, ``string.Template``, numpy's dtypes:
  their usual text; a pattern of ``re`` with its flags in it, ``"(?i)yes"``
- URLs of pydantic, httpx, yarl and SQLAlchemy: their text, passwords hidden
- typing forms: ``"list[app.City]"``, ``"Literal['a', 'b']"``, ``"int | None"``
- media, as data URLs or beside their type: text as it is up to 64 KiB, bytes as base64; of more,
  ``"[image/png, 5,242,880 bytes, sha256:ab12…]"``
- pictures of PIL, ``BytesIO``, open files: their kind with their size or name
- exceptions: ``{"exception": "ValueError", "args": […]}``
- numpy scalars and arrays: the number; nested arrays, of a large one its head
- pandas ``DataFrame``, ``Series``, ``Index``: an array of row objects; an object by index, or an array
- secrets of pydantic: ``"**********"``
- functions, classes, modules, generators: ``"<function app.search>"``; a ``partial``: an object of its parts
- what the program registered with ``register_type``: as its function gives it, with which it goes before
  all of these but what is plain JSON
- anything else, mocks and proxies included: ``"<module.Class>"``
- a cycle, too deep, too much: ``"<cycle: dict>"``, ``"<too deep: list>"``, ``"<cut: …>"``
- a reader that failed: ``"<module.Class: not readable, ValueError>"``

Left to itself msgspec turns NaN into ``null``, integers beyond 64 bits into numbers that few readers keep,
bytes into bare base64, ``{1: …, "1": …}`` into a repeated key, and calls attributes of dataclasses and time
zones. So nothing reaches it here but exact builtin types that were looked at first.
"""

from __future__ import annotations

from math import isfinite
from typing import Any, Final

import msgspec

from llmobs_trace.encode.media import LARGEST_KEPT, cut_text, may_hold_media, without_media
from llmobs_trace.encode.plain import PLAIN_CHARACTERS, TOO_MUCH, plain_far, plain_near
from llmobs_trace.encode.walk import encode_by_walking

_to_json: Final = msgspec.json.Encoder().encode

# The most that `encode` writes after its look in place, by the numbers that stand there: a name would cost
# more. Lists of 32 dicts in four places, of four texts each.
_FEW_CHARACTERS: Final = 4 * 32 * 4 * (14_000 + 64) + 4 * 14_000


def encode(
    value: Any,
    # Bound here, which makes each a fifth cheaper to reach: some 150 ns of a call with two messages.
    type: Any = type,
    str: Any = str,
    dict: Any = dict,
    list: Any = list,
    len: Any = len,
    role: str = "role",
    content: str = "content",
) -> bytes:
    """Any value in, compact UTF-8 JSON out. Never raises, runs none of the value's code. User's thread.

    >>> encode({"question": "2 + 2?", "scores": [1, float("nan")]})
    b'{"question":"2 + 2?","scores":[1,"NaN"]}'
    """
    # The hot path. Texts, and lists of dicts of texts, are what most calls are given and give: looked at in
    # place, since each call on the way would cost as much as three items. The keys of most of them are known
    # as the same objects, without asking for type and length. Adding lengths up would cost twice as much as
    # comparing each: there are at most 516 texts here, so none of them may be long.
    written = 0
    try:
        kind = type(value)
        if kind is dict and len(value) <= 4:
            for key, item in value.items():
                if key is not role and key is not content and (type(key) is not str or len(key) > 14_000):
                    break
                if type(item) is str:
                    if len(item) > 14_000:
                        break
                    continue
                if type(item) is not list:
                    # A model call's parameters: `item - item` is 0 but of NaN and the infinities.
                    if (
                        item is None
                        or type(item) is bool
                        or (type(item) is float and item - item == 0.0)
                        or (type(item) is int and -(2**63) <= item < 2**64)
                    ):
                        continue
                    break
                if len(item) > 32:
                    break
                for member in item:
                    if type(member) is not dict or len(member) > 4:
                        break
                    for name, text in member.items():
                        if (
                            name is not role
                            and name is not content
                            and (type(name) is not str or len(name) > 64)
                        ):
                            break
                        if type(text) is not str or len(text) > 14_000:
                            break
                    else:
                        continue
                    break
                else:
                    continue
                break
            else:
                written = _FEW_CHARACTERS
                return _to_json(value)
        if kind is str:
            if len(value) <= LARGEST_KEPT or len(value := cut_text(value)) <= PLAIN_CHARACTERS:
                return _to_json(value)
        elif kind is dict or kind is list or kind is tuple:
            found = plain_near(value)
            if found == TOO_MUCH:
                long: list[Any] = []
                found = plain_far(value, long)
                if long and found >= 0 and may_hold_media(long):
                    value = without_media(value)
                    found = plain_far(value, long)
            if found >= 0:
                written = found
                return _to_json(value)
        elif kind is bool or value is None or (kind is float and isfinite(value)):
            return _to_json(value)
    except UnicodeEncodeError:  # a lone surrogate, after all that stands before it was written
        if kind is str:
            written = len(value)
    except Exception:  # a dict that another thread changed, no memory: the walker copes
        written = 0
    return encode_by_walking(value, written)


def encode_text(text: str) -> bytes:
    """A text in, a JSON string out, lone surrogates as visible escapes. Never raises. User's thread.

    >>> encode_text('say "hi"')
    b'"say \\\\"hi\\\\""'
    """
    written = encode(text)
    return written if written[:1] == b'"' else encode(written.decode())
