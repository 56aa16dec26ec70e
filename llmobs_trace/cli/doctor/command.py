"""Runs `llmobs-trace doctor`, which says how the set-up and the journals stand; on the main thread.

Sends no event, and writes none. To see whether a place can be written, it writes there as `configure` does.
"""

from __future__ import annotations

import argparse
import json
import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct, structs

from llmobs_trace.cli.command_line.arguments import add_database, add_format, examples
from llmobs_trace.cli.command_line.exits import MISUSE, Refusal
from llmobs_trace.cli.doctor import ledgers, reach, sample, settings, verdict
from llmobs_trace.cli.doctor.ledgers import Journals, ProcessLedger
from llmobs_trace.cli.doctor.reach import CheckedDestination
from llmobs_trace.cli.doctor.sample import Sample
from llmobs_trace.cli.doctor.settings import SettingsInForce
from llmobs_trace.cli.doctor.verdict import Diagnosis
from llmobs_trace.cli.resend import routes
from llmobs_trace.cli.terminal import table, units
from llmobs_trace.cli.terminal.screen import Screen
from llmobs_trace.cli.terminal.table import Cell, Column
from llmobs_trace.cli.terminal.text import harmless
from llmobs_trace.errors import ConfigurationError
from llmobs_trace.experiment.keeping import KEPT_DAYS, RunsOnDisk, on_disk
from llmobs_trace.settings.config import find_journal
from llmobs_trace.settings.places import default_databases, default_journal, state_directory

_JOURNAL: Final = "LLMOBS_TRACE_JOURNAL"
_DATABASE: Final = "LLMOBS_TRACE_DATABASE"
_COUNTS: Final = ("recorded", "delivered", "pending", "rejected", "dropped")


