"""What `python -m tests.clients` would run; it itself takes an environment for each release, and minutes."""

from __future__ import annotations

import pytest
from clients.command import TESTS, Outcome, Release, releases
from support.machine import ROOT

from llmobs_trace.model_calls.instrument import CLIENTS


def test_every_client_has_tests_to_run_with_its_releases() -> None:
    assert TESTS.keys() == CLIENTS.keys()
    for name in [name for names in TESTS.values() for name in names]:
        assert (ROOT / "tests" / "model_calls" / name).is_file()


def test_each_client_is_tested_at_its_oldest_release_and_its_newest() -> None:
    assert releases(["anthropic"]) == [
        Release("anthropic", CLIENTS["anthropic"].since),
        Release("anthropic", None),
    ]
    assert len(releases([])) == 2 * len(CLIENTS)
    assert releases(["openai==1.99.0"]) == [Release("openai", "1.99.0")]
    assert releases(["openai==1.99.0"])[0].requirements[0] == "openai==1.99.0"
    with pytest.raises(ValueError, match="there are: openai"):
        releases(["opanai"])


def test_the_manual_says_from_which_release_a_client_is_traced() -> None:
    page = (ROOT / ".github" / "docs" / "model-calls.md").read_text()
    for name, client in CLIENTS.items():
        assert f"| `{name}` | {client.since} |" in page


def test_a_release_is_good_where_tests_passed_and_none_failed() -> None:
    release = Release("openai", None)
    assert Outcome(release, "1", {"passed": 3, "skipped": 1}, "").is_good
    assert not Outcome(release, "1", {"passed": 3, "failed": 1}, "").is_good
    assert not Outcome(release, "1", {"skipped": 3}, "").is_good
    assert not Outcome(release, "1", {"error": 1}, "").is_good
