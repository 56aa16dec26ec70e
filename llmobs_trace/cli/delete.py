"""Runs `llmobs-trace delete`, which deletes experiments for good; on the main thread."""

from __future__ import annotations

import argparse

from llmobs_trace.cli.command_line.arguments import EXPERIMENT, add_database, examples
from llmobs_trace.cli.command_line.deleting import add_yes, asked, deleted
from llmobs_trace.cli.command_line.exits import DONE, NO
from llmobs_trace.cli.command_line.stores import database, found_of
from llmobs_trace.cli.terminal.screen import Screen
from llmobs_trace.store.store import Store


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("experiments", metavar="ID", nargs="+", help=EXPERIMENT)
    add_yes(parser)
    add_database(parser)
    examples(
        parser,
        ("llmobs-trace delete latest", "asks first, since this can't be undone; the pages' `Delete` can"),
        ("llmobs-trace delete 3fd6 91aa --yes", "without being asked, as a script needs it"),
    )


def run(arguments: argparse.Namespace, screen: Screen) -> int:
    found = found_of(arguments, screen, arguments.experiments)
    if not asked(arguments, screen, found):
        return NO
    with Store(database(arguments)) as store:
        deleted(store, found, screen)
    return DONE
