"""Every example of README.md and of the manual is run, or at least held against the library as it is.

Commands run on a store with two demos, an earlier and a later one. Python runs where all its names are
known; where it speaks of a user's own (`search`, `request`), what it uses of the library must be there, and
be called as it may be.
"""

from __future__ import annotations

import ast
import builtins
import importlib
import inspect
import json
import os
import re
import shlex
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import pytest
from support.commands import RunCommand
from support.serving import Serving

import llmobs_trace
from llmobs_trace.cli.commands import COMMANDS
from llmobs_trace.cli.manual import TOPICS

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
PAGES = [README, *sorted((ROOT / ".github" / "docs").glob("*.md"))]
PROGRAM = "llmobs-trace"
# What stands for an experiment's id in an example.
PLACEHOLDER = re.compile(r"^(?:[0-9a-f]{4,}(?:-[0-9a-f-]*)?…?|A|B|ID|main|<[^>]+>)$")
TRACEBACK = "Traceback (most recent call last)"


class Example(NamedTuple):
    """One fenced block."""

    language: str
    text: str
    page: str
    line: int

    @property
    def place(self) -> str:
        return f"{self.page}:{self.line}"


def examples(page: Path) -> Iterator[Example]:
    fence: list[str] | None = None
    language, first = "", 0
    for number, line in enumerate(page.read_text().splitlines(), start=1):
        if not line.startswith("```"):
            if fence is not None:
                fence.append(line)
        elif fence is None:
            fence, language, first = [], line[3:].strip(), number
        else:
            yield Example(language, "\n".join(fence) + "\n", page.name, first)
            fence = None
    assert fence is None, f"{page.name}: the block at line {first} never ends"


EXAMPLES = [example for page in PAGES for example in examples(page)]


def commands() -> Iterator[tuple[str, list[str]]]:
    """Every line that calls the program, as words; what follows a pipe, `&&` or `>` is another program's."""
    for example in EXAMPLES:
        if example.language not in ("sh", "bash", "console", "shell"):
            continue
        for offset, line in enumerate(example.text.splitlines(), start=1):
            called = line.strip().removeprefix("$ ")
            if not called.startswith(PROGRAM + " "):
                continue
            lexer = shlex.shlex(called, posix=True, punctuation_chars="|&;<>")
            lexer.whitespace_split = True
            words = list(lexer)
            ends = [at for at, word in enumerate(words) if word and not word.strip("|&;<>")]
            yield f"{example.page}:{example.line + offset}", words[1 : min(ends, default=len(words))]


COMMANDS_SHOWN = list(commands())
PYTHON = [example for example in EXAMPLES if example.language in ("python", "py")]


class Demos(NamedTuple):
    """A store with two demos in it."""

    database: Path
    earlier: str
    later: str


def call(words: list[str], home: Path, database: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "llmobs_trace", *words],
        capture_output=True,
        text=True,
        cwd=home,
        env={
            **clean(),
            "HOME": str(home),
            "XDG_STATE_HOME": str(home),
            "LLMOBS_TRACE_DATABASE": str(database),
            **environ,
        },
        timeout=120,
    )


def clean() -> dict[str, str]:
    return {
        name: value for name, value in os.environ.items() if not name.startswith(("DD_", "LLMOBS_TRACE_"))
    }


@pytest.fixture(scope="module")
def demos(tmp_path_factory: pytest.TempPathFactory) -> Demos:
    home = tmp_path_factory.mktemp("readme")
    database = home / "experiments.db"
    for words in (["demo", "--rows", "12"], ["demo", "--rows", "12", "--model", "extractive-2"]):
        assert call(words, home, database).returncode == 0
    later, earlier = json.loads(call(["experiments", "--format", "json"], home, database).stdout)
    return Demos(database, earlier["id"], later["id"])


