"""The table of verdicts, read row by row."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmobs_trace.deliver.answers import ACTIONS, Action, Answer, Verdict, advice, verdict_of


@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        (200, Verdict.ACCEPTED),
        (202, Verdict.ACCEPTED),
        (204, Verdict.ACCEPTED),
        (226, Verdict.NOT_ACCEPTED),
        (301, Verdict.REDIRECTED),
        (307, Verdict.REDIRECTED),
        (400, Verdict.POISON),
        (401, Verdict.UNAUTHORISED),
        (403, Verdict.UNAUTHORISED),
        (404, Verdict.REFUSED),
        (408, Verdict.BUSY),
        (409, Verdict.REFUSED),
        (413, Verdict.TOO_LARGE),
        (422, Verdict.POISON),
        (429, Verdict.BUSY),
        (500, Verdict.BUSY),
        (503, Verdict.BUSY),
        (None, Verdict.BROKEN),
    ],
)
def test_every_status_has_its_verdict(status: int | None, verdict: Verdict) -> None:
    assert verdict_of(Answer(status=status)) is verdict


@given(st.integers())
def test_a_status_nobody_heard_of_has_a_verdict_and_an_action_too(status: int) -> None:
    assert verdict_of(Answer(status=status)) in ACTIONS


def test_only_what_accepts_settles_a_batch() -> None:
    settled = [code for code in range(100, 600) if ACTIONS[verdict_of(Answer(status=code))] is Action.SETTLE]
    assert settled == [200, 201, 202, 204]


def test_a_destination_without_statuses_gives_the_verdict_itself() -> None:
    assert verdict_of(Answer(verdict=Verdict.ACCEPTED)) is Verdict.ACCEPTED


@pytest.mark.parametrize(
    ("status", "named"),
    [(401, "DD_API_KEY"), (403, "DD_SITE"), (404, "experiment_id 'e 1'"), (302, "base_url")],
)
def test_advice_names_what_is_at_fault(status: int, named: str) -> None:
    assert named in advice(Answer(status=status), "e 1")


def test_advice_is_silent_where_the_answer_says_it_all() -> None:
    assert advice(Answer(status=418), "{e}") == ""


def test_an_id_with_braces_does_not_disturb_the_advice() -> None:
    assert "'{0}'" in advice(Answer(status=404), "{0}")
