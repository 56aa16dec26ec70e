"""Defines a row of a dataset, and makes its id and its digest from what is in it. Any thread.

An id comes from content and not from position, so that a shuffled, filtered or longer dataset keeps its
pairs: it is the hash that `experiment_span` makes of the same input, so that rows of a hand-written loop and
of the runner are compared with each other.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

import msgspec

from llmobs_trace.capture.entry import NO_SCOPE
from llmobs_trace.capture.recorder import Recorder, discard
from llmobs_trace.capture.row_ids import digest_of, with_ordinal
from llmobs_trace.capture.values import captured
from llmobs_trace.encode import encode
from llmobs_trace.errors import ConfigurationError, did_you_mean
from llmobs_trace.wire import id_problem

if TYPE_CHECKING:
    from llmobs_trace.catalog.catalog import Record
    from llmobs_trace.store.records import StoredRecord

_decode = msgspec.json.Decoder().decode
FIELDS = ("input", "expected_output", "metadata", "id", "tags")


@dataclass(frozen=True)
class Row:
    """One row of a dataset: what the task gets, and what should come of it.

    >>> Row("What is the capital of France?", expected_output="Paris", metadata={"continent": "Europe"}).input
    'What is the capital of France?'

    - `input`: any value; the task gets it, lists and dicts as a copy that it may change
    - `expected_output`: any value; evaluators get it in the same way, the task never does
    - `metadata`: a mapping that evaluators and tasks may ask for
    - `id`: the row's name; by default made from the input
    - `tags`: texts such as `"language:en"`, for whoever looks at the results
    """

    input: Any
    expected_output: Any = None
    metadata: Mapping[str, Any] | None = None
    id: str | None = None
    tags: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.metadata is not None and not isinstance(self.metadata, Mapping):
            kind = type(self.metadata).__name__
            raise ConfigurationError(f"metadata: given a {kind}; expected a mapping of names to values")
        if self.id is not None and (wrong := id_problem(self.id)):
            raise ConfigurationError(f"id: the row's id {self.id!r} {wrong}")
        if isinstance(self.tags, str) or not all(isinstance(tag, str) for tag in self.tags):
            raise ConfigurationError(f"tags: given {self.tags!r}; expected texts, as ['language:en']")
        object.__setattr__(self, "tags", tuple(self.tags))

    def without_expected_output(self) -> Row:
        """As the task gets it: the answer can't leak into what is tested."""
        return self._with(expected_output=None)

    def with_id(self, row_id: str) -> Row:
        """The row under the id that was made for it."""
        return self._with(id=row_id)

    def copied(self, input: Any, expected_output: Any, metadata: Any) -> Row:
        """The same row with copies of its values."""
        return self._with(input=input, expected_output=expected_output, metadata=metadata)

    def _with(self, **changed: Any) -> Row:
        """A copy. What was looked at when the row was made is not looked at again: that takes as long as the
        rest of reading a row.
        """
        row = object.__new__(type(self))
        row.__dict__.update(self.__dict__, **changed)
        return row


def row_of(given: object, where: str) -> Row:
    """The row that one item of a dataset says; `where` names the item in the error."""
    if isinstance(given, Row):
        return given
    if isinstance(given, Mapping):
        for key in given:
            if key not in FIELDS:
                near = did_you_mean(str(key), FIELDS)
                raise ConfigurationError(f"{where}: no such key {key!r}{near}; a row has {', '.join(FIELDS)}")
        if "input" not in given:
            raise ConfigurationError(f"{where}: no key 'input' among {', '.join(map(repr, given)) or 'none'}")
        try:
            return Row(**given)
        except ConfigurationError as error:
            raise ConfigurationError(f"{where}: {error}") from None
    if isinstance(given, tuple) and len(given) == 2:
        return Row(*given)
    raise ConfigurationError(
        f"{where}: given a {type(given).__name__}; expected a Row, a mapping with 'input', "
        "or a pair of input and expected output"
    )


def row_of_record(record: Record | StoredRecord) -> Row:
    """The row that a dataset's record holds."""
    metadata = _decode(record.metadata)
    if metadata is not None and not isinstance(metadata, dict):
        metadata = {"metadata": metadata}  # another client may put any value there
    return Row(
        _decode(record.input), _decode(record.expected_output), metadata or None, record.id, record.tags
    )


class Identities:
    """Gives rows their ids as they come: the same rows in any order get the same ids, but for the ordinals of
    those that come again.
    """

    def __init__(self, recorder: Recorder | None) -> None:
        """`recorder` is the one that records, whose redactor sees inputs first; None where nobody configured
        any, since a redactor can only be configured.
        """
        self._recorder = recorder or Recorder(discard, NO_SCOPE)
        self._seen: dict[str, int] = {}

    def identify(self, row: Row) -> Row:
        """The row with its id."""
        known = row.id if row.id is not None else self._digest(row.input)
        ordinal = self._seen.get(known, 0) + 1
        # Another row may have been given what would be the name of the second one.
        while (made := with_ordinal(known, ordinal)) in self._seen and ordinal > 1:
            ordinal += 1
        self._seen[known] = ordinal
        self._seen.setdefault(made, 1)
        return row.with_id(made)

    def _digest(self, value: object) -> str:
        return digest_of(captured(self._recorder, "input", value) or b"null")


def row_digest(row: Row) -> bytes:
    """16 bytes that differ where any of a row's id, input, expected output or metadata does."""
    digest = blake2b(digest_size=16)
    for value in (row.id, row.input, row.expected_output, row.metadata):
        encoded = encode(value)
        digest.update(b"%d:" % len(encoded))
        digest.update(encoded)
    return digest.digest()


def fingerprint(digests: Iterable[bytes]) -> str:
    """32 hex digits over all rows' digests, in whatever order they stand."""
    return blake2b(b"".join(sorted(digests)), digest_size=16).hexdigest()
