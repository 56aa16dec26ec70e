"""Adds the arguments that commands share to a command's parser; on the main thread."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from typing import Final

from llmobs_trace.cli.terminal.pager import paging
from llmobs_trace.cli.terminal.screen import Screen

# What an argument that names an experiment may be.
EXPERIMENT: Final = (
    "an experiment's id, the beginning of its id, its name, `latest`, or `latest~1` for the one before"
)

_IN_A_TERMINAL: Final = 50
ALL: Final = sys.maxsize


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


def add_limit(parser: argparse.ArgumentParser, what: str, note: str = "") -> None:
    """How much of a table that grows without end is shown, and whether through a pager."""
    parser.add_argument(
        "--limit",
        metavar="N",
        type=partial(_limit, what),
        help=f"only the first N {what}, or `all` (default: {_IN_A_TERMINAL} in a terminal, else all){note}",
    )
    parser.add_argument(
        "--no-pager",
        action="store_true",
        help="print without a pager (default: in a terminal, through PAGER or less)",
    )


def limit_of(arguments: argparse.Namespace, screen: Screen) -> int:
    """How much a person or a pipe is shown."""
    if arguments.limit is not None:
        return int(arguments.limit)
    return ALL if screen.columns is None else _IN_A_TERMINAL


def paged(arguments: argparse.Namespace, screen: Screen) -> AbstractContextManager[None]:
    """Within the block, what the screen writes goes through a pager where there is one for it."""
    if arguments.no_pager:
        return nullcontext()
    return paging(screen, os.environ)


def with_signs(words: Sequence[str]) -> list[str]:
    """`--sort -latency` as `--sort=-latency`: argparse takes a word that begins with a dash for an option."""
    joined: list[str] = []
    for word in words:
        if joined and joined[-1] == "--sort" and word[:1] == "-" and word[:2] != "--":
            joined[-1] += f"={word}"
        else:
            joined.append(word)
    return joined


def examples(parser: argparse.ArgumentParser, *lines: tuple[str, str]) -> None:
    """What `--help` ends with: command lines and what they are for."""
    shown = "\n".join(f"  {command}\n      {purpose}" for command, purpose in lines)
    parser.epilog = f"examples:\n{shown}"


def _path(text: str) -> Path:
    if not text:
        raise argparse.ArgumentTypeError("expected the path of a file, given nothing")
    return Path(text)


def _id(text: str) -> str:
    if not text:
        raise argparse.ArgumentTypeError("expected an id, given nothing")
    return text


def _limit(what: str, text: str) -> int:
    if text == "all":
        return ALL
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"expected 0 or more {what}, or all, given {text!r}")
    return int(text)
