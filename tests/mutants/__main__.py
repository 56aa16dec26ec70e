"""Runs `python -m tests.mutants`; see `mutants.command`."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path[:0] = map(str, Path(__file__).parents[1:3])

from mutants.command import main  # noqa: E402  # found where the line before says

if __name__ == "__main__":
    sys.exit(main())
