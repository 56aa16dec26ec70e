"""A sample of `python -m tests.suites`, on the interpreter that runs the tests."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest
from suites.command import CPYTHON, HOW, Compared, compare

HERE = Path(__file__).parent
HAS_SUITES = importlib.util.find_spec("test") is not None and importlib.util.find_spec("test.test_functools")


@pytest.mark.skipif(not HAS_SUITES, reason="this interpreter comes without CPython's own tests")
@pytest.mark.parametrize("suite", [suite for suite in CPYTHON if suite != "inspect"])
def test_decorated_functions_pass_cpython_s_own_tests_or_differ_for_a_known_reason(
    suite: str, tmp_path: Path
) -> None:
    compared = run_here(suite, tmp_path)
    assert compared.passed > 10
    assert [each for each in compared.differences if each.reason is None] == []
    assert [each for each in compared.differences if not each.is_everybodys] == []


def run_here(suite: str, where: Path) -> Compared:
    outcomes = {}
    for how in HOW:
        path = where / f"{how}.json"
        words = [sys.executable, str(HERE / "child.py"), f"test.test_{suite}", how, str(path)]
        subprocess.run(words, cwd=where, check=True, capture_output=True, timeout=300)
        outcomes[how] = json.loads(path.read_text())
    return compare(suite, outcomes)


def test_a_difference_is_told_from_what_any_decorator_makes() -> None:
    plain = {"a": "passed", "b": "passed", "c": "failed: x", "test_cr_await": "passed"}
    least = {**plain, "b": "error: TypeError: y", "test_cr_await": "failed: z"}
    ours = {"a": "error: ValueError: v", "b": "failed: w", "c": "error: other", "test_cr_await": "failed: z"}
    found = compare("coroutines", {"plain": plain, "least": least, "ours": ours})
    assert [(each.test, each.is_everybodys, each.reason is None) for each in found.differences] == [
        ("a", False, True),
        ("b", True, True),
        ("test_cr_await", True, False),
    ]
    assert (found.tests, found.passed) == (4, 3)
