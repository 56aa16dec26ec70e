"""The arguments that commands share, and the store they name; the main thread."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from llmobs_trace.options import BY_NAME
from llmobs_trace.places import default_databases

if TYPE_CHECKING:
    from llmobs_trace.cli.screen import Screen
    from llmobs_trace.local.store import Store

# What an argument that names an experiment may be.
EXPERIMENT: Final = "an experiment's id, how it begins, its name, `latest`, or `latest~1` for the one before"


def add_database(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--database",
        metavar="PATH",
        type=_path,
        help="the local store (default: LLMOBS_TRACE_DATABASE, or .llmobs/experiments.db here)",
    )


def add_experiment(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("experiment", metavar="ID", type=_id, help=EXPERIMENT)


def add_format(parser: argparse.ArgumentParser, choices: Sequence[str], *, default: str | None) -> None:
    parser.add_argument(
        "--format",
        choices=choices,
        default=default,
        required=default is None,
        help=f"one of: {', '.join(choices)}" + (f" (default: {default})" if default else ""),
    )


def examples(parser: argparse.ArgumentParser, *lines: tuple[str, str]) -> None:
    """What `--help` ends with: command lines and what they are for."""
    shown = "\n".join(f"  {command}\n      {purpose}" for command, purpose in lines)
    parser.epilog = f"examples:\n{shown}"


def database(arguments: argparse.Namespace) -> Path:
    """Where the store is, whether or not it is there."""
    if arguments.database is not None:
        return Path(arguments.database)
    from llmobs_trace.config import find_database

    return find_database(os.environ)


@contextmanager
def reading(arguments: argparse.Namespace, screen: Screen) -> Iterator[Store]:
    """The store, open to be read: all that is asked within the block sees it as it was at one moment."""
    from llmobs_trace.errors import StoreError
    from llmobs_trace.local.store import Store

    path = database(arguments)
    if not path.exists():
        hint = (
            ""
            if arguments.database is not None
            else "; llmobs-trace demo makes one, --database names another"
        )
        raise StoreError(f"there is no store at {path}{hint}")
    is_named = arguments.database is not None or any(map(os.environ.get, BY_NAME["database"].environment))
    if not is_named and path in default_databases(os.environ)[1:]:
        screen.say(f"there is no store here: this is {path}")
    with Store(path, read_only=True) as store, store.snapshot():
        yield store


def _path(text: str) -> Path:
    if not text:
        raise argparse.ArgumentTypeError("expected the path of a file, given nothing")
    return Path(text)


def _id(text: str) -> str:
    if not text:
        raise argparse.ArgumentTypeError("expected an id, given nothing")
    return text
