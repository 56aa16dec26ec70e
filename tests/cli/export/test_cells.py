from __future__ import annotations

import doctest

import pytest

from llmobs_trace.cli.export import cells


@pytest.mark.parametrize(
    "text",
    [
        "=1+1",
        "+1+1",
        "-2+3",
        "@SUM(A1)",
        "\N{FULLWIDTH EQUALS SIGN}1+1",
        "\N{FULLWIDTH PLUS SIGN}1+1",
        "\N{FULLWIDTH HYPHEN-MINUS}2+3",
        "\N{FULLWIDTH COMMERCIAL AT}SUM(A1)",
        "\N{SMALL EQUALS SIGN}1+1",
        "\N{SMALL HYPHEN-MINUS}2+3",
        "\N{SUPERSCRIPT PLUS SIGN}1+1",
        "\N{MINUS SIGN}2+3",
        "\N{TWO CONSECUTIVE EQUALS SIGNS}1",
        "\tanything",
        "\ranything",
        "\nanything",
        "\0anything",
        " =1+1",
        "\N{IDEOGRAPHIC SPACE}\N{FULLWIDTH EQUALS SIGN}1+1",
        "\N{ZERO WIDTH NO-BREAK SPACE}=1+1",
        "\N{RIGHT-TO-LEFT OVERRIDE}@SUM(A1)",
    ],
)
def test_what_a_spreadsheet_would_run_gets_a_quote_in_whatever_script_it_is_written(text: str) -> None:
    assert cells.shown(text) == "'" + text


@pytest.mark.parametrize(
    "text",
    ["", " ", "word", "1=1", "-5", "+5.5e3", " -5", "\N{EN DASH} a point", "\N{GREEK SMALL LETTER PI}=3"],
)
def test_what_it_would_not_run_stays_as_it_is(text: str) -> None:
    assert cells.shown(text) == text


def test_the_examples_hold() -> None:
    result = doctest.testmod(cells)
    assert result.attempted
    assert not result.failed
