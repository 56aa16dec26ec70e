"""Runs `llmobs-trace resend`, which delivers what ended processes left; on the main thread."""

from __future__ import annotations

import argparse
import math
import os
import sys
from collections import Counter
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Final

from llmobs_trace.cli.command_line.arguments import examples
from llmobs_trace.cli.command_line.exits import DONE, MISUSE, NO, Refusal
from llmobs_trace.cli.resend import routes
from llmobs_trace.cli.resend.routes import Route
from llmobs_trace.cli.terminal import table, units
from llmobs_trace.cli.terminal.screen import Screen
from llmobs_trace.cli.terminal.table import Cell, Column
from llmobs_trace.cli.terminal.text import harmless
from llmobs_trace.deliver import Destination, NamedExperiments, give_up
from llmobs_trace.deliver.drain import drain, log_notices
from llmobs_trace.deliver.named_experiments import Asking, asking_datadog
from llmobs_trace.deliver.notices import Notices
from llmobs_trace.deliver.rejected import FILE, Rejected
from llmobs_trace.experiment.unfinished import tell_of_dead_runs
from llmobs_trace.journal import AdoptedJournal, Owner, adoptable, passed_over
from llmobs_trace.settings.config import Config, from_environment, resolve
from llmobs_trace.settings.options import BY_NAME

_COLUMNS: Final = (
    Column("destination", cuts=True),
    Column("journals", right=True),
    Column("delivered", right=True),
    Column("rejected", right=True),
    Column("undelivered", right=True),
)
_TIMEOUT_SECONDS: Final = 30.0
_AGAIN_SECONDS: Final = 2.0
# Of journals that are passed over.
_MOST_NAMED: Final = 20


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--journal",
        metavar="DIR",
        type=Path,
        help="deliver the journals in this directory to where the environment says (default: those in the"
        " configured directory, each to the destination that it names)",
    )
    parser.add_argument(
        "--allow",
        metavar="DESTINATION",
        action="append",
        default=[],
        help="deliver to this base URL or store, too, if a journal names it (default: only to the configured"
        " ones, Datadog's sites and existing stores); may be repeated",
    )
    parser.add_argument(
        "--timeout",
        metavar="SECONDS",
        type=_seconds,
        default=_TIMEOUT_SECONDS,
        help=f"give up on a destination that accepts nothing for so long (default: {_TIMEOUT_SECONDS:g})",
    )
    parser.add_argument(
        "--give-up",
        metavar="ID",
        help="deliver nothing, and move what ended processes left of this experiment to the rejected file"
        " (dead letters): for a store or an experiment that is gone for good",
    )
    examples(
        parser,
        ("llmobs-trace resend", "what killed programs left behind, to where each of them meant it to go"),
        (
            "llmobs-trace resend --allow /data/experiments.db",
            "the same, and into that store, which does not exist yet",
        ),
        (
            "LLMOBS_TRACE_DESTINATION=local llmobs-trace resend --journal /mnt/volume/journal",
            "a container's journal, into the local store",
        ),
        ("llmobs-trace resend --give-up 3fd6", "no longer try to deliver an experiment that nobody takes"),
    )


def run(arguments: argparse.Namespace, screen: Screen) -> int:
    directory, config, route_of = _plan(arguments.journal, arguments.allow, screen)
    tell_of_dead_runs(config)
    if arguments.give_up is not None:
        return _give_up(directory, arguments.give_up, screen)
    tallies: dict[str, Counter[str]] = {}
    asked: dict[str, Asking] = {}
    notices = log_notices()
    # Where the environment says where to, a journal needn't.
    with closing(_left(directory, nobodys=arguments.journal is not None)) as journals:
        for journal in journals:
            route = route_of(journal.owner)
            name, destination = route.name, route.destination
            if route.asking is not None:
                asked[name] = route.asking
            tally = tallies.setdefault(name, Counter())
            tally["journals"] += 1
            if destination is not None:
                # A place that would not take one journal is not waited for as long with the others.
                seconds = (
                    min(arguments.timeout, _AGAIN_SECONDS) if tally["undelivered"] else arguments.timeout
                )
                named = NamedExperiments(
                    route.asking, destination=name, directory=directory, runs=journal.runs
                )
                tally += _deliver(journal, destination, named, config, seconds, notices)
            tally["undelivered"] += journal.counts().pending
    notices.end()
    for name, asking in (_configured(config) | asked).items():
        NamedExperiments(asking, destination=name, directory=directory).end_the_dead(arguments.timeout)
    left_alone = [] if directory is None else list(passed_over(directory))
    for home, why in left_alone[:_MOST_NAMED]:
        screen.say(f"passed over: {home}: {why}")
    return _report(tallies, len(left_alone), screen)


