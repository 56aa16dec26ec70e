"""Two users of one machine, in one process: the second is one without rights."""

from __future__ import annotations

import os
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
        # What it would load later, it may not be allowed to read.
        import httpx  # noqa: F401

        os.seteuid(self.number)
        try:
            yield
        finally:
            os.seteuid(0)
