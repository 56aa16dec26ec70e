"""A plan in, what came of it out: a user's machine, a receiver, real processes, and everything they left."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import tempfile
import time
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from campaign.diary import VARIABLE, Diary, Reader
from campaign.plan import OWN_FILES, OWN_TEXT, Plan
from campaign.weather import Weather
from msgspec import Struct
from support.machine import Machine
from support.receiver import Received, Receiver

_TESTS = Path(__file__).parents[1]
_PROGRAM = Path(__file__).with_name("program.py")
# For a program that was given all the time of its plan, and for commands.
_PATIENCE_SECONDS = 40
# For what a killed program leaves behind: forked children that end by themselves, workers that never would.
_ORPHANS_SECONDS = 2.0
_SMALL_DISK_BYTES = 12 << 20


class Evidence(Struct, kw_only=True):
    """What one run left; nothing is judged here."""

    diary: Diary
    out: str
    err: str
    code: int
    twin_out: str
    twin_code: int
    is_disk_mounted: bool
    orphans_killed: bool
    kills: int
    requests: list[Received]
    stored: list[dict[str, Any]]
    integrity: str
    rejected: list[dict[str, Any]]
    doctor: dict[str, Any]
    recovery_code: int
    recovery_said: str
    leftover: list[str]
    spoilt: list[str]


def carry_out(plan: Plan) -> Evidence:
    """Run the twin, the program, what comes after it, and gather what they left."""
    home = Path(tempfile.mkdtemp(prefix="campaign-"))
    machine = Machine(home)
    machine.environ["PYTHONPATH"] = f"{machine.environ['PYTHONPATH']}{os.pathsep}{_TESTS}"
    mounted = False
    try:
        with Receiver() as receiver:
            (home / "plan.json").write_bytes(plan.as_json())
            twin = machine.start_python(_PROGRAM, "plan.json")
            twin_out, twin_code = _end_of_twin(plan, twin)
            mounted = _prepare(plan, machine)
            if plan.destination == "receiver":
                machine.sends_to(receiver.url, **plan.options)
            else:
                machine.set(destination="local", **plan.options)
            return _traced(plan, machine, receiver, twin_out, twin_code, mounted)
    finally:
        machine.stop()
        if mounted:
            subprocess.run(["umount", "-l", str(_state(machine))], check=False)
        shutil.rmtree(home, ignore_errors=True)


def _state(machine: Machine) -> Path:
    return machine.journal.parent


def _prepare(plan: Plan, machine: Machine) -> bool:
    """The disk that the plan wants; whether it is a small one of its own."""
    if plan.disk is None:
        return False
    state = _state(machine)
    if plan.disk.kind == "no directory":
        state.parent.mkdir()
        state.write_text("a file where a directory should be")
    elif plan.disk.kind == "full":
        state.mkdir(parents=True)
        command = ["mount", "-t", "tmpfs", "-o", f"size={_SMALL_DISK_BYTES}", "tmpfs", str(state)]
        with suppress(OSError):
            return subprocess.run(command, capture_output=True, check=False).returncode == 0
    return False


def _end_of_twin(plan: Plan, twin: subprocess.Popen[str]) -> tuple[str, int]:
    """All that it prints; where it would wait to be ended, it is."""
    assert twin.stdout is not None
    if plan.end.kind in ("returns", "_exit"):
        out, err = twin.communicate(timeout=_PATIENCE_SECONDS)
    else:
        out = "".join(twin.stdout.readline() for _ in plan.acts)
        twin.send_signal(signal.SIGTERM if "sigterm" in plan.end.kind else signal.SIGKILL)
        rest, err = twin.communicate(timeout=_PATIENCE_SECONDS)
        out += rest
    assert not err, f"the untraced twin said {err}"
    return out, twin.returncode


def _traced(
    plan: Plan, machine: Machine, receiver: Receiver, twin_out: str, twin_code: int, mounted: bool
) -> Evidence:
    reader = Reader(machine.home / "diary")
    machine.environ |= {VARIABLE: str(machine.home / "diary"), "CAMPAIGN_TRACED": "1"}
    weather = Weather(plan, receiver, machine.database)
    weather.break_out()
    program = machine.start_python(_PROGRAM, "plan.json")
    # Until somebody writes to it, a pipe without writers reads like one whose writers are gone.
    keep_open = os.open(machine.home / "diary", os.O_WRONLY)
    reader.start()
    kills = _end(plan, program, reader)
    _wait(program)
    os.close(keep_open)
    reader.join(
        _ORPHANS_SECONDS if plan.end.kind in ("killed", "sigterm", "all killed") else _PATIENCE_SECONDS
    )
    orphans_killed = reader.is_alive()
    with suppress(ProcessLookupError):
        os.killpg(program.pid, signal.SIGKILL)
    reader.join(_PATIENCE_SECONDS)
    assert not reader.is_alive(), "a process of the program lives on"
    out, err = program.communicate(timeout=_PATIENCE_SECONDS)
    del machine.environ[VARIABLE]
    if mounted:
        (_state(machine) / "filler").unlink(missing_ok=True)
    if plan.recovery == "resend in bad weather":
        _said(machine.start_python("-m", "llmobs_trace", "resend", "--timeout", 0.5))
    weather.clear()
    journal, code, said = _recover(plan, machine, receiver)
    return Evidence(
        diary=Diary(reader.lines),
        out=out,
        err=err,
        code=program.returncode,
        twin_out=twin_out,
        twin_code=twin_code,
        is_disk_mounted=mounted,
        orphans_killed=orphans_killed,
        kills=kills,
        requests=receiver.requests(),
        stored=[*machine.stored_spans(), *machine.stored_metrics()] if plan.destination == "local" else [],
        integrity=_integrity(machine.database),
        rejected=_rejected(journal, may_be_cut=plan.spoils_journals),
        doctor=_doctor(machine, journal),
        recovery_code=code,
        recovery_said=said,
        leftover=[str(path.name) for path in journal.glob("*.journal/*.part")],
        spoilt=[
            path.name
            for path in machine.home.glob(f"{OWN_FILES}*")
            if not OWN_TEXT.startswith(path.read_bytes())
        ],
    )


def _wait(program: subprocess.Popen[str]) -> None:
    """For its end; where that doesn't come, for what every thread of it was doing."""
    try:
        program.wait(_PATIENCE_SECONDS)
    except subprocess.TimeoutExpired:
        program.send_signal(signal.SIGABRT)  # the interpreter's fault handler says it
        program.wait(_PATIENCE_SECONDS)
        with suppress(ProcessLookupError):
            os.killpg(program.pid, signal.SIGKILL)
        raise AssertionError("\n".join(("it does not end:", *program.communicate()))) from None


