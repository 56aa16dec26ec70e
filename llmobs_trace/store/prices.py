"""Works out what model calls cost that nobody stated a cost of, and keeps it in the store. A reader's thread,
never the traced process.

The prices are those of the package `genai-prices`, which has them offline: of a call's own date, and known by
the package's version, which is kept with each cost. What it can't tell stays unknown, and is asked again by
another version. A root's cost is the sum of its calls', where all of them are here and known; one that was
worked out stays, whatever a later version would say of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import datetime, timezone
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from llmobs_trace.store import late_columns
from llmobs_trace.store.lookup import marks
from llmobs_trace.store.store import Store
from llmobs_trace.wire import CACHE_WRITTEN_1H_TOKENS_TAG, CACHE_WRITTEN_TOKENS_TAG

if TYPE_CHECKING:
    import sqlite3

PACKAGE: Final = "genai-prices"
# Some 120 µs each: so long the file is held, and a server's other threads wait for the interpreter in turns.
_AT_ONCE: Final = 500

_OF: Final = "experiment = (SELECT key FROM experiment WHERE id = ?)"
_UNTRIED: Final = "cost_usd IS NULL AND (priced_with IS NULL OR priced_with <> ?)"
_IS_A_CALL: Final = (
    "kind IN ('llm', 'embedding') AND coalesce(model, input_tokens, output_tokens, cost_usd) IS NOT NULL"
)
# The parents of calls, within one trace: what such a one says is of them.
_HOLDERS: Final = (
    f"SELECT parent_id FROM span c WHERE c.experiment = ? AND c.trace_id = ? AND {_IS_A_CALL}"
    " AND parent_id IS NOT NULL"
)
# A root has the sums of its tree in the place of its own tokens: it says its own where it is the only call.
_CALLS: Final = (
    f"FROM span s INDEXED BY call_without_cost WHERE {_OF} AND model IS NOT NULL AND {_UNTRIED}"
    f" AND {_IS_A_CALL} AND (model_calls IS NULL OR (model_calls = 1 AND span_id NOT IN ("
    f"{_HOLDERS.replace('?', 's.experiment', 1).replace('?', 's.trace_id')})))"
)
_ROOTS: Final = (
    f"FROM span s INDEXED BY root_without_cost WHERE {_OF} AND model_calls IS NOT NULL AND {_UNTRIED}"
    " AND parent_id IS NULL"
)


class Call(NamedTuple):
    """A model call, as far as it bears on its price."""

    provider: str | None
    model: str
    input_tokens: int | None
    output_tokens: int | None
    cached_tokens: int | None
    is_embedding: bool
    start_ns: int
    cache_written_tokens: int | None = None
    cache_written_1h_tokens: int | None = None  # of those


def price_data() -> str | None:
    """The package that knows prices, with its version; None where it isn't installed."""
    return _installed(PACKAGE)


@cache
def _installed(package: str) -> str | None:
    try:
        return f"{package} {version(package)}"
    except PackageNotFoundError:
        return None


def cost_usd(call: Call) -> float | None:
    """What a call cost; None where that is not known, or the package is not there."""
    output_tokens = 0 if call.is_embedding else call.output_tokens
    if call.input_tokens is None or output_tokens is None:
        return None
    # It raises for what it doesn't know, and by more than one kind of exception for what makes no sense.
    with suppress(Exception):
        import genai_prices

        usage = genai_prices.Usage(
            input_tokens=call.input_tokens,
            output_tokens=output_tokens,
            cache_read_tokens=call.cached_tokens,
            **_cache_writes(call),
        )
        priced = genai_prices.calc_price(
            usage,
            call.model,
            provider_id=call.provider,
            genai_request_timestamp=datetime.fromtimestamp(call.start_ns / 1e9, timezone.utc),
        )
        return float(priced.total_price)
    return None


def _cache_writes(call: Call) -> dict[str, int]:
    """Few calls have any; that some are kept for an hour is known to newer releases of the package alone."""
    written, for_an_hour = call.cache_written_tokens, call.cache_written_1h_tokens
    if not written:
        return {}
    return {"cache_write_tokens": written, **({"cache_write_1h_tokens": for_an_hour} if for_an_hour else {})}


