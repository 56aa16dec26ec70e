"""Finds the store that a command is about, opens it, and says which it is; on the main thread."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from llmobs_trace.cli.terminal.screen import Screen
from llmobs_trace.errors import StoreError
from llmobs_trace.settings.config import find_database
from llmobs_trace.settings.options import BY_NAME
from llmobs_trace.settings.places import not_ours, working_database
from llmobs_trace.store import prices, queries
from llmobs_trace.store.queries import Experiment
from llmobs_trace.store.store import Store


def database(arguments: argparse.Namespace) -> Path:
    """Where the store is, whether or not it is there."""
    if arguments.database is not None:
        return Path(arguments.database)
    return find_database(os.environ)


def say_where(arguments: argparse.Namespace, path: Path, screen: Screen) -> None:
    """Say which store it is where nobody named it and it isn't the one in the working directory, and why."""
    is_named = arguments.database is not None or any(map(os.environ.get, BY_NAME["database"].environment))
    if is_named or path == working_database():
        return
    foreign = not_ours(working_database())
    reason = "there is no store here" if foreign is None else f"{foreign}, so it is not used"
    screen.say(f"{reason}; using {path}")


@contextmanager
def reading(arguments: argparse.Namespace, screen: Screen, *asked: str) -> Iterator[Store]:
    """The store, open to be read: all that is asked within the block sees it as it was at one moment.

    Of the experiments that are `asked` about, the costs are worked out first, as far as that can be.
    """
    path = database(arguments)
    say_where(arguments, path, screen)
    if not path.exists():
        hint = (
            ""
            if arguments.database is not None
            else "; llmobs-trace demo makes one, --database names another"
        )
        raise StoreError(f"there is no store at {path}{hint}")
    with Store(path, read_only=True) as store:
        for each in asked:
            _price(store, each, screen)
        with store.snapshot():
            yield store


def found_of(arguments: argparse.Namespace, screen: Screen, asked: Sequence[str]) -> list[Experiment]:
    """The experiments that are asked for, each once."""
    with reading(arguments, screen) as store:
        found = [queries.find_experiment(store, each) for each in asked]
    return list({each.id: each for each in found}.values())


def _price(store: Store, asked: str, screen: Screen) -> None:
    try:
        experiment_id = queries.find_experiment(store, asked).id
        if prices.are_unread(store):
            Store(store.path).close()  # reads them
        count = prices.waiting(store, experiment_id)
        if count:
            with Store(store.path) as to_write:
                steps = prices.work_out(to_write, experiment_id)
                each = (None for looked_at in steps for _ in range(looked_at))
                for _ in screen.progress(each, count, "costs worked out"):
                    pass
    except (queries.UnknownExperiment, queries.AmbiguousExperiment):
        pass  # the command says so
    except StoreError as error:
        screen.say(f"costs are not worked out: {error}")
