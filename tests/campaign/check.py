"""A plan and what came of it in, what is wrong with that out: an empty list where nothing is. Pure.

An event is known by its kind and identity: a span (`S`) by its id, a metric (`M`) by its label.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from campaign.plan import Plan
from campaign.run import Evidence
from campaign.weather import ACCEPTING, ELSEWHERE, POISON
from msgspec import Struct

Event = tuple[str, str]
_NOTE = "[left out: the event was refused"
# What a program says where it keeps no journal: once of its configuration, or each process of its own disk.
_NO_DIRECTORY = "journal: kept in memory, where a kill loses it"
_NO_JOURNAL = "spans are kept in memory, where a kill loses them"


class Account(Struct, kw_only=True):
    """Where every ended event is."""

    arrived: set[Event]
    degraded: set[Event]
    rejected: set[Event]
    repeats: int
    missing: set[Event]
    counted: dict[str, int]  # what the doctor's ledgers add up to


def account(evidence: Evidence) -> Account:
    """Sort what arrived, was refused with words, or is nowhere."""
    arrived: dict[Event, set[str]] = {}
    degraded: set[Event] = set()
    copies = 0
    for event in _arrivals(evidence):
        text = json.dumps(event, sort_keys=True)
        copies += 1
        if _NOTE in text:
            degraded.add(_identity(event))
        else:
            arrived.setdefault(_identity(event), set()).add(text)
    rejected = {_identity(line.get("span") or line["metric"]) for line in evidence.rejected}
    ledgers = evidence.doctor.get("journals", {}).get("ledgers", [])
    counts = ("recorded", "delivered", "pending", "rejected", "dropped")
    return Account(
        arrived=set(arrived),
        degraded=degraded,
        rejected=rejected,
        repeats=copies - len(arrived) - len(degraded),
        # What somebody removed with the store is where he put it.
        missing=evidence.diary.ended - set(arrived) - rejected - evidence.diary.removed,
        counted={name: sum(ledger[name] for ledger in ledgers) for name in counts},
    )


def _identity(event: dict[str, Any]) -> Event:
    return ("M", event["label"]) if "label" in event else ("S", event["span_id"])


def _arrivals(evidence: Evidence) -> Iterator[dict[str, Any]]:
    yield from evidence.stored
    for request in evidence.requests:
        if request.status // 100 == 2:
            yield from request.spans
            yield from request.metrics


def check(plan: Plan, evidence: Evidence) -> list[str]:
    """Everything that is promised, one sentence for each promise that was not kept."""
    found = account(evidence)
    return [
        *_output(plan, evidence),
        *_nothing_lost(plan, evidence, found),
        *_nothing_invented(plan, evidence, found),
        *_refusals(plan, evidence, found),
        *_ledgers(plan, evidence, found),
        *_verdict(plan, evidence, found),
    ]


# --- the program --------------------------------------------------------------------------------------------


def _output(plan: Plan, evidence: Evidence) -> Iterator[str]:
    """What it prints, and how it ends, is what its untraced twin prints, and how that ended."""
    if plan.end.kind in ("returns", "_exit"):
        if evidence.out != evidence.twin_out:
            yield f"it printed {evidence.out!r}, and its untraced twin {evidence.twin_out!r}"
    elif not evidence.twin_out.startswith(evidence.out):
        yield f"it printed {evidence.out!r}, no beginning of {evidence.twin_out!r}"
    if evidence.code != evidence.twin_code:
        codes = f"it ended with {evidence.code}, and its untraced twin with {evidence.twin_code}"
        yield f"{codes}: {evidence.err}"
    if closed := sum(times for what, times in evidence.diary.done.items() if what.startswith("closed ")):
        yield f"{closed} of the program's own descriptors were closed by somebody else"
    if evidence.spoilt:
        yield f"these files of the program's were written to by somebody else: {evidence.spoilt}"
    if "Traceback" in _WORKERS_LAST_WORDS.sub("", evidence.err) and plan.end.kind != "sigterm handled":
        yield f"it said {evidence.err!r}"


# What a pool's worker says, traced or not, that has a result for a program that was killed.
_WORKERS_LAST_WORDS = re.compile(
    r"Process ForkPoolWorker-\d+:\n"
    r"(?:(?:During handling of the above exception, another exception occurred:\n)?\n?"
    r"Traceback \(most recent call last\):\n(?: .*\n)+BrokenPipeError: .*\n\n?)+"
)


# --- the events ---------------------------------------------------------------------------------------------


def _nothing_lost(plan: Plan, evidence: Evidence, found: Account) -> Iterator[str]:
    if evidence.integrity != "ok":
        yield f"the store is spoilt: {evidence.integrity}"
    if not found.missing:
        return
    accounted = _may_be_missing(plan, evidence, found)
    if len(found.missing) > accounted:
        lost = f"{len(found.missing)} of {len(evidence.diary.ended)} are lost"
        yield f"{lost}, {accounted} accounted for: {sorted(found.missing)[:5]}"


def _may_be_missing(plan: Plan, evidence: Evidence, found: Account) -> int:
    """How many ended events somebody has counted as gone; without a fault of the disk nothing may be."""
    if plan.disk is None or not plan.spoils_journals:
        return 0
    # Where only a segment's file went, every process has its journal still.
    in_memory = set(_without_ledger(evidence)) if plan.disk.kind != "segment removed" else set()
    said_at_end = {pid: counts for pid, *counts in evidence.diary.stats}
    lost_with_memory = sum(
        # Of recorded, delivered, pending, rejected and dropped; a kill in memory takes everything.
        sum(said_at_end[pid][2:]) if pid in said_at_end else evidence.diary.ended_by[pid]
        for pid in in_memory
    )
    words_lost = max(0, found.counted["rejected"] - len(evidence.rejected))
    return found.counted["dropped"] + words_lost + lost_with_memory


def _nothing_invented(plan: Plan, evidence: Evidence, found: Account) -> Iterator[str]:
    invented = (found.arrived | found.degraded | found.rejected) - evidence.diary.begun
    own = int(plan.recovery == "next run")  # a span of the next run's own
    if len(invented) > _unsaid(plan) + own:
        yield f"nobody recorded {sorted(invented)[:5]}"
    different: dict[Event, set[str]] = {}
    for event in _arrivals(evidence):
        if event.get("duration", 0) < 0:
            yield f"a span ended before it began: {event}"
        text = json.dumps(event, sort_keys=True)
        if _NOTE not in text:
            different.setdefault(_identity(event), set()).add(text)
    if twice := [identity for identity, texts in different.items() if len(texts) > 1]:
        yield f"these came twice, and not the same: {twice[:5]}"
    for request in evidence.requests:
        if request.path == ELSEWHERE:
            yield "a redirect was followed"
            return


def _unsaid(plan: Plan) -> int:
    """How many may have been recorded without the program having said that it began them.

    A handler that raises may come between the two.
    """
    return int(plan.end.kind == "sigterm handled")


def _refusals(plan: Plan, evidence: Evidence, found: Account) -> Iterator[str]:
    """An event was rejected only where the server had refused it alone, and its words are kept."""
    refused_alone = {
        _identity(event)
        for request in evidence.requests
        if request.status in (400, 413, 422) and len(request.spans) + len(request.metrics) == 1
        for event in [*request.spans, *request.metrics]
    }
    if wrong := found.rejected - refused_alone:
        yield f"rejected, and not refused by the server alone: {sorted(wrong)[:5]}"
    if not plan.spoils_journals and (wrong := found.degraded - found.rejected):
        yield f"degraded, without the original being kept: {sorted(wrong)[:5]}"
    for line in evidence.rejected:
        if line["status"] not in (400, 413, 422) or "said on purpose" not in line["words"]:
            yield f"rejected without the server's words: {line}"
    if plan.poison_status is not None and not ACCEPTING & set(plan.spells):
        for event in _arrivals(evidence):
            if POISON in json.dumps(event):
                yield f"the server has what it refuses: {event}"


# --- the ledgers --------------------------------------------------------------------------------------------


def _ledgers(plan: Plan, evidence: Evidence, found: Account) -> Iterator[str]:
    for pid, recorded, *others in evidence.diary.stats:
        if recorded != sum(others):
            yield f"the ledger of {pid} does not balance at its end: {recorded} != {others}"
        ended, begun = evidence.diary.ended_by[pid], evidence.diary.begun_by[pid]
        if not ended <= recorded <= begun + _unsaid(plan):
            yield f"{pid} says that it recorded {recorded}; {ended} had ended of {begun} begun"
    without = _without_ledger(evidence)
    if without and (plan.disk is None or not plan.spoils_journals or plan.disk.kind == "segment removed"):
        yield f"no ledger of {without}, which recorded"
    elif without and _NO_DIRECTORY not in evidence.err and evidence.err.count(_NO_JOURNAL) < len(without):
        yield f"no ledger of {without}, and not each of them has said so: {evidence.err}"
    if not evidence.doctor:
        if not plan.spoils_journals and evidence.diary.ended:
            yield "there are no journals to look at"
        return
    in_order = {pid for pid, *_ in evidence.diary.stats}
    passed_over = set(without) - in_order - _named_without_ledger(evidence)
    # Whoever delivered everything, as a child of multiprocessing at its end, takes its word back.
    if losers := [pid for pid in sorted(passed_over) if evidence.diary.ended_of[pid] & found.missing]:
        yield f"the doctor has no word of {losers}, which recorded, and whose events are missing"
    ledgers = evidence.doctor["journals"]["ledgers"]
    for ledger in ledgers:
        pid = ledger["pid"]
        ended, begun = evidence.diary.ended_by[pid], evidence.diary.begun_by[pid]
        if not ledger["balances"]:
            yield f"a ledger on disk does not balance: {ledger}"
        if ledger["state"] != "ended":
            yield f"a journal whose process is gone is {ledger['state']}"
        begun += _unsaid(plan)
        if (
            pid in evidence.diary.begun_by
            and not plan.spoils_journals
            and not ended <= ledger["recorded"] <= begun
        ):
            recorded = ledger["recorded"]
            yield f"the doctor says that {pid} recorded {recorded}; {ended} had ended of {begun} begun"


def _without_ledger(evidence: Evidence) -> list[int]:
    """The processes that recorded, and have no journal: in memory alone, as they say at their beginning."""
    ledgers = evidence.doctor.get("journals", {}).get("ledgers", [])
    known = {ledger["pid"] for ledger in ledgers}
    return sorted(pid for pid, ended in evidence.diary.ended_by.items() if ended and pid not in known)


def _named_without_ledger(evidence: Evidence) -> set[int]:
    """The processes of which the doctor says that they could make no journal."""
    return {one["pid"] for one in evidence.doctor.get("journals", {}).get("without_ledger", [])}


def _verdict(plan: Plan, evidence: Evidence, found: Account) -> Iterator[str]:
    if evidence.recovery_code != 0:
        yield f"the delivery of what was left ended with {evidence.recovery_code}: {evidence.recovery_said}"
    if not evidence.doctor:
        return
    counted, verdict = found.counted, evidence.doctor["verdict"]
    if counted["pending"]:
        yield f"{counted['pending']} are pending in good weather: {evidence.recovery_said}"
    # A kill in the middle of an append leaves half a record, which nobody was told had ended.
    killed = set(evidence.diary.begun_by) - {pid for pid, *_ in evidence.diary.stats}
    if not plan.spoils_journals and counted["dropped"] > len(killed):
        yield f"{counted['dropped']} dropped, without a fault of the disk"
    if counted["dropped"]:
        expected, begins = False, f"{counted['dropped']:,} event"
    elif _named_without_ledger(evidence):
        expected, begins = None, "cannot tell what was lost: "
    elif evidence.doctor["journals"]["ledgers"]:
        expected, begins = True, "nothing lost: "
    else:
        expected, begins = None, "nothing recorded: "
    if verdict["nothing_lost"] is not expected or not verdict["line"].startswith(begins):
        yield f"{counted['dropped']} dropped, and the doctor says: {verdict['line']}"
    if counted["rejected"] != len(evidence.rejected) and not plan.spoils_journals:
        # A crash between writing an event down and marking it repeats the line.
        repeated = len(evidence.rejected) - len(
            {json.dumps(one.get("span") or one["metric"]) for one in evidence.rejected}
        )
        if counted["rejected"] != len(evidence.rejected) - repeated:
            yield f"{counted['rejected']} counted as rejected, {len(evidence.rejected)} kept with words"
