"""What the tests of gevent share: the program, run once for each moment of monkey-patching."""

from __future__ import annotations

import functools
import json
import subprocess
import sys
from pathlib import Path

import pytest


@functools.cache
def _run(mode):
    program = Path(__file__).with_name("gevent_program.py")
    ran = subprocess.run(
        [sys.executable, str(program), mode], capture_output=True, text=True, timeout=120, check=False
    )
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout), ran.stderr


@pytest.fixture(params=["before", "after", "never"], ids="monkey-patched-{}".format)
def gevent_recorded(request):
    """A callable: the tree of spans that a case of the program recorded. Nothing was logged or swallowed."""
    found, stderr = _run(request.param)
    assert found["faults"] is None
    assert stderr == ""
    return found.__getitem__
