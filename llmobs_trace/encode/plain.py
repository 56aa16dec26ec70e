"""A list, tuple or dict in, whether msgspec alone writes all of it as promised out. On the user's thread.

Plain is: exact lists, tuples and dicts with string keys, of strings, integers within 64 bits, finite floats
and a few leaves, in a number of levels, values and characters that can be written in full. This is most of
what encoding costs, so it is written flat. Measured for two chat messages: 260 ns; msgspec's own typed
``convert`` 220, but it takes sets, subclasses of ``list``, and hashes keys that are subclasses of ``str``;
``gc.get_referents`` 450; ``marshal`` 280 and decoding 220, whose results must then be compared.
"""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from math import isfinite
from typing import Any, Final
from uuid import UUID

# What is written in full at most; capture cuts to the size of an event later. They keep a value that refers
# to the same large text in a thousand places from filling the memory.
MAX_CHARACTERS: Final = 64 * 1024 * 1024
_MAX_NODES: Final = 4_000_000
_MAX_LEVELS: Final = 50

_INT_MIN: Final = -(2**63)
_INT_MAX: Final = 2**64 - 1
_NUMBER_CHARACTERS: Final = 20

# By id: hashing a class, or comparing it with another, runs its metaclass's __hash__ and __eq__.
_LEAVES: Final = frozenset(map(id, (bool, type(None), Decimal, UUID, date)))
_ALL_STRINGS: Final = {id(str)}
_ALL_FLOATS: Final = {id(float)}
_ALL_DICTS: Final = {id(dict)}
_ALIKE: Final = ({id(str)}, {id(float)}, {id(int)}, {id(dict)})

FEW: Final = 32


def is_plain_near(nest: Any, levels: int = 3) -> bool | None:
    """A nest of few and shallow items in, whether it is plain out; None where it is too much for this way.

    Neither sizes nor cycles need counting within these bounds.
    """
    if len(nest) > FEW or not levels:
        return None
    if type(nest) is dict:
        for key, item in nest.items():
            if type(key) is not str:
                return False
            kind = type(item)
            if kind is str:
                continue
            if kind is dict or kind is list or kind is tuple:
                inner = is_plain_near(item, levels - 1)
                if not inner:
                    return inner
            elif kind is int:
                if not _INT_MIN <= item <= _INT_MAX:
                    return False
            elif kind is float:
                if item - item != 0.0:  # of NaN and the infinities only
                    return False
            elif id(kind) not in _LEAVES:
                return False
        return True
    for member in nest:
        kind = type(member)
        if kind is str:
            continue
        if kind is dict or kind is list or kind is tuple:
            inner = is_plain_near(member, levels - 1)
            if not inner:
                return inner
        elif kind is int:
            if not _INT_MIN <= member <= _INT_MAX:
                return False
        elif kind is float:
            if member - member != 0.0:
                return False
        elif id(kind) not in _LEAVES:
            return False
    return True


def is_plain_far(nest: Any) -> bool:
    """The same for any size, level by level, some 150 ns a chat message. User's thread."""
    level: list[Any] = [nest]
    nodes = _MAX_NODES
    characters = MAX_CHARACTERS
    for _ in range(_MAX_LEVELS):
        below: list[Any] = []
        for inside in level:
            nodes -= len(inside)
            if type(inside) is dict:
                dicts: Any = (inside,)
            elif len(inside) > FEW and (kinds := set(map(id, map(type, inside)))) in _ALIKE:
                # Of one kind, as long lists mostly are: embeddings, tokens, conversations. Looking at each
                # would cost three times as much.
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
                            return False
                    elif kind is float:
                        if item - item != 0.0:
                            return False
                    elif id(kind) not in _LEAVES:
                        return False
            for members in dicts:
                nodes -= len(members)
                for key, item in members.items():
                    if type(key) is not str:
                        return False
                    kind = type(item)
                    if kind is str:
                        characters -= len(item)
                    elif kind is dict or kind is list or kind is tuple:
                        below.append(item)
                    elif kind is int:
                        if not _INT_MIN <= item <= _INT_MAX:
                            return False
                    elif kind is float:
                        if item - item != 0.0:
                            return False
                    elif id(kind) not in _LEAVES:
                        return False
            if nodes < 0 or characters < 0:
                return False
        if not below:
            return True
        if len(below) > 1_000 and len(set(map(id, below))) * 2 < len(below):
            return False  # the same few again and again: a cycle, or branches that multiply when written out
        level = below
    return False


def _characters_of_scalars(items: Any, kinds: set[int]) -> int:
    """Texts, floats or integers in, about how many characters they take out; too many if not plain."""
    if kinds == _ALL_STRINGS:
        return sum(map(len, items))
    if kinds == _ALL_FLOATS:
        # A finite sum has finite terms.
        plain = isfinite(sum(items)) or all(map(isfinite, items))
    else:
        plain = min(items) >= _INT_MIN and max(items) <= _INT_MAX
    return len(items) * _NUMBER_CHARACTERS if plain else MAX_CHARACTERS + 1
