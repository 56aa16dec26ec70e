"""Answers for experiments. The service's threads."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from llmobs_trace.receiver.catalog import answers, requests
from llmobs_trace.receiver.catalog.asked import Asked, Refused, page
from llmobs_trace.receiver.http import Reply
from llmobs_trace.receiver.problems import problem
from llmobs_trace.store import made_experiments
from llmobs_trace.store.made_experiments import ToMake
from llmobs_trace.store.store import Store
from llmobs_trace.wire import id_problem

_NEW = requests.RequestOf("experiments", requests.GivenExperiment)
_CHANGED = requests.RequestOf("experiments", requests.ChangedExperiment)
_IDS = requests.RequestOf("experiments", requests.ExperimentIds)
_METADATA, _BY_ID = "filter[metadata]", "filter[id]"


class _Ours(msgspec.Struct):
    run: str | None = None


class _Metadata(msgspec.Struct):
    llmobs_trace: _Ours | None = None


def create(store: Store, asked: Asked) -> Reply:
    """Make one. One whose metadata carries the mark of a run that has one already is that one: a client whose
    answer was lost asks again.
    """
    given = _NEW.read(asked.body)
    metadata = requests.given(given.metadata)
    made = made_experiments.make_experiment(
        store,
        ToMake(
            name=given.name,
            project_id=given.project_id,
            run=_mark(metadata),
            dataset_id=given.dataset_id or None,
            dataset_version=given.dataset_version or None,
            description=given.description,
            config=requests.given(given.config),
            metadata=metadata,
            run_count=given.run_count or 1,
            parent_id=given.parent_experiment_id,
            has_unique_name=given.ensure_unique is not False,
        ),
    )
    return answers.one(answers.experiment(made))


def listed(store: Store, asked: Asked) -> Reply:
    parents = asked.filters.get("filter[parent_experiment_id]")
    found = made_experiments.find_experiments(
        store,
        ids=asked.filters.get(_BY_ID),
        project_id=asked.one("filter[project_id]"),
        dataset_id=asked.one("filter[dataset_id]"),
        name=asked.one("filter[experiment]"),
        unique_name=asked.one("filter[name]"),
        parent_ids=parents,
        is_deleted=asked.flag("filter[is_deleted]"),
        before=asked.after,
    )
    wanted = _wanted(asked)
    if wanted is not None:
        found = (each for each in found if _contains(_decoded(each.metadata), wanted))
    shown, meta = page(asked, ((each.key, each) for each in found))
    unmade = _unmade(asked, {each.id for each in shown})
    return answers.several([*map(answers.experiment, shown), *map(answers.unmade_experiment, unmade)], meta)


def change(store: Store, asked: Asked) -> Reply:
    given, id = _CHANGED.read(asked.body), asked.ids[0]
    status = given.status
    if status is None and given.error is not None:
        known = next(made_experiments.find_experiments(store, ids=[id]), None)
        status = "failed" if known is None else known.status or "failed"
    changed = made_experiments.change_experiment(
        store,
        id,
        status=status,
        error=given.error,
        unique_name=given.name,
        description=given.description,
        metadata=requests.given(given.metadata),
        dataset_id=given.dataset_id,
    )
    return answers.one(answers.experiment(changed))


def delete(store: Store, asked: Asked) -> Reply:
    made_experiments.delete_experiments(store, _IDS.read(asked.body).experiment_ids)
    return answers.nothing()


def _unmade(asked: Asked, known: set[str]) -> Iterator[str]:
    """Of those that are asked for by nothing but their ids, and are not known: the ones that nobody made, but
    that can be posted to all the same.
    """
    if {name for name, values in asked.filters.items() if values} <= {_BY_ID}:
        for id in asked.filters.get(_BY_ID, sorted(asked.declared)):
            if id not in known and (id in asked.declared or (not asked.declared and id_problem(id) is None)):
                yield id


def _mark(metadata: bytes | None) -> str | None:
    """The mark of the run that an experiment is made for, where its client leaves one."""
    try:
        ours = None if metadata is None else msgspec.json.decode(metadata, type=_Metadata).llmobs_trace
    except msgspec.ValidationError:
        return None
    return None if ours is None else ours.run


def _wanted(asked: Asked) -> Any:
    text = asked.one(_METADATA)
    if text is None:
        return None
    try:
        found = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise Refused(problem(400, "the filter is to be a JSON object", parameter=_METADATA))
    return found


def _decoded(json: bytes | None) -> Any:
    return {} if json is None else msgspec.json.decode(json)


def _contains(known: Any, wanted: Any) -> bool:
    """As PostgreSQL's `@>`: all that is wanted is there, in objects by name and in arrays anywhere."""
    if isinstance(wanted, dict):
        return isinstance(known, dict) and all(
            name in known and _contains(known[name], value) for name, value in wanted.items()
        )
    if isinstance(wanted, list):
        return isinstance(known, list) and all(
            any(_contains(item, each) for item in known) for each in wanted
        )
    return bool(known == wanted)
