"""Finds what answers a request, by its path. The thread that has the store."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final
from urllib.parse import unquote

from msgspec import structs

from llmobs_trace.store.store import Store
from llmobs_trace.viewer import (
    assets,
    compared,
    experiment,
    experiments,
    experiments_listed,
    groups,
    neighbours,
    rows,
    side_by_side,
    spans,
    traces,
)
from llmobs_trace.viewer.compare_process import Apart
from llmobs_trace.viewer.parameters import searches
from llmobs_trace.viewer.response import CannotAnswer, Response, as_json, refusal

Query = Mapping[str, str]
Answer = Callable[..., object]

# A name in angle brackets stands for one segment of the path, which is handed to the answer.
_API: Final[tuple[tuple[str, Answer], ...]] = (
    ("revision", experiments.revision),
    ("experiments", experiments_listed.listing),
    ("experiments/<id>", experiment.summary),
    ("experiments/<id>/rows", rows.listing),
    ("experiments/<id>/groups", groups.groups),
    ("experiments/<id>/neighbours", neighbours.neighbours),
    ("experiments/<id>/traces/<id>", traces.trace),
    ("experiments/<id>/spans/<id>", spans.span),
    ("experiments/<id>/spans/<id>/shown", spans.shown),
    ("compare", compared.comparison),
    ("compare/rows", side_by_side.rows),
    ("compare/row", side_by_side.row),
)
_COMPARING: Final = (compared.comparison, side_by_side.rows, side_by_side.row)
_TAKING_LONG: Final = (compared.comparison, side_by_side.rows)
_SEARCHING: Final = (rows.listing, neighbours.neighbours, side_by_side.rows, side_by_side.row)
# An answer to a search comes within two, and says what it lacks.
_INDEX_SECONDS: Final = 1.0
_PAGES: Final = ("", "experiments", "compare")


def respond(
    store: Store, path: str, query: Query, headers: Mapping[str, str], apart: Apart | None = None
) -> Response | None:
    """Answer a GET of the viewer; None where nothing of it is at `path`.

    `path` is the request's, still percent-encoded and without its query; `query` and `headers` are decoded,
    and the headers' names in lower case.
    Where there is an `apart`, what takes long is worked out there.
    """
    first, _, rest = path.removeprefix("/").partition("/")
    if first == "api":
        return _api(store, rest, query, apart)
    if first == "assets":
        return assets.asset(unquote(rest), headers)
    if first in _PAGES:
        return assets.asset(assets.INDEX, headers)
    if "text/html" in headers.get("accept", ""):
        # A person mistyped it: the page says so, and leads to the others.
        index = assets.asset(assets.INDEX, {})
        return index and structs.replace(index, status=404)
    return None


def asked_about(path: str, query: Query) -> list[str]:
    """The ids of the experiments that a request's answer is about."""
    found = _find([unquote(segment) for segment in path.removeprefix("/api/").split("/")])
    if found is None or not path.startswith("/api/"):
        return []
    answer, ids = found
    return compared.asked_about(query) if answer in _COMPARING else ids[:1]


def _api(store: Store, path: str, query: Query, apart: Apart | None) -> Response:
    found = _find([unquote(segment) for segment in path.split("/")])
    if found is None:
        return refusal(404, f"there is nothing at /api/{path[:200]}")
    answer, ids = found
    given = (*ids, query, apart) if answer in _TAKING_LONG else (*ids, query)
    try:
        store.may_pass_over = answer in _SEARCHING and searches(query)
        if store.may_pass_over:
            store.index_words(_INDEX_SECONDS)
        with store.snapshot():
            return as_json(answer(store, *given))
    except CannotAnswer as refused:
        return refusal(refused.status, str(refused))


def _find(segments: list[str]) -> tuple[Answer, list[str]] | None:
    for pattern, answer in _API:
        names = pattern.split("/")
        if len(names) != len(segments):
            continue
        pairs = list(zip(names, segments, strict=True))
        if all(name.startswith("<") or name == given for name, given in pairs):
            return answer, [given for name, given in pairs if name.startswith("<")]
    return None
