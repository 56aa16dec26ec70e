"""Whoever packs a program into one file finds all of the library that the program needs."""

from __future__ import annotations

import modulefinder
from pathlib import Path

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "llmobs_trace"
OURS = {
    ".".join(module.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    for module in PACKAGE.rglob("*.py")
}

# What nobody imports: `python -m` and pytest begin with them, or with what imports them.
ENTRIES = {
    f"llmobs_trace.{name}"
    for name in ("__main__", "pytest_plugin", "pytest_experiments", "experiment.shared")
}


def test_a_tool_that_packs_a_program_finds_every_module_by_the_imports_that_are_written() -> None:
    """As PyInstaller does: it follows import statements, and knows nothing of a name that is put together."""
    finder = modulefinder.ModuleFinder(path=[str(ROOT)])
    public = ("llmobs_trace.redactors", "llmobs_trace.evaluators", "llmobs_trace.otel")
    for entry in ("llmobs_trace", *public, "llmobs_trace.cli"):
        finder.import_hook(entry)
    assert OURS - finder.modules.keys() - ENTRIES == set()


def test_a_packed_program_without_our_commands_finds_all_that_records_and_delivers() -> None:
    finder = modulefinder.ModuleFinder(path=[str(ROOT)])
    finder.import_hook("llmobs_trace")
    found = {".".join(name.split(".")[1:3]) for name in finder.modules if name.startswith("llmobs_trace.")}
    assert {
        "capture.carry",
        "deliver.worker",
        "deliver.local_destination",
        "journal.journal",
        "store.store",
    } <= found
    wrapping = {
        f"llmobs_trace.capture.carry.{file.stem}" for file in (PACKAGE / "capture/carry").glob("*.py")
    }
    assert wrapping - finder.modules.keys() == {"llmobs_trace.capture.carry.__init__"}
