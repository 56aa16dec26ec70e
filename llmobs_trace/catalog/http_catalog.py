"""Asks Datadog, or a server like it, for projects, datasets and experiments. Any thread, one at a time.

Nothing is made before it was looked for, and once more after an answer was lost. What a server filters is
looked at again here, since a server may ignore a filter, or take it for the beginning of a name. A process
that is forked makes a connection of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final
from urllib.parse import quote

import msgspec

from llmobs_trace.catalog import resources
from llmobs_trace.catalog.asking import PREFIX, Asking, Conflict, Patience, Question, Times, Unsure
from llmobs_trace.catalog.backwards import backwards
from llmobs_trace.catalog.catalog import (
    NOTHING,
    OUR_METADATA,
    CatalogDataset,
    CatalogError,
    CatalogExperiment,
    CatalogProject,
    NewExperiment,
    Record,
    Status,
)
from llmobs_trace.catalog.changes import Change, Held, batches, body_of
from llmobs_trace.catalog.resources import (
    ChangedResource,
    ExperimentResource,
    NamedResource,
    RecordResource,
)
from llmobs_trace.http_client.request import Connection, Key

_MAX_INT32: Final = 2**31 - 1
_PROJECTS: Final = f"{PREFIX}/projects"
_RECORD: Final = msgspec.json.Decoder(Record)


class HttpCatalog:
    """`Catalog` at `base_url`; the keys go into two headers and nowhere else.

    `seconds` is how much time a verb may lose to failures; each page that came and each batch that was taken
    gives the rest as much again. With `in_all` all verbs together may lose no more. Where nothing is to be
    asked `again` a verb fails at the first failure, and is for the caller to repeat.
    """

    def __init__(
        self,
        base_url: str,
        api_key: Key,
        app_key: Key,
        seconds: float = 30.0,
        times: Times | None = None,
        *,
        again: bool = True,
        in_all: bool = False,
    ) -> None:
        self.name = base_url
        connection = Connection(base_url, api_key, app_key)
        self._asking = Asking(connection, seconds, times or Times(), again=again, in_all=in_all)

    def close(self) -> None:
        """Let go of the connection; the next verb makes another."""
        self._asking.close()

    # --- Projects -------------------------------------------------------------------------------------------

    def project(self, name: str) -> CatalogProject:
        def look(patience: Patience) -> CatalogProject | None:
            return self._known_project(name, patience)

        def read(body: bytes) -> CatalogProject | None:
            for made in resources.resources(body, NamedResource):
                return resources.project(made, name)
            return None

        make = _made("POST", _PROJECTS, "projects", {"name": name}, f"making the project {name!r}")
        return self._asking.made_once(make, look, read)

    def known_project(self, name: str) -> CatalogProject | None:
        """The same without making it: None where there is none."""
        return self._known_project(name, self._asking.patience())

    def _known_project(self, name: str, patience: Patience) -> CatalogProject | None:
        question = Question("GET", _PROJECTS, f"looking for the project {name!r}")
        found = self._named(question, name, patience)
        return None if found is None else resources.project(found, name)

    # --- Datasets -------------------------------------------------------------------------------------------

    def dataset(
        self, project_id: str, name: str, rows: Iterable[Record] | None = None, *, mirror: bool = False
    ) -> CatalogDataset | None:
        path = f"{PREFIX}/{_quoted(project_id)}/datasets"

        def look(patience: Patience) -> CatalogDataset | None:
            doing = f"looking for the dataset {name!r}"
            found = self._named(Question("GET", path, doing, f"the project {project_id!r}"), name, patience)
            return None if found is None else resources.dataset(found, project_id, name)

        def read(body: bytes) -> CatalogDataset | None:
            for made in resources.resources(body, NamedResource):
                return resources.dataset(made, project_id, name)
            return None

        if rows is None:
            return look(self._asking.patience())
        doing, named = f"making the dataset {name!r}", f"the project {project_id!r}"
        make = _made("POST", path, "datasets", {"name": name}, doing, named)
        dataset = self._asking.made_once(make, look, read)
        if rows == () and not mirror:
            return dataset  # what it holds, however much, is not asked for
        has_changed, version = self._hold(dataset, rows, mirror=mirror)
        if has_changed and version is None:
            again = look(self._asking.patience())
            version = again.version if again is not None and again.id == dataset.id else None
        return dataset if version is None else msgspec.structs.replace(dataset, version=version)

    def records(self, dataset: CatalogDataset, version: int | None = None) -> Iterator[Record]:
        filters = {} if version is None else {"filter[version]": str(version)}
        # Datadog begins with the newest. Bytes alone wait for the others, on disk if they are many.
        listed = (msgspec.json.encode(_record(one)) for one in self._listed(dataset, filters))
        for encoded in backwards(listed):
            yield _RECORD.decode(encoded)

    def _listed(self, dataset: CatalogDataset, filters: dict[str, str]) -> Iterator[RecordResource]:
        path = f"{_of_dataset(dataset)}/records"
        question = Question("GET", path, f"reading the dataset {dataset.name!r}", _named(dataset))
        for body in self._asking.pages(question, filters):
            yield from self._read(question, body, RecordResource)

    def _held(self, dataset: CatalogDataset) -> Held:
        held = Held()
        for resource in self._listed(dataset, {}):
            held.note(resource)
        return held

    def _hold(
        self, dataset: CatalogDataset, rows: Iterable[Record], *, mirror: bool
    ) -> tuple[bool, int | None]:
        """Bring the rows into the dataset; whether anything changed, and the version since, if it is said."""
        is_first, version = True, None
        patience = self._asking.patience()
        for batch in batches(self._held(dataset).changes_for(rows, mirror=mirror)):
            patience.renew()
            said, is_first = self._changed(dataset, batch, patience, is_first=is_first)
            version = said if version is None else max(version, said or 0)
        return not is_first, version

    def _changed(
        self, dataset: CatalogDataset, batch: list[Change], patience: Patience, *, is_first: bool
    ) -> tuple[int | None, bool]:
        """Send a batch; the dataset's version as far as it was said, and whether the next is still the first
        that changes anything.
        """
        while batch:
            question = Question(
                "POST",
                f"{_of_dataset(dataset)}/batch_update",
                f"changing {_records(batch)} of the dataset {dataset.name!r}",
                _named(dataset),
                body_of(batch, dataset.id, is_first=is_first),
            )
            try:
                body = self._asking.once(question, patience)
            except Conflict:
                left = self._held(dataset).left_of(batch)
                if left == batch:
                    raise
            except CatalogError as error:
                if error.status != 413 or len(batch) == 1:
                    raise
                half = len(batch) // 2
                _, is_first = self._changed(dataset, batch[:half], patience, is_first=is_first)
                batch = batch[half:]
                continue
            except Unsure as unsure:
                patience.wait_after(unsure)
                left = self._held(dataset).left_of(batch)
            else:
                versions = [one.version for one in self._read(question, body, ChangedResource)]
                return max(filter(None, map(resources.number, versions)), default=None), False
            # What is there already was put there by the request whose answer was lost.
            is_first = is_first and len(left) == len(batch)
            batch = left
        return None, is_first

    # --- Experiments ----------------------------------------------------------------------------------------

    def experiment(self, new: NewExperiment) -> CatalogExperiment:
        def look(patience: Patience) -> CatalogExperiment | None:
            filters = {"filter[project_id]": new.project_id, "filter[metadata]": _mark(new.run)}
            doing = f"looking for the experiment {new.name!r}"
            named = f"the project {new.project_id!r}"
            marked = [one for one in self._experiments(filters, doing, named, patience) if one.run == new.run]
            found = resources.oldest(marked)
            return None if found is None else resources.experiment(found, new.project_id)

        def read(body: bytes) -> CatalogExperiment | None:
            for made in resources.resources(body, ExperimentResource):
                found = resources.experiment(made, new.project_id)
                return None if found is None else _completed(found, new)
            return None

        make = _made(
            "POST",
            f"{PREFIX}/experiments",
            "experiments",
            experiment_attributes(new),
            f"making the experiment {new.name!r}",
            f"the dataset {new.dataset_id!r} of the project {new.project_id!r}",
        )
        return self._asking.made_once(make, look, read)

    def status(
        self, experiment_id: str, status: Status, error: str | None = None, metadata: msgspec.Raw = NOTHING
    ) -> None:
        attributes = {"status": status, "error": error, "metadata": _object(metadata)}
        question = _made(
            "PATCH",
            f"{PREFIX}/experiments/{_quoted(experiment_id)}",
            "experiments",
            {name: value for name, value in attributes.items() if value is not None},
            f"saying that the experiment {experiment_id!r} is {status}",
            f"the experiment {experiment_id!r}",
        )
        self._asking.ask(question, self._asking.patience())

    def find(
        self,
        *,
        project_id: str | None = None,
        name: str | None = None,
        run: str | None = None,
        experiment_id: str | None = None,
    ) -> Iterator[CatalogExperiment]:
        filters = {
            "filter[project_id]": project_id,
            "filter[experiment]": name,
            "filter[metadata]": None if run is None else _mark(run),
            "filter[id]": experiment_id,
        }
        given = {key: value for key, value in filters.items() if value is not None}
        for resource in self._experiments(given, "looking for experiments", "the project", None):
            found = resources.experiment(resource, project_id or "")
            if (
                found is not None
                and project_id in (None, found.project_id)
                and name in (None, found.name)
                and run in (None, resource.run)
                and experiment_id in (None, found.id)
            ):
                yield found

    def _experiments(
        self, filters: dict[str, str], doing: str, named: str, patience: Patience | None
    ) -> Iterator[ExperimentResource]:
        question = Question("GET", f"{PREFIX}/experiments", doing, named)
        for body in self._asking.pages(question, filters, patience, dispensable="filter[metadata]"):
            for resource in self._read(question, body, ExperimentResource):
                if resource.deleted_at is None:
                    yield resource

    # --- What they share ------------------------------------------------------------------------------------

    def _named(self, question: Question, name: str, patience: Patience) -> NamedResource | None:
        """The thing of exactly this name: of two the oldest, as everybody has it."""
        pages = self._asking.pages(question, {"filter[name]": name}, patience, dispensable="filter[name]")
        return resources.oldest(
            resource
            for body in pages
            for resource in self._read(question, body, NamedResource)
            if resource.name == name
        )

    def _read(self, question: Question, body: bytes, kind: type[resources.Kind]) -> list[resources.Kind]:
        return self._asking.read(question, body, lambda said: resources.resources(said, kind))


def experiment_attributes(new: NewExperiment) -> dict[str, Any]:
    """What an experiment is made with."""
    attributes: dict[str, Any] = {
        "name": new.name,
        "project_id": new.project_id,
        "dataset_id": new.dataset_id,
        "dataset_version": new.dataset_version,
        "description": new.description,
        "config": _object(new.config),
        "metadata": _object(new.metadata),
        "ensure_unique": True,
        "run_count": min(new.repeats, _MAX_INT32),
        "parent_experiment_id": new.parent_id,
    }
    return {name: value for name, value in attributes.items() if value is not None}


def _made(
    method: str,
    path: str,
    kind: str,
    attributes: dict[str, Any],
    doing: str,
    named: str = "the experiments API",
) -> Question:
    body = msgspec.json.encode({"data": {"type": kind, "attributes": attributes}})
    return Question(method, path, doing, named, body)


def _mark(run: str) -> str:
    return msgspec.json.encode({OUR_METADATA: {"run": run}}).decode()


def _object(value: msgspec.Raw) -> msgspec.Raw | None:
    return None if bytes(value) == bytes(NOTHING) else value


def _completed(found: CatalogExperiment, new: NewExperiment) -> CatalogExperiment:
    """What was made, where the server says less of it than was asked for."""
    return msgspec.structs.replace(
        found,
        name=new.name,
        unique_name=found.unique_name or new.name,
        dataset_id=found.dataset_id or new.dataset_id,
        dataset_version=new.dataset_version if found.dataset_version is None else found.dataset_version,
        metadata=new.metadata if _object(found.metadata) is None else found.metadata,
        config=new.config if _object(found.config) is None else found.config,
    )


def _record(resource: RecordResource) -> Record:
    return Record(
        id=resources.identity(resource) or "",
        input=resource.input or NOTHING,
        expected_output=resource.expected_output or NOTHING,
        metadata=resource.metadata or NOTHING,
        tags=resource.known_tags or (),
    )


def _records(batch: list[Change]) -> str:
    if len(batch) > 1:
        return f"{len(batch):,} records"
    return f"the record {batch[0].id!r} ({len(batch[0].encoded):,} bytes)"


def _of_dataset(dataset: CatalogDataset) -> str:
    return f"{PREFIX}/{_quoted(dataset.project_id)}/datasets/{_quoted(dataset.id)}"


def _named(dataset: CatalogDataset) -> str:
    return f"the dataset {dataset.id!r} of the project {dataset.project_id!r}"


def _quoted(part: str) -> str:
    return quote(part, safe="")
