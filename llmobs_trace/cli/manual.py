"""Runs `llmobs-trace manual`, which shows a page of the manual in the terminal; on the main thread.

The pages are Markdown files. A wheel carries them inside the package; a checkout, and an editable install of
one, has them in `.github/docs/`.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Final

from llmobs_trace.cli.command_line.arguments import examples
from llmobs_trace.cli.command_line.exits import CANNOT_TELL, DONE, Refusal
from llmobs_trace.cli.terminal import table
from llmobs_trace.cli.terminal.screen import Screen
from llmobs_trace.cli.terminal.table import Cell, Column
from llmobs_trace.cli.terminal.text import harmless

# Topic → the question that its page answers; in the order in which a newcomer needs them.
TOPICS: Final[dict[str, str]] = {
    "recording": "what is recorded of functions, blocks and evaluators, and how secrets stay out",
    "model-calls": "what is recorded of calls of model clients, by one line",
    "parents": "which span becomes the parent of a new one",
    "experiments": "how to run a function over a dataset, score it, and go on after a kill",
    "looking": "how to read what was recorded, in a browser and on the command line",
    "compare": "whether one experiment is better than another, or only luckier",
    "datadog": "how events reach Datadog, and every option there is",
    "receiver": "how to run the endpoint on your own machine",
    "store": "where experiments live without Datadog, and how to read that file",
    "guarantees": "what is promised, what is not, and how it is proved",
    "cost": "what recording costs a program",
}
_PACKAGE: Final = Path(__file__).parents[1]
_PLACES: Final = (_PACKAGE / "manual", _PACKAGE.parent / ".github" / "docs")
_COLUMNS: Final = (Column("topic"), Column("answers", cuts=True))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("topic", nargs="?", choices=tuple(TOPICS), metavar="TOPIC", help=", ".join(TOPICS))
    examples(
        parser,
        ("llmobs-trace manual", "the list of topics"),
        ("llmobs-trace manual recording", "one page, to be read"),
        ("llmobs-trace manual guarantees | less", "the same, a screen at a time"),
    )


def run(arguments: argparse.Namespace, screen: Screen) -> int:
    if arguments.topic is None:
        rows = [(Cell(topic, "bold"), answers) for topic, answers in TOPICS.items()]
        screen.lines(table.lines(_COLUMNS, rows, screen))
        return DONE
    in_code = False
    for line in read(arguments.topic).splitlines():
        if line.startswith("```"):
            in_code = not in_code
        is_heading = line.startswith("#") and not in_code
        screen.line(screen.style(harmless(line), "bold" if is_heading else ""))
    return DONE


def read(topic: str) -> str:
    """The page of a topic, as Markdown; `Refusal` where an installation has lost it."""
    for place in _PLACES:
        page = place / f"{topic}.md"
        if page.is_file():
            return page.read_text("utf-8")
    raise Refusal(f"the manual's page {topic!r} is not among the installed files; install again", CANNOT_TELL)
