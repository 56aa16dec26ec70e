from __future__ import annotations

import io
import random
import statistics
import sys
from types import SimpleNamespace
from typing import Any

import pytest

from llmobs_trace.experiment.counts import Counts, RunningMean
from llmobs_trace.experiment.progress import ProgressLine
from llmobs_trace.experiment.progress_text import Pace, interval, progress_text
from llmobs_trace.experiment.steps import Evaluated, Kept


def test_the_line_says_how_far_it_is_how_fast_and_how_good() -> None:
    counts = Counts()
    for number in range(37):
        counts.evaluator(Evaluated("row", 1, "exact_match", [Kept("exact_match", number < 32)], []))
        counts.evaluator(Evaluated("row", 1, "f1", [Kept("f1", 0.5)], []))
    said = progress_text(
        "capitals",
        37,
        48,
        failed=2,
        rate=1.9,
        score=counts.running_mean(["none yet", "exact_match", "f1"]),
        waits=12.4,
    )
    assert said == (
        "capitals  37/48 rows · 2 failed · 1.9 rows/s · 6 s left · exact_match 86% ± 11 · waiting 12 s (429)"
    )
    assert progress_text("capitals", 0, 48) == "capitals  0/48 rows"
    assert progress_text("c", 1, 20_000, rate=2.0).endswith("2.0 rows/s · 2 h 46 min left")


def test_the_interval_holds_the_mean_and_takes_repeats_of_a_row_for_one() -> None:
    chance = random.Random(1)
    held = 0
    for _ in range(300):
        numbers = [float(each) for each in (chance.gauss(0.4, 0.1) for _ in range(40)) for _ in range(3)]
        score = RunningMean("m", sum(numbers), sum(n * n for n in numbers), len(numbers), are_booleans=False)
        reach = interval(score, 3)
        assert reach is not None
        held += abs(statistics.fmean(numbers) - 0.4) <= reach
    assert held >= 270
    always = interval(RunningMean("m", 20.0, 20.0, 20, are_booleans=True), 1)
    assert always is not None
    assert always > 0.05


def test_the_pace_is_that_of_the_last_half_minute_and_not_of_what_was_done_before() -> None:
    pace = Pace(1_000, 0.0)
    assert pace.rate(1_000, 5.0) is None
    assert pace.rate(1_020, 10.0) == pytest.approx(2.0)
    for second in range(11, 60):
        rate = pace.rate(1_020 + 4 * (second - 10), float(second))
    assert rate == pytest.approx(4.0, rel=0.05)


class Display:
    """A notebook's display, as IPython has it."""

    def __init__(self) -> None:
        self.shown: list[str] = []

    def __call__(self, data: dict[str, str], *, raw: bool, display_id: bool) -> Display:
        self.update(data, raw=raw)
        return self

    def update(self, data: dict[str, str], *, raw: bool) -> None:
        self.shown.append(data["text/plain"])


@pytest.mark.parametrize("where", ["pipe", "terminal", "notebook"])
def test_a_pipe_gets_lines_a_terminal_and_a_notebook_one_that_changes(
    monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    stream, display = io.StringIO(), Display()
    monkeypatch.setattr(stream, "isatty", lambda: where == "terminal", raising=False)
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr("llmobs_trace.experiment.progress._PAUSE_SECONDS", 0.0)
    shell: Any = SimpleNamespace(kernel=object()) if where == "notebook" else None
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))  # type: ignore[arg-type]
    monkeypatch.setitem(sys.modules, "IPython.display", SimpleNamespace(display=display))  # type: ignore[arg-type]
    done = [0]
    line = ProgressLine(lambda: f"{done[0]}/20 rows", lambda: done[0] / 20, None)
    for done[0] in range(1, 5):
        line.tick()
    line.say("a remark")
    line.end()
    if where == "pipe":
        assert stream.getvalue() == "2/20 rows\n4/20 rows\na remark\n"
    elif where == "terminal":
        erase = "\r\x1b[K"
        lines = "".join(f"{erase}{number}/20 rows" for number in range(1, 5))
        assert stream.getvalue() == f"{lines}{erase}a remark\n{erase}"
    else:
        assert display.shown == ["1/20 rows", "2/20 rows", "3/20 rows", "4/20 rows", ""]
        assert stream.getvalue() == "a remark\n"
