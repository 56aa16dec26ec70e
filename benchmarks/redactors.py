"""Measures what the ready-made redactor finds, and what it spoils, over labelled lines of our own.

python -m benchmarks.redactors             the table
python -m benchmarks.redactors --missed    what was missed, and what was spoilt, too
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple

from benchmarks.labelled import contexts, forms, harmless
from llmobs_trace.redactors import personal_data, secrets

SEED = 1


class Share(NamedTuple):
    """So many of so many, and which were not as they should be."""

    what: str
    goal: str
    good: int
    of: int
    wrong: list[str]

    @property
    def percent(self) -> float:
        return 100 * self.good / self.of


def shares(seed: int = SEED) -> list[Share]:
    """What was found of each sort of secret, and what was left alone of what is none."""
    return [
        _found("keys that have a form of their own", ">= 95%", list(forms(seed))),
        _found("passwords and keys that their place gives away", ">= 95%", list(contexts(seed))),
        _left_alone(),
    ]


def _found(what: str, goal: str, labelled: list[tuple[str, Any, str]]) -> Share:
    wrong = [name for name, value, secret in labelled if _is_shown(secret, secrets("input", value))]
    return Share(what, goal, len(labelled) - len(wrong), len(labelled), wrong)


def _is_shown(secret: str, seen: Any) -> bool:
    """Whether a half of it or more can still be read."""
    text = seen if isinstance(seen, str) else json.dumps(seen)
    half = max(4, len(secret) // 2)
    return any(secret[at : at + half] in text for at in range(len(secret) - half + 1))


def _left_alone() -> Share:
    lines = harmless()
    spoilt = [line for line in lines if secrets("input", line) != line]
    return Share(
        "lines without a secret, left as they are", "> 99%", len(lines) - len(spoilt), len(lines), spoilt
    )


def table(found: list[Share]) -> Iterator[str]:
    yield "| what | goal | share | of |"
    yield "|---|--:|--:|--:|"
    for each in found:
        yield f"| {each.what} | {each.goal} | {each.percent:.1f}% | {each.of} |"


_PROSE: Final = (
    "The model was asked for the capital of France; it answered Paris, and that was right. "
    "It took 812 tokens, of which the keywords and the authors' names were the most. "
)
# Beginnings that a rule looks for, again and again, without their ends.
_HOSTILE: Final = (
    "2001:",
    "password=",
    "api_key ",
    "curl -u ",
    "DE89 3704 ",
    "4111 1111 1111 111",
    "sk-",
    "a@b.",
    "<input name=a ",
    "authorization: a b=c,",
    "insert into a (b) values ('c'),",
    "KEY=",
    "a",
    "0",
)


def times() -> Iterator[str]:
    """How long both ready-made redactors take for prose, and for the worst of a megabyte of `_HOSTILE`."""
    yield "| what | `secrets` | `personal_data` |"
    yield "|---|--:|--:|"
    prose = (_PROSE * 20)[:2000]
    yield (
        "| 2 kB of prose | "
        + " | ".join(f"{_seconds(each, prose, 200) * 1e3:.2f} ms" for each in _BOTH)
        + " |"
    )
    megabytes = [piece * (1_000_000 // len(piece)) for piece in _HOSTILE]
    worst = [max(_seconds(each, text, 1) for text in megabytes) for each in _BOTH]
    yield "| a megabyte made to be slow, the worst | " + " | ".join(f"{each:.1f} s" for each in worst) + " |"


_BOTH: Final = (secrets, personal_data)


def _seconds(redact: Callable[[str, Any], Any], text: str, times: int) -> float:
    began = time.process_time()
    for _ in range(times):
        redact("input", text)
    return (time.process_time() - began) / times


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.redactors",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--missed", action="store_true", help="list what was missed and what was spoilt")
    parser.add_argument("--seed", type=int, default=SEED, help="of the keys that are made")
    arguments = parser.parse_args()
    found = shares(arguments.seed)
    print(*table(found), "", *times(), sep="\n")
    if arguments.missed:
        for each in found:
            print(f"\n{each.what}:", *each.wrong, sep="\n    ")
    return 0


if __name__ == "__main__":
    sys.exit(main())
