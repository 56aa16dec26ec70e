"""Holds what few spans have: an expected output, a failure, tags, a row's id. User's thread.

Kept apart, so that a span without any of it is made without it, and is known as such by one look (20 ns,
where five attributes cost 100).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmobs_trace.encode import encode_text

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

    def has_library_tags_alone(self) -> bool:
        """Whether the library's tags are all there is, as of most model calls."""
        return not self.tags and self.expected is None and self.failure is None

    def library_tags(self) -> list[bytes]:
        """The library's tags, as JSON."""
        tags = [encode_text(own) for own in self.own_tags]
        if self.written_tags:
            tags.append(self.written_tags)
        return tags


NO_DETAILS = Details()
