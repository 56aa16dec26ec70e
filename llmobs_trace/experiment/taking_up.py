"""Decides whether a run goes on with one that was begun or is a new one, and says why. Calling thread."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from llmobs_trace.errors import ConfigurationError
from llmobs_trace.experiment.steps import Code, Manifest, Steps, all_runs

Resume = Literal["auto"] | str | bool


@dataclass(frozen=True)
class Decision:
    """`steps` is the run to go on with, None for a new one; `said` is for the user."""

    steps: Steps | None
    said: str | None = None


def decide(runs: Path, wanted: Manifest, resume: Resume) -> Decision:
    """Which run to go on with. Raises `ConfigurationError` where one is named that can't be gone on with, and
    where a living process is at the one that would be.
    """
    if resume is False:
        return Decision(None)
    if isinstance(resume, str) and resume != "auto":
        return _named(runs, wanted, resume)
    for steps in all_runs(runs):
        known = steps.manifest
        if known.name != wanted.name or known.parent_experiment_id != wanted.parent_experiment_id:
            continue
        if steps.finished() is not None:
            continue
        if different := differences(known, wanted):
            short, verb = known.experiment_id[:8], "differs" if len(different) == 1 else "differ"
            return Decision(
                None,
                f"a new run, since {_listed(different)} {verb} from the unfinished {short}, which "
                f'resume="{short}" continues where only rows, repeats or evaluators were added',
            )
        return Decision(steps)
    return Decision(None)


def _named(runs: Path, wanted: Manifest, resume: str) -> Decision:
    found = [steps for steps in all_runs(runs) if steps.manifest.experiment_id.startswith(resume)]
    if len(found) != 1:
        count = "no run" if not found else f"{len(found)} runs"
        raise ConfigurationError(f"resume={resume!r}: {count} of that id; llmobs-trace runs lists them")
    steps = found[0]
    if steps.finished() is not None:
        raise ConfigurationError(f"resume={resume!r}: that run is finished, and is never changed")
    known = steps.manifest
    if known.name != wanted.name:
        raise ConfigurationError(f"resume={resume!r}: that is a run of {known.name!r}, not {wanted.name!r}")
    if hard := [what for what in differences(known, wanted) if not _only_added(what, known, wanted)]:
        raise ConfigurationError(
            f"resume={resume!r}: {_listed(hard)} {'differs' if len(hard) == 1 else 'differ'}; "
            "for code version= of the old one says that it is the same"
        )
    return Decision(steps)


def differences(known: Manifest, wanted: Manifest) -> list[str]:
    """What of a run is not as it was, in the words of `Experiment`'s arguments."""
    found = []
    if known.selected != wanted.selected or known.fingerprint != wanted.fingerprint:
        found.append("dataset")
    if not _same(known.task, wanted.task):
        found.append("task")
    if bytes(known.config) != bytes(wanted.config):
        found.append("config")
    if known.repeats != wanted.repeats:
        found.append("repeats")
    if not _same_all(known.evaluators, wanted.evaluators):
        found.append("evaluators")
    if not _same_all(known.summary_evaluators, wanted.summary_evaluators):
        found.append("summary_evaluators")
    return found


def _only_added(what: str, known: Manifest, wanted: Manifest) -> bool:
    """Whether what differs is only more of it."""
    if what == "dataset":
        return set(known.selected) <= set(wanted.selected)
    if what == "repeats":
        return known.repeats <= wanted.repeats
    if what == "evaluators":
        return all(any(_same(old, new) for new in wanted.evaluators) for old in known.evaluators)
    return what == "summary_evaluators"


def _same(known: Code, wanted: Code) -> bool:
    """The same code, or the same version of it, which the user vouches for."""
    if known.version is not None or wanted.version is not None:
        return known.version == wanted.version and known.name == wanted.name
    return known.fingerprint == wanted.fingerprint


def _same_all(known: Iterable[Code], wanted: Iterable[Code]) -> bool:
    old, new = list(known), list(wanted)
    return len(old) == len(new) and all(map(_same, old, new))


def _listed(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
