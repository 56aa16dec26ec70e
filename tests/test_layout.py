from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest
from support.selected import MARKS, QUICK

from llmobs_trace import wire
from llmobs_trace.cli.commands import COMMANDS

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "llmobs_trace"
MODULES = sorted(PACKAGE.rglob("*.py"))
# By their full names.
OURS = {
    ".".join(module.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): module
    for module in MODULES
}

# What each room may import of the others, from the bottom of the house up: never one further down this list.
ALLOWED: dict[str, set[str]] = {
    "errors": set(),
    "wire": set(),
    "directories": set(),
    "stats": set(),
    "temporal": set(),
    "not_errors": set(),
    "redactors": {"errors"},
    "settings": {"errors", "wire", "directories", "not_errors"},
    "encode": set(),
    "capture": {"errors", "wire", "not_errors", "encode"},
    "journal": {"directories"},
    "http_client": {"wire", "journal"},
    "store": {"errors", "wire", "directories"},
    "catalog": {"errors", "wire", "directories", "http_client", "store"},
    # The store by one module alone, where delivering meets it: see `SEAMS`.
    "deliver": {"errors", "wire", "directories", "stats", "journal", "http_client", "store", "catalog"},
    "compare": {"errors", "store"},
    "viewer": {"errors", "wire", "store", "compare"},
    "receiver": {"errors", "wire", "encode", "store", "viewer"},
    # The store for its catalog alone, which is open as long as somebody asks it.
    "pipeline": {"settings", "encode", "capture", "journal", "store", "catalog", "deliver"},
    "process": {"stats", "settings", "not_errors", "capture", "journal", "pipeline"},
    "model_calls": {"errors", "wire", "not_errors", "settings", "encode", "capture", "process"},
    "otel": {"capture", "process", "model_calls"},
    "recorded": {"wire"},
    "reading": {"errors", "wire", "settings", "store"},
    "experiment": {
        *("errors", "wire", "directories", "settings", "encode", "capture", "journal", "store", "compare"),
        *("catalog", "pipeline", "process", "recorded"),
    },
    "publish": {"catalog", "settings", "journal", "store", "deliver", "experiment"},
    "evaluators": {"errors", "encode", "experiment"},
    "__init__": {
        "errors",
        "temporal",
        "stats",
        "capture",
        "process",
        "model_calls",
        "reading",
        "recorded",
        "experiment",
    },
    "pytest_experiments": {"errors", "wire", "capture", "experiment"},
    "pytest_plugin": {"settings", "capture", "encode", "process", "recorded", "pytest_experiments"},
    "demo": {"__init__"},
    "cli": {
        *("errors", "wire", "settings", "capture", "journal", "http_client", "store", "deliver", "compare"),
        *("viewer", "receiver", "process", "catalog", "experiment", "publish", "__init__", "demo"),
    },
    "__main__": {"cli"},
}
# The same within the room of commands: what they share stands first, and each gets along without the others,
# but for a tree that another draws, or a destination that another finds.
COMMANDS_ALLOWED: dict[str, set[str]] = {
    "terminal": set(),
    "command_line": {"terminal"},
    **{
        command: {"terminal", "command_line"}
        for command in (
            "show",
            "compare",
            "export",
            "resend",
            "run",
            "runs",
            "experiments",
            "serve",
            "manual",
            "publish",
            "reconcile",
            "rename",
            "note",
            "delete",
            "prune",
        )
    },
    "demo": {"terminal", "command_line", "show"},
    "doctor": {"terminal", "command_line", "resend"},
}
# Who alone may import a room that its own room otherwise does without.
SEAMS = {
    ("deliver", "store"): {"deliver/local_destination.py"},
    ("catalog", "store"): {"catalog/local_catalog.py"},
}


def name_of(module: Path) -> str:
    return module.relative_to(PACKAGE).as_posix()


def room_of(module: Path) -> str:
    return module.relative_to(PACKAGE).parts[0].removesuffix(".py")


class Read(NamedTuple):
    """What a module's source says."""

    docstring: str
    lines: int
    imported: frozenset[str]  # every module that is imported anywhere in it, by its full name
    imported_names: frozenset[str]  # the constants, functions and classes
    texts: frozenset[str]


@cache
def read(module: Path) -> Read:
    source = module.read_text()
    tree = ast.parse(source)
    package = ["llmobs_trace", *module.relative_to(PACKAGE).parent.parts]
    modules, names, texts = set(), set(), set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            source_name = ".".join([*above, *([node.module] if node.module else [])])
            for alias in node.names:
                full = f"{source_name}.{alias.name}"
                modules.add(full if full in OURS else source_name)
                names.add(alias.name)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            texts.add(node.value)
    told = ast.get_docstring(tree) or ""
    return Read(told, len(source.splitlines()), frozenset(modules), frozenset(names), frozenset(texts))


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
    ours = {name for name in read(module).imported if name.split(".")[0] == "llmobs_trace"}
    rooms = {name.split(".")[1] if "." in name else "__init__" for name in ours}
    return rooms - {room_of(module)}


