"""Compares a run in the local store with an earlier experiment. The calling thread."""

from __future__ import annotations

from pathlib import Path

from llmobs_trace.compare import Comparison, Options, compare
from llmobs_trace.errors import ConfigurationError
from llmobs_trace.experiment.gate import Outcome
from llmobs_trace.store import queries
from llmobs_trace.store.store import Store


def against(database: Path, baseline: str, experiment_id: str) -> Comparison:
    """The run beside the baseline: an id, the beginning of one, a name, `latest~1`; of names and of `latest`
    the latest one before this run. Raises `ConfigurationError` where there is none.
    """
    with Store(database, read_only=True) as store, store.snapshot():
        try:
            found = queries.find_experiment(store, baseline)
        except (queries.UnknownExperiment, queries.AmbiguousExperiment) as error:
            raise ConfigurationError(f"baseline={baseline!r}: {error}") from None
        if found.id == experiment_id:
            others = [
                each
                for each in queries.experiments(store)
                if each.id != experiment_id and (baseline == "latest" or each.name == found.name)
            ]
            if not others:
                raise ConfigurationError(f"baseline={baseline!r}: that is this run; there is none before it")
            found = others[0]
        return compare(store, found.id, experiment_id, Options())


def outcome(comparison: Comparison, *, fail_if_worse: bool, fail_if_unsure: bool) -> tuple[Outcome, str]:
    """What a gate makes of a comparison, in which the run is B."""
    said = f"{comparison.verdict} than {comparison.a.name or comparison.a.id}"
    if comparison.verdict == "cannot tell":
        said = f"cannot tell whether better or worse than {comparison.a.name or comparison.a.id}"
    if comparison.verdict == "worse" and fail_if_worse:
        return "fail", said
    unsure = any(
        each.verdict == "cannot tell" and each.decides and each.weighs for each in comparison.metrics
    )
    if (unsure or comparison.verdict == "cannot tell") and fail_if_unsure:
        return "cannot tell", said
    return "pass", said
