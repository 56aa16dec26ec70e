"""Says by which handler a path and method are answered. Pure.

Each path is answered under the documented prefix and under the one that ddtrace's SDK uses for the same.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final
from urllib.parse import unquote

from msgspec import Struct

from llmobs_trace.receiver.catalog import datasets, ddtrace, experiments, projects, records, written_events
from llmobs_trace.receiver.catalog.asked import Asked
from llmobs_trace.receiver.http import Reply
from llmobs_trace.store.store import Store

Handler = Callable[[Store, Asked], Reply]


class Route(Struct, frozen=True):
    """`handler` None: it is known, and not answered here."""

    method: str
    path: re.Pattern[str]
    handler: Handler | None
    takes: str = "application/json"

    @property
    def writes(self) -> bool:
        return self.method != "GET"


class Found(Struct, frozen=True):
    """Where a request leads: a route and the ids in its path; or the methods that the path has."""

    route: Route | None
    ids: tuple[str, ...]
    methods: tuple[str, ...] = ()


_V1: Final = "/api/(?:v2|unstable)/llm-obs/v1"
_LATER: Final = "/api/v2/llm-obs"
INTAKE: Final = "/api/v2/llmobs"
_BEGINNINGS: Final = ("/api/v2/", "/api/unstable/")
_MULTIPART: Final = "multipart/form-data"


def _routes() -> tuple[Route, ...]:
    """`{}` is an id. Of two that a path fits the first counts."""
    listed: list[tuple[str, str, Handler | None]] = [
        ("POST", f"{_V1}/projects", projects.create),
        ("GET", f"{_V1}/projects", projects.listed),
        ("POST", f"{_V1}/projects/delete", projects.delete),
        ("PATCH", f"{_V1}/projects/{{}}", projects.change),
        ("POST", f"{_V1}/experiments", experiments.create),
        ("GET", f"{_V1}/experiments", experiments.listed),
        ("POST", f"{_V1}/experiments/delete", experiments.delete),
        ("PATCH", f"{_V1}/experiments/{{}}", experiments.change),
        ("GET", "/api/unstable/llm-obs/v1/experiments/events", written_events.rows_by_name),
        ("GET", "/api/unstable/llm-obs/v1/experiments/{}/events", written_events.rows),
        ("POST", "/api/unstable/llm-obs/v1/experiments/{}/events", ddtrace.events),
        ("POST", INTAKE, ddtrace.intake),
        ("GET", f"{_LATER}/v1/experiments/{{}}/events", written_events.v1),
        ("GET", f"{_LATER}/v2/experiments/{{}}/events", written_events.v2),
        ("GET", f"{_LATER}/v3/experiments/{{}}/events", written_events.v3),
        ("POST", f"{_V1}/datasets/delete", datasets.delete),
        ("POST", f"{_V1}/{{}}/datasets", datasets.create),
        ("GET", f"{_V1}/{{}}/datasets", datasets.listed),
        ("POST", f"{_V1}/{{}}/datasets/delete", datasets.delete),
        ("PATCH", f"{_V1}/{{}}/datasets/{{}}", datasets.change),
        ("GET", f"{_V1}/{{}}/datasets/{{}}/versions", datasets.versions),
        ("POST", f"{_V1}/{{}}/datasets/{{}}/records", records.append),
        ("GET", f"{_V1}/{{}}/datasets/{{}}/records", records.listed),
        ("PATCH", f"{_V1}/{{}}/datasets/{{}}/records", records.change),
        ("POST", f"{_V1}/{{}}/datasets/{{}}/records/delete", records.delete),
        ("POST", f"{_V1}/{{}}/datasets/{{}}/batch_update", records.batch),
        *(
            (method, f"{_V1}/{path}", None)
            for method, path in (
                ("POST", "{}/datasets/{}/clone"),
                ("POST", "{}/datasets/{}/restore"),
                ("GET", "{}/datasets/{}/draft_state"),
                ("PATCH", "{}/datasets/{}/draft_state/lock"),
                ("PATCH", "{}/datasets/{}/draft_state/unlock"),
                ("GET", "{}/datasets/{}/export"),
                ("POST", "experimentation/search"),
                ("POST", "experimentation/simple-search"),
                ("POST", "experimentation/analytics"),
                ("POST", "config/evaluators/custom"),
                ("POST", "evaluators/{}/infer"),
            )
        ),
    ]
    uploads = (f"{_V1}/datasets/{{}}/records/upload", f"{_LATER}/v2/{{}}/datasets/{{}}/records/upload")
    return (
        *(Route("POST", _pattern(path), records.upload, _MULTIPART) for path in uploads),
        *(Route(method, _pattern(path), handler) for method, path, handler in listed),
    )


def _pattern(path: str) -> re.Pattern[str]:
    return re.compile(path.replace("{}", "([^/]+)"))


_ROUTES: Final = _routes()


def find(method: str, path: str) -> Found | None:
    """Where a request leads; None where the path is none of the catalog's."""
    if not path.startswith(_BEGINNINGS):
        return None  # the pages and their questions, of which there are many more
    methods: list[str] = []
    for route in _ROUTES:
        fits = route.path.fullmatch(path)
        if fits is None:
            continue
        if route.method == method:
            return Found(route, tuple(unquote(each) for each in fits.groups()))
        methods.append(route.method)
    return Found(None, (), tuple(methods)) if methods else None
