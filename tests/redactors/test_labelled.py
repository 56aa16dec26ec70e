"""What is said of `secrets` in the manual holds over lines that are labelled, of whatever seed."""

from __future__ import annotations

import json

import pytest

from benchmarks.labelled import contexts, forms, harmless
from benchmarks.redactors import Share, shares


@pytest.fixture(scope="module", params=[1, 2, 3], ids=lambda seed: f"seed {seed}")
def measured(request: pytest.FixtureRequest) -> list[Share]:
    return shares(request.param)


def test_of_secrets_that_have_a_form_or_a_place_nineteen_in_twenty_are_found(measured: list[Share]) -> None:
    formed, placed, _ = measured
    assert formed.of + placed.of >= 300
    assert formed.percent >= 95, formed.wrong
    assert placed.percent >= 95, placed.wrong


def test_of_lines_without_a_secret_fewer_than_one_in_a_hundred_are_spoilt(measured: list[Share]) -> None:
    left = measured[-1]
    assert left.of >= 300
    assert left.percent > 99, left.wrong


def test_every_labelled_text_has_its_secret_in_it_and_no_line_stands_twice() -> None:
    for what, value, secret in [*forms(1), *contexts(1)]:
        assert secret in json.dumps(value, ensure_ascii=False).replace("\\n", "\n"), what
    assert len(set(harmless())) == len(harmless())


def test_no_secret_stands_in_the_repository_as_it_is_made() -> None:
    first, again, other = (
        {secret for _, _, secret in forms(seed)} | {secret for _, _, secret in contexts(seed)}
        for seed in (1, 1, 2)
    )
    assert first == again
    assert first.isdisjoint(other)