class Report(Struct, frozen=True):
    """Everything the doctor says, as `--format json` gives it."""

    configuration: SettingsInForce
    destinations: list[CheckedDestination]
    sample: Sample
    journals: Journals
    runs: RunsOnDisk | None  # None: this user has no directory for them
    verdict: Diagnosis


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_format(parser, ("table", "json"), default="table")
    parser.add_argument(
        "--journal",
        metavar="DIR",
        type=Path,
        help="read this directory of journals, such as one copied from another machine (default: the"
        " configured one)",
    )
    parser.add_argument(
        "--all",
        action="store_true",
        help="print a line for each ended process (default: those that delivered everything share one)",
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
    if arguments.journal is not None and not os.path.isdir(arguments.journal):
        raise Refusal(f"--journal: expected a directory of journals, given {arguments.journal}", MISUSE)
    with _leaving_no_directory(os.environ):
        report = _examine(arguments.journal, arguments.database)
    if arguments.format == "json":
        screen.data(_json(report))
    else:
        _table(report, screen, show_all=arguments.all)
    return report.verdict.exit_code


def _json(report: Report) -> bytes:
    try:
        return msgspec.json.format(msgspec.json.encode(report), indent=2) + b"\n"
    except UnicodeEncodeError:  # a path is no text, as under a directory whose name is not UTF-8
        return json.dumps(msgspec.to_builtins(report), indent=2).encode("ascii") + b"\n"


def _examine(journal: Path | None, database: Path | None) -> Report:
    environ = dict(os.environ)
    asked = journal if journal is not None else _asked(environ)
    was_there = asked is None or _may_be_there(asked)
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
    waiting = ledgers.waiting(journals, config.max_journal_bytes, config.segment_bytes)
    journals = structs.replace(journals, is_there=was_there and journals.is_there, waiting=waiting)
    resending = verdict.Resending(
        None if journal is None else str(journal),
        config.api_key is not None and config.app_key is not None,
        config.base_url,
        routes.stores_to_allow(_left_for(journals), config),
    )
    judged = verdict.judge(journals, destinations, configuration.problems, resending)
    return Report(configuration, destinations, sample.make(config), journals, _runs(), judged)


def _runs() -> RunsOnDisk | None:
    """What experiments' runs take, wherever their events go."""
    state = state_directory(os.environ)
    return None if state is None else on_disk(state / "runs")


def _left_for(journals: Journals) -> set[str]:
    """The destinations that events of ended processes wait for."""
    left = [each for each in journals.ledgers if each.pending and each.state != "living"]
    return {each.destination for each in left if each.destination}


def _may_be_there(directory: Path) -> bool:
    """Whether it is a directory, or in one that can't be looked into."""
    try:
        return stat.S_ISDIR(os.stat(directory).st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True


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
    # Not `Path.exists`, which raises where a directory above can't be looked into.
    missing = [directory for directory in above if not os.path.exists(directory)]
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
    if report.runs is not None and report.runs.runs:
        screen.line()
        _heading("runs of experiments", report.runs.directory, screen)
        kept = f"{units.counted(report.runs.runs, 'run')}, {units.size(report.runs.disk_bytes)}"
        screen.line(f"  {kept}; finished ones go {KEPT_DAYS} days after their end (llmobs-trace runs --all)")
    screen.line()
    style = "green" if report.verdict.exit_code == 0 else "red" if report.verdict.exit_code == 1 else "yellow"
    screen.line(screen.style(harmless(report.verdict.line), style))


def _heading(title: str, rest: str, screen: Screen) -> None:
    screen.line(screen.style(title, "bold") + (f"  {harmless(rest)}" if rest else ""))


def _configuration(found: SettingsInForce, screen: Screen) -> None:
    _heading("configuration", "", screen)
    columns = (Column("option"), Column("value", cuts=True), Column("from", cuts=True))
    rows = [(each.name, _value(each.value), Cell(each.source, "dim")) for each in found.options]
    screen.lines(table.lines(columns, rows, screen), "  ")
    if found.problems:
        screen.line("  configure() raises this; a program that does not call it logs this, and goes on:")
    for problem in found.problems:
        screen.line(screen.style(f"  {harmless(problem)}", "red"))
    screen.lines(map(harmless, found.notes), "  ")


def _value(value: object) -> str:
    return "-" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _destination(found: CheckedDestination, screen: Screen) -> None:
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
    screen.lines(map(harmless, made.body.split("\n")), "  ")


def _journals(found: Journals, screen: Screen, *, show_all: bool) -> None:
    screen.line()
    _heading("journals", found.directory or "none on disk", screen)
    screen.line(f"  {found.storage}: {found.lost_to_a_kill}")
    for each in found.waiting:
        of = f"{units.size(each.disk_bytes)} of the {units.size(each.max_journal_bytes)} of max_journal_bytes"
        full = ": it is full, and new events are refused and counted as dropped" if each.is_full else ""
        line = f"  waiting for {harmless(each.destination)}: {of}{full}"
        screen.line(screen.style(line, "red") if full else line)
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
        screen.lines(table.lines(columns, [_row(ledger) for ledger in shown], screen), "  ")
    if len(shown) < len(found.ledgers):
        recorded = sum(ledger.recorded for ledger in done)
        sums = f"recorded {recorded:,}, delivered {recorded:,}, nothing else"
        screen.line(f"  {units.counted(len(done), 'ended process')}: {sums} (--all lists them)")
    if found.of_other_users:
        theirs = units.counted(found.of_other_users, "journal")
        screen.line(f"  {theirs} of other users, which only they can look into")
    for one in found.without_ledger:
        began = f"{one.pid} {one.state}, started {units.moment(one.started_ns)}"
        words = f"{began}: no journal could be made ({one.reason}), so nothing is counted; see its log"
        screen.line(screen.style(f"  {harmless(words)}", "red"))
    for ledger in found.ledgers:
        if ledger.problem:
            screen.line(screen.style(f"  {harmless(ledger.home)}: {harmless(ledger.problem)}", "red"))


# One alone is shown as it is.
_FEWEST_SUMMED: Final = 2


def _is_done(ledger: ProcessLedger) -> bool:
    """Whether there is no more to say of it than how much it delivered."""
    return ledger.state == "ended" and ledger.balances and ledger.recorded == ledger.delivered


def _row(ledger: ProcessLedger) -> list[Cell | str]:
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
