"""Two users of one machine, in one process: the second is one without rights."""

from __future__ import annotations

import importlib
import os
import pkgutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path


@dataclass
class TwoUsers:
    """`shared` is a directory that both may write to; `number` is the second user's."""

    shared: Path
    number: int = 65_534

    @contextmanager
    def the_second(self) -> Iterator[None]:
        """Within the block this process has the second user's rights, and no others."""
        _load_what_it_may_need()
        os.seteuid(self.number)
        try:
            yield
        finally:
            os.seteuid(0)


def _load_what_it_may_need() -> None:
    """The second user may not read a checkout or an environment in a directory that is the first's alone."""
    importlib.import_module("httpx")
    for room in ("journal", "deliver", "store", "cli"):
        package = importlib.import_module(f"llmobs_trace.{room}")
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            importlib.import_module(module.name)
