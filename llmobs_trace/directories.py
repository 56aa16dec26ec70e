"""Makes directories that only their user can look into, whatever the umask; any thread."""

from __future__ import annotations

from pathlib import Path


def make(directory: Path) -> None:
    """Make a directory, and those above it that aren't there, each for this user alone; raises OSError."""
    try:
        directory.mkdir(mode=0o700, exist_ok=True)
    except FileNotFoundError:
        if directory.parent == directory:
            raise
        make(directory.parent)
        directory.mkdir(mode=0o700, exist_ok=True)