def _report(tallies: dict[str, Counter[str]], passed_over: int, screen: Screen) -> int:
    if tallies:
        rows = [
            (
                Cell(name),
                str(tally["journals"]),
                str(tally["delivered"]),
                Cell(str(tally["rejected"]), "red" if tally["rejected"] else ""),
                Cell(str(tally["undelivered"]), "red" if tally["undelivered"] else ""),
            )
            for name, tally in sorted(tallies.items())
        ]
        screen.lines(table.lines(_COLUMNS, rows, screen))
    total: Counter[str] = sum(tallies.values(), Counter())
    screen.line(
        f"{units.counted(total['delivered'], 'event')} delivered, {total['rejected']:,} rejected,"
        f" {total['undelivered']:,} undelivered"
        + (f", {units.counted(passed_over, 'journal')} passed over" if passed_over else "")
    )
    return NO if total["undelivered"] or passed_over else DONE


# --- Where to -----------------------------------------------------------------------------------------------


def _plan(
    journal: Path | None, allowed: Sequence[str], screen: Screen
) -> tuple[Path | None, Config, Callable[[Owner], Route]]:
    """The directory to look in, what the environment says, and a journal's owner → where its events go."""
    if journal is not None:
        if not journal.is_dir():
            raise Refusal(f"--journal: expected a directory of journals, given {journal}", MISUSE)
        chosen = _chosen()
        for note in chosen.notes:
            screen.say(note)
        return journal, chosen, lambda owner: routes.as_configured(chosen, owner)
    config, complaints = from_environment(os.environ)
    for complaint in complaints:
        screen.say(complaint)
    if config.journal is None:
        screen.say(
            "no journal is kept on disk, so none can have been left; --journal names another directory"
        )
    return config.journal, config, routes.AsNamed(config, allowed, screen.say)


def _chosen() -> Config:
    """What the environment says; without needing ids, since every event has its own."""
    ids = ("experiment_id", "project_id", "dataset_id")
    missing = {name: "resend" for name in ids if not any(map(os.environ.get, BY_NAME[name].environment))}
    return resolve({**missing, "journal": None}, os.environ)


def _configured(config: Config) -> dict[str, Asking]:
    """Where runs may have ended of which nothing is left to be delivered."""
    if config.api_key is None or config.app_key is None:
        return {}
    return {config.base_url: asking_datadog(config.base_url, config.api_key, config.app_key)}


# --- Delivering ---------------------------------------------------------------------------------------------


def _left(directory: Path | None, *, nobodys: bool = False) -> Generator[AdoptedJournal, None, None]:
    """What ended processes left, each let go of when the next is asked for."""
    if directory is not None:
        for journal in adoptable(directory, other_hosts=True, nobodys=nobodys):
            try:
                yield journal
            finally:
                journal.close(keep=True)


def _deliver(
    journal: AdoptedJournal,
    destination: Destination,
    named: NamedExperiments,
    config: Config,
    seconds: float,
    notices: Notices,
) -> Counter[str]:
    """Deliver until nothing is left or nothing was taken for so many seconds; what was taken, rejected."""
    tally: Counter[str] = Counter()
    try:
        while True:
            drained = drain(
                journal,
                destination,
                timeout=seconds,
                request_timeout=config.request_timeout,
                max_batch_bytes=config.max_batch_bytes,
                rejected=journal.home.parent,
                named=named,
                notices=notices,
            )
            tally["delivered"] += drained.delivered
            tally["rejected"] += drained.rejected
            if not drained.pending or not drained.delivered + drained.rejected:
                return tally
    finally:
        destination.close()


# --- Giving up ----------------------------------------------------------------------------------------------


def _give_up(directory: Path | None, asked: str, screen: Screen) -> int:
    pending: Counter[str] = Counter()
    for journal in _left(directory):
        pending += give_up.pending(journal)
    experiment_id = _meant(asked, pending, directory)
    # Without a bound: what is given up pushes nothing out of the file that was rejected before.
    rejected = Rejected(directory, max_file_bytes=sys.maxsize)
    given_up = 0
    try:
        with closing(_left(directory)) as journals:
            for journal in journals:
                given_up += give_up.give_up(journal, experiment_id, journal.owner.destination, rejected)
    except OSError as error:
        why = error.strerror or error
        raise Refusal(
            f"{rejected.directory} can't be written: {why}; the rest is still pending", NO
        ) from error
    where = f"kept in {rejected.directory}/{FILE}"
    screen.line(f"{units.counted(given_up, 'event')} of {harmless(experiment_id)} given up, and {where}")
    return DONE


def _meant(asked: str, pending: Counter[str], directory: Path | None) -> str:
    """The experiment whose id is this, or is the only one to begin so."""
    found = [asked] if asked in pending else [each for each in sorted(pending) if each.startswith(asked)]
    if len(found) == 1 and asked:
        return found[0]
    words = "several begin so" if found and asked else f"no ended process left events of it in {directory}"
    left = ", ".join(f"{each} ({units.counted(count, 'event')})" for each, count in sorted(pending.items()))
    raise Refusal(f"--give-up {asked}: {words}; left are: {left or 'none'}", NO)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0.1 <= seconds <= 3600:
        raise argparse.ArgumentTypeError(f"expected 0.1 to 3600 seconds, given {text}")
    return seconds
