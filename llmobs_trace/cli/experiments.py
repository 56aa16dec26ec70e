"""`llmobs-trace experiments`: the store in, a line for each experiment out; the main thread."""

from __future__ import annotations

import argparse

from llmobs_trace.cli import DONE, table, units
from llmobs_trace.cli.arguments import add_database, add_format, examples, reading
from llmobs_trace.cli.screen import Screen
from llmobs_trace.cli.table import Cell, Column

_COLUMNS = (
    Column("id", cuts=True),
    Column("name", cuts=True),
    Column("started"),
    Column("rows", right=True),
    Column("spans", right=True),
    Column("errors", right=True),
    Column("metrics", right=True),
    Column("failed", right=True),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_format(parser, ("table", "json"), default="table")
    add_database(parser)
    examples(
        parser,
        ("llmobs-trace experiments", "the latest first; errors are spans, failed are metrics"),
        ("llmobs-trace experiments --format json | jq -r '.[0].id'", "the latest one's id"),
    )


def run(arguments: argparse.Namespace, screen: Screen) -> int:
    from llmobs_trace.local import queries

    with reading(arguments, screen) as store:
        found = queries.experiments(store)
    if arguments.format == "json":
        import msgspec

        screen.data(msgspec.json.format(msgspec.json.encode(found), indent=2) + b"\n")
        return DONE
    if not found:
        screen.say(f"the store at {store.path} holds no experiments yet")
        return DONE
    rows = [
        (
            each.id,
            Cell(each.name or "-", "bold" if each.name else "dim"),
            Cell(units.moment(each.began_ns), "dim"),
            str(each.rows),
            str(each.spans),
            _bad(each.errors),
            str(each.metrics),
            _bad(each.failed_metrics),
        )
        for each in found
    ]
    for line in table.lines(_COLUMNS, rows, screen):
        screen.line(line)
    return DONE


def _bad(count: int) -> Cell:
    return Cell(str(count), "red" if count else "")
