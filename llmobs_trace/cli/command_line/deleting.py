"""Asks before experiments are deleted, deletes them and says so; on the main thread."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence

from llmobs_trace.cli.command_line.exits import MISUSE, Refusal
from llmobs_trace.cli.terminal import units
from llmobs_trace.cli.terminal.screen import Screen
from llmobs_trace.cli.terminal.text import harmless
from llmobs_trace.store import removal
from llmobs_trace.store.queries import Experiment
from llmobs_trace.store.store import Store


def add_yes(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--yes", action="store_true", help="do not ask; needed where no person is there to be asked"
    )


def asked(arguments: argparse.Namespace, screen: Screen, found: Sequence[Experiment]) -> bool:
    """Whether they may be deleted. Raises `Refusal` where nobody said so, nor can."""
    if arguments.yes:
        return True
    if not screen.is_a_persons or sys.stdin is None or not sys.stdin.isatty():
        raise Refusal("nothing was deleted: there is nobody to ask here; say --yes", MISUSE)
    screen.lines(told(found))
    screen.line(f"Delete {'it' if len(found) == 1 else f'all {len(found)}'} for good? [y/N]")
    screen.flush()
    if sys.stdin.readline().strip().lower() in ("y", "yes"):
        return True
    screen.say("nothing was deleted")
    return False


def told(found: Sequence[Experiment]) -> Iterator[str]:
    """A line for each."""
    for each in found:
        named = f" {each.name}" if each.name else ""
        yield harmless(
            f"{each.id}{named}: {units.counted(each.rows, 'row')}, {units.counted(each.spans, 'span')},"
            f" {units.counted(each.metrics, 'metric')}, began {units.moment(each.began_ns)}"
        )


def deleted(store: Store, found: Sequence[Experiment], screen: Screen) -> None:
    """Delete them for good, and what a page deleted long enough ago."""
    total = sum(each.spans + each.metrics for each in found)
    steps = (count for each in found for count in removal.remove(store, each.id))
    each_event = (None for count in steps for _ in range(count))
    for _ in screen.progress(each_event, total, "events deleted"):
        pass
    for _ in removal.remove_expired(store):
        pass
    screen.say(f"deleted {units.counted(len(found), 'experiment')}")
