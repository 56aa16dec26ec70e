"""Imports httpx beside the user's threads, so that none of them sees half of it. The sender's thread.

A module stands in `sys.modules` from the first moment of its import. Whoever imports it too waits until it is
whole; but OpenAI's client looks it up there and takes a class from it, which raises in the user's call while
we are importing. So until it is whole, who asks it for what is not there yet waits as well.
"""

from __future__ import annotations

import importlib
import sys
import threading
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType
from typing import Any

# An import that takes longer is stuck; then who asks is told what Python would have said.
_PATIENCE_SECONDS = 10.0


def import_whole(name: str) -> None:
    """Import a module of this name, unless it is there already."""
    if name in sys.modules:
        importlib.import_module(name)  # waits for whoever else imports it
        return
    spec = find_spec(name)
    finder = None if spec is None or spec.loader is None else _Finder(spec, spec.loader)
    if finder is not None:
        sys.meta_path.insert(0, finder)
    try:
        importlib.import_module(name)
    finally:
        if finder is not None:
            sys.meta_path.remove(finder)


class _Finder(MetaPathFinder, Loader):
    """Finds one module, and loads it as its own loader would."""

    def __init__(self, spec: ModuleSpec, loader: Loader) -> None:
        self._spec = spec
        self._loader = loader

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != self._spec.name:
            return None
        self._spec.loader = self
        return self._spec

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        self._spec.loader = module.__loader__ = self._loader
        its_class = type(module)
        if its_class is ModuleType:
            module.__class__ = _InTheMaking
            module.__dict__[_MAKER] = threading.get_ident(), threading.Event()
        try:
            self._loader.exec_module(module)
        finally:
            module.__class__ = its_class
            if (made := module.__dict__.pop(_MAKER, None)) is not None:
                made[1].set()


_MAKER = "_llmobs_trace_maker"


class _InTheMaking(ModuleType):
    """A module whose attributes are being set; it is asked for those that are not there."""

    def __getattr__(self, name: str) -> Any:
        made = self.__dict__.get(_MAKER)
        if made is not None and made[0] != threading.get_ident():
            made[1].wait(_PATIENCE_SECONDS)
        if name in self.__dict__:
            return self.__dict__[name]
        raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
