"""The docstrings of what is public are its reference: they are there, and their examples run as they stand.

Each runs in a process of its own, with the public names imported, as a user's program would; what is a test
runs under pytest.
"""

from __future__ import annotations

import doctest
import inspect
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from support.public import public_names

import llmobs_trace

DOCUMENTED = {"llmobs_trace": llmobs_trace, **public_names()}

# The examples of a docstring, which is on stdin, with the public names known.
PROGRAM = """
import doctest, sys
text = sys.stdin.read()
test = doctest.DocTestParser().get_doctest(text, dict(globals()), "example", None, 0)
options = doctest.ELLIPSIS | doctest.REPORT_NDIFF
sys.exit(doctest.DocTestRunner(optionflags=options).run(test).failed)
"""


def imports_for(source: str) -> str:
    """What it uses of all that is public: to import all of it takes longer than most examples."""
    public = (path.rpartition(".") for path in DOCUMENTED if "." in path)
    used = [(module, name) for module, _, name in public if re.search(rf"\b{name}\b", source)]
    lines = [f"from {module} import {name}" for module, name in used]
    return "\n".join(["import llmobs_trace", *lines, ""])


def member_docs() -> dict[str, str | None]:
    """The docstrings of public classes' public members."""
    return {
        f"{path}.{name}": inspect.getdoc(member)
        for path, given in DOCUMENTED.items()
        if isinstance(given, type)
        for name, member in vars(given).items()
        if not name.startswith("_") and (inspect.isfunction(member) or isinstance(member, property))
    }


def test_every_public_member_of_a_public_class_is_documented() -> None:
    docs = member_docs()
    assert "llmobs_trace.Span.set_output" in docs
    assert [name for name, doc in docs.items() if not doc] == []


@pytest.mark.parametrize("name", DOCUMENTED)
def test_every_public_name_is_documented_by_an_example_that_runs(name: str, tmp_path: Path) -> None:
    text = inspect.getdoc(DOCUMENTED[name]) or ""
    examples = doctest.DocTestParser().get_examples(text)
    assert examples, f"{name} has no example"
    source = "".join(example.source for example in examples)
    if "def test_" in source:
        (tmp_path / "test_example.py").write_text(f"import pytest\n{imports_for(source)}\n{source}")
        done = run(["-m", "pytest", "-q", "-p", "no:cacheprovider", "test_example.py"], "", tmp_path)
    else:
        done = run(["-c", imports_for(text) + PROGRAM], text, tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr


def run(arguments: list[str], given: str, home: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        input=given,
        capture_output=True,
        text=True,
        cwd=home,
        env={**os.environ, "HOME": str(home), "XDG_STATE_HOME": str(home)},
        timeout=120,
    )


def test_an_example_that_shows_another_result_fails(tmp_path: Path) -> None:
    """The check of the check."""
    shown: dict[str, Any] = {">>> 1 + 1\n2\n": 0, ">>> 1 + 1\n3\n": 1}
    assert {text: run(["-c", PROGRAM], text, tmp_path).returncode for text in shown} == shown
