"""Finds clients and packages that the extra for tests leaves out: what is larger than all else in it, and
releases that can't stand in one environment with others.

README's test command is for a machine with nothing but Python, so there their tests are skipped, and say so.
`.ci/run` installs each in a folder of its own and names it: there none of them is.
"""

from __future__ import annotations

import os

import pytest

# Read before a test's own environment is made.
_FOLDERS = {name: path for name, path in os.environ.items() if name.startswith("LLMOBS_TESTS_") and path}


def folder(what: str) -> str:
    """The folder that `LLMOBS_TESTS_<what>` names; without one the test, or the module, is skipped."""
    variable = f"LLMOBS_TESTS_{what}"
    if variable not in _FOLDERS:
        pytest.skip(f"{variable} names no folder", allow_module_level=True)
    return _FOLDERS[variable]
