"""`llmobs-trace resend`: what ended processes left goes in, the counts come out; the main thread."""

from __future__ import annotations

import argparse
import math
import os
import sys
from collections import Counter
from collections.abc import Callable, Generator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Final

from llmobs_trace.cli import DONE, MISUSE, NO, Refusal, table, units
from llmobs_trace.cli.arguments import examples
from llmobs_trace.cli.screen import Screen
from llmobs_trace.cli.table import Cell, Column
from llmobs_trace.cli.text import harmless

if TYPE_CHECKING:
    from llmobs_trace.config import Config
    from llmobs_trace.deliver import Destination
    from llmobs_trace.journal import AdoptedJournal, Owner

_COLUMNS: Final = (
    Column("destination", cuts=True),
    Column("journals", right=True),
    Column("delivered", right=True),
    Column("rejected", right=True),
    Column("undelivered", right=True),
)
_TIMEOUT_SECONDS: Final = 30.0
_AGAIN_SECONDS: Final = 2.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--journal",
        metavar="DIR",
        type=Path,
        help="deliver this directory's journals, to where the environment says (default: the configured"
        " directory's, each to the destination that it names)",
    )
    parser.add_argument(
        "--timeout",
        metavar="SECONDS",
        type=_seconds,
        default=_TIMEOUT_SECONDS,
        help=f"give a destination up that takes nothing for so long (default: {_TIMEOUT_SECONDS:g})",
    )
    parser.add_argument(
        "--give-up",
        metavar="ID",
        help="deliver nothing, and move what ended processes left of this experiment to the rejected file, as"
        " when its store or its experiment will never be there again",
    )
    examples(
        parser,
        ("llmobs-trace resend", "what killed programs left behind, to where each of them meant it to go"),
        (
            "LLMOBS_TRACE_DESTINATION=local llmobs-trace resend --journal /mnt/volume/journal",
            "a container's journal, into the local store",
        ),
        ("llmobs-trace resend --give-up 3fd6", "no longer try to deliver an experiment that nobody takes"),
    )


def run(arguments: argparse.Namespace, screen: Screen) -> int:
    from llmobs_trace.journal import adoptable

    directory, config, destination_of = _plan(arguments.journal, screen)
    if arguments.give_up is not None:
        return _give_up(directory, arguments.give_up, screen)
    tallies: dict[str, Counter[str]] = {}
    if directory is not None:
        for journal in adoptable(directory, other_hosts=True):
            try:
                name, destination = destination_of(journal.owner)
                tally = tallies.setdefault(name, Counter())
                tally["journals"] += 1
                if destination is not None:
                    # A place that would not take one journal is not waited for as long with the others.
                    seconds = (
                        min(arguments.timeout, _AGAIN_SECONDS) if tally["undelivered"] else arguments.timeout
                    )
                    tally += _deliver(journal, destination, config, seconds)
                tally["undelivered"] += journal.counts().pending
            finally:
                journal.close(keep=True)
    return _report(tallies, screen)


def _report(tallies: dict[str, Counter[str]], screen: Screen) -> int:
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
        for line in table.lines(_COLUMNS, rows, screen):
            screen.line(line)
    total: Counter[str] = sum(tallies.values(), Counter())
    screen.line(
        f"{units.counted(total['delivered'], 'event')} delivered, {total['rejected']:,} rejected,"
        f" {total['undelivered']:,} undelivered"
    )
    return NO if total["undelivered"] else DONE


# --- Where to -----------------------------------------------------------------------------------------------

_Route = tuple[str, "Destination | None"]  # its name, and None where it can't be reached from here


def _plan(journal: Path | None, screen: Screen) -> tuple[Path | None, Config, Callable[[Owner], _Route]]:
    """The directory to look in, what the environment says, and a journal's owner → where its events go."""
    if journal is not None:
        if not journal.is_dir():
            raise Refusal(f"--journal: expected a directory of journals, given {journal}", MISUSE)
        chosen = _chosen()
        for note in chosen.notes:
            screen.say(note)
        return journal, chosen, lambda owner: _as_configured(chosen, owner)
    from llmobs_trace.config import from_environment

    config, complaints = from_environment(os.environ)
    for complaint in complaints:
        screen.say(complaint)
    if config.journal is None:
        screen.say(
            "no journal is kept on disk, so none can have been left; --journal names another directory"
        )
    return config.journal, config, lambda owner: _as_named(owner, config, screen)


def _chosen() -> Config:
    """What the environment says; without needing ids, since every event has its own."""
    from llmobs_trace.config import resolve
    from llmobs_trace.options import BY_NAME

    ids = ("experiment_id", "project_id", "dataset_id")
    missing = {name: "resend" for name in ids if not any(map(os.environ.get, BY_NAME[name].environment))}
    return resolve({**missing, "journal": None}, os.environ)


def _as_configured(config: Config, owner: Owner) -> _Route:
    if config.destination == "datadog":
        return _datadog(config.base_url, config)
    return _local(config.database, owner)


def _as_named(owner: Owner, config: Config, screen: Screen) -> _Route:
    if "://" not in owner.destination:
        return _local(Path(owner.destination), owner)
    from llmobs_trace.checks import Unfit, base_url

    try:
        # It is where the keys would be sent: a file is not to be believed where `configure` is not.
        url = base_url(owner.destination)
    except Unfit as unfit:
        screen.say(f"a journal names a destination that won't do: {unfit}")
        return owner.destination, None
    route = _datadog(url, config)
    if route[1] is None:
        screen.say(f"{url} needs both keys: set DD_API_KEY and DD_APP_KEY")
    return route


def _datadog(url: str, config: Config) -> _Route:
    from llmobs_trace.deliver import DatadogDestination

    if config.api_key is None or config.app_key is None:
        return url, None
    return url, DatadogDestination(url, config.api_key, config.app_key)


def _local(database: Path, owner: Owner) -> _Route:
    from llmobs_trace.deliver import LocalDestination

    name, experiment_id = owner.experiment_name or None, owner.experiment_id or None
    return str(database), LocalDestination(database, name, experiment_id)


# --- Delivering ---------------------------------------------------------------------------------------------


def _deliver(
    journal: AdoptedJournal, destination: Destination, config: Config, seconds: float
) -> Counter[str]:
    """Deliver until nothing is left or nothing was taken for so many seconds; what was taken, rejected."""
    from llmobs_trace.deliver.drain import drain

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
            )
            tally["delivered"] += drained.delivered
            tally["rejected"] += drained.rejected
            if not drained.pending or not drained.delivered + drained.rejected:
                return tally
    finally:
        destination.close()


# --- Giving up ----------------------------------------------------------------------------------------------


def _give_up(directory: Path | None, asked: str, screen: Screen) -> int:
    from llmobs_trace.deliver import give_up
    from llmobs_trace.deliver.rejected import FILE, Rejected

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


def _left(directory: Path | None) -> Generator[AdoptedJournal, None, None]:
    """What ended processes left, each let go of when the next is asked for."""
    from llmobs_trace.journal import adoptable

    if directory is not None:
        for journal in adoptable(directory, other_hosts=True):
            try:
                yield journal
            finally:
                journal.close(keep=True)


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
