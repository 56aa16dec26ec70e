"""Somebody removes or replaces the local store while a program records: what is said to be kept, is."""

from __future__ import annotations

import shutil
from collections.abc import Callable

import pytest
from support.machine import Machine

from llmobs_trace.store.store import Store

# Records a span for each line that it is told, and says whether all is delivered, and the ledger.
NOTEBOOK = """
import json, sys
for line in sys.stdin:
    with experiment_span(line.strip()): pass
    print(json.dumps([flush(20), delivery_stats().delivered]), flush=True)
"""

WAYS: dict[str, tuple[Callable[[Machine], object], list[str], str]] = {
    "rm -rf .llmobs": (lambda machine: shutil.rmtree(machine.database.parent), [], "was removed"),
    "rm experiments.db": (lambda machine: machine.database.unlink(), [], "was removed"),
    "mv .llmobs aside": (
        lambda machine: machine.database.parent.rename(machine.home / "aside"),
        [],
        "was removed",
    ),
    "rm experiments.db-*": (
        lambda machine: [each.unlink() for each in machine.database.parent.glob("experiments.db-*")],
        ["first"],
        "lost the files beside it",
    ),
    "mv another.db experiments.db": (lambda machine: _put_another(machine), [], "was replaced"),
}


def _put_another(machine: Machine) -> None:
    with Store(machine.home / "another.db"):
        pass
    (machine.home / "another.db").replace(machine.database)


@pytest.mark.parametrize("way", WAYS)
def test_what_is_recorded_after_the_store_is_gone_is_in_the_one_that_is_made_anew(
    machine: Machine, way: str
) -> None:
    happens, kept, said = WAYS[way]
    program = machine.start(NOTEBOOK)
    assert program.stdin is not None
    assert program.stdout is not None

    def record(name: str) -> str:
        program.stdin.write(f"{name}\n")  # type: ignore[union-attr]
        program.stdin.flush()  # type: ignore[union-attr]
        return program.stdout.readline().strip()  # type: ignore[union-attr]

    assert record("first") == "[true, 1]"
    happens(machine)
    assert record("second") == "[true, 2]"
    assert sorted(span["name"] for span in machine.stored_spans()) == [*kept, "second"]
    assert record("third") == "[true, 3]"
    program.kill()
    _, err = program.communicate()
    assert sorted(span["name"] for span in machine.stored_spans()) == [*kept, "second", "third"]
    [line] = [line for line in err.splitlines() if "the store" in line]
    assert f"the store at {machine.database} {said}" in line
    assert machine.pending() == 0


def test_what_is_recorded_in_a_shared_directory_does_not_go_where_others_led_it(machine: Machine) -> None:
    (machine.home / "theirs").mkdir()
    machine.database.parent.symlink_to("theirs")
    ended = machine.run('with experiment_span("secret"): pass\nassert flush(20)')
    state = machine.home / "state" / "llmobs-trace" / "experiments.db"
    led = f"{machine.database.parent} is a symbolic link, so it is not used"
    assert led in ended.err
    assert f"using {state}" in ended.err
    shown = machine.command("show", "latest")
    assert shown.err == f"{led}; using {state}\n"
    assert "secret" in shown.out
    serving = machine.start_python("-m", "llmobs_trace", "serve")
    assert serving.stderr is not None
    assert serving.stderr.readline() == f"{led}; using {state}\n"
    assert list((machine.home / "theirs").iterdir()) == []
