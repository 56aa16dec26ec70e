"""Where there is no interpreter lock. No such build runs these: a build says in its version what it is."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.machine import Machine

BUILDS = {
    "3.13": "3.13.0 experimental free-threading build (main)",
    "3.14": "3.14.0 free-threading build (main)",
}

PROGRAM = """
import json, sys
version, sys.version = sys.version, sys.argv[1] or sys.version
from llmobs_trace import *
sys.version = version
from llmobs_trace.capture.recorder import Recorder, Scope
from llmobs_trace.process.life import recording_to

kinds, records = [], []
with recording_to(Recorder(records.append, Scope("e", "p", "d"))):
    block = experiment_span("block")
    kinds.append(type(block))
    with block:
        kinds.append(type(block))
        with block:
            kinds.append(type(block))
    kinds.append(type(block))
    def stream():
        with experiment_span("never closed"):
            yield
    next(stream())
    experiment_span("lost").__enter__()
    experiment_span("never entered")
    assert current_span() is None
print(json.dumps([len(set(kinds)), [json.loads(record)["span"]["name"] for record in records]]))
"""


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


@pytest.mark.parametrize("build", BUILDS.values(), ids=BUILDS)
def test_a_block_changes_no_class_and_one_that_is_lost_ends_all_the_same(
    machine: Machine, build: str
) -> None:
    """Each change of a class would stop all threads, one in a long C call included."""
    (told,) = machine.run(PROGRAM, build).told
    assert told == [1, ["block", "block", "never closed", "lost"]]


def test_with_the_lock_a_block_that_was_left_has_no_finalizer(machine: Machine) -> None:
    (told,) = machine.run(PROGRAM, "").told
    assert told == [2, ["block", "block", "never closed", "lost"]]
