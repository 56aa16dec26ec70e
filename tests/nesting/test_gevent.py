"""gevent: every case of `gevent_cases.py` in one process that was monkey-patched before anything else."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

CASES_FILE = Path(__file__).with_name("gevent_cases.py")
CASES = [
    node.name
    for node in ast.parse(CASES_FILE.read_text()).body
    if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
]

PROGRAM = """
from gevent import monkey
monkey.patch_all()
import sys, pytest
sys.exit(pytest.main(sys.argv[1:]))
"""


@pytest.fixture(scope="module")
def outcomes():
    """What became of each case: a list of outcomes by name, and the whole output."""
    root = CASES_FILE.parents[2]
    options = ["-vv", "-p", "no:cacheprovider", "-p", "no:randomly", "--rootdir", str(root), str(CASES_FILE)]
    ran = subprocess.run(
        [sys.executable, "-c", PROGRAM, *options],
        cwd=root,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    output = ran.stdout + ran.stderr
    found = {}
    for case, outcome in re.findall(r"::(\w+)(?:\[[^\]]*\])? (PASSED|FAILED|ERROR)", output):
        found.setdefault(case, []).append(outcome)
    return found, output


@pytest.fixture(autouse=True)
def beside():
    """The cases have an open stream beside them in their own process."""


@pytest.mark.parametrize("case", CASES)
def test_in_a_monkey_patched_program(outcomes, case):
    found, output = outcomes
    assert found.get(case) == ["PASSED", "PASSED"], output[-8000:]
