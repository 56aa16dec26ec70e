"""Runs `llmobs-trace note`: what a person writes of an experiment; on the main thread."""

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
    parser.add_argument("text", metavar="TEXT", help="what to keep of it; an empty text takes the note away")
    add_database(parser)
    examples(
        parser,
        (
            'llmobs-trace note latest "the judge was changed here"',
            "in the list of experiments, and above its rows",
        ),
    )


def run(arguments: argparse.Namespace, screen: Screen) -> int:
    [found] = found_of(arguments, screen, [arguments.experiment])
    with Store(database(arguments)) as store:
        by_hand.note(store, found.id, arguments.text)
    return DONE
