"""`configure` as it is stated, beside the table of options that decides."""

from __future__ import annotations

import inspect
import os
import pydoc
import re
import textwrap
import types
import typing
from collections.abc import Callable, Collection
from pathlib import Path

import pytest

from llmobs_trace import ConfigurationError, configure
from llmobs_trace.settings import checks
from llmobs_trace.settings.checks import Unfit
from llmobs_trace.settings.options import BY_NAME, OPTIONS, Option

STATED = inspect.signature(configure).parameters


def documented(option: Option) -> str:
    """An option as the documentation of `configure` has it."""
    default = "" if option.default is None else f" = {option.default}"
    variables = f" [{', '.join(option.environment)}]" if option.environment else ""
    takes = "" if option.check is checks.flag else f" Takes {option.expected}."
    text = textwrap.wrap(option.doc + takes, 102, break_long_words=False, break_on_hyphens=False)
    return "\n    ".join([f"{option.name}{default}{variables}", *text])


def test_configure_states_every_option_and_documents_it_as_the_table_does() -> None:
    assert list(STATED) == list(BY_NAME)
    assert {parameter.kind for parameter in STATED.values()} == {inspect.Parameter.KEYWORD_ONLY}
    documentation = inspect.getdoc(configure) or ""
    assert documentation.endswith("\n\n" + "\n".join(map(documented, OPTIONS)))


def test_every_option_s_default_is_the_table_s() -> None:
    defaults = {name: parameter.default for name, parameter in STATED.items()}
    assert defaults.pop("journal") is not None  # None is memory
    assert defaults == {name: BY_NAME[name].default for name in defaults}


# For each type: values of it, of which each option of that type takes one at least.
EXAMPLES: dict[object, list[object]] = {
    bool: [False, True],
    int: [1, 5 << 20],
    float: [0.5],
    str: ["name", "us3.datadoghq.com", "https://example.com", "local", "all"],
    os.PathLike[str]: [Path("name")],
    Callable: [lambda field, value: value],
    bytes: [b"name"],
    list: [["name"], ["openai"]],
    Collection[type[BaseException] | str]: [[KeyError, "app.Stop"]],
}


@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: option.name)
def test_an_option_s_type_is_of_the_values_that_its_check_takes(option: Option) -> None:
    hint = typing.get_type_hints(configure)[option.name]
    assert typing.get_origin(hint) is types.UnionType or typing.get_origin(hint) is typing.Union
    stated = set()
    for kind in set(typing.get_args(hint)) - {type(None)}:
        if typing.get_origin(kind) is list:
            (literal,) = typing.get_args(kind)
            assert set(typing.get_args(literal)) <= set(re.split("[,; ]+", option.expected))
            kind = list
        if typing.get_origin(kind) is typing.Literal:
            assert set(typing.get_args(kind)) <= set(re.split("[,; ]+", option.expected))
            kind = str
        stated.add(Callable if typing.get_origin(kind) is typing.get_origin(Callable[..., None]) else kind)
    # A whole number is a number, to type checkers too.
    stated |= {int} if float in stated else set()
    assert stated == {
        kind for kind, values in EXAMPLES.items() if any(takes(option, each) for each in values)
    }


def takes(option: Option, value: object) -> bool:
    try:
        option.check(value)
    except Unfit:
        return False
    return True


def test_a_misspelt_option_is_told_by_its_right_name() -> None:
    wrong: typing.Any = configure
    with pytest.raises(
        ConfigurationError, match=r"smaple_rate: no such option \(did you mean sample_rate\?\)"
    ):
        wrong(smaple_rate=0.5)


def test_help_shows_each_option_once_with_its_variable_and_fits_a_terminal() -> None:
    shown = pydoc.plain(pydoc.render_doc(configure)).splitlines()
    for option in OPTIONS:
        (line,) = [line for line in shown if line.split()[:1] == [option.name]]
        assert [variable for variable in option.environment if variable not in line] == []
    signature = next(number for number, line in enumerate(shown) if line.startswith("    "))
    assert max(map(len, shown[signature:])) <= 110
