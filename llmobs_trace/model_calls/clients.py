"""Wraps a client's functions where they stand, and puts them back: now, or when the client is imported. Any
thread, under one lock.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from types import ModuleType
from typing import Any, NamedTuple

import wrapt

from llmobs_trace.capture import recorder as slot


class Place(NamedTuple):
    """Where a client's function stands, by its module and its path in it, and what makes its replacement."""

    module: str
    path: str
    replace: Callable[[Callable[..., Any]], Callable[..., Any]]
    is_needed: bool = True  # else a version without it is wrapped all the same


class Client:
    """A model client by the name of its distribution: the oldest release that is known to be traced, its
    places, and whether they are wrapped.

    `is_on` also tells replacements that could not be taken away, since somebody wrapped them in turn, to let
    calls pass. `stream_usage`: whether to ask the provider for the usage of streams.
    """

    def __init__(self, name: str, since: str) -> None:
        self.name = name
        self.since = since
        self.places: tuple[Place, ...] = ()
        self.is_on = False
        self.stream_usage = False
        self._is_lacking = False
        self._awaited: set[str] = set()
        self._replaced: dict[Place, tuple[Any, Any, Any]] = {}  # owner, the original, what replaces it

    def wrap(self, *, stream_usage: bool) -> bool:
        """Wrap what is imported, and the rest when it is. False where this version lacks what we wrap."""
        with _lock:
            self.is_on, self.stream_usage, self._is_lacking = True, stream_usage, False
            for module in {place.module: None for place in self.places}:
                if module in sys.modules:
                    self._wrap_module(sys.modules[module])
                elif module not in self._awaited:
                    self._awaited.add(module)
                    wrapt.register_post_import_hook(self._imported, module)
            return not self._is_lacking

    def unwrap(self) -> None:
        """Put everything back."""
        with _lock:
            self.is_on = False
            for place, (owner, original, replacement) in list(self._replaced.items()):
                name = place.path.rpartition(".")[2]
                if vars(owner).get(name) is replacement:
                    setattr(owner, name, original)
                    _rename(owner, replacement, original)
                    del self._replaced[place]

    def _imported(self, module: Any) -> None:
        try:
            with _lock:
                if self.is_on:
                    self._wrap_module(module)
        except Exception as fault:  # the user's import must not fail for it
            slot.fault(fault)

    def _wrap_module(self, module: Any) -> None:
        for place in self.places:
            if place.module != module.__name__ or place in self._replaced:
                continue
            owner, name = module, place.path
            while "." in name:
                part, _, name = name.partition(".")
                owner = getattr(owner, part, None)
            original = getattr(owner, "__dict__", {}).get(name)
            if original is None:
                if place.is_needed:
                    said = f"this version of {self.name} is not known: its calls are not traced"
                    slot.say(said, f"it has no {place.module}.{place.path}")
                    self.unwrap()
                    self._is_lacking = True
                    return
                continue
            replacement = place.replace(original)
            setattr(owner, name, replacement)
            _rename(owner, original, replacement)
            self._replaced[place] = owner, original, replacement


def _rename(owner: Any, old: Any, new: Any) -> None:
    """Have other modules' names for a module's function (`from litellm import completion`) mean another.

    Not those of the client's own modules: they call one another.
    """
    if not isinstance(owner, ModuleType):
        return
    own = owner.__name__.partition(".")[0]
    for module in list(sys.modules.values()):
        if isinstance(module, ModuleType) and module.__name__.partition(".")[0] != own:
            for name in [name for name, value in list(vars(module).items()) if value is old]:
                setattr(module, name, new)


_lock = threading.RLock()  # guards what clients keep; re-entrant: an import may come in while one is wrapped
