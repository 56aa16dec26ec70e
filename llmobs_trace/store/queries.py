"""Answers what is asked of an open store, typed. The thread that opened the store.

Answers about spans and metrics are iterators: an experiment may be larger than memory.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, Final

from msgspec import Raw, Struct

from llmobs_trace.errors import LLMObsTraceError, did_you_mean
from llmobs_trace.store.store import Store

STATED: Final = "stated"
_NTH_LATEST = re.compile(r"latest(?:~([0-9]{1,9}))?")


class UnknownExperiment(LLMObsTraceError, LookupError):
    """The store holds no experiment of that id or name."""


class AmbiguousExperiment(LLMObsTraceError, LookupError):
    """Several experiments may be meant: their ids begin that way, or it is the name of another."""


class Experiment(Struct, frozen=True):
    """One experiment, counted; without what was recorded in attempts that were cut off, or still run."""

    id: str
    name: str | None  # what a person calls it, else the last that a program said
    created_ns: int  # when the store first saw it, since the Unix epoch
    started_ns: int | None  # its first span's start; None without spans
    active_ns: int  # its last span's start, or `created_ns`: `latest` goes by this
    rows: int
    spans: int
    errors: int  # spans of status error
    metrics: int
    failed_metrics: int
    project_ids: list[str]
    dataset_ids: list[str]
    repeats: int = 1  # how often its rows ran, as they say
    status: str | None = None  # running, completed, failed, interrupted, as its run says; None: nobody says
    left: int = 0  # how many rows x repeats its run still lacks
    # Of one that was made by name; JSON as it was given.
    project: str | None = None
    dataset: str | None = None
    dataset_version: int | None = None
    error: str | None = None  # why its run failed, or how many of its rows did
    description: str | None = None
    config: Raw | None = None
    note: str | None = None  # what a person wrote of it

    @property
    def began_ns(self) -> int:
        """When to say that it began."""
        return self.created_ns if self.started_ns is None else self.started_ns


class StoredSpan(Struct, frozen=True):
    """One span; `event` is its JSON as it came, empty where it was not asked for."""

    span_id: str
    trace_id: str
    parent_id: str | None
    kind: str | None
    row_id: str | None
    name: str
    start_ns: int
    duration_ns: int
    status: str
    error_type: str | None
    error_message: str | None
    # Of a model call; of a root with `model_calls`, the sums of its tree. None is unknown.
    model: str | None = None
    provider: str | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_tokens: int | None = None
    model_calls: int | None = None
    cost_usd: float | None = None
    priced_with: str | None = None  # the price data that the cost was worked out by, or looked for in vain
    run_iteration: int | None = None  # of a row, which repeat of it, from 1
    attempt: int | None = None  # of what a row's task recorded, in which attempt at it
    event: bytes = b""

    @property
    def cost_from(self) -> str | None:
        """Who says what it cost: `stated` where the provider does, else the price data."""
        return None if self.cost_usd is None else self.priced_with or STATED


class StoredMetric(Struct, frozen=True):
    """One metric; `event` is its JSON as it came."""

    span_id: str
    label: str
    metric_type: str
    timestamp_ms: int
    score_value: float | None
    categorical_value: str | None
    boolean_value: bool | None
    assessment: str | None
    error_message: str | None  # "" where there is an error that says nothing
    failed: bool  # its error says something, or it has neither value nor assessment
    not_applicable: bool = False  # it says that its evaluator does not apply, and nothing else
    event: bytes = b""


_SPAN = ", ".join(StoredSpan.__struct_fields__[:-1])
_EVENT = "CAST(v.event AS BLOB)"
_BY_START = "ORDER BY start_ns, duration_ns DESC, span_id"
_METRIC = ", ".join([*(f"m.{name}" for name in StoredMetric.__struct_fields__[:-1]), "CAST(m.event AS BLOB)"])
_OF = "experiment = (SELECT key FROM experiment WHERE id = ?)"

# Of attempts that were cut off, or still run: in no count. Below a root of another kind, `attempt` is the
# user's.
_CUT_OFF_OF = (
    " WHERE s.experiment = e.key AND s.in_row IS NULL AND s.attempt IS NOT NULL AND NOT EXISTS (SELECT 1"
    " FROM span o WHERE o.experiment = s.experiment AND o.trace_id = s.trace_id AND o.parent_id IS NULL"
    " AND o.in_row IS NULL)"
)
_CUT_OFF = f"FROM span s INDEXED BY span_cut_off{_CUT_OFF_OF}"
CUT_OFF_METRICS = (
    "FROM span s INDEXED BY span_cut_off CROSS JOIN metric m"
    f" ON m.experiment = s.experiment AND m.span_id = s.span_id{_CUT_OFF_OF}"
)
_REPEATS = (
    "coalesce((SELECT max(run_iteration) FROM span INDEXED BY row_repeated"
    " WHERE experiment = e.key AND in_row = key AND run_iteration > 1), 1)"
)
# A run says how many rows it has; with their repeats, those that are not there yet are left.
_LEFT = (
    "CASE WHEN e.status IN ('running', 'interrupted', 'failed') AND json_valid(e.metadata) THEN"
    " max(coalesce(json_extract(e.metadata, '$.llmobs_trace.rows')"
    " * coalesce(json_extract(e.metadata, '$.llmobs_trace.repeats'), e.run_count, 1) - rows, 0), 0)"
    " ELSE 0 END"
)
_MADE = (
    "(SELECT p.name FROM project p WHERE p.key = e.project),"
    " (SELECT d.name FROM dataset d WHERE d.key = e.dataset),"
    " e.dataset_version, e.error, e.description, CAST(e.config AS BLOB)"
)
_ACTIVE = "coalesce(active_ns, created_ns)"
_THERE = "WHERE e.deleted_ns IS NULL"
_NAME = "coalesce(e.given_name, e.name)"
_LATEST_FIRST = f"ORDER BY {_ACTIVE} DESC, key DESC"


def experiments(store: Store) -> list[Experiment]:
    """All of them, the one with the latest span first."""
    return sorted(_experiments(store, _THERE), key=lambda found: found.active_ns, reverse=True)


def find_experiment(store: Store, text: str) -> Experiment:
    """The experiment of an id, of an unambiguous beginning of one, or of a name, where the latest of that
    name is meant; `latest`, and `latest~1` for the one before it.

    What is nothing as it is written may be the beginning of an id or of a name, in small or capital letters.
    Raises `UnknownExperiment` and `AmbiguousExperiment`, whose messages say what there is.
    """
    exact = next(_experiments(store, f"{_THERE} AND e.id = ?", (text,)), None)
    if exact is not None:
        return exact
    if (before := _NTH_LATEST.fullmatch(text)) is not None:
        return _nth_latest(store, int(before[1] or 0))
    known: list[tuple[str, str | None]] = list(
        store.select(f"SELECT id, {_NAME} FROM experiment e {_THERE} {_LATEST_FIRST}")
    )
    for ids in _meant(known, text):
        if len(ids) == 1:
            return next(_experiments(store, f"{_THERE} AND e.id = ?", (ids[0],)))
        if ids:
            listed = ", ".join(ids[:3])
            more = f" and {len(ids) - 3} more" if len(ids) > 3 else ""
            raise AmbiguousExperiment(f'"{text}" may mean any of {len(ids)} experiments: {listed}{more}')
    names = (name for _, name in known if name)
    raise UnknownExperiment(
        f'{store.path} has no experiment whose id or name begins with "{text}"'
        f"{did_you_mean(text, [*names, *(id for id, _ in known)])}; llmobs-trace experiments lists them"
    )


def _meant(known: Sequence[tuple[str, str | None]], text: str) -> Iterator[list[str]]:
    """The ids that may be meant by a text, the closest reading first; `known` has the latest first."""
    if not text:
        return
    named = [id for id, name in known if name == text][:1]
    yield list(dict.fromkeys([*(id for id, _ in known if id.startswith(text)), *named]))
    folded = text.casefold()
    latest_of_name: dict[str, str] = {}
    for id, name in known:
        if name:
            latest_of_name.setdefault(name.casefold(), id)
    same = latest_of_name.get(folded)
    begin = [id for name, id in latest_of_name.items() if name.startswith(folded)]
    begun = [id for id, _ in known if id.casefold().startswith(folded)]
    yield list(dict.fromkeys([*begun, *([same] if same is not None else begin)]))


def _nth_latest(store: Store, before: int) -> Experiment:
    query = f"WHERE e.key = (SELECT key FROM experiment e {_THERE} {_LATEST_FIRST} LIMIT 1 OFFSET {before})"
    found = next(_experiments(store, query), None)
    if found is not None:
        return found
    [(count,)] = store.select(f"SELECT count(*) FROM experiment e {_THERE}")
    held = f"no more than {count}" if count else "no experiment yet"
    raise UnknownExperiment(f"the store at {store.path} holds {held}")


def spans(store: Store, experiment_id: str) -> Iterator[StoredSpan]:
    """All spans with their events, by start."""
    query = f"SELECT {_SPAN}, {_EVENT} FROM span s JOIN span_event v ON v.key = s.key WHERE {_OF} {_BY_START}"
    return (StoredSpan(*found) for found in store.select(query, (experiment_id,)))


def rows(store: Store, experiment_id: str) -> Iterator[StoredSpan]:
    """The experiment's rows with their events, by start."""
    query = (
        f"SELECT {_SPAN}, {_EVENT} FROM span s JOIN span_event v ON v.key = s.key"
        f" WHERE {_OF} AND in_row = s.key {_BY_START}"
    )
    return (StoredSpan(*found) for found in store.select(query, (experiment_id,)))


