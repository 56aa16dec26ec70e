"""Defines where batches go: one seam, `send(batch) → answer`. Sender's thread, except where it says
otherwise.

class Printed:
    name = "printed"
    fork_while_sending = True

    def open(self) -> None: ...
    def send(self, batch: Batch, timeout_seconds: float) -> Answer:
        print(batch.experiment_id, batch.body().decode())
        return Answer(status=202)
    def abort(self) -> None: ...
    def close(self) -> None: ...
    def after_fork_in_child(self) -> None: ...
"""

from __future__ import annotations

from typing import Protocol

from llmobs_trace.deliver.answers import Answer
from llmobs_trace.deliver.batch import Batch


class Destination(Protocol):
    """What the worker needs of the place that events go to."""

    @property
    def name(self) -> str:
        """What it is called in log lines and owner files: a base URL or a path, never a key."""

    @property
    def fork_while_sending(self) -> bool:
        """Whether the program may fork while `send` runs, and while files are open; where not, a fork waits
        for `send` a moment, and calls `close`.
        """

    def open(self) -> None:
        """Get ready, imports included; called before each `send`, must be cheap when it is ready.

        A fork waits for it: an import cut in two by a fork would block the child's for ever.
        """

    def send(self, batch: Batch, timeout_seconds: float) -> Answer:
        """Hand one batch over within `timeout_seconds` in all. Trouble is an answer, not an exception."""

    def abort(self) -> None:
        """Make a `send` that is under way return soon. Any thread."""

    def close(self) -> None:
        """Let go of connections and files; `open` may follow. Before a fork it is the forking thread's."""

    def after_fork_in_child(self) -> None:
        """In a forked child: forget what is the parent's, closing nothing of it. The forking thread."""
