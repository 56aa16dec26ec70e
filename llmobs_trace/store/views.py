"""Defines the store as people with a SQL shell see it: names, ids and seconds; SQL, as it is in the file.

experiments       one a line, with its counts; of one that was made by name its project, dataset and status
spans             every span, with its values as JSON
experiment_rows   the spans that are rows
metrics           every metric, with the row in whose tree it was recorded
scores            one line for each experiment and label: rows, scored, failed, missing, not_applicable, mean
"""

from __future__ import annotations

from typing import Final

_EXPERIMENTS: Final = """
CREATE VIEW experiments AS
SELECT id, name, datetime(created_ns / 1000000000, 'unixepoch') AS created_utc,
       spans, metrics, errors, rows, failed_metrics,
       datetime(began_ns / 1000000000, 'unixepoch') AS began_utc,
       datetime(active_ns / 1000000000, 'unixepoch') AS active_utc
FROM experiment"""

_SPANS: Final = """
CREATE VIEW spans AS
SELECT e.id AS experiment_id, s.trace_id, s.span_id, s.parent_id, s.kind, s.row_id, s.name,
       datetime(s.start_ns / 1000000000, 'unixepoch') AS start_utc, s.duration_ns / 1e9 AS seconds,
       s.status, s.error_type, s.error_message,
       json_extract(v.event, '$.meta.input') AS input, json_extract(v.event, '$.meta.output') AS output,
       json_extract(v.event, '$.meta.expected_output') AS expected_output, v.event
FROM span s JOIN span_event v ON v.key = s.key JOIN experiment e ON e.key = s.experiment"""

_ROWS: Final = """
CREATE VIEW experiment_rows AS
SELECT * FROM spans WHERE parent_id IS NULL AND coalesce(kind, 'experiment') = 'experiment'"""

_METRICS: Final = """
CREATE VIEW metrics AS
SELECT e.id AS experiment_id, m.span_id, m.label, m.metric_type,
       coalesce(m.score_value, m.categorical_value, m.boolean_value,
                json_extract(m.event, '$.json_value')) AS value,
       m.assessment, m.failed, m.error_message AS error, json_extract(m.event, '$.reasoning') AS reasoning,
       datetime(m.timestamp_ms / 1000, 'unixepoch') AS recorded_utc, m.event,
       r.row_id, r.trace_id
FROM metric m JOIN experiment e ON e.key = m.experiment LEFT JOIN span r ON r.key = m.in_row"""

_SCORES: Final = """
CREATE VIEW scores AS
SELECT e.id AS experiment_id, m.label, e.rows, sum(NOT m.failed) AS scored, sum(m.failed) AS failed,
       e.rows - count(DISTINCT m.in_row) AS missing,
       avg(CASE WHEN NOT m.failed THEN coalesce(m.score_value, m.boolean_value) END) AS mean,
       sum(m.assessment IS 'pass' AND NOT m.failed) AS passed
FROM metric m JOIN experiment e ON e.key = m.experiment GROUP BY e.key, m.label"""

# With what model calls took: of a row, of all its calls.
_SPANS_5: Final = _SPANS.replace(
    "\n       s.status,",
    "\n       s.model, s.provider, s.input_tokens, s.output_tokens, s.cached_tokens, s.model_calls,"
    "\n       s.cost_usd, s.priced_with,\n       s.status,",
)
# With which repeat of its row it is, and what does not apply.
_SPANS_7: Final = _SPANS_5.replace("s.row_id, s.name", "s.row_id, s.run_iteration, s.name")
_METRICS_7: Final = _METRICS.replace("m.failed, m.", "m.failed, m.not_applicable, m.").replace(
    "r.row_id, r.trace_id", "r.row_id, r.run_iteration, r.trace_id"
)
_SCORES_7: Final = _SCORES.replace(
    "sum(NOT m.failed) AS scored", "sum(NOT m.failed AND NOT m.not_applicable) AS scored"
).replace(" AS missing,", " AS missing,\n       sum(m.not_applicable) AS not_applicable,")

# With what is known of one that was made by name.
_EXPERIMENTS_6: Final = """
CREATE VIEW experiments AS
SELECT e.id, e.name, datetime(e.created_ns / 1000000000, 'unixepoch') AS created_utc,
       e.spans, e.metrics, e.errors, e.rows, e.failed_metrics,
       datetime(e.began_ns / 1000000000, 'unixepoch') AS began_utc,
       datetime(e.active_ns / 1000000000, 'unixepoch') AS active_utc,
       p.name AS project, d.name AS dataset, e.dataset_version, e.unique_name, e.status, e.error, e.config,
       e.run_count
FROM experiment e LEFT JOIN project p ON p.key = e.project LEFT JOIN dataset d ON d.key = e.dataset
WHERE e.deleted_ns IS NULL"""

# As people call them; what was deleted is in no view.
_THERE: Final = "e.deleted_ns IS NULL"
_EXPERIMENTS_9: Final = _EXPERIMENTS_6.replace(
    "e.name,", "coalesce(e.given_name, e.name) AS name,", 1
).replace("e.run_count\n", "e.run_count, e.note\n")
_SPANS_9: Final = f"{_SPANS_7}\nWHERE {_THERE}"
_METRICS_9: Final = f"{_METRICS_7}\nWHERE {_THERE}"
_SCORES_9: Final = _SCORES_7.replace(" GROUP BY", f" WHERE {_THERE} GROUP BY")

VIEWS: Final = (_EXPERIMENTS, _SPANS, _ROWS, _METRICS, _SCORES)
VIEWS_5: Final = ("DROP VIEW experiment_rows", "DROP VIEW spans", _SPANS_5, _ROWS)
VIEWS_6: Final = ("DROP VIEW experiments", _EXPERIMENTS_6)
VIEWS_7: Final = (
    *(f"DROP VIEW {view}" for view in ("experiment_rows", "spans", "metrics", "scores")),
    *(_SPANS_7, _ROWS, _METRICS_7, _SCORES_7),
)
VIEWS_9: Final = (
    *(f"DROP VIEW {view}" for view in ("experiments", "experiment_rows", "spans", "metrics", "scores")),
    *(_EXPERIMENTS_9, _SPANS_9, _ROWS, _METRICS_9, _SCORES_9),
)