def of_commands(names: Iterable[str]) -> set[str]:
    """Which of the commands, and of what they share, modules belong to; the room's front to none."""
    parts = [name.split(".") for name in names]
    return {each[2] for each in parts if each[:2] == ["llmobs_trace", "cli"] and len(each) > 2}


def test_every_room_is_in_the_plan_and_imports_only_rooms_above_it_there() -> None:
    assert {room_of(module) for module in MODULES} == set(ALLOWED)
    order = list(ALLOWED)
    for room, others in ALLOWED.items():
        assert [other for other in others if order.index(other) >= order.index(room)] == [], room


def test_imports_go_one_way() -> None:
    rooms = {module: rooms_imported(module) for module in MODULES}
    assert {name_of(each): more for each in MODULES if (more := rooms[each] - ALLOWED[room_of(each)])} == {}
    for (importer, imported_room), seam in SEAMS.items():
        through = {
            name_of(each) for each in MODULES if room_of(each) == importer and imported_room in rooms[each]
        }
        assert through <= seam


def test_commands_share_what_stands_in_folders_for_it_and_get_along_without_one_another() -> None:
    fronts = {PACKAGE / "cli" / "__init__.py", PACKAGE / "cli" / "commands.py"}
    found = {
        module: of_commands([".".join(module.relative_to(ROOT).with_suffix("").parts)]).pop()
        for module in MODULES
        if room_of(module) == "cli" and module not in fronts
    }
    assert set(found.values()) == set(COMMANDS_ALLOWED)
    assert set(COMMANDS_ALLOWED) - {"terminal", "command_line"} == set(COMMANDS)
    for module, command in found.items():
        others = of_commands(read(module).imported) - {command}
        assert others - COMMANDS_ALLOWED[command] == set(), name_of(module)


def test_no_modules_import_one_another_in_a_circle() -> None:
    """Imports for type checkers alone count, and those within functions: a reader follows them all."""
    left = {name: (read(module).imported & OURS.keys()) - {name} for name, module in OURS.items()}
    # Whoever imports nobody that is left is in no circle.
    while done := {name for name, others in left.items() if not others & left.keys()}:
        left = {name: others for name, others in left.items() if name not in done}
    assert sorted(left) == []


def test_no_module_imports_contextvars() -> None:
    unwanted = {"contextvars", "_contextvars"}
    # Nor by its name, through importlib.
    named = [name_of(module) for module in MODULES if read(module).texts & unwanted]
    imports = {module: {name.split(".")[0] for name in read(module).imported} for module in MODULES}
    assert [*named, *(name_of(module) for module, names in imports.items() if names & unwanted)] == []


def test_no_module_is_longer_than_a_reader_s_patience() -> None:
    assert [name_of(module) for module in MODULES if read(module).lines > 500] == []


@pytest.mark.parametrize("room", [each for each in MODULES if each.name == "__init__.py"], ids=name_of)
def test_the_front_of_a_room_names_every_module_in_it(room: Path) -> None:
    modules = {each.stem for each in room.parent.glob("*.py")} - {"__init__", "__main__", "command"}
    if room.parent in (PACKAGE, PACKAGE / "cli") or len(modules) <= 3:
        return  # what is at the top is in README, and `COMMANDS` lists the commands
    assert modules - set(re.findall(r"\w+", read(room).docstring)) == set()


def test_a_module_says_first_what_it_does() -> None:
    """In a sentence of a verb and an object: `Turns a finished span into its journal record.`"""
    firsts = {name_of(module): read(module).docstring.partition("\n\n")[0] for module in MODULES}
    said = re.compile(r"[A-Z][a-z]+s,? .*[.:]$", re.DOTALL)
    assert {name: first for name, first in firsts.items() if not said.match(first)} == {}


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


@pytest.mark.parametrize("tag", wire.TAGS)
def test_the_modules_that_the_table_of_tags_names_are_those_that_know_the_tag(tag: str) -> None:
    [constant] = [name for name, value in vars(wire).items() if name.endswith("_TAG") and value == tag]
    knowing = {name_of(module) for module in MODULES if constant in read(module).imported_names}
    assert knowing == {*wire.TAGS[tag].written_by, *wire.TAGS[tag].read_by}


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


def test_each_room_has_tests_that_are_quick_and_what_is_marked_is_there() -> None:
    tests = ROOT / "tests"
    marked = [
        (tests / room / name, tests / room / f"test_{name}.py")
        for table in MARKS.values()
        for room, names in table.items()
        for name in names.replace("*", ".").split()
    ]
    lost = [folder for folder, file in marked if not folder.is_dir() and not file.is_file()]
    assert lost == [], "tests/support/selected.py names what is not there"
    rooms = {folder.name for folder in PACKAGE.iterdir() if (folder / "__init__.py").is_file()}
    assert rooms - QUICK.keys() - {"demo"} == set()


def test_the_package_is_typed() -> None:
    assert (PACKAGE / "py.typed").is_file()
