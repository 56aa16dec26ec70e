"""Lists the commands; on the main thread.

A command is a module of its name, or `command.py` in a folder of its name, with

    add_arguments(parser)         its arguments, description and examples
    run(arguments, screen) -> int its work

and a line in `COMMANDS`.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Final, Protocol

from llmobs_trace.cli.terminal.screen import Screen


class Command(Protocol):
    """What a command's module has."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None: ...

    def run(self, arguments: argparse.Namespace, screen: Screen) -> int: ...


# A command is imported when it is called: by a statement, which tools that pack a program follow.


def _demo() -> Command:
    from llmobs_trace.cli import demo

    return demo


def _experiments() -> Command:
    from llmobs_trace.cli import experiments

    return experiments


def _show() -> Command:
    from llmobs_trace.cli.show import command

    return command


def _compare() -> Command:
    from llmobs_trace.cli.compare import command

    return command


def _export() -> Command:
    from llmobs_trace.cli.export import command

    return command


def _run() -> Command:
    from llmobs_trace.cli import run

    return run


def _runs() -> Command:
    from llmobs_trace.cli import runs

    return runs


def _serve() -> Command:
    from llmobs_trace.cli import serve

    return serve


def _resend() -> Command:
    from llmobs_trace.cli.resend import command

    return command


def _publish() -> Command:
    from llmobs_trace.cli import publish

    return publish


def _reconcile() -> Command:
    from llmobs_trace.cli import reconcile

    return reconcile


def _rename() -> Command:
    from llmobs_trace.cli import rename

    return rename


def _note() -> Command:
    from llmobs_trace.cli import note

    return note


def _delete() -> Command:
    from llmobs_trace.cli import delete

    return delete


def _prune() -> Command:
    from llmobs_trace.cli import prune

    return prune


def _doctor() -> Command:
    from llmobs_trace.cli.doctor import command

    return command


def _manual() -> Command:
    from llmobs_trace.cli import manual

    return manual


# Name → (its module, what it does).
COMMANDS: Final[dict[str, tuple[Callable[[], Command], str]]] = {
    "demo": (_demo, "run a real small experiment on the local store, offline"),
    "run": (_run, "run the experiments of a file; what was begun goes on"),
    "runs": (_runs, "list the runs that are not finished, and what is left of each"),
    "experiments": (_experiments, "list the experiments in the local store"),
    "show": (_show, "show one experiment: rows as trees, metrics, errors"),
    "compare": (_compare, "judge one experiment against another, row by row"),
    "export": (_export, "write one experiment as JSON lines, request bodies, tables or pages"),
    "serve": (_serve, "receive experiments as the endpoint does, and show them in a browser"),
    "publish": (_publish, "send an experiment of the local store to Datadog"),
    "reconcile": (_reconcile, "compare an experiment with what Datadog has of it"),
    "rename": (_rename, "give an experiment in the local store another name"),
    "note": (_note, "write a note on an experiment in the local store"),
    "delete": (_delete, "delete experiments from the local store"),
    "prune": (_prune, "delete experiments of which nothing came for a long time"),
    "resend": (_resend, "deliver what ended processes left behind"),
    "doctor": (_doctor, "check the set-up without sending data, and whether all arrived"),
    "manual": (_manual, "show a page of the manual, or the list of them"),
}
