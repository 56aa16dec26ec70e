"""Runs `llmobs-trace run`, which runs the experiments of a file; on the main thread."""

from __future__ import annotations

import argparse
import importlib.util
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llmobs_trace.cli.command_line.arguments import add_format, examples
from llmobs_trace.cli.command_line.exits import DONE, INTERRUPTED, MISUSE, Refusal
from llmobs_trace.cli.terminal.screen import Screen

if TYPE_CHECKING:
    from llmobs_trace.experiment.experiment import Experiment
    from llmobs_trace.experiment.gate import Bound, GateVerdict
    from llmobs_trace.experiment.result import Result


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "file", metavar="FILE.py[:NAME]", help="where the experiments are, and which is meant"
    )
    parser.add_argument("--jobs", metavar="N", type=int, default=8, help="rows at once (default: 8)")
    parser.add_argument("--repeats", metavar="N", type=int, help="how often each row is run")
    parser.add_argument("--limit", metavar="N", type=int, help="only the first N rows")
    parser.add_argument(
        "--row", metavar="ID", action="append", help="only this row; may be given several times"
    )
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--fresh", action="store_true", help="begin anew, whatever is unfinished")
    which.add_argument("--resume", metavar="ID", help="go on with this unfinished run")
    parser.add_argument("--dry-run", action="store_true", help="say what would run, and run nothing")
    parser.add_argument(
        "--gate",
        metavar="CONDITION",
        action="append",
        default=[],
        type=_gate,
        help='what must hold, as "exact_match>=0.8" or "row errors<=0.02"',
    )
    parser.add_argument("--baseline", metavar="ID", help="the experiment to compare with")
    parser.add_argument("--fail-if-worse", action="store_true", help="exit with 1 if it is worse than that")
    parser.add_argument("--fail-if-unsure", action="store_true", help="exit with 3 if that can't be told")
    add_format(parser, ("table", "json", "markdown"), default="table")
    examples(
        parser,
        ("llmobs-trace run capitals.py", "every experiment in the file; killed, the same command goes on"),
        ("llmobs-trace run capitals.py:experiment --limit 5", "the first rows of one of them"),
        ('llmobs-trace run capitals.py --gate "exact_match>=0.8"', "exit code 1 if it is less, 3 if unsure"),
        ("llmobs-trace run capitals.py --baseline latest --fail-if-worse", "1 if worse than the one before"),
    )


_CONDITION = re.compile(r"\s*(?P<name>.+?)\s*(?P<sign>>=|<=)\s*(?P<limit>[-+0-9.eE]+)\s*")


def _gate(text: str) -> tuple[str, Bound]:
    from llmobs_trace.experiment.gate import at_least, at_most

    found = _CONDITION.fullmatch(text)
    try:
        if found is None:
            raise ValueError
        bound = (at_least if found["sign"] == ">=" else at_most)(float(found["limit"]))
    except ValueError:
        raise argparse.ArgumentTypeError(
            f'expected a label, >= or <=, and a number, as "exact_match>=0.8", given {text!r}'
        ) from None
    return found["name"], bound


def run(arguments: argparse.Namespace, screen: Screen) -> int:
    from llmobs_trace.experiment.interrupted import ExperimentInterrupted

    codes = []
    for experiment in _found(arguments.file):
        if arguments.repeats is not None:
            experiment = experiment.repeated(arguments.repeats)
        resume: Any = False if arguments.fresh else arguments.resume or "auto"
        chosen = {"limit": arguments.limit, "row_ids": arguments.row, "resume": resume}
        if arguments.dry_run:
            screen.line(f"{experiment.name}: {experiment.plan(**chosen)}")
            continue
        try:
            result = experiment.run(jobs=arguments.jobs, **chosen)
        except ExperimentInterrupted:
            return INTERRUPTED  # what there is to say was said
        baseline = arguments.baseline or experiment.baseline
        verdict = None
        if arguments.gate or baseline is not None:
            verdict = result.gate(
                dict(arguments.gate),
                baseline=baseline,
                fail_if_worse=arguments.fail_if_worse,
                fail_if_unsure=arguments.fail_if_unsure,
            )
        _tell(result, verdict, arguments.format, screen)
        codes.append(result.exit_code or (verdict.exit_code if verdict is not None else DONE))
    # A failure counts before a doubt.
    return min((code for code in codes if code), default=DONE)


def _found(given: str) -> list[Experiment]:
    """The experiments of a file; the program in it is not run as one."""
    from llmobs_trace.experiment.experiment import Experiment

    path, _, name = given.partition(".py:")
    file = Path(f"{path}.py" if name else given)
    if not file.is_file():
        raise Refusal(f"there is no file {file}", MISUSE)
    module = _loaded(file.resolve())
    found = {key: value for key, value in vars(module).items() if isinstance(value, Experiment)}
    chosen = [each for key, each in found.items() if name in ("", key, each.name)]
    if not chosen:
        listed = ", ".join(found) or "none"
        which = (
            f"no experiment {name!r} in {file}; there are: {listed}" if name else f"no experiment in {file}"
        )
        raise Refusal(which, MISUSE)
    return list({id(each): each for each in chosen}.values())


def _loaded(file: Path) -> Any:
    spec = importlib.util.spec_from_file_location(file.stem, file)
    if spec is None or spec.loader is None:
        raise Refusal(f"{file} is no Python file", MISUSE)
    module = importlib.util.module_from_spec(spec)
    # Workers that are started import it by its name, as it imports what is beside it.
    sys.path.insert(0, str(file.parent))
    sys.modules[file.stem] = module
    spec.loader.exec_module(module)
    return module


def _tell(result: Result, verdict: GateVerdict | None, form: str, screen: Screen) -> None:
    gates = [] if verdict is None else list(verdict.lines)
    if form == "json":
        import msgspec

        told = {
            "experiment_id": result.experiment_id,
            "name": result.name,
            "status": result.status,
            "why": result.why,
            "rows": result.row_count,
            "done": result.done,
            "failed": result.failed,
            "left": result.left,
            "scores": result.scores,
            "summary": result.summary,
            "verdict": None if verdict is None else verdict.outcome,
            "gates": gates,
        }
        screen.data(msgspec.json.format(msgspec.json.encode(told), indent=2) + b"\n")
    elif form == "markdown":
        rows = f"{result.done:,} of {result.row_count:,} rows, {result.failed:,} failed"
        screen.data(f"### {result.name}: {result.status}, {rows}\n\n".encode())
        screen.data(b"| score | |\n|---|---|\n")
        for label, score in result.scores.items():
            screen.data(f"| `{label}` | {score} |\n".encode())
        for line in gates:
            screen.data(f"\n- {line}".encode())
        screen.data(b"\n")
    else:
        for line in gates:
            screen.line(line)
