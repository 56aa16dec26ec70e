"""Answers for datasets. The service's threads."""

from __future__ import annotations

from llmobs_trace.receiver.catalog import answers, requests
from llmobs_trace.receiver.catalog.asked import Asked, page
from llmobs_trace.receiver.http import Reply
from llmobs_trace.store import datasets
from llmobs_trace.store.datasets import StoredDataset
from llmobs_trace.store.naming import UnknownId
from llmobs_trace.store.store import Store

_NEW = requests.RequestOf("datasets", requests.NewDataset)
_CHANGED = requests.RequestOf("datasets", requests.ChangedDataset)
_IDS = requests.RequestOf("datasets", requests.DatasetIds)


def create(store: Store, asked: Asked) -> Reply:
    """Find or make: a project has one dataset of a name."""
    given = _NEW.read(asked.body)
    metadata = requests.given(given.metadata)
    made = datasets.dataset(store, asked.ids[0], given.name, given.description, metadata)
    return answers.one(answers.dataset(made))


def listed(store: Store, asked: Asked) -> Reply:
    found = datasets.find_datasets(
        store,
        project_id=asked.ids[0],
        id=asked.one("filter[id]"),
        name=asked.one("filter[name]"),
        before=asked.after,
    )
    shown, meta = page(asked, ((each.key, each) for each in found))
    return answers.several(map(answers.dataset, shown), meta)


def change(store: Store, asked: Asked) -> Reply:
    given = _CHANGED.read(asked.body)
    changed = datasets.change_dataset(
        store,
        named(store, asked).id,
        name=given.name,
        description=given.description,
        metadata=requests.given(given.metadata),
    )
    return answers.one(answers.dataset(changed))


def delete(store: Store, asked: Asked) -> Reply:
    datasets.delete_datasets(store, _IDS.read(asked.body).dataset_ids)
    return answers.nothing()


def versions(store: Store, asked: Asked) -> Reply:
    of = named(store, asked)
    return answers.several((answers.version(of, each) for each in datasets.versions(store, of)), {})


def named(store: Store, asked: Asked) -> StoredDataset:
    """The dataset that the path names, with its project or, as some of ddtrace's paths do, without."""
    *project, dataset_id = asked.ids
    found = next(datasets.find_datasets(store, id=dataset_id), None)
    if found is None or (project and found.project_id != project[0]):
        raise UnknownId(f"there is no dataset of the id {dataset_id!r} here")
    return found