def metrics(store: Store, experiment_id: str) -> Iterator[StoredMetric]:
    """All metrics, in the order of their timestamps."""
    query = f"SELECT {_METRIC} FROM metric m WHERE {_OF} ORDER BY timestamp_ms, key"
    return (_metric(found) for found in store.select(query, (experiment_id,)))


def labels(store: Store, experiment_id: str) -> list[str]:
    """The labels that its metrics have, by name."""
    query = f"SELECT DISTINCT label FROM metric WHERE {_OF} ORDER BY label"
    return [label for (label,) in store.select(query, (experiment_id,))]


def trace_ids(store: Store, experiment_id: str) -> Iterator[str]:
    """Its traces, by their first start."""
    query = f"SELECT trace_id FROM span WHERE {_OF} GROUP BY trace_id ORDER BY min(start_ns), trace_id"
    return (trace_id for (trace_id,) in store.select(query, (experiment_id,)))


def trace(store: Store, experiment_id: str, trace_id: str, *, events: bool = False) -> list[StoredSpan]:
    """The spans of one trace; with their events where `events` says so."""
    query = (
        f"SELECT {_SPAN}, {_EVENT} FROM span s JOIN span_event v ON v.key = s.key"
        if events
        else f"SELECT {_SPAN} FROM span"
    )
    query += f" WHERE {_OF} AND trace_id = ?"
    return [StoredSpan(*found) for found in store.select(query, (experiment_id, trace_id))]


