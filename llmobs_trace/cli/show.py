"""`llmobs-trace show`: an experiment's id in, its rows as trees and its scores out; the main thread.

Read and written a trace at a time, so that an experiment may be larger than memory.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import msgspec

from llmobs_trace.cli import DONE, units
from llmobs_trace.cli.arguments import add_database, add_experiment, add_format, examples, reading
from llmobs_trace.cli.screen import Screen
from llmobs_trace.cli.text import harmless

if TYPE_CHECKING:
    from llmobs_trace.local.forest import Branch, Tree
    from llmobs_trace.local.queries import Experiment, StoredMetric
    from llmobs_trace.local.scores import Scores
    from llmobs_trace.local.store import Store

    Metrics = Mapping[str, Sequence[StoredMetric]]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_experiment(parser)
    add_format(parser, ("table", "json"), default="table")
    parser.add_argument("--errors", action="store_true", help="only rows in which a span or a metric failed")
    parser.add_argument(
        "--limit", metavar="N", type=_whole, help="only the first N rows; the scores are of all"
    )
    add_database(parser)
    examples(
        parser,
        ("llmobs-trace show latest", "every row as a tree, then the scores"),
        ("llmobs-trace show latest --errors", "what went wrong"),
        (
            "llmobs-trace show 3fd6 --format json | jq '.metrics[] | {name: .label, scored, failed}'",
            "scores alone",
        ),
    )


def run(arguments: argparse.Namespace, screen: Screen) -> int:
    from llmobs_trace.local import queries

    with reading(arguments, screen) as store:
        experiment = queries.find_experiment(store, arguments.experiment)
        chosen = _Choice(arguments.errors, arguments.limit)
        if arguments.format == "json":
            _json(store, experiment, chosen, screen)
        else:
            _table(store, experiment, chosen, screen)
    return DONE


class _Choice:
    """Which rows are shown; counts them."""

    def __init__(self, errors_only: bool, limit: int | None) -> None:
        self._errors_only = errors_only
        self._limit = limit
        self.shown = 0

    def takes(self, tree: Tree, metrics: Metrics) -> bool:
        if self._limit is not None and self.shown >= self._limit:
            return False
        if self._errors_only and not _has_errors(tree, metrics):
            return False
        self.shown += 1
        return True


def _has_errors(tree: Tree, metrics: Metrics) -> bool:
    return any(
        branch.span.status == "error" or any(metric.failed for metric in metrics.get(branch.span.span_id, ()))
        for branch in tree.branches
    )


def _forest(store: Store, experiment: Experiment, scores: Scores) -> Iterator[tuple[Tree, Metrics]]:
    """Every tree with its metrics, by start; all of them are added to `scores` on the way."""
    from llmobs_trace.local import queries
    from llmobs_trace.local.forest import trees

    for trace_id in queries.trace_ids(store, experiment.id):
        metrics = queries.trace_metrics(store, experiment.id, trace_id)
        for tree in trees(queries.trace(store, experiment.id, trace_id, events=True)):
            scores.add_tree(tree, metrics)
            yield tree, metrics


# --- As a person reads it -----------------------------------------------------------------------------------


def _table(store: Store, experiment: Experiment, chosen: _Choice, screen: Screen) -> None:
    from llmobs_trace.cli import scores as score_table
    from llmobs_trace.cli import tree as tree_lines
    from llmobs_trace.local import queries
    from llmobs_trace.local.scores import Scores

    _heading(experiment, screen)
    scores = Scores()
    others = 0
    for tree, metrics in _forest(store, experiment, scores):
        if tree.is_row:
            if not chosen.takes(tree, metrics):
                continue
            screen.line()
            title = f"row {harmless(tree.first.row_id or '-')}"
            screen.line(
                screen.style(title, "cyan") + "  " + screen.style(tree_lines.preview(tree.first), "dim")
            )
        else:
            others += len(tree.branches)
            screen.line()
            screen.line(screen.style(_why_no_row(tree), "yellow"))
        for line in tree_lines.lines(tree, metrics, screen):
            screen.line(line)
    homeless = scores.add_homeless(queries.homeless_metrics(store, experiment.id))
    screen.line()
    summary = scores.summary()
    for line in score_table.lines(summary, screen) if summary else ("no metrics",):
        screen.line(line)
    _remarks(experiment, chosen, others, homeless, screen)


def _heading(experiment: Experiment, screen: Screen) -> None:
    name = f"  {harmless(experiment.name)}" if experiment.name else ""
    screen.line(screen.style(f"experiment {harmless(experiment.id)}", "bold") + name)
    began = units.moment(experiment.began_ns)
    screen.line(
        f"  {began}   {units.counted(experiment.rows, 'row')}, {units.counted(experiment.spans, 'span')},"
        f" {units.counted(experiment.errors, 'error')}, {units.counted(experiment.metrics, 'metric')},"
        f" {experiment.failed_metrics} failed"
    )
    for what, ids in (("project", experiment.project_ids), ("dataset", experiment.dataset_ids)):
        if ids:
            screen.line(screen.style(f"  {what} {harmless(', '.join(ids))}", "dim"))


def _why_no_row(tree: Tree) -> str:
    first = tree.first
    if first.parent_id is None:
        return f"not a row: a root of kind {harmless(first.kind or '-')}"
    return f"not a row: its parent {harmless(first.parent_id)} is not here"


def _remarks(experiment: Experiment, chosen: _Choice, others: int, homeless: int, screen: Screen) -> None:
    if chosen.shown < experiment.rows:
        screen.line(f"{chosen.shown} of {units.counted(experiment.rows, 'row')} shown; the scores are of all")
    if others:
        screen.line(f"in no row: {units.counted(others, 'span')}")
    if homeless:
        screen.line(
            f"of spans that are not here: {units.counted(homeless, 'metric')}; counted above, in no row"
        )


# --- As a program reads it ----------------------------------------------------------------------------------


def _json(store: Store, experiment: Experiment, chosen: _Choice, screen: Screen) -> None:
    """`{experiment, rows, metrics}`, written as it is read; spans and metrics with the wire's names."""
    from llmobs_trace.local import queries
    from llmobs_trace.local.scores import Scores

    encode = msgspec.json.encode
    scores = Scores()
    # First once through for what the experiment says of itself: it comes first, and may not be held in
    # memory.
    others = [
        encode(_span(branch, metrics))
        for tree, metrics in _forest(store, experiment, scores)
        if not tree.is_row
        for branch in tree.branches
    ]
    homeless = list(queries.homeless_metrics(store, experiment.id))
    scores.add_homeless(homeless)
    about = msgspec.to_builtins(experiment)
    about["other_spans"] = [msgspec.Raw(other) for other in others]
    about["other_metrics"] = [msgspec.Raw(metric.event) for metric in homeless]
    screen.data(b'{"experiment":' + encode(about) + b',\n"rows":[')
    separator = b"\n"
    for tree, metrics in _forest(store, experiment, Scores()):
        if tree.is_row and chosen.takes(tree, metrics):
            screen.data(separator + encode(_row(tree, metrics)))
            separator = b",\n"
    screen.data(b'],\n"metrics":' + encode(scores.summary()) + b"}\n")


def _row(tree: Tree, metrics: Metrics) -> dict[str, object]:
    first = tree.first
    return {
        "row_id": first.row_id,
        "span_id": first.span_id,
        "trace_id": first.trace_id,
        "name": first.name,
        "status": first.status,
        "start_ns": first.start_ns,
        "duration": first.duration_ns,
        "errors": sum(branch.span.status == "error" for branch in tree.branches),
        "spans": [_span(branch, metrics) for branch in tree.branches],
    }


def _span(branch: Branch, metrics: Metrics) -> dict[str, object]:
    """The span as on the wire, then where it is in the tree and what was measured of it."""
    span = branch.span
    shown: dict[str, object] = dict(msgspec.json.decode(span.event, type=dict[str, msgspec.Raw]))
    shown["parent_id"] = span.parent_id
    shown["kind"] = span.kind
    shown["depth"] = branch.depth
    shown["metrics"] = [msgspec.Raw(metric.event) for metric in metrics.get(span.span_id, ())]
    return shown


def _whole(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"expected 0 or more rows, given {text!r}")
    return int(text)
