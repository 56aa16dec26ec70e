"""Compares what must be at Datadog of an experiment with what is there. The command's thread.

Of each event its key and a digest are held, of both sides: 100,000 events take some 70 MB.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from msgspec import Struct

from llmobs_trace.catalog.remote_events import RemoteEvents, RemotePage
from llmobs_trace.publish import fingerprints
from llmobs_trace.publish.fingerprints import Fingerprint

_Key = tuple[str, ...]


class Reconciled(Struct, frozen=True):
    """`arrived` are the same here and there; `twice` came more often than they were sent; `others` are there,
    and not known here.
    """

    arrived: int
    missing: list[str]
    different: list[str]
    twice: list[str]
    others: int

    @property
    def is_whole(self) -> bool:
        """Whether all that must be there is, once, as it was recorded."""
        return not (self.missing or self.different or self.twice)


def reconcile(expected: Iterable[Fingerprint], arrived: Iterable[Fingerprint]) -> Reconciled:
    """Both sides, event by event. Of one key there may be several: a score that was recorded twice in one
    millisecond.
    """
    wanted, seen = _by_key(expected), _by_key(arrived)
    same, missing, different, twice = 0, [], [], []
    for key, digests in wanted.items():
        here, there = Counter(digests), Counter(seen.pop(key, ()))
        same += (here & there).total()
        lacking, more = (here - there).total(), there - here
        again = sum(count for digest, count in more.items() if digest in here)
        changed = min(lacking, more.total() - again)
        missing += [_named(key)] * (lacking - changed)
        different += [_named(key)] * changed
        twice += [_named(key)] * again
    return Reconciled(same, missing, different, twice, sum(map(len, seen.values())))


def _by_key(fingerprints: Iterable[Fingerprint]) -> dict[_Key, list[bytes]]:
    found: dict[_Key, list[bytes]] = {}
    for one in fingerprints:
        found.setdefault((one.what, *one.key), []).append(one.digest)
    return found


def _named(key: _Key) -> str:
    return " ".join(filter(None, key))


def arrived(remote: RemoteEvents, experiment_id: str) -> Iterator[Fingerprint]:
    """What is there. Raises `CatalogError`."""
    for page in remote.pages(experiment_id):
        yield from _of_page(page)


def _of_page(page: RemotePage) -> Iterator[Fingerprint]:
    for event in page.spans:
        span, metrics = fingerprints.of_span(event)
        yield span
        yield from map(fingerprints.of_metric, metrics)
    yield from map(fingerprints.of_metric, page.summary_metrics)
