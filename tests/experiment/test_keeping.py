"""How long runs are kept: finished ones for thirty days, others until they are finished."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from support.machine import Machine

from llmobs_trace.experiment import keeping
from llmobs_trace.experiment.steps import all_runs

PROGRAM = """
import os, sys
from llmobs_trace import *
def same(n):
    if n == 1 and "stop" in sys.argv: os._exit(1)
    return n
Experiment(sys.argv[1], dataset=[(n, n) for n in range(2)], task=same).run(progress=False, jobs=1)
"""
# Holds a run as a process that works at it does, until its stdin ends.
HOLD = """
import sys
from pathlib import Path
from llmobs_trace.experiment.steps import Steps
steps = Steps.open_existing(Path(sys.argv[1]))
steps.lock()
print("held", flush=True)
sys.stdin.read()
"""


def test_finished_runs_go_after_thirty_days_unless_a_process_has_them(machine: Machine) -> None:
    for arguments in (["old"], ["held"], ["new"], ["unfinished", "stop"]):
        machine.run(PROGRAM, *arguments, code=None)
    runs = machine.home / "state" / "llmobs-trace" / "runs"
    by_name = {steps.manifest.name: steps.directory for steps in all_runs(runs)}
    for name in ("old", "held", "unfinished"):
        age(by_name[name], days=31)
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(by_name["held"])], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        listed = json.loads(machine.command("runs", "--all", "--format", "json").out)
        assert {each["name"] for each in listed} == {"held", "new", "unfinished"}
        assert all(each["disk_bytes"] == keeping.disk_bytes(by_name[each["name"]]) > 500 for each in listed)
    age(by_name["held"], days=31)  # to lock it was to write into its directory
    machine.run(PROGRAM, "another")  # any run looks after it
    names = {steps.manifest.name for steps in all_runs(runs)}
    assert names == {"new", "unfinished", "another"}
    assert "3 runs, " in machine.command("doctor", code=None).out


def age(directory: Path, days: int) -> None:
    file = directory / "steps.jsonl"
    then = file.stat().st_mtime - days * 86_400
    os.utime(file, (then, then))
