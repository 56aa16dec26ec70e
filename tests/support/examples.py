"""How many examples a property tries, where it is not the profile's number."""

from __future__ import annotations

from hypothesis import settings

_USUAL = 50


def examples(usual: int) -> int:
    """So many usually; fewer, as of all others, where the profile asks for fewer."""
    return max(1, usual * settings.default.max_examples // _USUAL)
