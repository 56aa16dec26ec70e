"""Runs the command that a command line names, and answers with its exit code; on the main thread.

Data goes to stdout, talk to stderr. Exit codes: 0 done; 1 no (unknown id, a comparison that fails, events
undelivered); 2 misuse; 3 can't tell (as with a store that can't be read).

`commands` lists them; what they share stands in `command_line/` and `terminal/`.
"""

from __future__ import annotations

import argparse
import os
import sys

from llmobs_trace import __version__
from llmobs_trace.cli.command_line.arguments import with_signs
from llmobs_trace.cli.command_line.exits import (
    CANNOT_TELL,
    INTERRUPTED,
    MISUSE,
    NO,
    PIPE_CLOSED,
    PROGRAM,
    Refusal,
)
from llmobs_trace.cli.commands import COMMANDS
from llmobs_trace.cli.terminal.screen import Screen
from llmobs_trace.errors import ConfigurationError, LLMObsTraceError


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
    load, does = COMMANDS[name]
    command = load()
    parser = argparse.ArgumentParser(
        prog=f"{PROGRAM} {name}",
        description=does[0].upper() + does[1:] + ".",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    command.add_arguments(parser)
    return command.run(parser.parse_args(with_signs(rest)), screen)


def _overview() -> argparse.ArgumentParser:
    listed = "\n".join(f"  {name:<12} {does}" for name, (_, does) in COMMANDS.items())
    parser = argparse.ArgumentParser(
        prog=PROGRAM,
        usage=f"{PROGRAM} COMMAND [options]",
        description=f"Trace LLM experiments, and look at them.\n\ncommands:\n{listed}",
        epilog=(
            f"{PROGRAM} COMMAND --help shows a command's options, with examples.\n"
            "An ID may be the beginning of an id, a name, `latest`, or `latest~1` for the one before.\n"
            "Exit codes: 0 done, 1 no, 2 misuse, 3 can't tell."
        ),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"{PROGRAM} {__version__}")
    return parser


def _nearest(name: str) -> str:
    from difflib import get_close_matches

    near = get_close_matches(name, COMMANDS, n=1)
    return f", did you mean {near[0]}?" if near else ""


def _code_of(error: LLMObsTraceError) -> int:
    if isinstance(error, ConfigurationError):
        return MISUSE
    from llmobs_trace.store.queries import AmbiguousExperiment, UnknownExperiment

    if isinstance(error, UnknownExperiment):
        return NO
    return MISUSE if isinstance(error, AmbiguousExperiment) else CANNOT_TELL
