from __future__ import annotations

from collections.abc import Callable

from llmobs_trace.cli.terminal import table
from llmobs_trace.cli.terminal.screen import Screen
from llmobs_trace.cli.terminal.table import Cell, Column
from llmobs_trace.cli.terminal.text import width

COLUMNS = (Column("name", cuts=True), Column("n", right=True), Column("note", cuts=True))


def test_columns_are_as_wide_as_their_widest_cell(pipe: Screen) -> None:
    assert list(table.lines(COLUMNS, [("東京", "7", "x"), ("a", "12", "")], pipe)) == [
        "name   n  note",
        "東京   7  x   ",
        "a     12      ",
    ]


def test_for_a_terminal_the_widest_columns_give_way(terminal: Callable[..., tuple[Screen, object]]) -> None:
    screen, _ = terminal(30, NO_COLOR="1")
    lines = list(table.lines(COLUMNS, [("a" * 40, "123456789", "short")], screen))
    assert [width(line) for line in lines] == [30, 30]
    assert lines[1] == f"{'a' * 11}…  123456789  short"


def test_one_long_name_widens_its_own_line_alone(
    pipe: Screen, terminal: Callable[..., tuple[Screen, object]]
) -> None:
    rows = [("n" * 300, "1", "x"), ("short", "2", "y"), ("名" * 70, "3", "z")]
    of_pipe = list(table.lines(COLUMNS, rows, pipe))
    assert of_pipe[1] == f"{'n' * 300}  1  x   "
    assert [width(line) for line in of_pipe] == [49, 309, 49, 149]
    of_terminal = list(table.lines(COLUMNS, rows, terminal(120, NO_COLOR="1")[0]))
    assert [width(line) for line in of_terminal] == [49, 120, 49, 120]
    assert of_terminal[1] == f"{'n' * 110}…  1  x   "


def test_what_may_not_be_cut_stays_whole_however_narrow_it_gets(
    terminal: Callable[..., tuple[Screen, object]],
) -> None:
    screen, _ = terminal(20, NO_COLOR="1")
    lines = list(table.lines(COLUMNS, [("a" * 40, "1234567890", "x")], screen))
    # Then cells stand below one another, each beside its title.
    assert sum("1234567890" in line for line in lines) == 1
    assert sum(line.count("a") for line in lines) >= 40
    assert max(map(width, lines)) <= 20


def test_styles_do_not_count_as_width(terminal: Callable[..., tuple[Screen, object]]) -> None:
    screen, _ = terminal(80)
    titles, line = table.lines((Column("a"), Column("b")), [(Cell("x", "red"), "y")], screen)
    assert titles == "\x1b[2ma\x1b[0m  \x1b[2mb\x1b[0m"
    assert line == "\x1b[31mx\x1b[0m  y"


def test_cells_are_made_harmless(pipe: Screen) -> None:
    assert list(table.lines((Column("a"),), [("\x1b[2J",), (Cell("\u202e"),)], pipe)) == [
        "a     ",
        "\\e[2J ",
        "\\u202e",
    ]
