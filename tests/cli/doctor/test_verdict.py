from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from llmobs_trace.cli.doctor.ledgers import Journals, ProcessLedger, WithoutLedger
from llmobs_trace.cli.doctor.reach import Check, CheckedDestination
from llmobs_trace.cli.doctor.verdict import Diagnosis, Resending, judge

URL = "https://api.datadoghq.com"
FINE = CheckedDestination("datadog", URL, [Check("name", True, "x"), Check("experiment", None, "y")])
UNREACHABLE = CheckedDestination("datadog", URL, [Check("connection", False, "refused")])
HERE = Resending(None, True, URL)


def ledger(
    state: str = "ended",
    *,
    delivered: int = 0,
    pending: int = 0,
    rejected: int = 0,
    dropped: int = 0,
    in_memory: int = 0,
    destination: str = URL,
    problem: str = "",
) -> ProcessLedger:
    return ProcessLedger(
        home="/j/1.journal",
        state=state,
        pid=1,
        destination=destination,
        experiment_id="e",
        experiment_name="n",
        started_ns=1,
        recorded=delivered + pending + rejected + dropped,
        delivered=delivered,
        pending=pending,
        rejected=rejected,
        dropped=dropped,
        pending_bytes=0,
        pending_in_memory=in_memory,
        balances=not problem,
        problem=problem,
    )


def journals(
    *ledgers: ProcessLedger,
    problem: str = "",
    rejected_file: str | None = None,
    without_ledger: Sequence[WithoutLedger] = (),
) -> Journals:
    return Journals(
        directory="/j",
        storage="mapped",
        lost_to_a_kill="",
        ledgers=list(ledgers),
        problem=problem,
        rejected_file=rejected_file,
        without_ledger=list(without_ledger),
    )


def judged(*ledgers: ProcessLedger, problem: str = "", resending: Resending = HERE) -> Diagnosis:
    return judge(journals(*ledgers, problem=problem), [FINE], [], resending)


def test_all_delivered_is_nothing_lost_and_0() -> None:
    assert judged(ledger(delivered=1200), ledger("living", delivered=34)) == Diagnosis(
        "nothing lost: 1,234 recorded = 1,234 delivered, by 2 processes", True, "", 0
    )


def test_where_nothing_is_found_nothing_is_claimed() -> None:
    assert judged() == Diagnosis("nothing recorded: there is no journal in /j", None, "", 0)
    missing = structs.replace(journals(), is_there=False)
    assert judge(missing, [FINE], [], HERE) == Diagnosis(
        "nothing recorded that could be found: there was no journal directory /j", None, "", 0
    )


def test_of_a_process_that_could_make_no_journal_nothing_can_be_told() -> None:
    one = WithoutLedger(pid=7, started_ns=1, state="unknown", reason="No space left on device")
    said = "process 7 could make no journal (No space left on device), so its events are counted nowhere"
    found = judge(journals(ledger(delivered=2), without_ledger=[one]), [FINE], [], HERE)
    line = f"cannot tell what was lost: {said}; 2 recorded = 2 delivered"
    assert found == Diagnosis(line, None, "", 3)
    several = journals(without_ledger=[one, structs.replace(one, pid=8)])
    found = judge(several, [FINE], [], HERE)
    who = "2 processes, the first of them 7,"
    line = f"cannot tell what was lost: {said.replace('process 7', who)}; 0 recorded = 0 delivered"
    assert found == Diagnosis(line, None, "", 3)
    # What is known to be lost comes first.
    found = judge(journals(ledger(dropped=2), without_ledger=[one]), [FINE], [], HERE)
    account = "2 events lost: 2 recorded = 0 delivered + 2 dropped"
    assert found == Diagnosis(f"{account}; {said}, and only its log can say more", False, "", 1)


def test_pending_is_not_lost_but_1_and_ends_with_what_to_type() -> None:
    assert judged(ledger(delivered=10, pending=2)) == Diagnosis(
        "nothing lost: 12 recorded = 10 delivered + 2 pending, by 1 process; next: llmobs-trace resend",
        True,
        "llmobs-trace resend",
        1,
    )


