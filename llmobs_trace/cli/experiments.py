"""Runs `llmobs-trace experiments`, which lists what the store holds; on the main thread."""

from __future__ import annotations

import argparse

import msgspec

from llmobs_trace.cli.command_line.arguments import (
    add_database,
    add_format,
    add_limit,
    examples,
    limit_of,
    paged,
)
from llmobs_trace.cli.command_line.exits import DONE
from llmobs_trace.cli.command_line.stores import reading
from llmobs_trace.cli.terminal import table, units
from llmobs_trace.cli.terminal.screen import Screen
from llmobs_trace.cli.terminal.table import Cell, Column
from llmobs_trace.store import queries
from llmobs_trace.store.queries import Experiment

_COLUMNS = (
    Column("id", cuts=True),
    Column("name", cuts=True),
    Column("started"),
    Column("rows", right=True),
    Column("spans", right=True),
    Column("errors", right=True),
    Column("metrics", right=True),
    Column("failed", right=True),
    Column("project", cuts=True),  # where any was made by name
    Column("dataset", cuts=True),
    Column("state"),  # where any is unfinished
    Column("note", cuts=True),  # where any has one
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_format(parser, ("table", "json"), default="table")
    add_limit(parser, "experiments")
    add_database(parser)
    examples(
        parser,
        ("llmobs-trace experiments", "the latest first; errors counts spans, failed counts metrics"),
        ("llmobs-trace experiments --format json | jq -r '.[0].id'", "the latest one's id"),
    )


def run(arguments: argparse.Namespace, screen: Screen) -> int:
    with reading(arguments, screen) as store:
        found = queries.experiments(store)
    if arguments.format == "json":
        screen.data(msgspec.json.format(msgspec.json.encode(found[: arguments.limit]), indent=2) + b"\n")
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
            Cell(each.project or "-", "dim"),
            Cell(_dataset(each), "dim"),
            _state(each),
            Cell(each.note or "-", "" if each.note else "dim"),
        )
        for each in found[: limit_of(arguments, screen)]
    ]
    listed = found[: len(rows)]
    left_out = set() if any(each.project for each in listed) else {"project", "dataset"}
    left_out |= set() if any(map(_is_unfinished, listed)) else {"state"}
    left_out |= set() if any(each.note for each in listed) else {"note"}
    columns = [column for column in _COLUMNS if column.title not in left_out]
    places = [_COLUMNS.index(column) for column in columns]
    with paged(arguments, screen):
        screen.lines(table.lines(columns, [[row[place] for place in places] for row in rows], screen))
        if len(found) > len(rows):
            screen.line(
                f"{len(rows):,} of {units.counted(len(found), 'experiment')} shown,"
                f" {len(found) - len(rows):,} more with --limit all"
            )
    return DONE


def _is_unfinished(experiment: Experiment) -> bool:
    return experiment.status not in (None, "completed")


def _state(experiment: Experiment) -> str:
    if not _is_unfinished(experiment):
        return experiment.status or "-"
    return f"{experiment.status}, {experiment.left:,} left" if experiment.left else f"{experiment.status}"


def _dataset(experiment: Experiment) -> str:
    if experiment.dataset is None:
        return "-"
    version = experiment.dataset_version
    return f"{experiment.dataset} v{version}" if version else experiment.dataset


def _bad(count: int) -> Cell:
    return Cell(str(count), "red" if count else "")
