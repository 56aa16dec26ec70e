"""Runs `llmobs-trace runs`, which lists the runs of experiments that are not finished; on the main thread."""

from __future__ import annotations

import argparse

from llmobs_trace.cli.command_line.arguments import add_format, examples
from llmobs_trace.cli.command_line.exits import DONE
from llmobs_trace.cli.terminal import table, units
from llmobs_trace.cli.terminal.screen import Screen
from llmobs_trace.cli.terminal.table import Cell, Column

_COLUMNS = (
    Column("id", cuts=True),
    Column("name", cuts=True),
    Column("begun"),
    Column("rows", right=True),
    Column("done", right=True),
    Column("left", right=True),
    Column("size", right=True),
    Column("state"),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--all", action="store_true", help="finished ones too, whose steps are kept")
    add_format(parser, ("table", "json"), default="table")
    examples(
        parser,
        ("llmobs-trace runs", "what is unfinished, and how much of it is left"),
        ("llmobs-trace runs --all --format json", "all that are kept, for a program"),
    )


def run(arguments: argparse.Namespace, screen: Screen) -> int:
    from llmobs_trace.experiment.unfinished import listed

    found = [each for each in listed() if arguments.all or each.state != "finished"]
    if arguments.format == "json":
        import msgspec

        screen.data(msgspec.json.format(msgspec.json.encode(found), indent=2) + b"\n")
        return DONE
    if not found:
        screen.say("no run is unfinished")
        return DONE
    rows = [
        (
            each.id,
            Cell(each.name, "bold"),
            units.moment(each.begun_ns),
            f"{each.rows:,}",
            f"{each.done:,}",
            f"{each.left:,}",
            units.size(each.disk_bytes),
            each.state,
        )
        for each in found
    ]
    for line in table.lines(_COLUMNS, rows, screen):
        screen.line(line)
    return DONE