def trace_metrics(store: Store, experiment_id: str, trace_id: str) -> dict[str, list[StoredMetric]]:
    """The metrics of a trace's spans, by span id, each in the order of the timestamps."""
    # CROSS: spans first. Left to choose, SQLite goes through all metrics of the experiment for each trace.
    query = (
        f"SELECT {_METRIC} FROM span s CROSS JOIN metric m"
        " ON m.experiment = s.experiment AND m.span_id = s.span_id"
        " WHERE s.experiment = (SELECT key FROM experiment WHERE id = ?) AND s.trace_id = ?"
        " ORDER BY m.timestamp_ms, m.key"
    )
    found: dict[str, list[StoredMetric]] = {}
    for columns in store.select(query, (experiment_id, trace_id)):
        metric = _metric(columns)
        found.setdefault(metric.span_id, []).append(metric)
    return found


def homeless_metrics(store: Store, experiment_id: str) -> Iterator[StoredMetric]:
    """Metrics of spans that are not in the store: not yet, or sent elsewhere."""
    query = (
        f"SELECT {_METRIC} FROM metric m WHERE {_OF} AND in_row IS NULL AND NOT EXISTS"
        " (SELECT 1 FROM span s WHERE s.experiment = m.experiment AND s.span_id = m.span_id)"
        " ORDER BY timestamp_ms, key"
    )
    return (_metric(found) for found in store.select(query, (experiment_id,)))


def _experiments(store: Store, where: str, parameters: tuple[str, ...] = ()) -> Iterator[Experiment]:
    query = (
        f"SELECT e.key, id, {_NAME}, created_ns, began_ns, {_ACTIVE}, rows,"
        f" spans - (SELECT count(*) {_CUT_OFF}),"
        f" errors - (SELECT count(*) {_CUT_OFF} AND s.status = 'error'),"
        f" metrics - (SELECT count(*) {CUT_OFF_METRICS}),"
        f" failed_metrics - (SELECT count(*) {CUT_OFF_METRICS} AND m.failed),"
        f" {_REPEATS}, e.status, {_LEFT}, {_MADE}, e.note FROM experiment e {where} ORDER BY e.key DESC"
    )
    for found in store.select(query, parameters):
        scopes = list(
            store.select("SELECT project_id, dataset_id FROM scope WHERE experiment = ?", found[:1])
        )
        projects = sorted({project for project, _ in scopes})
        datasets = sorted({dataset for _, dataset in scopes})
        *counted, config, note = found[1:]
        raw = None if config is None else Raw(config)
        columns: tuple[Any, ...] = (*counted[:10], projects, datasets, *counted[10:], raw, note)
        yield Experiment(*columns)


def _metric(columns: tuple[Any, ...]) -> StoredMetric:
    found: dict[str, Any] = dict(zip(StoredMetric.__struct_fields__, columns, strict=True))
    for name in ("boolean_value", "failed", "not_applicable"):
        found[name] = None if found[name] is None else bool(found[name])
    return StoredMetric(**found)
