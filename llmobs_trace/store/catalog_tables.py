"""Defines the tables of projects, datasets and experiments that were made by name; SQL, as it is in the file.

    project ─< dataset ─┬─< record              rows by version
                        └─< dataset_version     one a version that was made
    project ─< experiment ─< status_change      and its dataset, where it has one

A *record* is a row of a dataset. The table has a line for each state of it: the dataset's version in which it
came to be, and the one in which another took its place, or none did. What a version holds is
`from_version <= it AND (until_version IS NULL OR until_version > it)`. A version that experiments refer to is
never changed, unless a client asks for no new one.

An experiment has been in the table `experiment` since the first version, made by the first event that named
it. What is known only of one that was made by name stands in columns that are NULL elsewhere: an older
version of the library that has the file open goes on adding experiments without them.

What was deleted stays, with the time: its id is not given again, and its name is free.
"""

from __future__ import annotations

from typing import Final

from llmobs_trace.store.views import VIEWS_6

_PROJECT: Final = """
CREATE TABLE project (
    key          INTEGER PRIMARY KEY,       -- in the order in which they were made
    id           TEXT NOT NULL UNIQUE,
    name         TEXT NOT NULL,
    description  TEXT,
    created_ns   INTEGER NOT NULL,          -- since the Unix epoch, as all times
    updated_ns   INTEGER NOT NULL,
    deleted_ns   INTEGER
)"""

_DATASET: Final = """
CREATE TABLE dataset (
    key          INTEGER PRIMARY KEY,
    id           TEXT NOT NULL UNIQUE,
    project      INTEGER NOT NULL REFERENCES project(key),
    name         TEXT NOT NULL,
    description  TEXT,
    metadata     TEXT,                      -- JSON
    version      INTEGER NOT NULL DEFAULT 0,  -- the current one; 0: nothing was ever put into it
    created_ns   INTEGER NOT NULL,
    updated_ns   INTEGER NOT NULL,
    deleted_ns   INTEGER
)"""

_DATASET_VERSION: Final = """
CREATE TABLE dataset_version (
    dataset     INTEGER NOT NULL REFERENCES dataset(key),
    number      INTEGER NOT NULL,
    created_ns  INTEGER NOT NULL,
    used_ns     INTEGER,                    -- when an experiment last referred to it
    PRIMARY KEY (dataset, number)
) WITHOUT ROWID"""

_RECORD: Final = """
CREATE TABLE record (
    key              INTEGER PRIMARY KEY,
    dataset          INTEGER NOT NULL REFERENCES dataset(key),
    id               TEXT NOT NULL,         -- the same through all versions
    canonical_id     TEXT NOT NULL,         -- of the record that it is a copy of; else its own
    place            INTEGER NOT NULL,      -- where it stands in the dataset: the key of its first state
    from_version     INTEGER NOT NULL,
    until_version    INTEGER,               -- the first version that does not hold this state
    digest           BLOB NOT NULL,         -- of the four that follow: whether two are the same
    input            TEXT NOT NULL,         -- JSON, as all of these
    expected_output  TEXT NOT NULL,
    metadata         TEXT NOT NULL,
    tags             TEXT NOT NULL,         -- a list
    created_ns       INTEGER NOT NULL,      -- of its first state
    updated_ns       INTEGER NOT NULL,
    UNIQUE (dataset, id, from_version)
)"""

_STATUS_CHANGE: Final = """
CREATE TABLE status_change (
    key         INTEGER PRIMARY KEY,
    experiment  INTEGER NOT NULL REFERENCES experiment(key),
    at_ns       INTEGER NOT NULL,
    status      TEXT NOT NULL,              -- running, completed, failed, interrupted
    error       TEXT
)"""

_OF_EXPERIMENTS: Final = tuple(
    f"ALTER TABLE experiment ADD COLUMN {column}"
    for column in (
        "project INTEGER REFERENCES project(key)",  # NULL: it was not made by name
        "dataset INTEGER REFERENCES dataset(key)",
        "dataset_version INTEGER",
        # `name` is what was given; this is of the one run: name, name-2, …
        "unique_name TEXT",
        "run TEXT",  # the mark by which its run finds it again
        "description TEXT",
        "config TEXT",  # JSON
        "metadata TEXT",  # JSON
        "run_count INTEGER",
        "parent_id TEXT",
        "status TEXT",  # the last one; NULL before the first
        "error TEXT",
        "updated_ns INTEGER",
        "deleted_ns INTEGER",
    )
)

MIGRATION: Final = (
    _PROJECT,
    "CREATE UNIQUE INDEX project_by_name ON project (name) WHERE deleted_ns IS NULL",
    _DATASET,
    "CREATE UNIQUE INDEX dataset_by_name ON dataset (project, name) WHERE deleted_ns IS NULL",
    _DATASET_VERSION,
    _RECORD,
    "CREATE INDEX record_by_place ON record (dataset, place)",
    "CREATE INDEX record_by_digest ON record (dataset, digest) WHERE until_version IS NULL",
    *_OF_EXPERIMENTS,
    "CREATE INDEX experiment_by_project ON experiment (project) WHERE project IS NOT NULL",
    "CREATE INDEX experiment_by_unique_name ON experiment (unique_name) WHERE unique_name IS NOT NULL",
    "CREATE INDEX experiment_by_dataset ON experiment (dataset) WHERE dataset IS NOT NULL",
    "CREATE UNIQUE INDEX experiment_by_run ON experiment (run) WHERE run IS NOT NULL",
    _STATUS_CHANGE,
    "CREATE INDEX status_change_by_experiment ON status_change (experiment)",
    *VIEWS_6,
)
