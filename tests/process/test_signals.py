"""Signals that come while handlers are put off, or are being put back."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from llmobs_trace.process.signals import PutOff


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


@pytest.fixture
def handled(monkeypatch: pytest.MonkeyPatch) -> Iterator[Handled]:
    """What handlers were called with; the signal's own handler comes back."""
    before = signal.getsignal(signal.SIGUSR1)
    yield Handled()
    signal.signal(signal.SIGUSR1, before)


class Handled(list[str]):
    def by(self, name: str) -> Callable[[int, object], None]:
        def handler(number: int, frame: object) -> None:
            self.append(name)
            self.event.set()

        self.event = threading.Event()
        return handler


@pytest.mark.parametrize("chosen", [signal.SIG_DFL, signal.SIG_IGN, signal.default_int_handler])
def test_what_another_hook_chose_meanwhile_stays(handled: Handled, chosen: Any) -> None:
    signal.signal(signal.SIGUSR1, handled.by("the program's"))
    before = signal.getsignal(signal.SIGINT)
    put_off = PutOff()
    put_off.begin()
    signal.signal(signal.SIGUSR1, chosen)
    put_off.end()
    assert signal.getsignal(signal.SIGUSR1) is chosen
    assert signal.getsignal(signal.SIGINT) is before
    put_off.begin()
    put_off.end()
    assert signal.getsignal(signal.SIGUSR1) is chosen


def test_a_signal_that_was_put_off_comes_to_the_handler_that_another_hook_chose(handled: Handled) -> None:
    signal.signal(signal.SIGUSR1, handled.by("the program's"))
    put_off = PutOff()
    put_off.begin()
    signal.raise_signal(signal.SIGUSR1)
    chosen = handled.by("another hook's")
    signal.signal(signal.SIGUSR1, chosen)

    def hook() -> None:
        put_off.end()

    hook()
    assert handled.event.wait(20)
    assert handled == ["another hook's"]
    assert signal.getsignal(signal.SIGUSR1) is chosen


def test_a_hook_that_calls_the_handler_it_found_calls_the_programs(handled: Handled) -> None:
    """Which it found put off, and calls long after."""
    signal.signal(signal.SIGUSR1, handled.by("the program's"))
    put_off = PutOff()
    put_off.begin()
    found: Any = signal.getsignal(signal.SIGUSR1)

    def chained(number: int, frame: Any) -> None:
        handled.append("another hook's")
        found(number, frame)

    signal.signal(signal.SIGUSR1, chained)
    put_off.end()
    thread = threading.Thread(target=lambda: (put_off.begin(), put_off.end()))
    thread.start()
    thread.join(60)
    signal.raise_signal(signal.SIGUSR1)
    assert handled == ["another hook's", "the program's"]
