"""Runs `llmobs-trace publish`: an experiment of the local store goes to Datadog; on the main thread."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from contextlib import closing

from llmobs_trace.catalog.catalog import CatalogError
from llmobs_trace.catalog.http_catalog import HttpCatalog
from llmobs_trace.cli.command_line.arguments import add_database, add_experiment, examples
from llmobs_trace.cli.command_line.datadog import configured
from llmobs_trace.cli.command_line.exits import DONE, NO, Refusal
from llmobs_trace.cli.command_line.stores import database, reading
from llmobs_trace.cli.terminal import units
from llmobs_trace.cli.terminal.screen import Screen
from llmobs_trace.deliver import DatadogDestination
from llmobs_trace.publish import publishing, rehearsal
from llmobs_trace.publish.naming import names_of
from llmobs_trace.publish.publishing import Part, Way
from llmobs_trace.store import queries
from llmobs_trace.store.store import Store

_NAMES = ("project", "dataset", "experiment")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_experiment(parser)
    for name in _NAMES:
        parser.add_argument(
            f"--{name}-name",
            metavar=name[0].upper(),
            help=f"what to call the {name} there (default: LLMOBS_TRACE_{name.upper()}_NAME, or as recorded)",
        )
    parser.add_argument(
        "--dry-run", action="store_true", help="print what would be made and the first bodies; send nothing"
    )
    parser.add_argument(
        "--again", action="store_true", help="send everything once more, though it was sent before"
    )
    add_database(parser)
    examples(
        parser,
        ("llmobs-trace publish latest", "what was run without keys, to Datadog; stopped, it goes on there"),
        ("llmobs-trace publish 3fd6 --project-name support-bot --dry-run", "only show what would be sent"),
    )


def run(arguments: argparse.Namespace, screen: Screen) -> int:
    with reading(arguments, screen) as store:
        experiment = queries.find_experiment(store, arguments.experiment)
    given = {name: getattr(arguments, f"{name}_name") for name in _NAMES}
    with Store(database(arguments)) as store:
        names = names_of(store, experiment, given, os.environ)
        if arguments.dry_run:
            for line in rehearsal.bodies(store, experiment, names):
                screen.data(line + b"\n")
            return DONE
        config, api_key, app_key = configured()
        destination = DatadogDestination(config.base_url, api_key, app_key)
        with closing(HttpCatalog(config.base_url, api_key, app_key)) as catalog, closing(destination):
            way = Way(
                catalog=catalog,
                destination=destination,
                rejected=config.journal,
                timeout=30.0,
                request_timeout=config.request_timeout,
                max_batch_bytes=config.max_batch_bytes,
            )
            count = publishing.left(store, experiment, destination.name, again=arguments.again)
            parts = publishing.publish(store, experiment, names, way, again=arguments.again)
            try:
                last = _watched(parts, count, screen)
                undelivered = publishing.left_of(store, experiment.id, last.reached)
            except CatalogError as error:
                raise Refusal(str(error), NO) from error
    return _report(last, undelivered, experiment, screen)


def _watched(parts: Iterator[Part], count: int, screen: Screen) -> Part:
    last: list[Part] = []

    def each() -> Iterator[None]:
        for part in parts:
            last[:] = [part]
            yield from (None for _ in range(part.events))

    for _ in screen.progress(each(), count, "events sent"):
        pass
    return last[0]


def _report(last: Part, undelivered: int, experiment: queries.Experiment, screen: Screen) -> int:
    reached = last.reached
    recorded = reached.delivered + reached.rejected + undelivered
    screen.line(
        f"{units.counted(recorded, 'event')} = {reached.delivered:,} delivered"
        f" + {reached.rejected:,} rejected + {undelivered:,} undelivered;"
        f" the experiment there is {reached.experiment_id}"
    )
    if last.error is not None:
        screen.say(f"stopped: {last.error}; the same command goes on")
        return NO
    if reached.rejected:
        return NO
    screen.say(f"llmobs-trace reconcile {experiment.id} proves from there that all of it arrived")
    return DONE
