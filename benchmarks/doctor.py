"""What `llmobs-trace doctor` says of a directory of journals: its last line."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def said_of(journal: Path) -> str:
    """Asked of a process of its own, as a person would ask it."""
    command = [sys.executable, "-m", "llmobs_trace", "doctor", "--journal", str(journal)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.splitlines()[-1]