def _end(plan: Plan, program: subprocess.Popen[str], reader: Reader) -> int:
    """What the plan has in mind for it, at the moment it has in mind; how many were killed by us."""
    kind = plan.end.kind
    if kind in ("returns", "_exit"):
        return 0
    if kind == "sigterm handled":
        reader.wait_for_ends(1, _PATIENCE_SECONDS)  # by then it has its handler
    if plan.end.after_ends is not None:
        reader.wait_for_ends(plan.end.after_ends, _PATIENCE_SECONDS)
    else:
        reader.wait_for_ends(1 << 30, plan.end.after_seconds)
    if kind == "all killed":
        os.killpg(program.pid, signal.SIGKILL)
    else:
        program.send_signal(signal.SIGKILL if kind == "killed" else signal.SIGTERM)
    return int("killed" in kind)


# --- afterwards ---------------------------------------------------------------------------------------------

_COMMAND = """
import sys
from campaign import clock
clock.step(float(sys.argv.pop(1)))
from llmobs_trace.cli import main
sys.exit(main())
"""
_NEXT_RUN = """
import os, sys, time
from campaign import clock
clock.step(float(sys.argv.pop(1)))
from pathlib import Path
from llmobs_trace import experiment_span, flush
from llmobs_trace.journal import survey
with experiment_span("the next run"):
    pass
flush(10)
# A survey looks whether a journal is free by locking it, which must not keep the sender from taking it over.
def others_left():
    return any(f"-{os.getpid()}-" not in each.home.name and each.counts.pending for each in survey(journals))
journals, deadline = Path(sys.argv[1]), time.monotonic() + 30
while others_left() and time.monotonic() < deadline:
    time.sleep(0.02)
"""


