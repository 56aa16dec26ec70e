from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pytest

from llmobs_trace.cli.terminal.screen import Screen

MakeTerminal = Callable[..., tuple[Screen, Any]]


def test_colours_are_for_terminals_that_want_them(terminal: MakeTerminal, pipe: Screen) -> None:
    assert terminal(80)[0].style("x", "bold red") == "\x1b[1;31mx\x1b[0m"
    assert terminal(80, NO_COLOR="1")[0].style("x", "red") == "x"
    assert terminal(80, NO_COLOR="")[0].style("x", "red") == "\x1b[31mx\x1b[0m"
    assert terminal(80, TERM="dumb")[0].style("x", "red") == "x"
    assert pipe.style("x", "red") == "x"


def test_a_terminal_has_a_width_and_a_pipe_has_none(terminal: MakeTerminal, pipe: Screen) -> None:
    assert terminal(97)[0].columns == 97
    assert pipe.columns is None


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_an_encoding_without_lines_gets_ascii_of_the_same_width(encoding: str) -> None:
    raw = io.BytesIO()
    out = io.TextIOWrapper(raw, encoding=encoding)
    screen = Screen(out, None, {})
    screen.line("├─ 1.5 µs … 東")
    screen.flush()
    assert raw.getvalue() == b"|- 1.5 us ~ \\u6771\n"


def test_data_is_utf8_in_the_order_it_was_written_whatever_the_encoding() -> None:
    raw = io.BytesIO()
    screen = Screen(io.TextIOWrapper(raw, encoding="ascii"), None, {})
    screen.line("first")
    screen.data("“second”\r\n".encode())
    screen.line("third")
    screen.flush()
    assert raw.getvalue() == "first\n“second”\r\nthird\n".encode()


def test_talk_is_one_harmless_line_on_stderr(pipe: Screen) -> None:
    err = io.StringIO()
    Screen(None, err, {}).say("bad \x1b[2J\nname")
    assert err.getvalue() == "bad \\e[2J\\nname\n"


def test_closed_descriptors_are_no_reason_to_fail() -> None:
    screen = Screen(None, None, {})
    screen.line("x")
    screen.data(b"x")
    screen.say("x")
    screen.flush()
    screen.abandon_stdout()