def are_unread(store: Store) -> bool:
    """Whether some spans lack what their tags say of calls: opening it once more, to write, mends that."""
    return bool(next(store.select(late_columns.LAGS))[0])


def waiting(store: Store, experiment_id: str) -> int:
    """How many calls and roots have yet to be looked at, by the price data that is there."""
    data = price_data()
    if data is None:
        return 0
    ((count,),) = store.select(
        f"SELECT (SELECT count(*) {_CALLS}) + (SELECT count(*) {_ROOTS})",
        (experiment_id, data, experiment_id, data),
    )
    return int(count)


def work_out(store: Store, experiment_id: str) -> Iterator[int]:
    """All that can be, a part at each step, which says how many were looked at; `store` must be one that
    writes. Raises `StoreError` where it can't be written.
    """
    data = price_data()
    if data is None:
        return
    for keys in _parts(store, _CALLS, experiment_id, data):
        query = (
            "SELECT CAST(v.event AS BLOB), span_id, provider, model, input_tokens, output_tokens,"
            " cached_tokens, kind = 'embedding', start_ns FROM span s JOIN span_event v ON v.key = s.key"
            f" WHERE s.key IN ({marks(keys)})"
        )
        calls = [
            (span_id, Call(*columns, *_written_to_a_cache(event)))
            for event, span_id, *columns in store.select(query, keys)
        ]
        _keep(store, experiment_id, data, [(cost_usd(call), span_id) for span_id, call in calls])
        yield len(keys)
    for keys in _parts(store, _ROOTS, experiment_id, data):
        costs = [sums for key in keys if (sums := _sum(store, key)) is not None]
        _keep(store, experiment_id, data, costs)
        yield len(keys)


class _Event(msgspec.Struct):
    tags: list[str] | None = None


_event = msgspec.json.Decoder(_Event)


def _written_to_a_cache(event: bytes) -> list[int | None]:
    """The tokens that a call had a cache keep, and those for an hour: so few have any that they have no
    columns.
    """
    if CACHE_WRITTEN_TOKENS_TAG.encode() not in event:
        return [None, None]
    tags = dict(tag.partition(":")[::2] for tag in _event.decode(event).tags or ())
    counts = (tags.get(name, "") for name in (CACHE_WRITTEN_TOKENS_TAG, CACHE_WRITTEN_1H_TOKENS_TAG))
    return [int(count) if count.isdecimal() and count.isascii() else None for count in counts]


def _parts(store: Store, which: str, experiment_id: str, data: str) -> Iterator[list[int]]:
    found = [key for (key,) in store.select(f"SELECT key {which}", (experiment_id, data))]
    return (found[at : at + _AT_ONCE] for at in range(0, len(found), _AT_ONCE))


def _sum(store: Store, root: int) -> tuple[float | None, str] | None:
    """What a root's calls cost, None where that of any is unknown, and the root's id. None as long as some
    of its calls are not here.
    """
    ((span_id, expected, *of),) = store.select(
        "SELECT span_id, model_calls, experiment, trace_id, in_row FROM span WHERE key = ?", (root,)
    )
    ((here, known, cost),) = store.select(
        "SELECT count(*), count(cost_usd), sum(cost_usd) FROM span"
        f" WHERE experiment = ? AND trace_id = ? AND in_row IS ? AND {_IS_A_CALL}"
        f" AND span_id NOT IN ({_HOLDERS})",
        (*of, *of[:2]),
    )
    if here < expected:
        return None
    return (cost if known == here else None), span_id


def _keep(store: Store, experiment_id: str, data: str, costs: Sequence[tuple[float | None, str]]) -> None:
    if not costs:
        return

    def keep(connection: sqlite3.Connection) -> None:
        changed = connection.executemany(
            f"UPDATE span SET cost_usd = ?, priced_with = ? WHERE {_OF} AND span_id = ? AND cost_usd IS NULL",
            [(cost, data, experiment_id, span_id) for cost, span_id in costs],
        ).rowcount
        connection.execute("UPDATE experiment SET priced = priced + ? WHERE id = ?", (changed, experiment_id))
        connection.execute("UPDATE state SET revision = revision + 1")

    store.change(keep)