def _recover(plan: Plan, machine: Machine, receiver: Receiver) -> tuple[Path, int, str]:
    """Whatever is to deliver what is left: where the journals are now, its exit code, its last words."""
    journal, clock = machine.journal, plan.recovery_clock_seconds
    resend: list[object] = ["-c", _COMMAND, clock, "resend", "--timeout", 60]
    machine.set(flush_interval=0.1, request_timeout=10, shutdown_timeout=5, max_batch_bytes=4 << 20)
    if plan.disk is not None and plan.disk.kind == "no directory":
        return journal, 0, ""
    if plan.recovery == "next run":
        return journal, *_said(machine.start_python("-c", _NEXT_RUN, clock, journal))
    if plan.recovery == "copied" and journal.is_dir():
        copy = machine.home / "copied"
        shutil.copytree(journal, copy)
        return copy, *_said(machine.start_python(*resend, "--journal", copy))
    if plan.recovery == "resend killed":
        first = machine.start_python(*resend)
        if plan.destination == "receiver":
            with suppress(AssertionError):
                receiver.wait_for(len(receiver.requests()) + 1, timeout_seconds=0.5)
        else:
            time.sleep(0.3)
        first.kill()
        first.communicate()
    elif plan.recovery == "two resends":
        # Each leaves alone what the other holds: only both together have to have delivered everything.
        both = [machine.start_python(*resend) for _ in range(2)]
        answers = [_said(one) for one in both]
        if any(code not in (0, 1) for code, _ in answers):
            return journal, *next(answer for answer in answers if answer[0] not in (0, 1))
        return journal, min(code for code, _ in answers), answers[0][1] + answers[1][1]
    return journal, *_said(machine.start_python(*resend))


def _said(process: subprocess.Popen[str]) -> tuple[int, str]:
    """Its exit code and its words, once it has ended."""
    _wait(process)
    out, err = process.communicate()
    return process.returncode, out + err


def _doctor(machine: Machine, journal: Path) -> dict[str, Any]:
    if not journal.is_dir():
        return {}
    words = ("-m", "llmobs_trace", "doctor", "--format", "json", "--journal", journal)
    code, said = _said(machine.start_python(*words))
    try:
        found: dict[str, Any] = json.loads(said)
    except ValueError:
        raise AssertionError(f"doctor ended with {code} and said {said}") from None
    return {**found, "exit_code": code}


def _integrity(database: Path) -> str:
    """What SQLite says of its file."""
    if not database.exists():
        return "ok"
    with closing(sqlite3.connect(database)) as opened:
        return str(opened.execute("PRAGMA integrity_check").fetchone()[0])


def _rejected(journal: Path, *, may_be_cut: bool) -> list[dict[str, Any]]:
    """The lines of the rejected files; a disk that is full may have cut one."""
    lines: list[dict[str, Any]] = []
    for name in ("rejected.before.jsonl", "rejected.jsonl"):
        path = journal / "rejected" / name
        for line in path.read_bytes().splitlines() if path.is_file() else ():
            try:
                lines += [json.loads(line)] if line else []
            except ValueError:
                assert may_be_cut, f"a line of {name} was cut: {line!r}"
    return lines
