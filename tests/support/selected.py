"""Which tests are which: marks that a file has by where it stands.

`quick` is a part of every room, for while one works: `pytest -m quick`. `interpreter` is what a release of
CPython may change: how functions, tasks, threads, processes and files behave. `.ci/run` runs these two on
every Python; what is neither says the same on each, and is run on one.
"""

from __future__ import annotations

from pathlib import Path
from zlib import crc32

TESTS = Path(__file__).parents[1]

# Folders, or files without `test_`.
QUICK = {
    "": "errors layout wire",
    "capture": "decorate metric recorder span metric_times register_type",
    "encode": "declared_fields optional_types redact shape stdlib_types typing_forms walk",
    "redactors": "checksums personal_data secrets",
    "journal": "filesystem memory_left ownership record segment tally",
    "http_client": "backoff acceptance",
    "deliver": "answers drain fork_gate local_destination notices worker",
    "store": "columns forest queries scores shortening words",
    "catalog": "digests refusals resources",
    "receiver": "http rehearsal",
    "publish": "other_ids",
    "viewer": "viewer",
    "compare": "categories examples pairs tails",
    "settings": "config places sites",
    "process": "configure signals",
    "model_calls": "gemini_shapes anthropic_shapes",
    "experiment": "limits parameters rows score",
    "evaluators": "evaluators",
    "nesting": "awaitables context_managers generators greenlets named_cases tasks threads",
    "cli": "doctor experiments serve",
    "promises": "bad_days",
}
INTERPRETER = {
    "": "errors pytest_plugin temporal",
    "cli": "compare main",
    **dict.fromkeys(
        ("capture", "encode", "journal", "http_client", "deliver", "nesting", "process", "suites", "servers"),
        "*",
    ),
    "model_calls": "openai_calls",
    "settings": "checks",
    "store": "placing schema",
    "catalog": "local_catalog",
    "experiment": "executors fingerprints runs stop_signals",
    "promises": "children ends forks processes propagation set_up switches weather wire",
}
MARKS = {"quick": QUICK, "interpreter": INTERPRETER}


def marks_of(file: Path) -> set[str]:
    """The marks of a file of tests."""
    folder, *within = file.relative_to(TESTS).with_suffix("").parts
    if not within:
        folder, within = "", [folder]
    name = within[0].removeprefix("test_")
    return {mark for mark, table in MARKS.items() if {name, "*"} & {*table.get(folder, "").split()}}


def is_left_out(file: Path, expression: str) -> bool:
    """Whether no test of a file can be meant by `-m expression`: then it need not be imported."""
    asked = {*expression.split()} - {"or"}
    return (
        bool(asked) and asked <= MARKS.keys() and file.stem.startswith("test_") and not asked & marks_of(file)
    )


def quarter_of(nodeid: str) -> str:
    """Which quarter of all cases a test is in, `1` to `4`: on each Python the same."""
    return str(1 + crc32(nodeid.encode()) % 4)
