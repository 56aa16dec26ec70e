"""Judges what the doctor found: one line that says how things stand, and the exit code; pure.

`nothing lost` is said only where there is a ledger, every one could be read and adds up, nothing was dropped,
and nobody is known to have recorded without one. What is pending is not lost: the line then ends with what to
type.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from msgspec import Struct

from llmobs_trace.cli.command_line.exits import CANNOT_TELL, DONE, NO
from llmobs_trace.cli.doctor.ledgers import Journals, ProcessLedger, WithoutLedger
from llmobs_trace.cli.doctor.reach import CheckedDestination
from llmobs_trace.cli.terminal.units import counted


class Diagnosis(Struct, frozen=True):
    """`nothing_lost` is None where that can't be told; `next` is a command line, or empty."""

    line: str
    nothing_lost: bool | None
    next: str
    exit_code: int


class Resending(Struct, frozen=True):
    """What `resend` would need: the directory if it was named, whether keys are set, where events go, and
    which stores it makes only where that is allowed.
    """

    directory: str | None
    has_keys: bool
    base_url: str
    stores_to_allow: Sequence[str] = ()


def judge(
    journals: Journals,
    destinations: Sequence[CheckedDestination],
    problems: Sequence[str],
    resending: Resending,
) -> Diagnosis:
    """Weigh everything; what is known to be wrong comes before what can't be told."""
    dropped, pending, rejected = (journals.total(count) for count in ("dropped", "pending", "rejected"))
    unread = [ledger for ledger in journals.ledgers if not ledger.balances]
    trouble = [(each.name, each.trouble) for each in destinations if each.trouble is not None]
    command = _resend(journals.ledgers, resending) if pending else ""

    parts = [_account(journals, unread)]
    if journals.without_ledger and (dropped or unread):
        parts.append(f"{_without_ledger(journals.without_ledger)}, and only its log can say more")
    if rejected:
        where = f", each with the reason in {journals.rejected_file}" if journals.rejected_file else ""
        parts.append(f"{counted(rejected, 'event')} rejected{where}")
    if problems:
        parts.append(f"{counted(len(problems), 'problem')} in the configuration, above")
    parts += [f"{name} can't take events now ({check.what}: {check.detail})" for name, check in trouble]
    if pending:
        parts.append(_what_next(journals.ledgers, command))

    is_nobodys = bool(journals.of_other_users and not journals.ledgers)
    is_untold = bool(unread or journals.problem or journals.without_ledger or is_nobodys)
    nothing_lost = False if dropped else None if is_untold or not journals.ledgers else True
    is_wrong = bool(dropped or pending or rejected or problems or trouble)
    code = NO if is_wrong else CANNOT_TELL if is_untold else DONE
    return Diagnosis("; ".join(parts), nothing_lost, command, code)


def _account(journals: Journals, unread: Sequence[ProcessLedger]) -> str:
    recorded, dropped = journals.total("recorded"), journals.total("dropped")
    sums = ", ".join(
        f"{journals.total(count):,} {count}"
        for count in ("delivered", "pending", "rejected", "dropped")
        if journals.total(count) or count == "delivered"
    )
    account = f"{recorded:,} recorded = {sums.replace(', ', ' + ')}"
    if dropped:
        return f"{counted(dropped, 'event')} lost: {account}"
    if journals.problem:
        return f"cannot tell what was lost: {journals.problem}" + (f"; {account}" if journals.ledgers else "")
    if unread:
        first, of_all = unread[0], counted(len(journals.ledgers), "journal")
        why = f"{first.home}: {first.problem or 'its counts do not add up'}"
        return f"cannot tell what was lost: {len(unread)} of {of_all} can't be read whole ({why}); {account}"
    if journals.without_ledger:
        return f"cannot tell what was lost: {_without_ledger(journals.without_ledger)}; {account}"
    if not journals.is_there:
        return f"nothing recorded that could be found: there was no journal directory {journals.directory}"
    if journals.of_other_users and not journals.ledgers:
        theirs = counted(journals.of_other_users, "journal")
        return (
            f"cannot tell what was lost: {journals.directory} has {theirs} of other users, and none of yours"
        )
    if not journals.ledgers:
        return f"nothing recorded: there is no journal in {journals.directory}"
    return f"nothing lost: {account}, by {counted(len(journals.ledgers), 'process')}"


def _without_ledger(found: Sequence[WithoutLedger]) -> str:
    first = found[0]
    who = f"process {first.pid}"
    if len(found) > 1:
        who = f"{counted(len(found), 'process')}, the first of them {first.pid},"
    return f"{who} could make no journal ({first.reason}), so its events are counted nowhere"


def _what_next(ledgers: Sequence[ProcessLedger], command: str) -> str:
    in_memory = sum(ledger.pending_in_memory for ledger in ledgers)
    kept = f"{in_memory:,} of the pending events are in memory alone; " if in_memory else ""
    if command:
        return f"{kept}next: {command}"
    return f"{kept}living processes are delivering; ask again, or see their logs"


def _resend(ledgers: Sequence[ProcessLedger], resending: Resending) -> str:
    """The command that delivers what ended processes left, with the variables that it lacks."""
    left = [ledger for ledger in ledgers if ledger.pending and ledger.state != "living"]
    if not left:
        return ""
    urls = sorted({each.destination for each in left if each.destination and "://" in each.destination})
    variables = ["DD_API_KEY=…", "DD_APP_KEY=…"] if urls and not resending.has_keys else []
    if resending.directory is None:
        named = {each.destination for each in left}
        allowed = [f"--allow {shlex.quote(each)}" for each in resending.stores_to_allow if each in named]
        return " ".join([*variables, "llmobs-trace resend", *allowed])
    # A directory that is named goes to where the environment says: that has to be where it was meant to go.
    if urls and resending.base_url not in urls:
        variables.append(f"LLMOBS_TRACE_BASE_URL={urls[0]}")
    return " ".join([*variables, "llmobs-trace resend --journal", shlex.quote(resending.directory)])
