"""Runs `llmobs-trace compare`, which judges one experiment against another; on the main thread."""

from __future__ import annotations

import argparse
import math
from typing import Final

import msgspec

from llmobs_trace.cli.command_line.arguments import EXPERIMENT, add_database, add_format, examples
from llmobs_trace.cli.command_line.exits import CANNOT_TELL, DONE, MISUSE, NO, Refusal
from llmobs_trace.cli.command_line.stores import reading
from llmobs_trace.cli.compare import flipped, markdown, table
from llmobs_trace.cli.terminal.screen import Screen
from llmobs_trace.compare import OPTION_OF, Comparison, Options, UnknownLabel, compare
from llmobs_trace.compare.direction import Told


def add_arguments(parser: argparse.ArgumentParser) -> None:
    for name, what in (("a", "what B is compared with"), ("b", "what is judged")):
        parser.add_argument(name, metavar=name.upper(), help=f"{what}: {EXPERIMENT}")
    parser.add_argument(
        "--fail-if-worse", action="store_true", help="exit with 1 if B is worse in any metric that decides"
    )
    parser.add_argument(
        "--fail-if-unsure", action="store_true", help="exit with 3 if that can't be told of one of them"
    )
    for option, what in _DIRECTIONS:
        parser.add_argument(
            option,
            metavar="LABEL",
            action="append",
            default=[],
            help=f"a metric {what}; may be given several times",
        )
    parser.add_argument(
        "--judge",
        metavar="METRIC",
        action="append",
        default=[],
        help="let what rows took decide, too: cost_usd, input_tokens, output_tokens or latency;"
        " less of it is better",
    )
    parser.add_argument(
        "--margin",
        metavar="[LABEL=]M",
        action="append",
        type=_margin,
        default=[],
        help="count smaller differences as none: a share of the scale, or in LABEL's unit (default: 0.05)",
    )
    add_format(parser, ("table", "json", "markdown"), default="table")
    add_database(parser)
    examples(
        parser,
        ("llmobs-trace compare latest~1 latest", "the latest experiment against the one before"),
        (
            "llmobs-trace compare latest~1 latest --fail-if-worse",
            "a gate: the exit code is 1 if it got worse",
        ),
        (
            "llmobs-trace compare latest~1 latest --lower-is-better toxicity --margin toxicity=0.1",
            "less is better, and differences below 0.1 count as none",
        ),
        (
            "llmobs-trace compare latest~1 latest --judge cost_usd --margin cost_usd=0.1",
            "what it costs decides, too: more than 10% dearer is worse",
        ),
        ("llmobs-trace compare latest~1 latest --format markdown", "a comment for a pull request"),
    )
    parser.epilog = f"{_VERDICTS}\n\n{parser.epilog}"


_DIRECTIONS: Final = (
    ("--lower-is-better", "of which less is better, whatever its records say"),
    ("--higher-is-better", "of which more is better, whatever its records say"),
    ("--not-judged", "that is shown and decides nothing"),
)
_VERDICTS: Final = """\
Rows are paired by their row ids. Verdicts, of B against A:
  better, worse  B differs by more than chance explains (false alarms: 5%, for all metrics together)
  no different   the difference is surely within the margin
  cannot tell    too few rows for either; the number of rows that would settle it is given
  not judged     nobody said whether more or less is better, and the name (cost, latency, tokens,
                 errors, toxicity and the like) leaves it open
A verdict holds for every score that rows which failed or are missing on one side could have had."""


def run(arguments: argparse.Namespace, screen: Screen) -> int:
    options = _options(arguments)
    with reading(arguments, screen, arguments.a, arguments.b) as store:
        try:
            comparison = compare(
                store,
                arguments.a,
                arguments.b,
                options,
                watch=lambda metrics: screen.progress(metrics, None, "metrics read"),
            )
        except UnknownLabel as error:
            raise Refusal(str(error), MISUSE) from None
        flips = flipped.flipped(store, comparison) if arguments.format == "table" else {}
    if arguments.format == "json":
        screen.data(msgspec.json.format(msgspec.json.encode(comparison), indent=2) + b"\n")
    elif arguments.format == "markdown":
        for line in markdown.lines(comparison):
            screen.data(line.encode("utf-8", "backslashreplace") + b"\n")
    else:
        screen.lines(table.lines(comparison, screen, flips))
    if not comparison.rows.paired:
        screen.say("llmobs-trace compare: the two have no row in common; rows are paired by their row ids")
    return _code(comparison, arguments)


def _code(comparison: Comparison, arguments: argparse.Namespace) -> int:
    if comparison.verdict == "worse" and arguments.fail_if_worse:
        return NO
    # Also beside something that is worse, where that alone is no failure.
    unsure = any(
        metric.verdict == "cannot tell" and metric.decides and metric.weighs for metric in comparison.metrics
    )
    if (unsure or comparison.verdict == "cannot tell") and arguments.fail_if_unsure:
        return CANNOT_TELL
    return DONE


def _options(arguments: argparse.Namespace) -> Options:
    directions: dict[str, Told] = {}
    for told, option in OPTION_OF.items():
        for label in getattr(arguments, option.removeprefix("--").replace("-", "_")):
            if directions.setdefault(label, told) != told:
                raise Refusal(f"{OPTION_OF[directions[label]]} and {option} both name {label}", MISUSE)
    plain = [margin for label, margin in arguments.margin if label is None]
    return Options(
        directions=directions,
        margin=plain[-1] if plain else None,
        margins={label: margin for label, margin in arguments.margin if label is not None},
        judge=frozenset(arguments.judge),
    )


def _margin(text: str) -> tuple[str | None, float]:
    label, equals, number = text.rpartition("=")
    try:
        margin = float(number)
    except ValueError:
        margin = math.nan
    if not (0 <= margin < math.inf) or (equals and not label) or (not equals and margin > 1):
        raise argparse.ArgumentTypeError(
            "expected a share of the scale, from 0 to 1, or LABEL=number in the metric's own unit,"
            f' given "{text}"'
        )
    return (label if equals else None), margin
