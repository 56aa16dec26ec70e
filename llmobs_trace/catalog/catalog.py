"""Defines what keeps projects, datasets and experiments: Datadog, any server that answers as it does, or the
local store. Any thread, one at a time.

Whoever runs, publishes or delivers asks these six verbs and knows no implementation. Each may block, for at
most the seconds the implementation was given; none is ever called on a traced call's thread.

What is made twice by nobody: a project and a dataset are found by their name first; an experiment by the mark
of its run, which its metadata carries, so that a create whose answer was lost is not repeated.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Literal, Protocol

import msgspec

from llmobs_trace.errors import LLMObsTraceError

Status = Literal["running", "completed", "failed", "interrupted"]
NOTHING = msgspec.Raw(b"null")
# Where an experiment's metadata has what is ours: {"llmobs_trace": {"run": mark, …}}.
OUR_METADATA = "llmobs_trace"


class CatalogError(LLMObsTraceError):
    """A catalog did not do what it was asked for; the text says why, and what helps.

    `status` is the HTTP status of a refusal, None where nobody answered; `is_final` says that trying again
    later can't help, and `asked_seconds` for how long a server asked to be left alone.
    """

    def __init__(
        self,
        message: str,
        status: int | None = None,
        *,
        is_final: bool = False,
        asked_seconds: float | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.is_final = is_final
        self.asked_seconds = asked_seconds


class CatalogProject(msgspec.Struct, frozen=True, kw_only=True):
    """A project."""

    id: str
    name: str


class CatalogDataset(msgspec.Struct, frozen=True, kw_only=True):
    """A dataset at its current version: 0 where nothing was ever put into it."""

    id: str
    project_id: str
    name: str
    version: int


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """A row as a dataset keeps it: its id, and JSON as it is recorded. Absent members are null."""

    id: str
    input: msgspec.Raw
    expected_output: msgspec.Raw = NOTHING
    metadata: msgspec.Raw = NOTHING
    tags: tuple[str, ...] = ()


class NewExperiment(msgspec.Struct, frozen=True, kw_only=True):
    """An experiment to be made for one run. `run` is the run's own mark, on disk before it is asked for;
    `id` is the id a store gives it, which Datadog replaces by one of its own.
    """

    id: str
    run: str
    name: str
    project_id: str
    dataset_id: str
    dataset_version: int | None = None
    description: str | None = None
    config: msgspec.Raw = NOTHING
    metadata: msgspec.Raw = NOTHING  # an object that holds {OUR_METADATA: {"run": run}}
    repeats: int = 1
    parent_id: str | None = None


class CatalogExperiment(msgspec.Struct, frozen=True, kw_only=True):
    """An experiment as it is kept: `name` as it was given, `unique_name` of this one run."""

    id: str
    name: str
    unique_name: str
    project_id: str
    dataset_id: str
    dataset_version: int | None = None
    description: str | None = None
    config: msgspec.Raw = NOTHING
    metadata: msgspec.Raw = NOTHING
    status: Status | None = None
    error: str | None = None
    repeats: int = 1
    parent_id: str | None = None


def experiment_metadata(tags: Mapping[str, object], ours: Mapping[str, object]) -> msgspec.Raw:
    """What an experiment carries: the tags that say something, as other tracers have them; and what is ours,
    the run's mark among it.
    """
    said = {"tags": [f"{name}:{value}" for name, value in tags.items() if value], OUR_METADATA: ours}
    return msgspec.Raw(msgspec.json.encode(said))


class Catalog(Protocol):
    """Six verbs; each raises `CatalogError`."""

    # What log lines and the steps of a run call it: an address without secrets, or a file's path.
    name: str

    def project(self, name: str) -> CatalogProject:
        """The project of this name, made where there is none."""

    def dataset(
        self, project_id: str, name: str, rows: Iterable[Record] | None = None, *, mirror: bool = False
    ) -> CatalogDataset | None:
        """The dataset of exactly this name, made where there is none, holding `rows`: what is new is inserted
        under its own id, what differs is updated, what is not among them stays unless `mirror`; the version
        goes up by one where anything changed. Without `rows` it is only looked for: None where there is none.
        """

    def records(self, dataset: CatalogDataset, version: int | None = None) -> Iterator[Record]:
        """The rows of a dataset, page by page, in the order in which they were put in; by default the
        current version's.
        """

    def experiment(self, new: NewExperiment) -> CatalogExperiment:
        """The experiment that carries the run's mark, made where there is none."""

    def status(
        self, experiment_id: str, status: Status, error: str | None = None, metadata: msgspec.Raw = NOTHING
    ) -> None:
        """Say how far an experiment is; `metadata`, if any, replaces what it had, as a whole."""

    def find(
        self,
        *,
        project_id: str | None = None,
        name: str | None = None,
        run: str | None = None,
        experiment_id: str | None = None,
    ) -> Iterator[CatalogExperiment]:
        """Experiments of which all that is named holds, the newest first."""
