"""What ends a run from outside: signals that its process takes, and what its script exits with."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from typing import Any

import pytest

from llmobs_trace.experiment import stop_signals
from llmobs_trace.experiment.interrupted import ExperimentInterrupted


def test_a_worker_that_was_forked_meanwhile_ends_by_a_sigterm_however_early_it_comes() -> None:
    heard: list[str] = []
    statuses = []
    with stop_signals.taken(heard.append):
        for _ in range(3):
            child = os.fork()
            if not child:
                while True:
                    time.sleep(60)
            os.kill(child, signal.SIGTERM)
            too_late = threading.Timer(10, os.kill, (child, signal.SIGKILL))
            too_late.start()
            statuses.append(os.waitpid(child, 0)[1])
            too_late.cancel()
        assert signal.SIGTERM not in signal.pthread_sigmask(signal.SIG_BLOCK, ())
        os.kill(os.getpid(), signal.SIGTERM)
    assert {os.WTERMSIG(status) for status in statuses} == {signal.SIGTERM}
    assert heard == ["SIGTERM"]
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_an_interrupt_that_nobody_catches_exits_with_its_code_and_shows_no_traceback(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As CPython asks: from 3.14 on a `KeyboardInterrupt` is one first, and then a `SystemExit`."""
    shown: list[BaseException] = []
    monkeypatch.setattr(sys, "excepthook", lambda kind, error, traceback: shown.append(error))
    result: Any = None
    interrupted = ExperimentInterrupted("interrupted", result)
    ExperimentInterrupted("and another", result)
    with pytest.raises(SystemExit) as ended:
        sys.excepthook(ExperimentInterrupted, interrupted, None)
    assert (ended.value.code, shown) == (130, [])
    other = KeyboardInterrupt()
    sys.excepthook(KeyboardInterrupt, other, None)
    assert shown == [other]
