"""Holds what few spans have: an expected output, a failure, tags, a row's id. User's thread.

Kept apart, so that a span without any of it is made without it, and is known as such by one look (20 ns,
where five attributes cost 100).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from llmobs_trace.capture.failure import Failure


class Details:
    """Beside a span's names, ids, times, input and output. `own_tags` are the library's. So are
    `written_tags`, as JSON and joined: a model call has ten, and each by itself would take a microsecond.
    """

    __slots__ = ("expected", "failure", "own_tags", "row_id", "tags", "written_tags")

    def __init__(self) -> None:
        self.expected: bytes | None = None
        self.failure: Failure | None = None
        self.tags: dict[str, object] | None = None
        self.own_tags: tuple[str, ...] = ()
        self.written_tags = b""
        self.row_id: str | None = None


NO_DETAILS = Details()
