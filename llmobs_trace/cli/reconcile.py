"""Runs `llmobs-trace reconcile`, which compares an experiment with what Datadog has of it; on the main
thread.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import closing, contextmanager

from llmobs_trace.catalog.catalog import CatalogError
from llmobs_trace.catalog.remote_events import RemoteEvents
from llmobs_trace.cli.command_line.arguments import EXPERIMENT, add_database, examples
from llmobs_trace.cli.command_line.datadog import configured
from llmobs_trace.cli.command_line.exits import CANNOT_TELL, DONE, NO, Refusal
from llmobs_trace.cli.command_line.stores import database
from llmobs_trace.cli.terminal import units
from llmobs_trace.cli.terminal.screen import Screen
from llmobs_trace.deliver.run_files import RunFiles
from llmobs_trace.experiment.steps import all_runs
from llmobs_trace.experiment.whereabouts import runs
from llmobs_trace.journal import survey
from llmobs_trace.publish import expected
from llmobs_trace.publish.fingerprints import Fingerprint
from llmobs_trace.publish.reconciling import Reconciled, arrived, reconcile
from llmobs_trace.settings.config import Config
from llmobs_trace.store import publications, queries
from llmobs_trace.store.store import Store
from llmobs_trace.wire import mark_of

_MOST_NAMED = 10


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "experiment",
        metavar="ID",
        help=f"{EXPERIMENT}, that was published; or the id of one that was recorded to Datadog at once",
    )
    add_database(parser)
    examples(parser, ("llmobs-trace reconcile latest", "whether all that was published arrived, as it was"))


def run(arguments: argparse.Namespace, screen: Screen) -> int:
    config, api_key, app_key = configured()
    with closing(RemoteEvents(config.base_url, api_key, app_key)) as remote:
        try:
            with _known(arguments, config) as (experiment_id, wanted, said):
                screen.say(f"compared with {said}")
                there = screen.progress(arrived(remote, experiment_id), None, "events read back")
                if wanted is None:
                    return _counted(experiment_id, sum(1 for _ in there), config, screen)
                return _report(reconcile(wanted, there), arguments.experiment, screen)
        except CatalogError as error:
            raise Refusal(str(error), NO) from error


@contextmanager
def _known(
    arguments: argparse.Namespace, config: Config
) -> Iterator[tuple[str, Iterator[Fingerprint] | None, str]]:
    """The experiment's id there, what must be in it, and in words where that is from; without the latter the
    ledgers have counts at least.
    """
    asked, path = arguments.experiment, database(arguments)
    if path.exists():
        with Store(path, read_only=True) as store:
            experiment_id = _local(store, asked)
            if experiment_id is not None:
                reached = publications.publication(store, experiment_id, config.base_url)
                if reached is None or reached.experiment_id is None:
                    never = f"{asked} was never published to {config.base_url}: llmobs-trace publish {asked}"
                    raise Refusal(never, CANNOT_TELL)
                there = reached.experiment_id
                said = f"what was published from {path}"
                yield there, expected.of_store(store, experiment_id, reached), said
                return
    for steps in all_runs(runs()):
        if steps.manifest.experiment_id == asked:
            said = f"the steps of its run in {steps.directory}, rows and scores alone"
            yield asked, expected.of_steps(steps), said
            return
    yield asked, None, "the ledgers of the processes that recorded it, by number alone"


def _local(store: Store, asked: str) -> str | None:
    """The id of an experiment of the local store; None where it has none that is meant."""
    try:
        return queries.find_experiment(store, asked).id
    except queries.UnknownExperiment:
        return None


def _counted(experiment_id: str, there: int, config: Config, screen: Screen) -> int:
    reports = [] if config.journal is None else survey(config.journal)
    made = RunFiles(config.journal, config.base_url)
    counts = [
        report.counts
        for report in reports
        if report.owner is not None
        and report.owner.destination == config.base_url
        and _id_there(report.owner.experiment_id, made) == experiment_id
    ]
    if not counts:
        screen.line(f"cannot tell: {units.counted(there, 'event')} there, and no ledger here names it")
        return CANNOT_TELL
    delivered = sum(each.delivered for each in counts)
    by = units.counted(len(counts), "process")
    screen.line(f"{delivered:,} delivered by {by}, {there:,} there")
    return DONE if there >= delivered else NO


def _id_there(known: str, made: RunFiles) -> str:
    """What an experiment's id is there that has a made-up one here."""
    mark = mark_of(known)
    found = None if mark is None else made.read(mark)
    return known if found is None else found.experiment_id


def _report(found: Reconciled, asked: str, screen: Screen) -> int:
    screen.line(
        f"{found.arrived:,} arrived, {len(found.missing):,} missing, {len(found.different):,} different,"
        f" {len(found.twice):,} twice, {found.others:,} there and not known here"
    )
    for what in ("missing", "different", "twice"):
        named = getattr(found, what)
        for each in named[:_MOST_NAMED]:
            screen.line(f"  {what}: {each}")
        if len(named) > _MOST_NAMED:
            screen.line(f"  {what}: and {len(named) - _MOST_NAMED:,} more")
    if found.missing:
        screen.say(f"llmobs-trace publish {asked} --again sends what is missing")
    return DONE if found.is_whole else NO
