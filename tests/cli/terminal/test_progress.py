from __future__ import annotations

import io
from collections.abc import Callable, Iterator

import pytest

from llmobs_trace.cli.terminal.progress import watched
from llmobs_trace.cli.terminal.screen import Screen


def ticking(seconds: float) -> Callable[[], float]:
    """A clock on which each look takes so long."""
    now = iter(range(1_000_000))
    return lambda: next(now) * seconds


def test_a_bar_shows_how_far_it_is_and_is_gone_in_the_end() -> None:
    out = io.StringIO()
    assert list(watched("abcd", 4, "rows", out, clock=ticking(1.0))) == list("abcd")
    drawn = out.getvalue().split("\r\x1b[K")
    assert drawn[1:-1] == [
        "[..............................] 0/4 rows",
        "[#######.......................] 1/4 rows",
        "[###############...............] 2/4 rows",
        "[######################........] 3/4 rows",
    ]
    assert drawn[-1] == ""


def test_what_is_over_soon_shows_nothing() -> None:
    out = io.StringIO()
    assert list(watched(range(100), 100, "rows", out, clock=ticking(0.001))) == list(range(100))
    assert out.getvalue() == ""


def test_it_is_gone_also_where_the_work_fails() -> None:
    def failing() -> Iterator[int]:
        yield 1
        raise ValueError("no")

    out = io.StringIO()
    with pytest.raises(ValueError, match="no"):
        list(watched(failing(), None, "lines", out, clock=ticking(1.0)))
    assert out.getvalue() == "\r\x1b[K0 lines\r\x1b[K"


def test_what_tells_its_size_tells_it_beside_the_bar_or_alone() -> None:
    out = io.StringIO()
    list(watched("ab", 2, lambda: "3 bytes written", out, clock=ticking(1.0)))
    list(watched("a", None, lambda: "3 bytes written", out, clock=ticking(1.0)))
    drawn = out.getvalue().split("\r\x1b[K")
    assert drawn[2] == "[###############...............] 1/2 3 bytes written"
    assert drawn[4] == "3 bytes written"


def test_pipes_and_dumb_terminals_get_none(
    terminal: Callable[..., tuple[Screen, io.StringIO]], pipe: Screen
) -> None:
    items = [1, 2]
    assert pipe.progress(items, 2, "rows") is items
    assert terminal(80, TERM="dumb")[0].progress(items, 2, "rows") is items
    assert terminal(80)[0].progress(items, 2, "rows") is not items
