"""Runs `llmobs-trace rename`: a person's own name for an experiment; on the main thread."""

from __future__ import annotations

import argparse

from llmobs_trace.cli.command_line.arguments import add_database, add_experiment, examples
from llmobs_trace.cli.command_line.exits import DONE
from llmobs_trace.cli.command_line.stores import database, found_of
from llmobs_trace.cli.terminal.screen import Screen
from llmobs_trace.store import by_hand
from llmobs_trace.store.store import Store


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_experiment(parser)
    parser.add_argument(
        "name",
        metavar="NAME",
        help="what to call it; an empty one gives it back the name that its program says",
    )
    add_database(parser)
    examples(
        parser,
        ('llmobs-trace rename latest "with citations"', "what every list, page and comparison calls it now"),
    )


def run(arguments: argparse.Namespace, screen: Screen) -> int:
    [found] = found_of(arguments, screen, [arguments.experiment])
    with Store(database(arguments)) as store:
        by_hand.rename(store, found.id, arguments.name)
    return DONE
