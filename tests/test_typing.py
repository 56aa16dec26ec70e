"""The public types, as mypy and pyright see them.

`tests/typing/api.py` is checked and never run. Both tools refuse an ignore that is not needed, so a line that
must be refused and no longer is makes the test fail. pyright comes from PyPI and fetches its program from npm
at its first run.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
EXAMPLES = Path(__file__).parent / "typing" / "api.py"


def run(*command: str) -> tuple[int, str]:
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    return done.returncode, done.stdout + done.stderr


def mypy(*options: str) -> tuple[int, str]:
    return run(sys.executable, "-m", "mypy", "--strict", "--warn-unused-ignores", *options)


def test_mypy_takes_every_example_and_refuses_every_wrong_one():
    code, said = mypy(str(EXAMPLES))
    assert code == 0, said


def test_pyright_takes_every_example_and_refuses_every_wrong_one(tmp_path):
    config = {
        "include": ["api.py"],
        "extraPaths": [str(ROOT)],
        "typeCheckingMode": "strict",
        # mypy's ignores are mypy's alone.
        "enableTypeIgnoreComments": False,
        "reportUnnecessaryTypeIgnoreComment": "error",
        "pythonVersion": "3.10",
    }
    shutil.copy(EXAMPLES, tmp_path / "api.py")
    project = tmp_path / "pyrightconfig.json"
    project.write_text(json.dumps(config))
    code, said = run(
        sys.executable, "-m", "pyright", "--project", str(project), "--pythonpath", sys.executable, "--stats"
    )
    assert code == 0, said
    assert "0 errors, 0 warnings" in said
    assert "Found 1 source file" in said


@pytest.mark.parametrize("example", ["Span | None", "SpanBlock", "Generator[int, str, bool]"])
def test_the_examples_would_notice_a_lost_type(tmp_path, example):
    """The check of the check: an asserted type that is not the real one is refused."""
    changed = tmp_path / "changed.py"
    text = EXAMPLES.read_text()
    assert f", {example})" in text
    changed.write_text(text.replace(f", {example})", ", bytes)", 1))
    code, said = mypy(str(changed))
    assert code == 1
    assert "assert-type" in said
