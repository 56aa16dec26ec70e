"""Reads what was measured of rows or spans, as lists show it. The store's thread."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from msgspec import Struct

from llmobs_trace.store.lookup import marks
from llmobs_trace.store.preview import SHOWN_CHARACTERS, text_of_string
from llmobs_trace.store.shortening import shortened
from llmobs_trace.store.store import Store

_SHOWN_MESSAGE: Final = 2000
_COLUMNS: Final = (
    "m.in_row, m.span_id, m.label, m.metric_type, m.score_value, m.boolean_value, m.categorical_value,"
    " m.assessment, m.failed, m.not_applicable, m.error_message, CAST(m.event AS BLOB)"
)
_ABSENT: Final = msgspec.Raw(b"null")


class Shown(Struct, frozen=True):
    """One metric; the value of a `json` one is its JSON text."""

    span_id: str
    label: str
    metric_type: str
    value: float | bool | str | None
    value_cut: bool
    assessment: str | None
    failed: bool
    not_applicable: bool  # its evaluator says so, and nothing else
    error_message: str | None


class Explained(Shown, frozen=True):
    """With what its evaluator said of it; `metadata` is JSON text."""

    reasoning: str | None = None
    metadata: str | None = None
    metadata_cut: bool = False
    is_cut: bool = False  # whether any text of it is


class _Event(Struct):
    json_value: msgspec.Raw = _ABSENT
    reasoning: msgspec.Raw = _ABSENT
    metadata: msgspec.Raw = _ABSENT


def of_rows(store: Store, rows: list[int]) -> dict[int, list[Shown]]:
    """The metrics within each row's tree, by the row's key, in the order of their timestamps."""
    query = (
        f"SELECT {_COLUMNS} FROM metric m WHERE m.in_row IN ({marks(rows)}) ORDER BY m.timestamp_ms, m.key"
    )
    found: dict[int, list[Shown]] = {row: [] for row in rows}
    for columns in store.select(query, rows):
        found[columns[0]].append(Shown(**_shown(columns)))
    return found


def of_spans(
    store: Store, experiment: int, span_ids: list[str], characters: int = _SHOWN_MESSAGE
) -> dict[str, list[Explained]]:
    """The metrics of each span, by its id; of each text of one at most so many characters."""
    query = (
        f"SELECT {_COLUMNS} FROM metric m WHERE m.experiment = ? AND m.span_id IN ({marks(span_ids)})"
        " ORDER BY m.timestamp_ms, m.key"
    )
    found: dict[str, list[Explained]] = {span_id: [] for span_id in span_ids}
    for columns in store.select(query, [experiment, *span_ids]):
        event = msgspec.json.decode(columns[-1], type=_Event)
        reasoning = text_of_string(event.reasoning)
        metadata = shortened(event.metadata, characters)
        shown = _shown(columns, characters)
        message = columns[-2]
        found[columns[1]].append(
            Explained(
                **shown,
                reasoning=reasoning and reasoning[:characters],
                metadata=metadata.text,
                metadata_cut=metadata.is_cut,
                is_cut=metadata.is_cut
                or shown["value_cut"]
                or any(text is not None and len(text) > characters for text in (reasoning, message)),
            )
        )
    return found


def _shown(columns: tuple[Any, ...], characters: int = _SHOWN_MESSAGE) -> dict[str, Any]:
    _, span_id, label, kind, score, boolean, category, assessment, failed, na, message, event = columns
    value: float | bool | str | None
    is_cut = False
    if score is not None:
        value = score
    elif boolean is not None:
        value = bool(boolean)
    elif category is not None:
        value, is_cut = category[:characters], len(category) > characters
    else:
        room = SHOWN_CHARACTERS if characters == _SHOWN_MESSAGE else characters
        value, is_cut, _ = shortened(msgspec.json.decode(event, type=_Event).json_value, room)
    return {
        "span_id": span_id,
        "label": label,
        "metric_type": kind,
        "value": value,
        "value_cut": is_cut,
        "assessment": assessment,
        "failed": bool(failed),
        "not_applicable": bool(na),
        "error_message": message if message is None else message[:characters],
    }
