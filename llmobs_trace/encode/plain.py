"""Tells whether msgspec alone writes all of a list, tuple or dict as promised. User's thread.

Plain is: exact lists, tuples and dicts with string keys, of strings, integers within 64 bits, finite floats
and a few leaves, in a number of levels, values and characters that can be written in full. This is most of
what encoding costs, so it is written flat. Measured for two chat messages: 260 ns; msgspec's own typed
``convert`` 220, but it takes sets, subclasses of ``list``, and hashes keys that are subclasses of ``str``;
``gc.get_referents`` 450; ``marshal`` 280 and decoding 220, whose results must then be compared.

What is looked at and written is bounded, whatever refers to the same text or list in a thousand places.
"""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from math import isfinite
from typing import Any, Final
from uuid import UUID

from llmobs_trace.encode.media import LARGEST_KEPT

# What is written of a value at most, in bytes and in characters: one takes six bytes at most, as ``\\u0001``.
MAX_BYTES: Final = 64 * 1024 * 1024
MAX_CHARACTERS: Final = MAX_BYTES // 6
# What a value takes besides: the digits of a number, quotation marks, a comma.
VALUE_CHARACTERS: Final = 7
# Of these what is plain: where a text turns up in it that can't be written, the walker writes it anew within
# the others.
PLAIN_CHARACTERS: Final = MAX_CHARACTERS - 768 * 1024
_MAX_VALUES: Final = 300_000
_MAX_LEVELS: Final = 50

_INT_MIN: Final = -(2**63)
_INT_MAX: Final = 2**64 - 1
_DECIMAL_MAX_BYTES: Final = Decimal(0).__sizeof__()  # of some 70 digits
_DECIMAL_CHARACTERS: Final = 20

# By id: hashing a class, or comparing it with another, runs its metaclass's __hash__ and __eq__.
_LEAVES: Final = frozenset(map(id, (bool, type(None), UUID, date)))
_ALL_STRINGS: Final = {id(str)}
_ALL_FLOATS: Final = {id(float)}
_ALL_DICTS: Final = {id(dict)}
_ALIKE: Final = ({id(str)}, {id(float)}, {id(int)}, {id(dict)})

_FEW: Final = 32
_SHORT_KEY: Final = 64
# A member of few: its key, which is compared and not counted, for less, and what it takes besides.
_FEW_EACH: Final = _SHORT_KEY + VALUE_CHARACTERS
NOT_PLAIN: Final = -1
TOO_MUCH: Final = -2


def plain_near(
    nest: Any,
    levels: int = 3,
    # Bound here, which makes each a fifth cheaper to reach.
    type: Any = type,
    len: Any = len,
    str: Any = str,
) -> int:
    """A nest of few and shallow items in, how many characters it is written in out; `NOT_PLAIN` where it is
    not plain, and `TOO_MUCH` where it is too much for this way: neither values nor cycles need counting then.
    """
    count = len(nest)
    if count > _FEW or not levels:
        return TOO_MUCH
    characters = _FEW_EACH * count
    if type(nest) is dict:
        for key, item in nest.items():
            if type(key) is not str:
                return NOT_PLAIN
            if len(key) > _SHORT_KEY:
                return TOO_MUCH
            kind = type(item)
            if kind is str:
                characters += len(item)
            elif kind is dict or kind is list or kind is tuple:
                inside = plain_near(item, levels - 1)
                if inside < 0:
                    return inside
                characters += inside
            elif kind is int:
                if not _INT_MIN <= item <= _INT_MAX:
                    return NOT_PLAIN
            elif kind is float:
                if item - item != 0.0:  # of NaN and the infinities only
                    return NOT_PLAIN
            elif id(kind) not in _LEAVES:
                if not _is_short(item):
                    return NOT_PLAIN
                characters += _DECIMAL_CHARACTERS
    else:
        for member in nest:
            kind = type(member)
            if kind is str:
                characters += len(member)
            elif kind is dict or kind is list or kind is tuple:
                inside = plain_near(member, levels - 1)
                if inside < 0:
                    return inside
                characters += inside
            elif kind is int:
                if not _INT_MIN <= member <= _INT_MAX:
                    return NOT_PLAIN
            elif kind is float:
                if member - member != 0.0:
                    return NOT_PLAIN
            elif id(kind) not in _LEAVES:
                if not _is_short(member):
                    return NOT_PLAIN
                characters += _DECIMAL_CHARACTERS
    # No text of so few is media, which are looked for by the other way alone.
    return characters if characters <= LARGEST_KEPT else TOO_MUCH


