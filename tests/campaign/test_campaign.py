"""A short campaign, a part of every test run; see `python -m tests.campaign --help` for a long one."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from campaign import by_name
from campaign.check import account, check
from campaign.diary import Diary
from campaign.plan import Act, DiskFault, End, Plan, draw, read
from campaign.run import Evidence, carry_out
from campaign.weather import AWAY, LASTING, LOCKED, SPELLS
from support.receiver import Received

ROOT = Path(__file__).parents[2]


def test_a_short_campaign_loses_nothing() -> None:
    # As a person types it; the command looks for a mount namespace of its own, for the small disks.
    command = [sys.executable, "-m", "tests.campaign", "--runs", "12", "--seed", "9", "--jobs", "2"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stdout + done.stderr
    first, *_, last = done.stdout.splitlines()
    assert first.startswith("12 runs: ")
    assert last == "lost: nothing"


@pytest.mark.parametrize("number", [0, 1])
def test_a_run_that_sends_by_name_has_one_experiment(number: int) -> None:
    assert by_name.carry_out(7, number) == []


def test_a_plan_depends_on_its_seed_and_number_alone() -> None:
    assert draw(3, 14) == draw(3, 14) == read(draw(3, 14).as_json())
    assert draw(3, 14) != draw(3, 15)
    assert draw(3, 14) != draw(4, 14)
    assert draw(3, 14).command == "python -m tests.campaign --seed 3 --run 14"


def test_every_kind_of_fault_is_in_two_hundred_plans() -> None:
    plans = [draw(7, run) for run in range(200)]
    assert {plan.end.kind for plan in plans} == {
        "returns",
        "_exit",
        "killed",
        "all killed",
        "sigterm",
        "sigterm handled",
    }
    assert {plan.disk.kind for plan in plans if plan.disk} == {
        "full",
        "file size limit",
        "segment removed",
        "no directory",
        "descriptors closed",
        "store removed",
    }
    assert {plan.recovery for plan in plans} == {
        "resend",
        "two resends",
        "resend killed",
        "resend in bad weather",
        "next run",
        "copied",
    }
    spells = {spell for plan in plans for spell in plan.spells}
    assert spells == {*SPELLS, *LASTING, *AWAY, *LOCKED, "nothing"}
    assert any(step.seconds > 0 for plan in plans for step in plan.clock)
    assert any(step.seconds < 0 for plan in plans for step in plan.clock)


# --- that the check would notice ----------------------------------------------------------------------------

CALM = Plan(
    seed=0,
    run=0,
    destination="receiver",
    acts=[Act(kind="blocks", size=2, seed=1), Act(kind="fork", size=2, seed=2, child_end="_exit")],
    end=End(kind="returns"),
    spells=[],
    spell_seed=0,
    poison_status=None,
    largest_body_bytes=None,
    disk=None,
    clock=[],
    recovery="resend",
    recovery_clock_seconds=0,
    options={"flush_interval": 0.1, "shutdown_timeout": 20},
)


@pytest.fixture(scope="module")
def calm() -> Evidence:
    return carry_out(CALM)


def test_a_calm_run_is_in_order_and_repeats_nothing(calm: Evidence) -> None:
    assert check(CALM, calm) == []
    found = account(calm)
    assert found.arrived == calm.diary.ended == calm.diary.begun
    assert len(calm.diary.ended) == 3 + 2 + 2 + 2 + 2
    assert found.repeats == 0


def altered(evidence: Evidence, **changes: object) -> Evidence:
    return msgspec.structs.replace(evidence, **changes)


def without(request: Received, span_id: str) -> Received:
    body = json.loads(request.body)
    attributes = body["data"]["attributes"]
    attributes["spans"] = [span for span in attributes.get("spans", []) if span["span_id"] != span_id]
    return Received(**{**vars(request), "body": json.dumps(body).encode()})


def test_a_span_that_is_nowhere_is_noticed(calm: Evidence) -> None:
    gone = calm.requests[0].spans[0]["span_id"]
    requests = [without(request, gone) for request in calm.requests]
    [problem] = check(CALM, altered(calm, requests=requests))
    assert problem.startswith("1 of 11 are lost, 0 accounted for")
    assert gone in problem


def test_a_span_that_nobody_recorded_is_noticed(calm: Evidence) -> None:
    diary = Diary([])
    diary.__dict__.update(vars(calm.diary))
    gone = ("S", calm.requests[0].spans[0]["span_id"])
    diary.begun = calm.diary.begun - {gone}
    diary.ended = calm.diary.ended - {gone}
    [problem] = check(CALM, altered(calm, diary=diary))
    assert problem.startswith("nobody recorded")


def test_a_span_that_comes_again_as_another_is_noticed(calm: Evidence) -> None:
    text = calm.requests[0].body.replace(b'"status":"ok"', b'"status":"error"', 1)
    again = Received(**{**vars(calm.requests[0]), "body": text})
    [problem] = check(CALM, altered(calm, requests=[*calm.requests, again]))
    assert problem.startswith("these came twice, and not the same")


def test_other_output_and_another_exit_code_are_noticed(calm: Evidence) -> None:
    problems = check(CALM, altered(calm, twin_out=calm.out + "more\n", twin_code=1))
    assert [problem.split(" ")[1] for problem in problems] == ["printed", "ended"]


def test_a_ledger_that_does_not_add_up_is_noticed(calm: Evidence) -> None:
    doctor = json.loads(json.dumps(calm.doctor))
    doctor["journals"]["ledgers"][0]["recorded"] += 1
    doctor["journals"]["ledgers"][0]["pending"] += 1
    problems = check(CALM, altered(calm, doctor=doctor))
    assert [problem.split(" ")[0] for problem in problems] == ["the", "1"]
    diary = Diary([])
    diary.__dict__.update(vars(calm.diary))
    diary.stats = [(pid, recorded + 1, *others) for pid, recorded, *others in calm.diary.stats]
    problems = check(CALM, altered(calm, diary=diary))
    assert "does not balance at its end" in problems[0]


NO_JOURNAL = "no journal can be kept: No space; spans are kept in memory, where a kill loses them\n"


def test_a_process_that_has_no_ledger_and_did_not_say_so_is_noticed(calm: Evidence) -> None:
    plan = msgspec.structs.replace(CALM, disk=DiskFault(kind="full", after_ends=1))
    doctor = json.loads(json.dumps(calm.doctor))
    in_order = {pid for pid, *_ in calm.diary.stats}
    gone = next(ledger for ledger in doctor["journals"]["ledgers"] if ledger["pid"] in in_order)
    doctor["journals"]["ledgers"].remove(gone)
    [problem] = check(plan, altered(calm, doctor=doctor))
    assert problem.startswith(f"no ledger of [{gone['pid']}], and not each of them has said so")
    assert check(plan, altered(calm, doctor=doctor, err=NO_JOURNAL)) == []


def test_a_killed_process_without_a_ledger_of_which_the_doctor_has_no_word_is_noticed(calm: Evidence) -> None:
    plan = msgspec.structs.replace(CALM, disk=DiskFault(kind="full", after_ends=1))
    doctor = json.loads(json.dumps(calm.doctor))
    gone = doctor["journals"]["ledgers"].pop()
    diary = Diary([])
    diary.__dict__.update(vars(calm.diary))
    diary.stats = [counts for counts in calm.diary.stats if counts[0] != gone["pid"]]
    assert check(plan, altered(calm, doctor=doctor, diary=diary, err=NO_JOURNAL)) == []  # all arrived
    lost = ("S", "0123456789abcdef")
    diary.ended, diary.begun = calm.diary.ended | {lost}, calm.diary.begun | {lost}
    diary.ended_of = {**calm.diary.ended_of, gone["pid"]: calm.diary.ended_of[gone["pid"]] | {lost}}
    [problem] = check(plan, altered(calm, doctor=doctor, diary=diary, err=NO_JOURNAL))
    passed_over = f"the doctor has no word of [{gone['pid']}]"
    assert problem == f"{passed_over}, which recorded, and whose events are missing"
    doctor["journals"]["without_ledger"] = [{"pid": gone["pid"]}]
    [problem] = check(plan, altered(calm, doctor=doctor, diary=diary, err=NO_JOURNAL))
    assert problem.startswith("0 dropped, and the doctor says: nothing lost: ")
