"""Runs `llmobs-trace show`, which shows an experiment's rows as trees and its scores; on the main thread.

Read and written a trace at a time, so that an experiment may be larger than memory. Conditions narrow the
rows down, and the scores with them.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from llmobs_trace.cli.command_line.arguments import (
    ALL,
    add_database,
    add_experiment,
    add_format,
    add_limit,
    examples,
    limit_of,
    paged,
)
from llmobs_trace.cli.command_line.exits import DONE, MISUSE, Refusal
from llmobs_trace.cli.command_line.stores import reading
from llmobs_trace.cli.show import among as choosing
from llmobs_trace.cli.show import row as row_lines
from llmobs_trace.cli.show import scores as score_table
from llmobs_trace.cli.show import tree as tree_lines
from llmobs_trace.cli.show.among import Among, Places
from llmobs_trace.cli.terminal import units
from llmobs_trace.cli.terminal.screen import Screen
from llmobs_trace.cli.terminal.text import harmless
from llmobs_trace.store import prices, queries
from llmobs_trace.store.forest import Branch, Tree, trees
from llmobs_trace.store.queries import Experiment, StoredMetric, StoredSpan
from llmobs_trace.store.scores import Scores
from llmobs_trace.store.store import Store

if TYPE_CHECKING:
    Metrics = Mapping[str, Sequence[StoredMetric]]


# Where rows are bounded: of one row's spans, of one span's metrics, and of the labels at the end.
_OTHERS: Final = 200


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_experiment(parser)
    add_format(parser, ("table", "json"), default="table")
    parser.add_argument(
        "--row",
        metavar="ROW",
        help="only this row: its id, its span's id, or the beginning of either",
    )
    parser.add_argument(
        "--full",
        action="store_true",
        help="rows to be read: whole values, scores with their reasons, stacks",
    )
    parser.add_argument("--errors", action="store_true", help="only rows in which a span or a metric failed")
    parser.add_argument(
        "--where",
        metavar="CONDITION",
        action="append",
        default=[],
        help="only rows that meet it, as toxicity>0.3 or tag.language=zh; may be repeated: all must hold",
    )
    parser.add_argument(
        "--sort",
        metavar="FIELD",
        help="rows by a field, the lowest first, or with -FIELD the highest; rows without it come last",
    )
    add_limit(parser, "rows", "; the scores are of all that meet the conditions")
    add_database(parser)
    examples(
        parser,
        ("llmobs-trace show latest", "every row as a tree, then the scores"),
        ("llmobs-trace show latest --errors", "what went wrong"),
        (
            "llmobs-trace show latest --row a1b2 --full",
            "one row to read: asked, answered, expected, scores with reasons, stack",
        ),
        (
            "llmobs-trace show latest --where 'toxicity>0.3' --where tag.language=zh --sort -latency",
            "the rows that meet both conditions, the slowest first",
        ),
        ("llmobs-trace show latest --limit all", "all rows, however many, also in a terminal"),
        (
            "llmobs-trace show 3fd6 --format json | jq '.metrics[] | {name: .label, scored, failed}'",
            "scores alone",
        ),
    )


def run(arguments: argparse.Namespace, screen: Screen) -> int:
    asked = choosing.asked(arguments.where, arguments.sort)
    if arguments.row is not None and (asked.conditions or asked.sort):
        raise Refusal("--row names one row: leave --where and --sort out", MISUSE)
    with reading(arguments, screen, arguments.experiment) as store:
        experiment = queries.find_experiment(store, arguments.experiment)
        among = choosing.among(store, experiment.id, asked)
        for remark in choosing.unknown(store, experiment.id, asked):
            screen.say(remark)
        traces = None if arguments.row is None else row_lines.find(store, experiment.id, arguments.row)
        if arguments.format == "json":
            # For programs, wherever it goes to: nothing is left out that nobody asked to leave out.
            limit = ALL if arguments.limit is None else arguments.limit
            chosen = _Choice(arguments.errors, limit, traces=traces)
            _json(store, experiment, chosen, among, screen)
            return DONE
        limit = limit_of(arguments, screen)
        is_bounded = screen.columns is not None and limit < ALL
        chosen = _Choice(
            arguments.errors,
            limit,
            _OTHERS if is_bounded else ALL,
            traces=traces,
            in_full=arguments.full,
        )
        with paged(arguments, screen):
            if traces is None:
                _table(store, experiment, chosen, among, screen)
            else:
                _one_row(store, experiment, chosen, screen, traces)
    return DONE


class _Choice:
    """Which rows are shown, and how much of each; counts the rows, and those that were left out."""

    def __init__(
        self,
        errors_only: bool,
        limit: int,
        of_others: int = ALL,
        *,
        traces: Sequence[str] | None = None,
        in_full: bool = False,
    ) -> None:
        self._errors_only = errors_only
        self._traces = traces
        self.in_full = in_full
        self._limit = limit
        self._others = 0
        self.of_others = of_others
        self.shown = 0
        self.left = 0

    def takes(self, tree: Tree, metrics: Metrics) -> bool:
        if self._errors_only and not _has_errors(tree, metrics):
            return False
        if self._traces is not None and tree.first.trace_id not in self._traces:
            return False
        if self.shown >= self._limit:
            self.left += 1
            return False
        self.shown += 1
        return True

    def takes_other(self) -> bool:
        """Whether to show one more tree that is no row."""
        self._others += 1
        return self._others <= self._limit


def _has_errors(tree: Tree, metrics: Metrics) -> bool:
    return any(
        branch.span.status == "error" or any(metric.failed for metric in metrics.get(branch.span.span_id, ()))
        for branch in tree.branches
    )


class _Grown(NamedTuple):
    """A tree with its metrics; of a row also what attempts at it recorded that were cut off."""

    tree: Tree
    metrics: Metrics
    cut_off: list[Tree]


def _forest(store: Store, experiment: Experiment, scores: Scores, rows: Places | None) -> Iterator[_Grown]:
    """Every tree, by start, or the trees of these rows; all of them are added to `scores` on the way."""
    places: Iterable[tuple[str, str | None]] | None = rows
    if places is None:
        places = ((trace_id, None) for trace_id in queries.trace_ids(store, experiment.id))
    for trace_id, span_id in places:
        for grown in _forest_of(store, experiment, trace_id):
            if span_id is None or grown.tree.first.span_id == span_id:
                scores.add_tree(grown.tree, grown.metrics)
                yield grown


def _forest_of(store: Store, experiment: Experiment, trace_id: str) -> Iterator[_Grown]:
    """The trees of one trace; what was cut off of a row comes with the row alone."""
    metrics = queries.trace_metrics(store, experiment.id, trace_id)
    grown = trees(queries.trace(store, experiment.id, trace_id, events=True))
    cut_off = [tree for tree in grown if tree.is_cut_off]
    row = next((tree for tree in grown if tree.is_row), None)
    for tree in grown:
        if tree is row:
            yield _Grown(tree, metrics, cut_off)
        elif row is None or not tree.is_cut_off:
            yield _Grown(tree, metrics, [])


# --- As a person reads it -----------------------------------------------------------------------------------


def _table(store: Store, experiment: Experiment, chosen: _Choice, among: Among, screen: Screen) -> None:
    _heading(experiment, screen)
    scores = Scores()
    others = hidden = running = 0
    is_ordered_alone = among.rows is not among.scored
    if is_ordered_alone:
        for grown in _forest(store, experiment, Scores(), among.rows):
            _row_of_table(grown, experiment, chosen, screen)
    for grown in _forest(store, experiment, scores, among.scored):
        tree, metrics, _ = grown
        if tree.is_row:
            if not is_ordered_alone:
                _row_of_table(grown, experiment, chosen, screen)
            continue
        if tree.is_cut_off:
            running += len(tree.branches)
            continue
        others += len(tree.branches)
        if not chosen.takes_other():
            hidden += len(tree.branches)
            continue
        screen.line()
        screen.line(screen.style(_why_no_row(tree), "yellow"))
        screen.lines(tree_lines.lines(tree, metrics, screen, chosen.of_others))
    homeless = 0
    if among.scored is None:
        homeless = scores.add_homeless(queries.homeless_metrics(store, experiment.id))
    screen.line()
    summary = scores.summary()
    screen.lines(score_table.lines(summary[: chosen.of_others], scores.amounts.summary(), screen))
    if not summary:
        screen.line("no metrics")
    if len(summary) > chosen.of_others:
        screen.line(tree_lines.left(len(summary) - chosen.of_others, "more label", "with scores", screen))
    _remarks(experiment, chosen, among, (others, hidden), homeless, screen)
    if running:
        screen.line(f"of rows that still run, or were cut off: {units.counted(running, 'span')}, in no count")
    amounts = scores.amounts.summary()
    if amounts.input_tokens is not None and amounts.cost_usd is None and prices.price_data() is None:
        screen.line("costs are worked out with prices: pip install 'llmobs-trace[prices]'")


def _one_row(
    store: Store, experiment: Experiment, chosen: _Choice, screen: Screen, traces: Sequence[str]
) -> None:
    """A row and its repeats."""
    for trace_id in traces:
        for grown in _forest_of(store, experiment, trace_id):
            if grown.tree.is_row and chosen.takes(grown.tree, grown.metrics):
                if chosen.shown > 1:
                    screen.line()
                _row_of(grown, experiment, chosen, screen)


def _row_of_table(grown: _Grown, experiment: Experiment, chosen: _Choice, screen: Screen) -> None:
    if chosen.takes(grown.tree, grown.metrics):
        screen.line()
        _row_of(grown, experiment, chosen, screen)


def _row_of(grown: _Grown, experiment: Experiment, chosen: _Choice, screen: Screen) -> None:
    tree, metrics, cut_off = grown
    has_repeats = experiment.repeats > 1
    if chosen.in_full:
        screen.lines(row_lines.lines(tree, metrics, screen, has_repeats=has_repeats))
        screen.lines(tree_lines.attempt_lines(cut_off, screen))
        return
    screen.lines(tree_lines.row_lines(tree, screen, has_repeats=has_repeats))
    screen.lines(tree_lines.attempt_lines(cut_off, screen))
    screen.lines(tree_lines.lines(tree, metrics, screen, chosen.of_others))


def _heading(experiment: Experiment, screen: Screen) -> None:
    name = f"  {harmless(experiment.name)}" if experiment.name else ""
    screen.line(screen.style(f"experiment {harmless(experiment.id)}", "bold") + name)
    began = units.moment(experiment.began_ns)
    about = [
        f"{began}   {units.counted(experiment.rows, 'row')}, {units.counted(experiment.spans, 'span')},"
        f" {units.counted(experiment.errors, 'error')}, {units.counted(experiment.metrics, 'metric')},"
        f" {experiment.failed_metrics} failed"
    ]
    if experiment.status is not None and experiment.status != "completed":
        # Of one whose process died the file says that it runs: `runs` knows.
        wanted = units.counted(experiment.rows + experiment.left, "row")
        about.append(f"{experiment.status}: {experiment.left:,} of {wanted} left")
    about += [harmless(text) for text in (experiment.error, experiment.description) if text]
    for text in about:
        screen.lines(screen.fitted(f"  {text}"))
    for text in _belonging(experiment):
        screen.lines(screen.style(part, "dim") for part in screen.fitted(f"  {harmless(text)}"))


def _belonging(experiment: Experiment) -> Iterator[str]:
    """What it is of: by name where it was made by name, else by id."""
    version = experiment.dataset_version
    for what, name, ids, more in (
        ("project", experiment.project, experiment.project_ids, ""),
        ("dataset", experiment.dataset, experiment.dataset_ids, f", version {version}" if version else ""),
    ):
        others = ", ".join(each for each in ids if each != name)
        if name is not None:
            yield f"{what} {name}{more}{f'  {others}' if others else ''}"
        elif others:
            yield f"{what} {others}"
    if experiment.config is not None and bytes(experiment.config) != b"null":
        yield f"config {bytes(experiment.config).decode()}"


def _why_no_row(tree: Tree) -> str:
    first = tree.first
    if first.parent_id is None:
        return f"not a row: a root of kind {harmless(first.kind or '-')}"
    return f"an orphan, not a row: its parent {harmless(first.parent_id)} is not here"


def _remarks(
    experiment: Experiment,
    chosen: _Choice,
    among: Among,
    others: tuple[int, int],
    homeless: int,
    screen: Screen,
) -> None:
    left = f", {chosen.left:,} more with --limit all" if chosen.left else ""
    rows = units.counted(experiment.rows, "row")
    if among.scored is not None:
        count = len(among.scored)
        shown = f"{chosen.shown:,} shown{left}; " if chosen.shown < count else ""
        screen.line(f"{count:,} of {rows} meet the conditions; {shown}the scores are of these {count:,}")
    elif chosen.shown < experiment.rows:
        screen.line(f"{chosen.shown:,} of {rows} shown{left}; the scores are of all")
    if others[0]:
        hidden = f", {others[1]:,} of them not shown" if others[1] else ""
        screen.line(f"in no row: {units.counted(others[0], 'span')}{hidden}")
    if homeless:
        screen.line(
            f"of spans that are not here: {units.counted(homeless, 'metric')}; counted above, in no row"
        )


# --- As a program reads it ----------------------------------------------------------------------------------


def _json(store: Store, experiment: Experiment, chosen: _Choice, among: Among, screen: Screen) -> None:
    """`{experiment, rows, metrics}`, written as it is read; spans and metrics with the wire's names."""
    encode = msgspec.json.encode
    scores = Scores()
    # First once through for what the experiment says of itself: it comes first, and may not be held in
    # memory.
    others = [
        encode(_span(branch, metrics))
        for tree, metrics, _ in _forest(store, experiment, scores, among.scored)
        if not (tree.is_row or tree.is_cut_off)
        for branch in tree.branches
    ]
    homeless = list(queries.homeless_metrics(store, experiment.id)) if among.scored is None else []
    scores.add_homeless(homeless)
    about = msgspec.structs.asdict(experiment)
    about["amounts"] = msgspec.to_builtins(scores.amounts.summary())
    about["other_spans"] = [msgspec.Raw(other) for other in others]
    about["other_metrics"] = [msgspec.Raw(metric.event) for metric in homeless]
    screen.data(b'{"experiment":' + encode(about) + b',\n"rows":[')
    separator = b"\n"
    for tree, metrics, cut_off in _forest(store, experiment, Scores(), among.rows):
        if tree.is_row and chosen.takes(tree, metrics):
            screen.data(separator + encode(_row(tree, metrics, cut_off)))
            separator = b",\n"
    screen.data(b'],\n"metrics":' + encode(scores.summary()) + b"}\n")