def test_what_a_living_process_has_pending_is_its_own_to_deliver() -> None:
    found = judged(ledger("living", delivered=10, pending=2, in_memory=1))
    assert found.line == (
        "nothing lost: 12 recorded = 10 delivered + 2 pending, by 1 process;"
        " 1 of the pending events are in memory alone; living processes are delivering;"
        " ask again, or see their logs"
    )
    assert (found.next, found.exit_code) == ("", 1)


def test_dropped_is_lost() -> None:
    found = judged(ledger(delivered=10, dropped=2), ledger(problem="unreadable"))
    assert found == Diagnosis("2 events lost: 12 recorded = 10 delivered + 2 dropped", False, "", 1)


def test_rejected_is_1_and_says_where_it_is_kept() -> None:
    kept = journals(ledger(delivered=1, rejected=2), rejected_file="/j/rejected/rejected.jsonl")
    found = judge(kept, [FINE], [], HERE)
    assert found.line == (
        "nothing lost: 3 recorded = 1 delivered + 2 rejected, by 1 process;"
        " 2 events rejected, each with the reason in /j/rejected/rejected.jsonl"
    )
    assert found.exit_code == 1


def test_what_cannot_be_read_cannot_be_told() -> None:
    found = judged(ledger(delivered=1), ledger(problem="it belongs to another user (5)"))
    assert found.line == (
        "cannot tell what was lost: 1 of 2 journals can't be read whole"
        " (/j/1.journal: it belongs to another user (5)); 1 recorded = 1 delivered"
    )
    assert (found.nothing_lost, found.exit_code) == (None, 3)
    found = judged(problem="events are kept in memory alone")
    assert found == Diagnosis("cannot tell what was lost: events are kept in memory alone", None, "", 3)


def test_what_cannot_be_reached_and_what_is_set_wrong_is_1() -> None:
    found = judge(journals(ledger(delivered=1)), [FINE, UNREACHABLE], ["site: given …"], HERE)
    assert found.line == (
        "nothing lost: 1 recorded = 1 delivered, by 1 process; 1 problem in the configuration, above;"
        " https://api.datadoghq.com can't take events now (connection: refused)"
    )
    assert found.exit_code == 1


def test_what_to_type_has_the_directory_and_the_variables_that_are_missing() -> None:
    left, copied = ledger(pending=1), ledger("another host", pending=1)
    assert judged(left, resending=Resending(None, False, URL)).next == (
        "DD_API_KEY=… DD_APP_KEY=… llmobs-trace resend"
    )
    assert judged(copied, resending=Resending("/mnt/my journal", False, "https://api.datadoghq.eu")).next == (
        "DD_API_KEY=… DD_APP_KEY=… LLMOBS_TRACE_BASE_URL=https://api.datadoghq.com"
        " llmobs-trace resend --journal '/mnt/my journal'"
    )
    local = ledger(pending=1, destination=str(Path("/x.db")))
    assert judged(local, resending=Resending(None, False, URL)).next == "llmobs-trace resend"


@given(
    st.lists(
        st.builds(
            ledger,
            st.sampled_from(["living", "ended", "another host", "unknown"]),
            delivered=st.integers(0, 3),
            pending=st.integers(0, 3),
            rejected=st.integers(0, 3),
            dropped=st.integers(0, 1),
            problem=st.sampled_from(["", "", "", "unreadable"]),
        ),
        max_size=4,
    )
)
def test_nothing_lost_is_said_only_where_all_adds_up_and_nothing_was_dropped(
    ledgers: list[ProcessLedger],
) -> None:
    found = judged(*ledgers)
    lost = any(each.dropped for each in ledgers)
    unread = any(not each.balances for each in ledgers)
    is_known = bool(ledgers) and not lost and not unread
    assert found.line.startswith("nothing lost: ") == is_known == bool(found.nothing_lost)
    waiting = any(each.pending or each.rejected for each in ledgers)
    assert found.exit_code == (1 if lost or waiting else 3 if unread else 0)
