"""Writes events into the tables, in one transaction: those that are there already are passed over. The
thread that derives.

Which of the events are new is asked first: what follows from a new span (its row, the counts) is then known
before anything is written, and written once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from llmobs_trace.store import late_columns, placing, row_tags, summing
from llmobs_trace.store.columns import Indexed, MetricColumns, SpanColumns, indexed
from llmobs_trace.store.lookup import lookup
from llmobs_trace.store.placing import Placed

if TYPE_CHECKING:
    import sqlite3

_KNOWN_SPANS: Final = "SELECT span_id FROM span WHERE experiment = ? AND span_id IN (ids)"
_KNOWN_METRICS: Final = "SELECT digest FROM metric WHERE experiment = ? AND digest IN (ids)"
# Of what is there or was: a key is not given again, since words of what was deleted are filed under it.
_LAST_SPAN: Final = "SELECT max(coalesce((SELECT max(key) FROM span), 0), spans_read, searched) FROM state"
_LAST_METRIC: Final = "SELECT max(coalesce((SELECT max(key) FROM metric), 0), metrics_read) FROM state"


def write(connection: sqlite3.Connection, experiment: int, part: Indexed) -> None:
    """Add what is not there yet of an experiment's events; within a transaction."""
    before = connection.total_changes
    connection.executemany(
        "INSERT INTO scope VALUES (?,?,?) ON CONFLICT DO NOTHING",
        [(experiment, *scope) for scope in part.scopes],
    )
    write_events(connection, experiment, part.spans, part.metrics)
    if connection.total_changes != before:
        # What somebody deleted comes back with what is new of it: nothing is taken and not shown.
        connection.execute(
            "UPDATE experiment SET deleted_ns = NULL WHERE key = ? AND deleted_ns IS NOT NULL", (experiment,)
        )
        connection.execute("UPDATE state SET revision = revision + 1")


def write_events(
    connection: sqlite3.Connection, experiment: int, spans: list[SpanColumns], metrics: list[MetricColumns]
) -> None:
    """Add the spans and metrics of one experiment that are not there yet, and count them."""
    new_spans = _new_spans(connection, experiment, spans)
    rows = _write_spans(connection, experiment, new_spans) if new_spans else {}
    new_metrics = _new_metrics(connection, experiment, metrics)
    if new_metrics:
        _write_metrics(connection, experiment, new_metrics)
        summing.add(connection, experiment, new_metrics)
    if not new_spans and not new_metrics:
        return
    starts = [span.start_ns for span in new_spans.values()]
    connection.execute(
        "UPDATE experiment SET rows = rows + ?, spans = spans + ?, errors = errors + ?,"
        " metrics = metrics + ?, failed_metrics = failed_metrics + ?,"
        # `min` and `max` of a NULL are NULL: before the first span, and in a batch without any.
        " began_ns = coalesce(min(began_ns, ?), began_ns, ?),"
        " active_ns = coalesce(max(active_ns, ?), active_ns, ?) WHERE key = ?",
        (
            sum(key == row for key, row in rows.items()),
            len(new_spans),
            sum(span.status == "error" for span in new_spans.values()),
            len(new_metrics),
            sum(metric.failed for metric in new_metrics),
            *[min(starts, default=None)] * 2,
            *[max(starts, default=None)] * 2,
            experiment,
        ),
    )


def _new_spans(
    connection: sqlite3.Connection, experiment: int, spans: list[SpanColumns]
) -> dict[int, SpanColumns]:
    """By the key that each is going to have; of an id that comes twice, the first."""
    by_id: dict[str, SpanColumns] = {}
    for span in spans:
        by_id.setdefault(span.span_id, span)
    for (span_id,) in lookup(connection, _KNOWN_SPANS, experiment, list(by_id)):
        del by_id[span_id]
    (last,) = connection.execute(_LAST_SPAN).fetchone()
    return dict(enumerate(by_id.values(), last + 1))


def _write_spans(
    connection: sqlite3.Connection, experiment: int, spans: dict[int, SpanColumns]
) -> dict[int, int | None]:
    rows = placing.rows_of_spans(connection, experiment, spans)
    connection.executemany(
        "INSERT INTO span (key, experiment, in_row, span_id, trace_id, parent_id, kind, row_id,"
        " run_iteration, attempt, name, start_ns, duration_ns, status, output_hash, expected_hash,"
        " error_type, error_message, model, provider, input_tokens, output_tokens, cached_tokens,"
        " model_calls, cost_usd) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
        [(key, experiment, rows[key], *span[:-3], *span.call) for key, span in spans.items()],
    )
    connection.executemany(
        "INSERT INTO span_event (key, preview, event) VALUES (?,?,?)",
        [(key, span.preview, span.event) for key, span in spans.items()],
    )
    late_columns.added(connection, spans)
    row_tags.add(
        connection, ((experiment, key, span.event) for key, span in spans.items() if rows[key] == key)
    )
    placed = [
        Placed(span.span_id, span.trace_id, row)
        for key, span in spans.items()
        if (row := rows[key]) is not None
    ]
    placed += placing.place_waiting(connection, experiment, placed)
    placing.place_metrics(connection, experiment, placed)
    return rows


def _new_metrics(
    connection: sqlite3.Connection, experiment: int, metrics: list[MetricColumns]
) -> list[MetricColumns]:
    distinct = {metric.digest: metric for metric in metrics}
    for (digest,) in lookup(connection, _KNOWN_METRICS, experiment, list(distinct)):
        del distinct[digest]
    return list(distinct.values())


def _write_metrics(connection: sqlite3.Connection, experiment: int, metrics: list[MetricColumns]) -> None:
    rows = placing.rows_of_metrics(connection, experiment, metrics)
    (last,) = connection.execute(_LAST_METRIC).fetchone()
    connection.executemany(
        "INSERT INTO metric (key, experiment, in_row, digest, span_id, label, metric_type, timestamp_ms,"
        " score_value, categorical_value, boolean_value, assessment, error_message, failed, not_applicable,"
        " event) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
        [
            (key, experiment, rows.get(metric.span_id), *metric[:-1])
            for key, metric in enumerate(metrics, last + 1)
        ],
    )
    late_columns.added_metrics(connection, last, len(metrics))


# --- After a migration --------------------------------------------------------------------------------------

_OLD_AT_ONCE: Final = 1000


def refill(connection: sqlite3.Connection) -> None:
    """Add the events of `old_span` and `old_metric` in the order in which they came, and drop those."""
    experiments = connection.execute("SELECT key FROM experiment ORDER BY key").fetchall()
    for (experiment,) in experiments:
        for old, is_span in (("old_span", True), ("old_metric", False)):
            events = connection.execute(
                f"SELECT CAST(event AS BLOB) FROM {old} WHERE experiment = ? ORDER BY key", (experiment,)
            )
            while part := [event for (event,) in events.fetchmany(_OLD_AT_ONCE)]:
                for spans, metrics, _ in indexed(part, []) if is_span else indexed([], part):
                    write_events(connection, experiment, spans, metrics)
    connection.execute("DROP TABLE old_span")
    connection.execute("DROP TABLE old_metric")
