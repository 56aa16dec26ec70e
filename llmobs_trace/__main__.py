"""Runs the command line as `python -m llmobs_trace`."""

from __future__ import annotations

import sys

from llmobs_trace.cli import main

if __name__ == "__main__":
    sys.exit(main())
