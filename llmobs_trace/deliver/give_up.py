"""Moves what nobody will ever deliver to the file of rejected events, when a command is told to. Caller's
thread.

An event is written down before it is settled, so a kill in the middle repeats some lines and loses none.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Final

from llmobs_trace.deliver.answers import Answer
from llmobs_trace.deliver.batch import Entries, by_experiment, read_id
from llmobs_trace.deliver.rejected import Rejected, Rejection
from llmobs_trace.journal.queue import Source

_CHUNK_BYTES: Final = 4 << 20
_WORDS: Final = Answer(detail="given up by hand: resend --give-up")


def pending(source: Source) -> Counter[str]:
    """How many events are pending of each experiment."""
    found: Counter[str] = Counter()
    for experiment_id, entries in _by_experiment(source):
        found[experiment_id] += len(entries)
    return found


def give_up(source: Source, experiment_id: str, destination: str, rejected: Rejected) -> int:
    """Reject all that is pending of one experiment; how many that were.

    Raises OSError where an event can't be written down: that one, and those after it, stay pending.
    """
    given_up = 0
    for experiment, entries in _by_experiment(source):
        if experiment == experiment_id:
            for record, event in entries:
                rejected.write(
                    Rejection(
                        destination=destination,
                        experiment_id=experiment_id,
                        is_span=event.is_span,
                        event=event.json,
                        answer=_WORDS,
                        sent=False,
                    )
                )
                source.acknowledge([record], "rejected")
                given_up += 1
    return given_up


def _by_experiment(source: Source) -> Iterator[tuple[str, Entries]]:
    """The events of each experiment, as often as it comes in another stretch."""
    at = source.start()
    while True:
        records, at = source.read(at, _CHUNK_BYTES)
        if not records:
            return
        found, _ = by_experiment(records)
        for encoded_id, entries in found.items():
            experiment_id = read_id(encoded_id)
            if experiment_id is not None:
                yield experiment_id, entries
