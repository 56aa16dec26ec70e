"""Runs `llmobs-trace demo`, a real small experiment on the local store; on the main thread.

Then it shows the scores, the slowest spans, a tree, and what to type next.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Iterator

from llmobs_trace import configure, delivery_stats
from llmobs_trace.cli.command_line.arguments import add_database, examples
from llmobs_trace.cli.command_line.exits import DONE, MISUSE, NO
from llmobs_trace.cli.show import scores as score_table
from llmobs_trace.cli.show import tree as tree_lines
from llmobs_trace.cli.terminal import units
from llmobs_trace.cli.terminal.screen import Screen
from llmobs_trace.cli.terminal.table import Cell, Column
from llmobs_trace.cli.terminal.table import lines as table_lines
from llmobs_trace.cli.terminal.text import harmless
from llmobs_trace.demo.dataset import ROWS
from llmobs_trace.demo.experiment import experiment
from llmobs_trace.demo.model import MODELS
from llmobs_trace.settings.config import resolve
from llmobs_trace.store import queries
from llmobs_trace.store.forest import Tree, trees
from llmobs_trace.store.queries import StoredSpan
from llmobs_trace.store.scores import Scores
from llmobs_trace.store.store import Store

_DATASET = "facts-1"
_SLOWEST = 5
_JOBS = 4


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rows", metavar="N", type=int, default=None, help="only the first N of its 48 rows")
    parser.add_argument(
        "--model",
        choices=MODELS,
        default=MODELS[0],
        help="which of its two models answers (default: %(default)s); the other gives a second experiment",
    )
    add_database(parser)
    examples(
        parser,
        ("llmobs-trace demo", "run it, offline, in a second or two"),
        ("llmobs-trace demo --model extractive-2", "the same questions to another model"),
        ("llmobs-trace demo --rows 5", "a shorter one"),
    )


def run(arguments: argparse.Namespace, screen: Screen) -> int:
    if arguments.rows is not None and not 1 <= arguments.rows <= len(ROWS):
        screen.say(f"llmobs-trace demo: --rows takes 1 to {len(ROWS)}, given {arguments.rows}")
        return MISUSE
    # The store, whatever keys the environment holds: a demo sends nothing anywhere.
    named = {"database": arguments.database} if arguments.database is not None else {}
    options = {
        **named,
        "destination": "local",
        "sample_rate": 1.0,
        "enabled": True,
    }
    config = resolve(options, os.environ)
    if not config.enabled:
        screen.say("llmobs-trace demo: LLMOBS_TRACE_ENABLED switches recording off; a demo needs it on")
        return NO
    configure(**{**options, "database": config.database})
    rows = ROWS[: arguments.rows]
    screen.line(screen.style(f"Asking {len(rows)} questions of a small model, four at a time.", "bold"))
    began = time.perf_counter()
    name = "demo" if arguments.model == MODELS[0] else f"demo {arguments.model}"
    result = experiment(name, rows, arguments.model).run(jobs=_JOBS, progress=False)
    seconds = time.perf_counter() - began
    stats = delivery_stats()
    where = harmless(str(config.database))
    screen.line(
        f"{units.counted(len(rows), 'row')} in {seconds:.2f} s, {result.failed} raised; "
        f"{units.counted(stats.recorded, 'event')} recorded, {stats.delivered:,} stored in {where}"
    )
    if stats.pending:
        waiting = units.counted(stats.pending, "event")
        screen.say(f"not stored yet: {waiting}: {stats.last_error or 'no answer in time'}")
        return NO
    with Store(config.database, read_only=True) as store:
        _report(store, result.experiment_id, screen)
    return DONE


def _report(store: Store, experiment_id: str, screen: Screen) -> None:
    scores = Scores()
    shown: Tree | None = None
    for trace_id in queries.trace_ids(store, experiment_id):
        metrics = queries.trace_metrics(store, experiment_id, trace_id)
        for tree in trees(queries.trace(store, experiment_id, trace_id, events=True)):
            scores.add_tree(tree, metrics)
            if shown is None or (len(tree.branches) > len(shown.branches)):
                shown = tree
    _heading("Scores", "failed: the evaluator raised; missing: the row never got that far", screen)
    screen.lines(score_table.lines(scores.summary(), scores.amounts.summary(), screen))
    _heading("Slowest spans", "", screen)
    screen.lines(_slowest(list(queries.spans(store, experiment_id)), screen))
    if shown is not None:
        _heading("One row as a tree", f"row {harmless(shown.first.row_id or '')}", screen)
        metrics = queries.trace_metrics(store, experiment_id, shown.first.trace_id)
        screen.lines(tree_lines.lines(shown, metrics, screen))
    _heading("Next", "", screen)
    screen.lines(f"{command:<42}{purpose}" for command, purpose in _following(store, experiment_id))


def _following(store: Store, experiment_id: str) -> list[tuple[str, str]]:
    """What to type next, and what for."""
    short = experiment_id[:8]
    others = [
        each
        for each in queries.experiments(store)
        if each.id != experiment_id and _DATASET in each.dataset_ids
    ]
    if others:
        last = (f"llmobs-trace compare {others[0].id[:8]} {short}", "this one against the demo before it")
    else:
        last = (f"llmobs-trace demo --model {MODELS[1]}", "ask another model, then compare the two")
    return [
        (f"llmobs-trace show {short} --errors", "what went wrong"),
        (f"llmobs-trace show {short}", "every row as a tree"),
        last,
    ]


def _heading(title: str, remark: str, screen: Screen) -> None:
    screen.line()
    screen.line(screen.style(title, "bold") + (f"  {screen.style(remark, 'dim')}" if remark else ""))


def _slowest(spans: list[StoredSpan], screen: Screen) -> Iterator[str]:
    slowest = sorted(spans, key=lambda span: span.duration_ns, reverse=True)[:_SLOWEST]
    columns = (
        Column("span", cuts=True),
        Column("kind"),
        Column("took", right=True),
        Column("row", cuts=True),
    )
    row_of = {span.trace_id: span.row_id for span in spans if span.row_id is not None}
    cells = [
        (
            Cell(span.name, "bold"),
            Cell(span.kind or "-", "dim"),
            units.duration(span.duration_ns),
            Cell(row_of.get(span.trace_id) or "-", "dim"),
        )
        for span in slowest
    ]
    return table_lines(columns, cells, screen)
