"""An exception's texts are made as it passes by: nothing waits for it, nothing of the program's is taken."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap

HEAD = """
import json, os, sys
from llmobs_trace import experiment_span
from llmobs_trace.capture.recorder import Recorder, Scope
from llmobs_trace.process.life import recording_to

def raises(filename, body="raise ValueError('no')", **names):
    exec(compile(body, filename, "exec"), names)

def stack_of(call):
    records = []
    with recording_to(Recorder(records.append, Scope("e", "p", "d"))):
        try:
            experiment_span("fails")(call)()
        except BaseException:
            pass
    return json.loads(records[0])["span"]["meta"]["error"]["stack"]
"""


def run(body: str, given: str = "") -> str:
    """A program of its own: one that waits for a FIFO can't be woken, and one may read its standard input."""
    program = HEAD + textwrap.dedent(body)
    ran = subprocess.run(
        [sys.executable, "-c", program], input=given, capture_output=True, text=True, timeout=20
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def test_a_source_that_is_a_fifo_keeps_no_traced_call_waiting() -> None:
    os.mkfifo("fifo")
    os.symlink("fifo", "link")
    os.mkdir("place")
    os.mkfifo("place/elsewhere")
    shown = run(
        """
        sys.path.append("place")
        print(stack_of(lambda: raises("fifo")))
        print(stack_of(lambda: raises(os.path.abspath("fifo"))))
        print(stack_of(lambda: raises("link")))
        print(stack_of(lambda: raises("elsewhere")))
        from_it = "try: raises('fifo')\\nexcept Exception as e: raise KeyError from e"
        print(stack_of(lambda: raises("<code>", from_it, raises=raises)))
        beside_it = "try: raises('fifo')\\nfinally: 1 / 0"
        print(stack_of(lambda: raises("<code>", beside_it, raises=raises)))
        """
    )
    assert shown.count("ValueError: no") == 6
    assert shown.count('fifo", line 1, in <module>') == 4
    assert "ZeroDivisionError" in shown


def test_what_a_program_means_to_read_from_its_input_is_not_taken_for_a_source() -> None:
    shown = run("stack_of(lambda: raises('/dev/stdin'))\nprint(sys.stdin.read())", "for the program")
    assert shown.strip() == "for the program"


def test_a_source_too_large_for_one_is_not_read() -> None:
    with open("large", "wb") as file:
        file.truncate(1 << 40)
    assert "ValueError: no" in run("print(stack_of(lambda: raises('large')))")


def test_an_ordinary_source_shows_its_line_beside_one_that_can_t_be_read() -> None:
    os.mkfifo("fifo")
    with open("ordinary.py", "w") as file:
        file.write("raise ValueError('no')\n")
    shown = run(
        "print(stack_of(lambda: raises('fifo', 'raises(\"ordinary.py\")', raises=raises)))",
    )
    assert "    raise ValueError('no')\n" in shown
    assert 'fifo", line 1' in shown


def test_frames_alone_are_shown_without_waiting_too() -> None:
    os.mkfifo("fifo")
    shown = run(
        """
        from llmobs_trace.capture import traceback_text
        def fail(init):
            raise RuntimeError
        traceback_text._told = fail
        print(stack_of(lambda: raises("fifo")))
        """
    )
    assert 'fifo", line 1, in <module>' in shown