def plain_far(nest: Any, long: list[Any] | None = None) -> int:
    """The same for a nest of any size, level by level, some 150 ns a chat message. What holds enough text for
    media is added to `long`.
    """
    level: list[Any] = [nest]
    values = _MAX_VALUES
    characters = PLAIN_CHARACTERS
    for _ in range(_MAX_LEVELS):
        below: list[Any] = []
        for inside in level:
            if type(inside) is dict:
                dicts: Any = (inside,)
            else:
                values -= len(inside)
                if values < 0:
                    return NOT_PLAIN
                before = characters
                characters -= VALUE_CHARACTERS * len(inside)
                if len(inside) > _FEW and (kinds := set(map(id, map(type, inside)))) in _ALIKE:
                    # Of one kind, as long lists mostly are: embeddings, tokens, conversations. Looking at
                    # each would cost three times as much.
                    if kinds == _ALL_DICTS:
                        dicts = inside
                    else:
                        dicts = ()
                        characters -= _characters_of_scalars(inside, kinds)
                else:
                    dicts = []
                    for item in inside:
                        kind = type(item)
                        if kind is dict:
                            dicts.append(item)
                        elif kind is str:
                            characters -= len(item)
                        elif kind is list or kind is tuple:
                            below.append(item)
                        elif kind is int:
                            if not _INT_MIN <= item <= _INT_MAX:
                                return NOT_PLAIN
                        elif kind is float:
                            if item - item != 0.0:
                                return NOT_PLAIN
                        elif id(kind) not in _LEAVES:
                            if not _is_short(item):
                                return NOT_PLAIN
                            characters -= _DECIMAL_CHARACTERS
                if before - characters > LARGEST_KEPT and long is not None:
                    long.append(inside)
            for members in dicts:
                values -= len(members)
                if values < 0 or characters < 0:
                    return NOT_PLAIN
                before = characters
                characters -= VALUE_CHARACTERS * len(members)
                for key, item in members.items():
                    if type(key) is not str:
                        return NOT_PLAIN
                    characters -= len(key)
                    kind = type(item)
                    if kind is str:
                        characters -= len(item)
                    elif kind is dict or kind is list or kind is tuple:
                        below.append(item)
                    elif kind is int:
                        if not _INT_MIN <= item <= _INT_MAX:
                            return NOT_PLAIN
                    elif kind is float:
                        if item - item != 0.0:
                            return NOT_PLAIN
                    elif id(kind) not in _LEAVES:
                        if not _is_short(item):
                            return NOT_PLAIN
                        characters -= _DECIMAL_CHARACTERS
                if before - characters > LARGEST_KEPT and long is not None:
                    long.append(members)
            if characters < 0:
                return NOT_PLAIN
        if not below:
            return PLAIN_CHARACTERS - characters
        if len(below) > 1_000 and len(set(map(id, below))) * 2 < len(below):
            return (
                NOT_PLAIN  # the same few again and again: a cycle, or branches that multiply when written out
            )
        level = below
    return NOT_PLAIN


def _is_short(value: Any) -> bool:
    """Whether a value is a decimal of ordinary length: a longer one takes as long to write as a text."""
    return type(value) is Decimal and Decimal.__sizeof__(value) <= _DECIMAL_MAX_BYTES


def _characters_of_scalars(items: Any, kinds: set[int]) -> int:
    """Texts, floats or integers in, how many characters the texts have out; if not plain, all there are."""
    if kinds == _ALL_STRINGS:
        return sum(map(len, items))
    if kinds == _ALL_FLOATS:
        # A finite sum has finite terms.
        plain = isfinite(sum(items)) or all(map(isfinite, items))
    else:
        plain = min(items) >= _INT_MIN and max(items) <= _INT_MAX
    return 0 if plain else PLAIN_CHARACTERS  # the items have taken some already