@pytest.fixture(scope="module")
def demo_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of a store with one demo in it, as the demo leaves it where it is run."""
    home = tmp_path_factory.mktemp("one-demo")
    assert call(["demo", "--rows", "12"], home, home / ".llmobs/experiments.db").returncode == 0
    return home / ".llmobs"


def test_the_manual_has_examples() -> None:
    assert len(COMMANDS_SHOWN) >= 20
    assert len(PYTHON) >= 6


def test_every_topic_of_the_command_is_a_page_and_every_page_a_topic() -> None:
    assert set(TOPICS) == {page.stem for page in PAGES if page != README}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_of_the_manual_leads_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\(([^)\s]+)\)", page.read_text())
    within = [target.partition("#")[0] for target in targets if "://" not in target]
    assert [target for target in within if target and not (page.parent / target).exists()] == []


def test_the_first_example_of_the_readme_runs_as_it_stands_and_is_shown(tmp_path: Path) -> None:
    first = next(example for example in PYTHON if example.page == README.name)
    program = tmp_path / "ten_lines.py"
    program.write_text(first.text)
    home = {**clean(), "HOME": str(tmp_path), "XDG_STATE_HOME": str(tmp_path)}
    subprocess.run([sys.executable, str(program)], check=True, cwd=tmp_path, env=home, timeout=120)
    shown = call(["show", "latest"], tmp_path, tmp_path / ".llmobs/experiments.db").stdout
    assert "2 rows" in shown
    assert "exact_match" in shown


def test_the_readme_is_short_and_is_read_aloud_in_three_minutes() -> None:
    text = README.read_text()
    assert len(text.splitlines()) <= 160
    # Without code, tables, pictures, and where links lead; some 160 words are read in a minute.
    prose = re.sub(
        r"```.*?```|`[^`]*`|^\|.*?$|!\[[^]]*\]|\]\([^)]*\)", "", text, flags=re.DOTALL | re.MULTILINE
    )
    assert len(re.findall(r"\w[\w'-]*", prose)) <= 480


def test_a_page_is_shown_in_the_terminal(run: RunCommand) -> None:
    shown = run("manual", "recording", on=None)
    assert shown.code == 0
    assert shown.out.rstrip() == "\n".join(
        line.rstrip() for line in (ROOT / ".github" / "docs" / "recording.md").read_text().splitlines()
    )
    assert run("manual", on=None).out.split()[:2] == ["topic", "answers"]


@pytest.mark.parametrize(("place", "words"), COMMANDS_SHOWN, ids=lambda value: str(value))
def test_every_command_of_the_manual_runs(place: str, words: list[str], demos: Demos, tmp_path: Path) -> None:
    assert words[0] in COMMANDS or words[0].startswith("-"), f"{place}: no such command"
    ids = iter((demos.earlier[:8], demos.later[:8]))
    real = [
        next(ids, demos.later) if at and PLACEHOLDER.match(word) else word for at, word in enumerate(words)
    ]
    if words[0] == "serve":
        served(real, tmp_path, demos.database)
        return
    # On a copy: a demo in the manual would make another experiment the latest.
    database = tmp_path / "experiments.db"
    database.write_bytes(demos.database.read_bytes())
    a_users_files(tmp_path)
    if words[0] in ("publish", "reconcile"):
        with Serving(tmp_path / "datadog.db") as server:
            keys = {"DD_API_KEY": "k", "DD_APP_KEY": "a", "LLMOBS_TRACE_BASE_URL": server.url}
            if words[0] == "reconcile":
                assert call(["publish", *real[1:]], tmp_path, database, **keys).returncode == 0
            ended = call(real, tmp_path, database, **keys)
    else:
        ended = call(real, tmp_path, database)
    # A comparison may say that it is worse, or that it can't tell: those are answers too.
    answers = {0, 1, 3} if "--fail-if-worse" in words or "--fail-if-unsure" in words else {0}
    assert ended.returncode in answers, f"{place}: {ended.stderr}"
    assert TRACEBACK not in ended.stderr


def a_users_files(home: Path) -> None:
    """The files that examples read: a program with an experiment, the first of its page, and datasets."""
    program = next(each for each in PYTHON if each.page == "experiments.md")
    (home / "capitals.py").write_text(program.text)
    (home / "capitals.jsonl").write_text('{"input": "France", "expected_output": "Paris"}\n')
    (home / "capitals.csv").write_text("question,capital\nFrance,Paris\n")
    (home / "sums.csv").write_text("a,b,sum\n1,2,3\n")
    with closing(sqlite3.connect(home / "bench.db")) as connection:
        connection.execute("CREATE TABLE tasks (id, task, answer)")


def served(words: list[str], home: Path, database: Path) -> None:
    """A server says where it is, and ends when it is told to; on a free port, whichever the manual names."""
    if "--port" in words:
        words[words.index("--port") + 1] = "0"
    process = subprocess.Popen(
        [sys.executable, "-m", "llmobs_trace", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        cwd=home,
        env={
            **clean(),
            "HOME": str(home),
            "BROWSER": "true",  # which opens nothing
            "XDG_STATE_HOME": str(home),
            "LLMOBS_TRACE_DATABASE": str(database),
        },
    )
    try:
        assert process.stdout is not None
        assert re.fullmatch(r"https?://\S+:\d+\n", process.stdout.readline())
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.communicate()


# --- Python -------------------------------------------------------------------------------------------------


def names_not_its_own(tree: ast.Module) -> set[str]:
    """The names that a block takes for granted."""
    bound = {
        node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    }
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            bound.add(node.name)
        if isinstance(node, ast.arg):
            bound.add(node.arg)
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            bound |= {(alias.asname or alias.name).split(".")[0] for alias in node.names}
    used = {
        node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)
    }
    return used - bound - set(dir(builtins)) - set(llmobs_trace.__all__)


@pytest.mark.parametrize("example", PYTHON, ids=lambda example: example.place)
def test_what_python_examples_use_of_the_library_is_there(example: Example) -> None:
    tree = ast.parse(example.text)
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "llmobs_trace":
            module = importlib.import_module(node.module or "llmobs_trace")
            assert [alias.name for alias in node.names if not hasattr(module, alias.name)] == []
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            check_call(node, getattr(llmobs_trace, node.func.id, None), example)


def check_call(node: ast.Call, function: object, example: Example) -> None:
    """A function of ours is called as it may be."""
    if function is None or not callable(function):
        return
    if any(isinstance(argument, ast.Starred) for argument in node.args):
        return
    named = {keyword.arg: ... for keyword in node.keywords if keyword.arg is not None}
    try:
        inspect.signature(function).bind(*node.args, **named)
    except TypeError as error:
        pytest.fail(f"{example.page}:{example.line + node.lineno}: {ast.unparse(node)}: {error}")


@pytest.mark.parametrize(
    "example",
    [each for each in PYTHON if not names_not_its_own(ast.parse(each.text))],
    ids=lambda example: example.place,
)
def test_python_examples_that_need_nothing_else_run(
    example: Example, demo_store: Path, tmp_path: Path
) -> None:
    shutil.copytree(demo_store, tmp_path / demo_store.name)
    a_users_files(tmp_path)
    # What the manual says once at its top is known further down.
    text = f"from llmobs_trace import {', '.join(sorted(llmobs_trace.__all__))}\n{example.text}"
    ended = subprocess.run(
        [sys.executable, "-c", text.replace("…", "00000000")],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**clean(), "HOME": str(tmp_path), "XDG_STATE_HOME": str(tmp_path)},
        timeout=120,
    )
    assert ended.returncode == 0, ended.stderr
