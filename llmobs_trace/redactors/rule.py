"""Replaces each thing that rules find in a text by a marker. User's thread.

Texts come from models and their users, so no rule may take more than linear time on any. A pattern here
begins with a literal, or where a run of characters begins (by looking behind); it repeats only sets that its
next part is not in, or a bounded number of times.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Final, NamedTuple

# What is left in place of a finding, as a pattern: the next redactor meets it.
MARKER: Final = r"\[redacted: [A-Za-z0-9 &.-]{1,40}\]"
_MARKED: Final = re.compile(MARKER)
# The lines around a private key, as patterns (RFC 7468, and PGP's).
BEGIN_OF_KEY: Final = r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----"
END_OF_KEY: Final = r"-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----"
# A marker has other edges than what it replaced, and may lay something open that a rule looked for before.
# This happens once at most outside of texts made for it; the bound keeps those linear too.
_ROUNDS: Final = 4
_SHORTEST_RUN: Final = 16
_RUN: Final = re.compile(rf"[^\s\"'`<>(){{}}\[\],;|]{{{_SHORTEST_RUN},}}")


class Found(NamedTuple):
    """Where a thing is in a text, and what it is."""

    begin: int
    end: int
    label: str


class Rule(NamedTuple):
    """How one sort of thing is found. A text without any of the `hints`, in lower case, is not searched.

    What is `in_a_run` stands in one without blanks, quotes and brackets, of `_SHORTEST_RUN` characters at
    least: prose has hardly any, so that the hints of all forms of keys are looked for in next to nothing.
    """

    find: Callable[[str], Iterator[Found]]
    hints: tuple[str, ...] = ("",)
    in_a_run: bool = False


def marker(label: str) -> str:
    return f"[redacted: {label}]"


def pattern(
    label: str,
    regex: str,
    *hints: str,
    flags: int = re.ASCII,
    holds: Callable[[str], bool] | None = None,
) -> Rule:
    """A rule for what a pattern matches, or its group `it` does, where `holds` says so of that."""
    compiled = re.compile(regex, flags)
    group = "it" if "it" in compiled.groupindex else 0

    def find(text: str) -> Iterator[Found]:
        for match in compiled.finditer(text):
            begin, end = match.span(group)
            marked = _MARKED.match(text, begin)
            # What stands there now is what was left of a finding, or the beginning of it.
            if (marked is None or marked.end() < end) and (holds is None or holds(match[group])):
                yield Found(begin, end, label)

    return Rule(find, hints or ("",))


def without(text: str, rules: Sequence[Rule]) -> str:
    """The text with every finding replaced."""
    for _ in range(_ROUNDS):
        before = text
        lowered = text.lower()
        runs = " ".join(_RUN.findall(text)).lower()
        for rule in rules:
            searched = runs if rule.in_a_run else lowered
            for hint in rule.hints:
                if hint in searched:
                    text = _replaced(text, rule)
                    break
        if text == before:
            break
    return text


def _replaced(text: str, rule: Rule) -> str:
    parts: list[str] = []
    done = 0
    for begin, end, label in rule.find(text):
        parts += (text[done:begin], marker(label))
        done = end
    return "".join((*parts, text[done:])) if parts else text
