"""The user's redactor sees a plain copy of every field, and what it fails on is not sent."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from support.values import strict_json

from llmobs_trace.encode import Redactor, encode


def test_the_redactor_gets_the_field_and_a_plain_copy() -> None:
    seen: list[tuple[str, Any]] = []
    Redactor(lambda field, value: seen.append((field, value))).apply("input", encode({"a": (1, {2})}))
    assert seen == [("input", {"a": [1, [2]]})]


def test_what_it_returns_is_encoded_like_any_value() -> None:
    assert Redactor(lambda field, value: {1: float("nan")}).apply("output", b'"x"') == b'{"1":"NaN"}'


def test_changing_the_copy_in_place_does_not_reach_the_user_s_object() -> None:
    mine = {"key": "secret"}

    def redact(_: str, value: Any) -> Any:
        value["key"] = "***"
        return value

    assert Redactor(redact).apply("input", encode(mine)) == b'{"key":"***"}'
    assert mine == {"key": "secret"}


def test_one_that_raises_leaves_a_marker_without_the_value_or_its_message() -> None:
    def redact(_: str, value: Any) -> Any:
        raise ValueError(f"cannot redact {value}")

    assert Redactor(redact).apply("input", b'"secret"') == b'"[redactor failed: ValueError]"'


def test_one_that_raises_is_told_of_without_the_value_whatever_the_teller_does() -> None:
    told: list[tuple[str, ...]] = []

    def redact(_: str, value: Any) -> Any:
        raise ValueError(f"cannot redact {value}")

    def say(*words: str) -> None:
        told.append(words)
        raise OSError("no log")

    assert Redactor(redact, say).apply("input", b'"secret"') == b'"[redactor failed: ValueError]"'
    assert told == [("the redactor raised ValueError: a marker is recorded instead of a value", "input")]


def test_an_interrupt_inside_it_goes_on() -> None:
    def redact(_: str, value: Any) -> Any:
        raise KeyboardInterrupt

    redactor = Redactor(redact)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            redactor.apply("input", b"1")


def test_what_is_recorded_inside_it_is_neither_redacted_again_nor_let_through() -> None:
    inner: list[bytes] = []

    def redact(_: str, value: Any) -> Any:
        inner.append(redactor.apply("input", encode("secret")))
        return "done"

    redactor = Redactor(redact)
    assert redactor.apply("input", b'"secret"') == b'"done"'
    assert inner == [b'"[recorded inside the redactor]"']
    assert redactor.apply("input", b'"secret"') == b'"done"'


def test_two_threads_redact_side_by_side() -> None:
    inside, go_on = threading.Barrier(2), threading.Event()

    def redact(_: str, value: Any) -> Any:
        inside.wait(10)
        go_on.wait(10)
        return f"redacted {value}"

    redactor = Redactor(redact)
    got: list[Any] = []
    threads = [
        threading.Thread(target=lambda n=n: got.append(strict_json(redactor.apply("x", encode(n)))))
        for n in (1, 2)
    ]
    for thread in threads:
        thread.start()
    go_on.set()
    for thread in threads:
        thread.join(10)
    assert sorted(got) == ["redacted 1", "redacted 2"]
