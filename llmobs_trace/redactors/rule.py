"""A text and rules in, the text with a marker in place of each thing found out. User's thread.

Texts come from models and their users, so no rule may take more than linear time on any. A pattern here
begins with a literal, or where a run of characters begins (by looking behind); it repeats only sets that its
next part is not in, or a bounded number of times.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Final, NamedTuple

__all__ = ["MARKER", "Found", "Rule", "marker", "pattern", "without"]

# What is left in place of a finding, as a pattern: the next redactor meets it.
MARKER: Final = r"\[redacted: [A-Za-z -]{1,40}\]"
# A marker has other edges than what it replaced, and may lay something open that a rule looked for before.
# This happens once at most outside of texts made for it; the bound keeps those linear too.
_ROUNDS: Final = 4


class Found(NamedTuple):
    """Where a thing is in a text, and what it is."""

    begin: int
    end: int
    label: str


class Rule(NamedTuple):
    """How one sort of thing is found. A text without any of the `hints`, in lower case, is not searched."""

    find: Callable[[str], Iterator[Found]]
    hints: tuple[str, ...] = ("",)


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
            if holds is None or holds(match[group]):
                yield Found(*match.span(group), label)

    return Rule(find, hints or ("",))


def without(text: str, rules: Sequence[Rule]) -> str:
    """The text with every finding replaced."""
    for _ in range(_ROUNDS):
        before = text
        lowered = text.lower()
        for rule in rules:
            for hint in rule.hints:
                if hint in lowered:
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