class _Meta(msgspec.Struct):
    output: msgspec.Raw = msgspec.Raw(b"null")


class _Event(msgspec.Struct):
    meta: _Meta | None = None


def _row(tree: Tree, metrics: Metrics, cut_off: Sequence[Tree]) -> dict[str, object]:
    first = tree.first
    event = msgspec.json.decode(first.event, type=_Event)
    return {
        "row_id": first.row_id,
        "run_iteration": first.run_iteration,
        "span_id": first.span_id,
        "trace_id": first.trace_id,
        "name": first.name,
        "status": first.status,
        "start_ns": first.start_ns,
        "duration": first.duration_ns,
        "errors": sum(branch.span.status == "error" for branch in tree.branches),
        "output": event.meta.output if event.meta is not None else None,
        "model_calls": first.model_calls,
        **_took(first),
        "spans": [_span(branch, metrics) for branch in tree.branches],
        # What attempts recorded that were cut off: in no count.
        "earlier_attempts": [_span(branch, metrics) for other in cut_off for branch in other.branches],
    }


def _span(branch: Branch, metrics: Metrics) -> dict[str, object]:
    """The span as on the wire, then where it is in the tree and what was measured of it."""
    span = branch.span
    shown: dict[str, object] = dict(msgspec.json.decode(span.event, type=dict[str, msgspec.Raw]))
    shown["parent_id"] = span.parent_id
    shown["kind"] = span.kind
    shown["depth"] = branch.depth
    shown["model_name"], shown["model_provider"] = span.model, span.provider
    shown |= _took(span)
    shown["metrics"] = [msgspec.Raw(metric.event) for metric in metrics.get(span.span_id, ())]
    return shown


def _took(span: StoredSpan) -> dict[str, object]:
    """Tokens and cost, null where they are unknown; `cost_from` is `stated`, or the price data's version."""
    return {
        "input_tokens": span.input_tokens,
        "output_tokens": span.output_tokens,
        "cost_usd": span.cost_usd,
        "cost_from": span.cost_from,
    }
