from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "llmobs_trace"
MODULES = sorted(PACKAGE.rglob("*.py"))

# What each room may import of the others: down the way of a span, never up. None: all but the rooms above.
ALLOWED: dict[str, set[str] | None] = {
    "errors": set(),
    "wire": set(),
    "checks": {"wire"},
    "options": {"checks", "wire"},
    "places": set(),
    "redactors": {"errors"},
    "signals": set(),
    "config": {"errors", "wire", "checks", "options", "places"},
    "encode": {"errors", "wire"},
    "journal": {"errors", "wire"},
    "capture": {"errors", "wire", "encode"},
    "deliver": {"errors", "wire", "journal"},
    "local": {"errors", "wire"},
    "compare": {"errors", "wire", "local"},
    "runtime": None,
    "__init__": None,
    "pytest_plugin": None,
    "demo": {"__init__"},
    "cli": None,
    "__main__": {"cli"},
}
# The seam between delivering and storing: one module, which knows the store and nothing else of its room.
# And that between the pages and the statistics, which read the store too.
EXCEPTIONS = {
    "deliver/local.py": {"llmobs_trace.local.store"},
    "local/viewer/compared.py": {"llmobs_trace.compare", "llmobs_trace.compare.pairs"},
    "local/viewer/apart.py": {"llmobs_trace.compare"},
}
ABOVE_RUNTIME = {"cli", "demo", "__main__", "pytest_plugin", "__init__"}


def name_of(module: Path) -> str:
    return module.relative_to(PACKAGE).as_posix()


def room_of(module: Path) -> str:
    return module.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported(tree: ast.AST, module: Path) -> Iterator[str]:
    """Every module that is imported anywhere in a tree, by its full name."""
    package = ["llmobs_trace", *module.relative_to(PACKAGE).parent.parts]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            source = ".".join([*above, *([node.module] if node.module else [])])
            for alias in node.names:
                below = ROOT.joinpath(*source.split("."), alias.name)
                is_module = below.is_dir() or below.with_suffix(".py").is_file()
                yield f"{source}.{alias.name}" if is_module else source


def imported_on_loading(tree: ast.Module) -> Iterator[str]:
    """What a module imports when it is loaded: not within its functions, not for type checkers alone."""
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""
        elif not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            for_types = isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
            waiting.extend(
                node.orelse if isinstance(node, ast.If) and for_types else ast.iter_child_nodes(node)
            )


def rooms_imported(module: Path) -> set[str]:
    ours = {
        name
        for name in imported(ast.parse(module.read_text()), module)
        if name.split(".")[0] == "llmobs_trace"
    }
    ours -= EXCEPTIONS.get(name_of(module), set())
    rooms = {name.split(".")[1] if "." in name else "__init__" for name in ours}
    return rooms - {room_of(module)}


def test_every_room_is_in_the_plan() -> None:
    assert {room_of(module) for module in MODULES} <= set(ALLOWED)


@pytest.mark.parametrize("module", MODULES, ids=name_of)
def test_imports_go_one_way(module: Path) -> None:
    room = room_of(module)
    allowed = ALLOWED[room]
    if allowed is None:
        allowed = set(ALLOWED) if room in ABOVE_RUNTIME else set(ALLOWED) - ABOVE_RUNTIME
        allowed = allowed if room in ("cli", "__main__") else allowed - {"cli", "__main__"}
    assert rooms_imported(module) - allowed == set()


@pytest.mark.parametrize("module", MODULES, ids=name_of)
def test_no_module_imports_contextvars(module: Path) -> None:
    tree = ast.parse(module.read_text())
    assert [name for name in imported(tree, module) if name.split(".")[0].endswith("contextvars")] == []
    # Nor by its name, through importlib.
    texts = {
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    assert texts & {"contextvars", "_contextvars"} == set()


@pytest.mark.parametrize("module", MODULES, ids=name_of)
def test_no_module_is_longer_than_a_reader_s_patience(module: Path) -> None:
    assert len(module.read_text().splitlines()) <= 500


# An audit hook sees what the interpreter is asked to do, whoever asks.
IMPORT_AND_TELL = """
import json, sys, threading, wrapt, msgspec
before = set(sys.modules)
events = []
def hook(event, arguments):
    if event == "open" and isinstance(arguments[0], str):
        events.append([event, arguments[0]])
    elif event.startswith(("socket.", "_thread.start", "sqlite3.", "os.mkdir", "subprocess.", "os.fork")):
        events.append([event, ""])
sys.addaudithook(hook)
import llmobs_trace
told = {"events": list(events), "modules": sorted(set(sys.modules) - before),
        "threads": threading.active_count(),
        "unwanted": sorted({"httpx", "sqlite3", "_sqlite3"} & set(sys.modules))}
print(json.dumps(told))
"""


@pytest.fixture(scope="module")
def told() -> dict[str, list[str]]:
    """What `import llmobs_trace` did in a new process, beyond what its dependencies did."""
    environ = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    run = subprocess.run(
        [sys.executable, "-c", IMPORT_AND_TELL], check=True, capture_output=True, env=environ
    )
    answer: dict[str, list[str]] = json.loads(run.stdout)
    return answer


def test_importing_starts_no_thread_and_opens_no_socket_and_no_file(told: dict[str, list[str]]) -> None:
    assert told["threads"] == 1
    # Python's own loader opens sources and their compiled forms.
    loaded = (".py", ".pyc", ".so", ".pyd")
    assert [event for event in told["events"] if event[0] != "open" or not event[1].endswith(loaded)] == []


def test_importing_loads_neither_httpx_nor_sqlite3(told: dict[str, list[str]]) -> None:
    assert told["unwanted"] == []


def test_importing_loads_asyncio_for_nobody_but_its_dependencies(told: dict[str, list[str]]) -> None:
    assert [name for name in told["modules"] if name.split(".")[0] == "asyncio"] == []
    ours = [name for name in told["modules"] if name.split(".")[0] == "llmobs_trace"]
    for name in ours:
        below = ROOT.joinpath(*name.split("."))
        source = below / "__init__.py" if below.is_dir() else below.with_suffix(".py")
        on_loading = {each.split(".")[0] for each in imported_on_loading(ast.parse(source.read_text()))}
        assert on_loading & {"asyncio", "httpx", "sqlite3"} == set(), name


def visible_entries() -> set[str]:
    """The names at the top of what is handed out: what git keeps, or what is there if it keeps nothing."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    try:
        listed = subprocess.run(
            ["git", "-C", str(ROOT), "ls-files", "-z", "--full-name"],
            capture_output=True,
            text=True,
            env=environ,
        ).stdout.split("\0")
    except OSError:  # no git
        listed = []
    # In a checkout of something larger, git speaks of that one's top.
    kept = [name for name in listed if name] if (ROOT / ".git").exists() else []
    made_by_tools = {"build", "dist", "__pycache__"}
    names = {name.split("/")[0] for name in kept} or {
        entry.name
        for entry in ROOT.iterdir()
        if entry.name not in made_by_tools and entry.suffix != ".egg-info"
    }
    return {name for name in names if not name.startswith(".")}


def test_the_visible_top_level_entries_are_those_of_the_contract() -> None:
    assert visible_entries() == {"pyproject.toml", "llmobs_trace", "tests", "benchmarks", "README.md"}


def test_the_package_is_typed() -> None:
    assert (PACKAGE / "py.typed").is_file()
