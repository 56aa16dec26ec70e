"""Makes the records of a dataset out of an experiment's rows. The command's thread."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
from msgspec import Raw, Struct

from llmobs_trace.catalog.catalog import Record
from llmobs_trace.catalog.local_catalog import record_of
from llmobs_trace.store import datasets, records
from llmobs_trace.store.made_experiments import MadeExperiment
from llmobs_trace.store.paged_events import span_pages
from llmobs_trace.store.store import Store

_AT_ONCE = 200
_NULL = Raw(b"null")


class _Meta(Struct):
    input: Raw = _NULL
    expected_output: Raw = _NULL


class _Span(Struct):
    meta: _Meta = msgspec.field(default_factory=_Meta)


_span = msgspec.json.Decoder(_Span).decode
_members = msgspec.json.Decoder(dict[str, Raw]).decode


def rows_of(store: Store, experiment_id: str, made: MadeExperiment | None) -> Iterator[Record]:
    """Those of the dataset that it ran over, at its version; where that is not known, what its rows say of
    themselves: of several rows of one id the first.
    """
    if made is not None and made.dataset_id is not None:
        dataset = next(datasets.find_datasets(store, id=made.dataset_id), None)
        if dataset is not None and dataset.version:
            yield from map(record_of, records.records(store, dataset, made.dataset_version))
            return
    yield from _recorded(store, experiment_id)


def _recorded(store: Store, experiment_id: str) -> Iterator[Record]:
    known: set[str] = set()
    for page in span_pages(store, experiment_id, 0, _AT_ONCE, rows_only=True):
        for span in page:
            if span.row_id and span.row_id not in known:
                known.add(span.row_id)
                meta = _span(span.event).meta
                yield Record(id=span.row_id, input=meta.input, expected_output=_plain(meta.expected_output))


def _plain(expected: Raw) -> Raw:
    """What is no object travels within one."""
    if bytes(memoryview(expected)[:1]) != b"{":
        return expected
    members = _members(expected)
    return members["value"] if members.keys() == {"value"} else expected
