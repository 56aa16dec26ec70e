"""Holds what an experiment is, checked: what runs, over what, scored by what. Any thread."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from llmobs_trace.errors import ConfigurationError
from llmobs_trace.experiment import parameters
from llmobs_trace.experiment.dataset import Dataset
from llmobs_trace.experiment.evaluators import Evaluator
from llmobs_trace.experiment.fingerprints import fingerprint_of
from llmobs_trace.experiment.parameters import Callee
from llmobs_trace.experiment.steps import Code


@dataclass(frozen=True)
class Definition:
    """An experiment's arguments, prepared."""

    name: str
    dataset: Dataset
    task: Callee
    task_code: Code
    evaluators: Sequence[Evaluator]
    summaries: Sequence[tuple[Callee, Code]]
    repeats: int
    config: Mapping[str, Any] | None
    project: str | None
    description: str | None
    tags: Mapping[str, str]
    decode: Callable[[Any], Any] | None


@dataclass(frozen=True)
class Selection:
    """Which of the dataset's rows are meant."""

    limit: int | None
    row_ids: tuple[str, ...] | None

    def of(self, dataset: Dataset) -> list[str]:
        known = dataset.row_ids
        if not known:
            raise ConfigurationError(f"dataset: {dataset!r} has no rows")
        if self.row_ids is None:
            return list(known if self.limit is None else known[: self.limit])
        if missing := set(self.row_ids) - set(known):
            raise ConfigurationError(f"row_ids: the dataset has no row {sorted(missing)[0]!r}")
        chosen = [row_id for row_id in known if row_id in set(self.row_ids)]
        return chosen if self.limit is None else chosen[: self.limit]


def selection(limit: int | None, row_ids: Iterable[str] | None) -> Selection:
    if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int) or limit < 1):
        raise ConfigurationError(f"limit: given {limit!r}; expected a number from 1")
    if isinstance(row_ids, str):
        row_ids = [row_ids]
    chosen = None if row_ids is None else tuple(row_ids)
    if chosen is not None and not chosen:
        raise ConfigurationError("row_ids: given none; expected at least one")
    return Selection(limit, chosen)


def prepared_summaries(given: Sequence[Any]) -> list[tuple[parameters.Callee, Code]]:
    """The summary evaluators of an experiment. Raises `ConfigurationError`."""
    callees = [parameters.summary(each) for each in ([given] if callable(given) else given)]
    return [(each, Code(each.name, fingerprint_of(each.function))) for each in callees]
