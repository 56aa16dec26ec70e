BEGIN TRANSACTION;
CREATE TABLE experiment (
    key         INTEGER PRIMARY KEY,        -- in the order in which they were first seen
    id          TEXT NOT NULL UNIQUE,       -- the id in the endpoint's path
    name        TEXT,                       -- the last one given; the wire has no field for it
    created_ns  INTEGER NOT NULL            -- when this store first saw it, since the Unix epoch
);
INSERT INTO "experiment" VALUES(1,'e','an old one',1795479017027242684);
CREATE TABLE metric (
    key                INTEGER PRIMARY KEY, -- in the order of arrival
    experiment         INTEGER NOT NULL REFERENCES experiment(key),
    digest             BLOB NOT NULL,       -- of the event: a metric is known by its bytes
    span_id            TEXT NOT NULL,
    label              TEXT NOT NULL,
    metric_type        TEXT NOT NULL,       -- score, categorical, boolean, json
    timestamp_ms       INTEGER NOT NULL,    -- since the Unix epoch
    score_value        REAL,
    categorical_value  TEXT,
    boolean_value      INTEGER,
    assessment         TEXT,                -- pass, fail
    error_message      TEXT,                -- '' where there is an error that says nothing
    failed             INTEGER NOT NULL,    -- 1: its error says something, or neither value nor assessment
    event              TEXT NOT NULL,       -- the metric as it came, JSON
    UNIQUE (experiment, digest)
);
INSERT INTO "metric" VALUES(1,1,X'5F9958E6F084F6DDE87B1AA1510377A7','a','f1','score',1,0.5,NULL,NULL,NULL,NULL,0,'{"span_id": "a", "label": "f1", "metric_type": "score", "timestamp_ms": 1, "score_value": 0.5}');
CREATE TABLE scope (
    experiment  INTEGER NOT NULL REFERENCES experiment(key),
    project_id  TEXT NOT NULL,
    dataset_id  TEXT NOT NULL,
    PRIMARY KEY (experiment, project_id, dataset_id)
) WITHOUT ROWID;
INSERT INTO "scope" VALUES(1,'p','d');
CREATE TABLE span (
    key            INTEGER PRIMARY KEY,     -- in the order of arrival
    experiment     INTEGER NOT NULL REFERENCES experiment(key),
    span_id        TEXT NOT NULL,
    trace_id       TEXT NOT NULL,
    parent_id      TEXT,                    -- from the tag parent_id:, absent for a root
    kind           TEXT,                    -- from the tag span_kind:
    row_id         TEXT,                    -- from the tag dataset_record_id:
    name           TEXT NOT NULL,
    start_ns       INTEGER NOT NULL,        -- since the Unix epoch
    duration_ns    INTEGER NOT NULL,
    status         TEXT NOT NULL,           -- ok, error
    error_type     TEXT,
    error_message  TEXT,
    event          TEXT NOT NULL,           -- the span as it came, JSON; last: reading the others skips it
    UNIQUE (experiment, span_id)
);
INSERT INTO "span" VALUES(1,1,'a','t1',NULL,'experiment','r1','step',1764000000000000000,1000000,'ok',NULL,NULL,'{"span_id": "a", "trace_id": "t1", "name": "step", "start_ns": 1764000000000000000, "duration": 1000000, "status": "ok", "project_id": "p", "dataset_id": "d", "tags": ["span_kind:experiment", "dataset_record_id:r1"], "meta": {"input": "why?", "output": "because"}}');
CREATE INDEX span_by_trace ON span (experiment, trace_id, start_ns);
CREATE INDEX span_by_start ON span (experiment, start_ns, duration_ns);
CREATE INDEX span_rows ON span (experiment, start_ns, kind) WHERE parent_id IS NULL;
CREATE INDEX span_errors ON span (experiment) WHERE status = 'error';
CREATE INDEX metric_by_span ON metric (experiment, span_id);
CREATE INDEX metric_by_label ON metric (experiment, label);
CREATE INDEX metric_failed ON metric (experiment) WHERE failed;
CREATE VIEW experiments AS
SELECT e.id, e.name, datetime(e.created_ns / 1000000000, 'unixepoch') AS created_utc,
       (SELECT count(*) FROM span s WHERE s.experiment = e.key) AS spans,
       (SELECT count(*) FROM metric m WHERE m.experiment = e.key) AS metrics,
       (SELECT count(*) FROM span s WHERE s.experiment = e.key AND s.status = 'error') AS errors
FROM experiment e;
CREATE VIEW spans AS
SELECT e.id AS experiment_id, s.trace_id, s.span_id, s.parent_id, s.kind, s.row_id, s.name,
       datetime(s.start_ns / 1000000000, 'unixepoch') AS start_utc, s.duration_ns / 1e9 AS seconds,
       s.status, s.error_type, s.error_message,
       json_extract(s.event, '$.meta.input') AS input, json_extract(s.event, '$.meta.output') AS output,
       json_extract(s.event, '$.meta.expected_output') AS expected_output, s.event
FROM span s JOIN experiment e ON e.key = s.experiment;
CREATE VIEW experiment_rows AS
SELECT * FROM spans WHERE parent_id IS NULL AND coalesce(kind, 'experiment') = 'experiment';
CREATE VIEW metrics AS
SELECT e.id AS experiment_id, m.span_id, m.label, m.metric_type,
       coalesce(m.score_value, m.categorical_value, m.boolean_value,
                json_extract(m.event, '$.json_value')) AS value,
       m.assessment, m.failed, m.error_message AS error, json_extract(m.event, '$.reasoning') AS reasoning,
       datetime(m.timestamp_ms / 1000, 'unixepoch') AS recorded_utc, m.event
FROM metric m JOIN experiment e ON e.key = m.experiment;
COMMIT;
PRAGMA application_id = 1819045231;
PRAGMA user_version = 1;
