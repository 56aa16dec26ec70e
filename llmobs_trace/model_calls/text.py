"""Joins the pieces of a text as they come. Any thread.

Pieces are kept by the thousand and then joined: a million of them would else take ten times the text. It is
no `io.StringIO`, which the collector closes before a stream that it collects can be asked what had come.
"""

from __future__ import annotations

from typing import Final

_PIECES: Final = 1024


class Text:
    """A text that is being written."""

    __slots__ = ("_joined", "_pieces")

    def __init__(self) -> None:
        self._joined: list[str] = []
        self._pieces: list[str] = []

    def write(self, piece: str) -> None:
        if type(piece) is not str:
            raise TypeError("a piece of a text is no text")  # at once, while whoever sent it is known
        pieces = self._pieces
        pieces.append(piece)
        if len(pieces) > _PIECES:
            self._joined.append(_join(pieces))
            pieces.clear()

    def __str__(self) -> str:
        return _join([*self._joined, *self._pieces])


def _join(pieces: list[str]) -> str:
    try:
        return "".join(pieces)
    except TypeError:  # what should be a text need not be one
        return "".join(map(str, pieces))
