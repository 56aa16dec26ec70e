"""`llmobs-trace compare`: two experiments' ids in, a verdict for each metric out; the main thread."""

from __future__ import annotations

import argparse
import math
from typing import TYPE_CHECKING

import msgspec

from llmobs_trace.cli import CANNOT_TELL, DONE, MISUSE, NO, Refusal
from llmobs_trace.cli.arguments import EXPERIMENT, add_database, add_format, examples, reading
from llmobs_trace.cli.screen import Screen

if TYPE_CHECKING:
    from llmobs_trace.compare import Comparison, Options


def add_arguments(parser: argparse.ArgumentParser) -> None:
    for name, what in (("a", "what it is compared with"), ("b", "what is judged")):
        parser.add_argument(name, metavar=name.upper(), help=f"{what}: {EXPERIMENT}")
    parser.add_argument(
        "--fail-if-worse", action="store_true", help="exit with 1 where B is worse in any metric that decides"
    )
    parser.add_argument(
        "--fail-if-unsure", action="store_true", help="exit with 3 where that can't be told of one"
    )
    parser.add_argument(
        "--lower-is-better",
        metavar="LABEL",
        action="append",
        default=[],
        help="a metric of which less is better; may be given several times",
    )
    parser.add_argument(
        "--margin",
        metavar="[LABEL=]M",
        action="append",
        type=_margin,
        default=[],
        help="smaller differences are none: a share of the scale, or in LABEL's own unit (default: 0.05)",
    )
    add_format(parser, ("table", "json", "markdown"), default="table")
    add_database(parser)
    examples(
        parser,
        ("llmobs-trace compare latest~1 latest", "the latest experiment against the one before"),
        (
            "llmobs-trace compare latest~1 latest --fail-if-worse",
            "a gate: the exit code is 1 where it got worse",
        ),
        (
            "llmobs-trace compare latest~1 latest --lower-is-better toxicity --margin toxicity=0.1",
            "less is better, and less than 0.1 is no difference",
        ),
        ("llmobs-trace compare latest~1 latest --format markdown", "a comment for a pull request"),
    )
    parser.epilog = f"{_VERDICTS}\n\n{parser.epilog}"


_VERDICTS = """\
Rows are paired by their row ids. Verdicts, of B against A:
  better, worse  a difference that chance rarely makes (5%, for all metrics together)
  no different   it surely is within the margin
  cannot tell    neither: with the number of rows that would settle it
Rows that failed or are missing on one side could have come to anything: a verdict holds whatever they had."""


def run(arguments: argparse.Namespace, screen: Screen) -> int:
    from llmobs_trace.cli import compared_markdown, compared_table
    from llmobs_trace.compare import UnknownLabel, compare

    options = _options(arguments)
    with reading(arguments, screen) as store:
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
    if arguments.format == "json":
        screen.data(msgspec.json.format(msgspec.json.encode(comparison), indent=2) + b"\n")
    elif arguments.format == "markdown":
        for line in compared_markdown.lines(comparison):
            screen.data(line.encode("utf-8", "backslashreplace") + b"\n")
    else:
        for line in compared_table.lines(comparison, screen):
            screen.line(line)
    if not comparison.rows.paired:
        screen.say("llmobs-trace compare: the two have no row in common; rows are paired by their row ids")
    return _code(comparison, arguments)


def _code(comparison: Comparison, arguments: argparse.Namespace) -> int:
    if comparison.verdict == "worse" and arguments.fail_if_worse:
        return NO
    # Also beside something that is worse, where that alone is no failure.
    unsure = any(metric.verdict == "cannot tell" and metric.decides for metric in comparison.recorded)
    if (unsure or comparison.verdict == "cannot tell") and arguments.fail_if_unsure:
        return CANNOT_TELL
    return DONE


def _options(arguments: argparse.Namespace) -> Options:
    from llmobs_trace.compare import Options

    plain = [margin for label, margin in arguments.margin if label is None]
    return Options(
        lower_is_better=frozenset(arguments.lower_is_better),
        margin=plain[-1] if plain else None,
        margins={label: margin for label, margin in arguments.margin if label is not None},
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
