"""A function's fingerprint changes where what it does may have changed, and not where only its looks have."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from llmobs_trace.experiment.fingerprints import fingerprint_of

BASE = '''
PROMPT = "Answer: "
CHOICES = {"a", "b", "c"}
def helper(text): return text.strip()
class Cleaner:
    """Cleans."""
    mark = "!"
    def clean(self, text): return text + self.mark
def answer(question, temperature=0.5):
    """Answers."""
    if question in CHOICES:
        return [helper(part) for part in question.split()]
    return Cleaner().clean(PROMPT + question)
'''


def fingerprint(source: str, name: str = "answer", module: str = "program") -> str:
    scope: dict[str, Any] = {"__name__": module}
    exec(compile(source, f"{module}.py", "exec"), scope)
    return fingerprint_of(scope[name])


def test_a_notebook_s_cells_are_the_same_code_as_a_script() -> None:
    source = """
import os, json as j
def helper(path): return j.dumps(os.path.exists(path)).strip()
def answer(path):
    with open(path) as file: return os.path.join(helper(path), file.read().strip())
"""
    cells: dict[str, Any] = {"__name__": "__main__"}
    for statement in ast.parse(source).body:  # as IPython compiles them
        exec(compile(ast.Module([statement], []), "cell", "exec"), cells)
    assert fingerprint_of(cells["answer"]) == fingerprint(source)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('"Answer: "', '"Reply: "'),
        ('"a", "b", "c"', '"a", "b"'),
        ("text.strip()", "text.lstrip()"),
        ('mark = "!"', 'mark = "?"'),
        ("text + self.mark", "self.mark + text"),
        ("temperature=0.5", "temperature=0.7"),
        ("PROMPT + question", "question + PROMPT"),
        ("in CHOICES", "not in CHOICES"),
        ("question.split()", "question.split(None)"),
    ],
)
def test_a_change_of_what_it_does_changes_it(before: str, after: str) -> None:
    assert before in BASE
    assert fingerprint(BASE) != fingerprint(BASE.replace(before, after))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('"""Answers."""', '"""Answers a question, in other words."""'),
        ('    """Answers."""\n', ""),
        ('"""Cleans."""', '"""Cleans text."""'),
        ("def helper", "# a comment\n\n\ndef helper"),
        ('PROMPT = "Answer: "', 'OTHER = 1\nPROMPT = "Answer: "'),
    ],
)
def test_a_change_of_its_looks_does_not(before: str, after: str) -> None:
    assert before in BASE
    assert fingerprint(BASE) == fingerprint(BASE.replace(before, after))


def test_a_script_a_module_and_a_notebook_s_cell_are_the_same_code() -> None:
    assert fingerprint(BASE, module="__main__") == fingerprint(BASE, module="package.module")


def test_each_process_finds_the_same_one_whatever_its_hash_seed(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    told = "\nfrom llmobs_trace.experiment.fingerprints import fingerprint_of\nprint(fingerprint_of(answer))"
    program.write_text(textwrap.dedent(BASE) + told)
    found = {
        subprocess.run(
            [sys.executable, program],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in "0123"
    }
    assert len(found) == 1


def test_a_closure_s_plain_values_count() -> None:
    def make(prompt: str) -> Any:
        return lambda question: prompt + question

    assert fingerprint_of(make("a")) != fingerprint_of(make("b"))
    assert fingerprint_of(make("a")) == fingerprint_of(make("a"))


def test_a_version_says_what_the_code_does_not_show() -> None:
    assert fingerprint_of(len, "1") != fingerprint_of(len, "2")


def test_functions_that_call_one_another_end() -> None:
    source = "def answer(n): return other(n)\ndef other(n): return answer(n)"
    assert fingerprint(source) == fingerprint(source)
