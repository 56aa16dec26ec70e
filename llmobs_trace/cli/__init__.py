"""A command line comes in, data goes out on stdout, talk on stderr, and an exit code back; the main thread.

Exit codes: 0 done; 1 no (unknown id, a comparison that fails, events undelivered); 2 misuse; 3 can't tell (as
with a store that can't be read). A command is a module of this package, imported when it is called, with

    add_arguments(parser)         its arguments, description and examples
    run(arguments, screen) -> int its work

and a line in `COMMANDS`.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from typing import Final, Protocol, cast

from llmobs_trace.cli.screen import Screen
from llmobs_trace.errors import ConfigurationError, LLMObsTraceError

PROGRAM: Final = "llmobs-trace"
DONE, NO, MISUSE, CANNOT_TELL = 0, 1, 2, 3
# As a shell says of a program that ended by SIGINT, and of one that wrote to a closed pipe: neither was done.
INTERRUPTED, PIPE_CLOSED = 130, 141

# Name → (module, what it does).
COMMANDS: Final[dict[str, tuple[str, str]]] = {
    "demo": ("llmobs_trace.cli.demo", "run a real small experiment on the local store, offline"),
    "experiments": ("llmobs_trace.cli.experiments", "list the experiments in the local store"),
    "show": ("llmobs_trace.cli.show", "show one experiment: rows as trees, metrics, errors"),
    "compare": ("llmobs_trace.cli.compare", "judge one experiment against another, row by row"),
    "export": ("llmobs_trace.cli.export", "write one experiment as JSON lines, request bodies, CSV or pages"),
    "serve": (
        "llmobs_trace.cli.serve",
        "receive experiments as the endpoint does, and show them in a browser",
    ),
    "resend": ("llmobs_trace.cli.resend", "deliver what ended processes left behind"),
    "doctor": ("llmobs_trace.cli.doctor", "check the set-up without sending data, and whether all arrived"),
}


class Command(Protocol):
    """What a command's module has."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None: ...

    def run(self, arguments: argparse.Namespace, screen: Screen) -> int: ...


class Refusal(Exception):
    """A command can't go on: what to say, and the exit code."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


def main(argv: list[str] | None = None) -> int:
    """Run one command; gives its exit code and lets nothing out but what the interpreter itself raises.

    >>> main(["experiments", "--format", "json", "--database", "/tmp/nothing/here.db"])
    3
    """
    words = sys.argv[1:] if argv is None else argv
    screen = Screen(sys.stdout, sys.stderr, os.environ)
    try:
        code = _dispatch(words, screen)
        screen.flush()
        return code
    except BrokenPipeError:
        screen.abandon_stdout()
        return PIPE_CLOSED
    except KeyboardInterrupt:
        return INTERRUPTED
    except Refusal as refusal:
        screen.say(f"{PROGRAM}: {refusal}")
        return refusal.code
    except LLMObsTraceError as error:
        screen.say(f"{PROGRAM}: {error}")
        return _code_of(error)
    except OSError as error:
        screen.say(f"{PROGRAM}: {error}")
        return NO


def _dispatch(words: list[str], screen: Screen) -> int:
    try:
        return _run(words, screen)
    except SystemExit as leave:  # argparse: 0 after --help, 2 after misuse
        return leave.code if isinstance(leave.code, int) else MISUSE


def _run(words: list[str], screen: Screen) -> int:
    if not words:
        screen.say(_overview().format_help().rstrip(), raw=True)
        return MISUSE
    name, rest = words[0], words[1:]
    if name not in COMMANDS:
        if not name.startswith("-"):
            raise Refusal(
                f'there is no command "{name}"{_nearest(name)}; {PROGRAM} --help lists them', MISUSE
            )
        _overview().parse_args(words[:1])
        raise Refusal(f"name a command first; {PROGRAM} --help lists them", MISUSE)
    module, does = COMMANDS[name]
    command = cast(Command, importlib.import_module(module))
    parser = argparse.ArgumentParser(
        prog=f"{PROGRAM} {name}",
        description=does[0].upper() + does[1:] + ".",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    command.add_arguments(parser)
    return command.run(parser.parse_args(rest), screen)


def _overview() -> argparse.ArgumentParser:
    listed = "\n".join(f"  {name:<12} {does}" for name, (_, does) in COMMANDS.items())
    parser = argparse.ArgumentParser(
        prog=PROGRAM,
        usage=f"{PROGRAM} COMMAND [options]",
        description=f"Trace LLM experiments, and look at them.\n\ncommands:\n{listed}",
        epilog=(
            f"{PROGRAM} COMMAND --help shows a command's options, with examples.\n"
            "An ID may be how one begins, a name, `latest`, or `latest~1` for the one before.\n"
            "Exit codes: 0 done, 1 no, 2 misuse, 3 can't tell."
        ),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=_version())
    return parser


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return f"{PROGRAM} {version('llmobs-trace')}"
    except PackageNotFoundError:
        return f"{PROGRAM} (from a source tree that is not installed)"


def _nearest(name: str) -> str:
    from difflib import get_close_matches

    near = get_close_matches(name, COMMANDS, n=1)
    return f", did you mean {near[0]}?" if near else ""


def _code_of(error: LLMObsTraceError) -> int:
    if isinstance(error, ConfigurationError):
        return MISUSE
    from llmobs_trace.local.queries import AmbiguousExperiment, UnknownExperiment

    if isinstance(error, UnknownExperiment):
        return NO
    return MISUSE if isinstance(error, AmbiguousExperiment) else CANNOT_TELL
