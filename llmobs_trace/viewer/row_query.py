"""Reads which rows are wanted, in which order, from the parameters of a list. Any thread."""

from __future__ import annotations

from typing import NamedTuple

from llmobs_trace.store.conditions import START, Condition, ConditionError, Sort, read_all, read_sort
from llmobs_trace.viewer.parameters import Parameters
from llmobs_trace.viewer.response import CannotAnswer


class Wanted(NamedTuple):
    """The conditions that all hold of the rows, and their order."""

    conditions: list[Condition]
    sort: Sort


def wanted(parameters: Parameters) -> Wanted:
    """What `where`, `sort` and `order` ask for."""
    is_descending = parameters.choice("order", ("asc", "desc"), "asc") == "desc"
    try:
        sort = read_sort(parameters.text("sort") or START)
        # The order by itself: a head of a column turns it.
        sort = Sort(sort.field, sort.is_descending != is_descending)
        return Wanted(read_all(parameters.lines("where")), sort)
    except ConditionError as error:
        raise CannotAnswer(400, str(error)) from None
