"""Sums up what the model calls of an experiment's rows took. The thread that has the store."""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from llmobs_trace.store import prices
from llmobs_trace.store.amounts import Amount
from llmobs_trace.store.store import Store


class Spent(Struct, frozen=True):
    """Of rows; None where no row says."""

    input_tokens: Amount | None
    output_tokens: Amount | None
    cost_usd: Amount | None
    worked_out: bool  # whether any cost was, of all that were not stated
    prices: str | None  # the price data that is there


_ROWS: Final = "FROM span INDEXED BY row_by_{column} WHERE experiment = ? AND in_row = key AND {column} >= 0"


def spent(store: Store, experiment: int, rows: int) -> Spent | None:
    """None where no row has model calls."""
    found = {
        column: _amount(store, experiment, column, rows)
        for column in ("input_tokens", "output_tokens", "cost_usd")
    }
    if not any(found.values()):
        return None
    ((priced,),) = store.select("SELECT priced FROM experiment WHERE key = ?", (experiment,))
    return Spent(**found, worked_out=priced > 0, prices=prices.price_data())


def _amount(store: Store, experiment: int, column: str, rows: int) -> Amount | None:
    query = f"SELECT count(*), total({column}), min({column}), max({column}) {_ROWS.format(column=column)}"
    ((count, total, lowest, highest),) = store.select(query, (experiment,))
    if not count:
        return None
    total = min(total, 1.7e308)  # JSON has no infinity
    return Amount(count, rows - count, total, total / count, lowest, highest)
