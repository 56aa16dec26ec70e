"""The public types, as mypy and pyright see them.

`tests/typing/api.py` is checked and never run. Both tools refuse an ignore that is not needed, so a line that
must be refused and no longer is makes the test fail. pyright comes from PyPI and fetches its program from npm
at its first run.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import typing
from collections.abc import Iterator
from pathlib import Path
from types import FunctionType
from typing import Any

from support.public import PUBLIC, public_names

import llmobs_trace

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


def test_the_examples_would_notice_a_lost_type(tmp_path):
    """The check of the check: asserted types that are not the real ones are refused."""
    text = EXAMPLES.read_text()
    changed = tmp_path / "changed.py"
    types = ("Span | None", "SpanBlock", "Generator[int, str, bool]")
    for each in types:
        assert f", {each})" in text
        text = text.replace(f", {each})", ", bytes)", 1)
    changed.write_text(text)
    code, said = mypy(str(changed))
    assert code == 1
    assert said.count("[assert-type]") == len(types), said


# --- what is public -----------------------------------------------------------------------------------------


def public_functions() -> Iterator[tuple[str, Any]]:
    for path, given in public_names().items():
        name = path.rpartition(".")[2]
        yield name, given
        for member, held in vars(given).items() if isinstance(given, type) else ():
            function = held.fget if isinstance(held, property) else getattr(held, "__func__", held)
            if isinstance(function, FunctionType):
                yield f"{name}.{member}", function


def test_what_is_public_has_type_hints_that_can_be_read_at_run_time() -> None:
    """As frameworks read them that make forms and tools of functions."""
    hints = {name: typing.get_type_hints(function) for name, function in public_functions()}
    assert hints["delivery_stats"]["return"] is type(llmobs_trace.delivery_stats())


def test_the_package_states_what_is_public_and_its_pages_use_nothing_else():
    stated = llmobs_trace.__doc__ or ""
    assert [module for module in PUBLIC[1:] if f"`{module}`" not in stated] == []
    pages = [ROOT / "README.md", *(ROOT / ".github").rglob("*.md")]
    imported = {
        name
        for page in pages
        for name in re.findall(r"(?:from|import) (llmobs_trace[\w.]*)", page.read_text())
    }
    assert imported - set(PUBLIC) == set()


def test_pyright_knows_the_type_of_everything_public(monkeypatch):
    # It asks the first Python that it finds for what is installed, whoever runs it.
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent), prepend=os.pathsep)
    command = (sys.executable, "-m", "pyright", "--verifytypes", "llmobs_trace", "--ignoreexternal")
    _, said = run(*command, "--outputjson")
    symbols = {each["name"]: each for each in json.loads(said)["typeCompleteness"]["symbols"]}
    public = public_names()
    assert [name for name in public if name not in symbols] == []
    homes = {
        f"{each.__module__}.{each.__qualname__}" for each in public.values() if hasattr(each, "__qualname__")
    }
    unknown = {
        name: [each["message"] for each in symbol["diagnostics"]]
        for name, symbol in symbols.items()
        if not symbol["isTypeKnown"]
        and any(name == one or name.startswith(f"{one}.") for one in public.keys() | homes)
    }
    assert unknown == {}


def types_in(hint: Any) -> Iterator[type]:
    """Every class that a type hint names, however deep."""
    if isinstance(hint, type):
        yield hint
    for within in typing.get_args(hint):
        yield from types_in(within)


def test_what_is_public_speaks_of_nothing_internal():
    public = set(public_names().values())
    spoken_of = {
        (name, kind.__qualname__)
        for name, function in public_functions()
        if not name.rpartition(".")[2].startswith("_") or name.endswith("__")
        for given, hint in typing.get_type_hints(function).items()
        if not given.startswith("_")
        for kind in types_in(hint)
        if kind.__module__.startswith("llmobs_trace") and kind not in public
    }
    # Only `experiment_span` makes the one, and only `read` the other.
    assert spoken_of == {("SpanBlock.__init__", "SpanOptions"), ("RecordedExperiment.__init__", "Table")}
