"""Signals that come while handlers are put off, or are being put back."""

from __future__ import annotations

import signal
import threading
from typing import Any

import pytest

from llmobs_trace.signals import PutOff


@pytest.mark.parametrize("at_call", ["first", "second"])
def test_a_signal_that_comes_while_handlers_are_put_back_is_handled_once(
    monkeypatch: pytest.MonkeyPatch, at_call: str
) -> None:
    handled = threading.Event()
    times: list[int] = []

    def handler(number: int, frame: object) -> None:
        times.append(number)
        handled.set()

    before = signal.signal(signal.SIGUSR1, handler)
    really, calls = signal.signal, []
    put_off = PutOff()
    put_off.begin()

    def setting(number: int, wanted: Any) -> Any:
        calls.append(number)
        if len(calls) == ("first", "second").index(at_call) + 1:
            signal.raise_signal(signal.SIGUSR1)
        return really(number, wanted)

    try:
        monkeypatch.setattr(signal, "signal", setting)

        def hook() -> None:
            put_off.end()

        hook()
        monkeypatch.setattr(signal, "signal", really)
        assert handled.wait(20)
        assert times == [signal.SIGUSR1]
        assert signal.getsignal(signal.SIGUSR1) is handler
    finally:
        really(signal.SIGUSR1, before)
