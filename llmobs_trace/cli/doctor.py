"""`llmobs-trace doctor`: the environment and the journals in, how things stand out; the main thread.

Sends no event, and writes none. To see whether a place can be written, it writes there as `configure` does.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct, structs

from llmobs_trace.cli import MISUSE, Refusal, ledgers, reach, sample, settings, table, units, verdict
from llmobs_trace.cli.arguments import add_database, add_format, examples
from llmobs_trace.cli.ledgers import Journals, Ledger
from llmobs_trace.cli.reach import Destination
from llmobs_trace.cli.sample import Sample
from llmobs_trace.cli.screen import Screen
from llmobs_trace.cli.settings import Settings
from llmobs_trace.cli.table import Cell, Column
from llmobs_trace.cli.text import harmless
from llmobs_trace.cli.verdict import Verdict
from llmobs_trace.config import find_journal
from llmobs_trace.errors import ConfigurationError
from llmobs_trace.places import default_databases, default_journal

_JOURNAL: Final = "LLMOBS_TRACE_JOURNAL"
_DATABASE: Final = "LLMOBS_TRACE_DATABASE"
_COUNTS: Final = ("recorded", "delivered", "pending", "rejected", "dropped")


class Report(Struct, frozen=True):
    """Everything the doctor says, as `--format json` gives it."""

    configuration: Settings
    destinations: list[Destination]
    sample: Sample
    journals: Journals
    verdict: Verdict


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_format(parser, ("table", "json"), default="table")
    parser.add_argument(
        "--journal",
        metavar="DIR",
        type=Path,
        help="look into this directory of journals, as one copied from another machine (default: the"
        " configured one)",
    )
    parser.add_argument(
        "--all",
        action="store_true",
        help="a line for each ended process (default: those are summed up of which all was delivered)",
    )
    add_database(parser)
    examples(
        parser,
        ("llmobs-trace doctor", "is everything set up, and has everything arrived?"),
        ("llmobs-trace doctor --journal /mnt/volume/journal", "what a container, or another machine, left"),
        (
            "llmobs-trace doctor --format json | jq '.journals.ledgers[] | select(.pending > 0)'",
            "whose events wait",
        ),
    )


def run(arguments: argparse.Namespace, screen: Screen) -> int:
    if arguments.journal is not None and not arguments.journal.is_dir():
        raise Refusal(f"--journal: expected a directory of journals, given {arguments.journal}", MISUSE)
    with _leaving_no_directory(os.environ):
        report = _examine(arguments.journal, arguments.database)
    if arguments.format == "json":
        screen.data(msgspec.json.format(msgspec.json.encode(report), indent=2) + b"\n")
    else:
        _table(report, screen, show_all=arguments.all)
    return report.verdict.exit_code


def _examine(journal: Path | None, database: Path | None) -> Report:
    environ = dict(os.environ)
    asked = journal if journal is not None else _asked(environ)
    was_there = asked is None or asked.is_dir()
    arguments = {}
    if journal is not None:
        # Read where it is: it may be on a disk that can't be written, and nobody is to write to it here.
        environ[_JOURNAL], arguments[_JOURNAL] = "off", ("--journal", str(journal))
    if database is not None:
        environ[_DATABASE], arguments[_DATABASE] = str(database), ("--database", str(database))
    config, configuration = settings.read(environ, arguments)
    del environ  # with the keys in it: a traceback may show a frame's locals
    destinations = [reach.look(config)]
    if database is not None and destinations[0].kind != "local":
        destinations.append(reach.look_at_store(database))
    if asked is not None and was_there:
        can_be_written = journal is not None or config.journal == asked
        journals = ledgers.read(asked, can_be_written=can_be_written)
    else:
        journals = ledgers.read(config.journal)
    journals = structs.replace(journals, is_there=was_there and journals.is_there)
    resending = verdict.Resending(
        None if journal is None else str(journal),
        config.api_key is not None and config.app_key is not None,
        config.base_url,
    )
    judged = verdict.judge(journals, destinations, configuration.problems, resending)
    return Report(configuration, destinations, sample.make(config), journals, judged)


def _asked(environ: Mapping[str, str]) -> Path | None:
    """Where the environment has journals kept, also where none can be written; None is memory."""
    try:
        return find_journal(environ)
    except ConfigurationError:
        return default_journal(environ)


@contextmanager
def _leaving_no_directory(environ: Mapping[str, str]) -> Iterator[None]:
    """Remove what was made meanwhile to see whether a store can be, where it is empty.

    Not the journals' directory: a program that begins at this moment would find it gone.
    """
    named = [Path(environ[_DATABASE])] if environ.get(_DATABASE) else []
    above = {place for database in (*named, *default_databases(environ)) for place in database.parents}
    missing = [directory for directory in above if not directory.exists()]
    try:
        yield
    finally:
        for directory in sorted(missing, key=lambda path: len(path.parts), reverse=True):
            with suppress(OSError):
                directory.rmdir()


# --- As a person reads it -----------------------------------------------------------------------------------


def _table(report: Report, screen: Screen, *, show_all: bool) -> None:
    _configuration(report.configuration, screen)
    for destination in report.destinations:
        _destination(destination, screen)
    _sample(report.sample, screen)
    _journals(report.journals, screen, show_all=show_all)
    screen.line()
    style = "green" if report.verdict.exit_code == 0 else "red" if report.verdict.exit_code == 1 else "yellow"
    screen.line(screen.style(harmless(report.verdict.line), style))


def _heading(title: str, rest: str, screen: Screen) -> None:
    screen.line(screen.style(title, "bold") + (f"  {harmless(rest)}" if rest else ""))


def _configuration(found: Settings, screen: Screen) -> None:
    _heading("configuration", "", screen)
    columns = (Column("option"), Column("value", cuts=True), Column("from", cuts=True))
    rows = [(each.name, _value(each.value), Cell(each.source, "dim")) for each in found.options]
    for line in table.lines(columns, rows, screen):
        screen.line(f"  {line}")
    if found.problems:
        screen.line("  configure() raises this; a program that begins with a span logs it, and goes on:")
    for problem in found.problems:
        screen.line(screen.style(f"  {harmless(problem)}", "red"))
    for note in found.notes:
        screen.line(f"  {harmless(note)}")


def _value(value: object) -> str:
    return "-" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _destination(found: Destination, screen: Screen) -> None:
    screen.line()
    _heading("destination", found.name, screen)
    for check in found.checks:
        word, style = _WORDS[check.ok]
        screen.line(f"  {screen.style(f'{word:<4}', style)}{harmless(check.what)}: {harmless(check.detail)}")


_WORDS: Final = {True: ("ok", "green"), False: ("no", "red"), None: ("?", "yellow")}


def _sample(made: Sample, screen: Screen) -> None:
    screen.line()
    if made.method:
        _heading("a sample span and its metric", "would be sent as", screen)
        screen.line(f"  {made.method} {harmless(made.url)}")
    else:
        _heading("a sample span and its metric", "would be kept as, and nothing sent", screen)
    for name, value in made.headers:
        screen.line(f"  {harmless(name)}: {harmless(value)}")
    for line in made.body.split("\n"):
        screen.line(f"  {harmless(line)}")


def _journals(found: Journals, screen: Screen, *, show_all: bool) -> None:
    screen.line()
    _heading("journals", found.directory or "none on disk", screen)
    screen.line(f"  {found.storage}: {found.lost_to_a_kill}")
    done = [] if show_all else [ledger for ledger in found.ledgers if _is_done(ledger)]
    shown = [ledger for ledger in found.ledgers if len(done) < _FEWEST_SUMMED or ledger not in done]
    if shown:
        columns = (
            Column("process"),
            Column("started"),
            Column("experiment", cuts=True),
            Column("destination", cuts=True),
            *(Column(count, right=True) for count in _COUNTS),
            Column("balances"),
        )
        for line in table.lines(columns, [_row(ledger) for ledger in shown], screen):
            screen.line(f"  {line}")
    if len(shown) < len(found.ledgers):
        recorded = sum(ledger.recorded for ledger in done)
        sums = f"recorded {recorded:,}, delivered {recorded:,}, nothing else"
        screen.line(f"  {units.counted(len(done), 'ended process')}: {sums} (--all lists them)")
    for one in found.without_ledger:
        began = f"{one.pid} {one.state}, started {units.moment(one.started_ns)}"
        words = f"{began}: no journal could be made ({one.reason}), so nothing is counted; see its log"
        screen.line(screen.style(f"  {harmless(words)}", "red"))
    for ledger in found.ledgers:
        if ledger.problem:
            screen.line(screen.style(f"  {harmless(ledger.home)}: {harmless(ledger.problem)}", "red"))


# One alone is shown as it is.
_FEWEST_SUMMED: Final = 2


def _is_done(ledger: Ledger) -> bool:
    """Whether there is no more to say of it than how much it delivered."""
    return ledger.state == "ended" and ledger.balances and ledger.recorded == ledger.delivered


def _row(ledger: Ledger) -> list[Cell | str]:
    pid = "-" if ledger.pid is None else str(ledger.pid)
    counts = [getattr(ledger, count) for count in _COUNTS]
    bad = [False, False, ledger.state != "living", True, True]
    return [
        f"{pid} {ledger.state}",
        Cell(units.moment(ledger.started_ns or None), "dim"),
        ledger.experiment_name or ledger.experiment_id or "-",
        ledger.destination or "-",
        *(Cell(str(count), "red" if count and red else "") for count, red in zip(counts, bad, strict=True)),
        "yes" if ledger.balances else Cell("no", "red"),
    ]
