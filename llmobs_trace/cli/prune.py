"""Runs `llmobs-trace prune`, which deletes experiments of which nothing came for long; on the main thread."""

from __future__ import annotations

import argparse
import re
import time
from typing import Final

from llmobs_trace.cli.command_line.arguments import add_database, examples
from llmobs_trace.cli.command_line.deleting import add_yes, asked, deleted, told
from llmobs_trace.cli.command_line.exits import DONE, NO
from llmobs_trace.cli.command_line.stores import database, reading
from llmobs_trace.cli.terminal.screen import Screen
from llmobs_trace.store import queries, removal
from llmobs_trace.store.store import Store

_SECONDS: Final = {"m": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--older-than",
        metavar="AGE",
        type=_age,
        required=True,
        help="delete those whose last event is older: 30d, 12h, 8w, 90m",
    )
    parser.add_argument("--dry-run", action="store_true", help="say which they are; delete nothing")
    add_yes(parser)
    add_database(parser)
    examples(
        parser,
        ("llmobs-trace prune --older-than 30d --dry-run", "which experiments those are"),
        ("llmobs-trace prune --older-than 8w --yes", "as a weekly job has it"),
    )


def run(arguments: argparse.Namespace, screen: Screen) -> int:
    with reading(arguments, screen) as store:
        ids = set(removal.unused_since(store, time.time_ns() - arguments.older_than * 10**9))
        found = [each for each in queries.experiments(store) if each.id in ids]
    if arguments.dry_run:
        screen.lines(told(found))
        return DONE
    if found and not asked(arguments, screen, found):
        return NO
    with Store(database(arguments)) as store:
        deleted(store, found, screen)
    return DONE


def _age(text: str) -> int:
    found = re.fullmatch(r"([0-9]{1,6})([mhdw])", text)
    if found is None:
        raise argparse.ArgumentTypeError(f"expected an age, as 30d, 12h, 8w or 90m, given {text!r}")
    return int(found[1]) * _SECONDS[found[2]]
