"""A sample of `python -m tests.mutants`: one change that tests notice, and one that none does."""

from __future__ import annotations

from pathlib import Path

from mutants.command import PACKAGE, ROOT, Mutant, Runner, lines
from mutants.tables import MAY_SURVIVE, TESTS

MODULE = "deliver/queue_warnings.py"
SOURCE = (PACKAGE / MODULE).read_text()
BROKEN = Mutant(MODULE, "by hand", SOURCE, SOURCE.replace("def ", "def other_", 1))
EQUIVALENT = Mutant(MODULE, "by hand", SOURCE, SOURCE + "\nNOBODY_READS_THIS = 1\n")


def test_a_mutant_is_killed_where_a_test_fails_and_survives_where_none_does(tmp_path: Path) -> None:
    runner = Runner(tmp_path)
    try:
        judged = [
            runner.judge(MODULE, 300, source)["outcome"]
            for source in (None, BROKEN.source, EQUIVALENT.source, None)
        ]
    finally:
        runner.close()
    assert judged == ["survived", "killed", "survived", "survived"]


def test_the_share_killed_is_told_by_room_with_what_survived() -> None:
    said = list(lines({BROKEN: "cut off", EQUIVALENT: "survived"}))
    assert "| deliver | 2 | 1 | 1 | 0 | 1 | 50.0% |" in said
    assert "| all | 2 | 1 | 1 | 0 | 1 | 50.0% |" in said
    assert "+NOBODY_READS_THIS = 1" in said


def test_the_tables_name_what_there_is() -> None:
    for module, tests in TESTS.items():
        assert (PACKAGE / module).is_file(), module
        assert [test for test in tests if not (ROOT / "tests" / test).is_file()] == []
    for each in MAY_SURVIVE:
        kept = "\n".join(line.strip() for line in (PACKAGE / each.module).read_text().splitlines())
        assert each.line in kept, each
