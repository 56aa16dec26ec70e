"""Datadog's experiments API on a socket, in memory: it answers as one of the readings of what is unknown, and
breaks where a test tells it to.

    with ScriptedDatadog(Reading(records="flat"), Fault("make experiment", "lost")) as datadog:
        HttpCatalog(datadog.url, KEY, KEY).project("support-bot")
    assert datadog.state() == {...}

It is as unhelpful as a server may be: whatever is made twice is there twice, records too.
"""

from __future__ import annotations

import json
import re
import threading
import uuid
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal
from urllib.parse import parse_qsl, unquote, urlsplit

PREFIX = "/api/v2/llm-obs/v1"
PORTAL = b"<!doctype html><html><head><title>Sign in to the guest network</title></head></html>"


@dataclass(frozen=True)
class Reading:
    """One reading of what is not documented.

    `records`: in which shape a record comes. `patched_metadata`: what becomes of the rest of it.
    `same_dataset`: what a second POST of a dataset's name does. `metadata_filter`, `name_filter`: what each
    does. `status`: of what was made. `as_list`: one thing comes in a list. `cursor_carries`: a cursor
    has its filters with it, or they must be sent again. `rewrites`: JSON comes back as another writer has it.
    `tells_version`: a change of records says the dataset's version. `sparse`: only what must be said is.
    `sets_no_tags`: to set no tags takes them all away, or says nothing.
    """

    records: Literal["flat", "attributes", "both"] = "both"
    patched_metadata: Literal["replace", "merge"] = "replace"
    same_dataset: Literal["existing", "conflict", "second"] = "existing"
    metadata_filter: Literal["honoured", "ignored", "refused"] = "honoured"
    name_filter: Literal["equal", "beginning", "ignored"] = "equal"
    status: int = 200
    as_list: bool = False
    cursor_carries: bool = True
    rewrites: bool = False
    tells_version: bool = True
    sparse: bool = False
    sets_no_tags: bool = True
    page: int = 3


READINGS: dict[str, Reading] = {
    "both shapes": Reading(),
    "flat": Reading(
        records="flat",
        patched_metadata="merge",
        same_dataset="conflict",
        metadata_filter="ignored",
        name_filter="beginning",
        tells_version=False,
    ),
    "attributes": Reading(
        records="attributes",
        same_dataset="second",
        metadata_filter="refused",
        status=201,
        as_list=True,
        rewrites=True,
        sets_no_tags=False,
    ),
    "sparse": Reading(
        records="attributes",
        same_dataset="second",
        name_filter="ignored",
        metadata_filter="ignored",
        cursor_carries=False,
        rewrites=True,
        tells_version=False,
        sparse=True,
        page=1,
    ),
}

# What each request is, by its verb and path.
_STEPS: tuple[tuple[str, str, str], ...] = (
    ("look project", "GET", r"/projects"),
    ("make project", "POST", r"/projects"),
    ("look dataset", "GET", r"/([^/]+)/datasets"),
    ("make dataset", "POST", r"/([^/]+)/datasets"),
    ("list records", "GET", r"/([^/]+)/datasets/([^/]+)/records"),
    ("change records", "POST", r"/([^/]+)/datasets/([^/]+)/batch_update"),
    ("look experiment", "GET", r"/experiments"),
    ("make experiment", "POST", r"/experiments"),
    ("status", "PATCH", r"/experiments/([^/]+)"),
    ("events", "POST", r"/experiments/([^/]+)/events"),
)
STEPS = tuple(name for name, _, _ in _STEPS)


@dataclass(frozen=True)
class Fault:
    """What goes wrong at the `nth` request of a step, and at as many after it as `times` says.

    `no answer`: the connection ends, nothing was done; `lost`: it was done first; `half`: and half the answer
    comes. `portal`: a page of somebody else's. A status: refused with these words.
    """

    step: str
    how: Literal["no answer", "lost", "half", "portal"] | int
    nth: int = 1
    times: int = 1
    headers: dict[str, str] = field(default_factory=dict)
    words: str = "said the server"
    does: bool = False  # a refusal that took effect all the same


@dataclass(frozen=True)
class Asked:
    """One request, as it came."""

    step: str
    path: str
    query: dict[str, str]
    body: dict[str, Any] | None
    keys: tuple[str | None, str | None]

    @property
    def attributes(self) -> dict[str, Any]:
        assert self.body is not None
        found: dict[str, Any] = self.body["data"]["attributes"]
        return found


class Refused(Exception):
    def __init__(self, status: int, detail: str) -> None:
        self.status = status
        self.detail = detail


class ScriptedDatadog:
    def __init__(self, reading: Reading | None = None, *faults: Fault) -> None:
        self.reading = reading or Reading()
        self.faults = list(faults)
        self.asked: list[Asked] = []
        self.projects: list[dict[str, Any]] = []
        self.datasets: list[dict[str, Any]] = []
        self.experiments: list[dict[str, Any]] = []
        self.spans: list[dict[str, Any]] = []
        self.metrics: list[dict[str, Any]] = []
        # A proxy on the way sends each change twice.
        self.sends_twice = False
        # Called with each request before it is looked at, without the lock: a test waits or kills here.
        self.on_request: Callable[[Asked], None] = lambda asked: None
        # A proxy on the way lets no more through.
        self.largest_bytes = 1 << 30
        self._lock = threading.Lock()  # guards all of the above
        self.struck = 0  # how many requests a fault met
        self._counts: Counter[str] = Counter()
        self._cursors: dict[str, tuple[dict[str, str], int]] = {}
        self._ticks = 0

    def __enter__(self) -> ScriptedDatadog:
        scripted = self

        class Handler(_Handler):
            datadog = scripted

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    # --- What a test looks at -------------------------------------------------------------------------------

    def records(self, dataset: int = 0) -> dict[str, Any]:
        """A dataset's records at its current version by id; an AssertionError where there are two of one."""
        kept = self.datasets[dataset]["records"]
        assert len({one["id"] for one in kept}) == len(kept), "two records of one"
        return {
            one["id"]: {name: one[name] for name in ("input", "expected_output", "metadata", "tags")}
            for one in kept
        }

    def state(self) -> dict[str, Any]:
        """All that is kept, without the ids that the server made."""
        return {
            "projects": [one["name"] for one in self.projects],
            "datasets": [(one["name"], one["version"]) for one in self.datasets],
            "records": [self.records(number) for number in range(len(self.datasets))],
            "experiments": [
                {
                    name: one[name]
                    for name in ("name", "experiment", "status", "error", "metadata", "config", "run_count")
                }
                for one in self.experiments
            ],
        }

    def steps(self) -> list[str]:
        return [one.step for one in self.asked]

    # --- What it does ---------------------------------------------------------------------------------------

    def answer(self, asked: Asked) -> tuple[int | None, dict[str, str], bytes, bool]:
        """Status (none: no answer), headers, body, and whether all of it goes out."""
        self.on_request(asked)
        with self._lock:
            self.asked.append(asked)
            self._counts[asked.step] += 1
            fault = next((one for one in self.faults if self._strikes(one, asked.step)), None)
            if fault is None:
                return (*self._done(asked), True)
            self.struck += 1
            if fault.does or fault.how in ("lost", "half"):
                status, headers, body = self._done(asked)
                if fault.how == "half":
                    return status, headers, body, False
            if fault.how == "portal":
                return 200, {"content-type": "text/html"}, PORTAL, True
            if isinstance(fault.how, int):
                # Some servers repeat what they got.
                words = f"{fault.words} to {asked.keys[0]} and {asked.keys[1]}"
                return fault.how, fault.headers, _errors(fault.how, words), True
            return None, {}, b"", True

    def _strikes(self, fault: Fault, step: str) -> bool:
        return fault.step == step and fault.nth <= self._counts[step] < fault.nth + fault.times

    def _done(self, asked: Asked) -> tuple[int, dict[str, str], bytes]:
        if None in asked.keys:
            return 401, {}, _errors(401, "no keys")
        try:
            status, data, meta = getattr(self, "_" + asked.step.replace(" ", "_"))(asked)
        except Refused as refused:
            return refused.status, {}, _errors(refused.status, refused.detail)
        body = (
            {}
            if data is None
            else {"data": data, **({"meta": meta} if meta or not self.reading.sparse else {})}
        )
        text = json.dumps(_rewritten(body) if self.reading.rewrites else body)
        return status, {}, text.encode()

    def _page(
        self,
        asked: Asked,
        among: list[dict[str, Any]],
        is_meant: Callable[[dict[str, Any], dict[str, str]], bool],
        shape: Callable[[dict[str, Any]], dict[str, Any]],
    ) -> tuple[int, Any, dict[str, Any]]:
        """The newest first, a few at a time."""
        query, start = asked.query, 0
        if cursor := query.get("page[cursor]"):
            if cursor not in self._cursors:
                raise Refused(400, "no such cursor")
            carried, start = self._cursors[cursor]
            query = carried if self.reading.cursor_carries else query
        found = [one for one in among if is_meant(one, query)][::-1]
        end = start + self.reading.page
        after = None
        if end < len(found):
            after = uuid.uuid4().hex
            self._cursors[after] = (query, end)
        return 200, [shape(one) for one in found[start:end]], {"after": after}

    def _one(self, resource: dict[str, Any]) -> Any:
        return [resource] if self.reading.as_list else resource

    def _now(self) -> str:
        self._ticks += 1
        return f"2026-11-30T12:{self._ticks // 60:02}:{self._ticks % 60:02}Z"

    def _is_named(self, one: dict[str, Any], query: dict[str, str]) -> bool:
        name, wanted = one["name"], query.get("filter[name]")
        if wanted is None or self.reading.name_filter == "ignored":
            return True
        return name.startswith(wanted) if self.reading.name_filter == "beginning" else name == wanted

    # Projects

    def _look_project(self, asked: Asked) -> tuple[int, Any, dict[str, Any]]:
        return self._page(asked, self.projects, self._is_named, self._project)

    def _make_project(self, asked: Asked) -> tuple[int, Any, None]:
        name = asked.attributes["name"]
        found = next((one for one in self.projects if one["name"] == name), None)
        if found is None:
            found = {"id": str(uuid.uuid4()), "name": name, "at": self._now()}
            self.projects.append(found)
        return self.reading.status, self._one(self._project(found)), None

    def _project(self, one: dict[str, Any]) -> dict[str, Any]:
        return _resource(
            "projects",
            one["id"],
            name=one["name"],
            description=None,
            created_at=one["at"],
            updated_at=one["at"],
        )

    def _project_of(self, project_id: str) -> dict[str, Any]:
        return _known(self.projects, project_id, "project")

    # Datasets

    def _look_dataset(self, asked: Asked) -> tuple[int, Any, dict[str, Any]]:
        project = self._project_of(asked.path.split("/")[-2])
        mine = [one for one in self.datasets if one["project"] == project["id"]]
        return self._page(asked, mine, self._is_named, self._dataset)

    def _make_dataset(self, asked: Asked) -> tuple[int, Any, None]:
        project, name = self._project_of(asked.path.split("/")[-2]), asked.attributes["name"]
        there = [one for one in self.datasets if (one["project"], one["name"]) == (project["id"], name)]
        if there and self.reading.same_dataset == "conflict":
            raise Refused(409, f"a dataset named {name!r} is there")
        if there and self.reading.same_dataset == "existing":
            return self.reading.status, self._one(self._dataset(there[0])), None
        made = {
            "id": str(uuid.uuid4()),
            "project": project["id"],
            "name": name,
            "at": self._now(),
            "version": 0,
            "records": [],
        }
        self.datasets.append(made)
        return self.reading.status, self._one(self._dataset(made)), None

    def _dataset(self, one: dict[str, Any]) -> dict[str, Any]:
        more = {} if self.reading.sparse else {"description": None, "metadata": None}
        return _resource(
            "datasets",
            one["id"],
            name=one["name"],
            current_version=one["version"],
            created_at=one["at"],
            updated_at=one["at"],
            **more,
        )

    # Records

    def _list_records(self, asked: Asked) -> tuple[int, Any, dict[str, Any]]:
        dataset = _known(self.datasets, unquote(asked.path.split("/")[-2]), "dataset")
        return self._page(
            asked, dataset["records"], lambda one, query: True, lambda one: self._record(dataset, one)
        )

    def _change_records(self, asked: Asked) -> tuple[int, Any, None]:
        dataset = _known(self.datasets, unquote(asked.path.split("/")[-2]), "dataset")
        assert asked.body is not None
        assert asked.body["data"]["id"] == dataset["id"]
        attributes = asked.attributes
        inserted, updated = attributes.get("insert_records", []), attributes.get("update_records", [])
        deleted = attributes.get("delete_records", [])
        if len(inserted) + len(updated) + len(deleted) > 1000:
            raise Refused(400, "more than 1000 records")
        changed = []
        for given in inserted:
            one = {"expected_output": None, "metadata": None, "tags": [], **given, "at": self._now()}
            dataset["records"].append(one)
            changed.append(one)
        for given in updated:
            one = _known(dataset["records"], given["id"], "record")
            one.update({name: value for name, value in given.items() if name != "tag_operations"})
            one["tags"] = self._tags(one["tags"], **given.get("tag_operations", {}))
            changed.append(one)
        dataset["records"] = [one for one in dataset["records"] if one["id"] not in deleted]
        if attributes.get("create_new_version", True):
            dataset["version"] += 1
        answers = [self._record(dataset, one) for one in changed]
        if self.reading.records == "flat":
            return self.reading.status, [{"records": answers}], None
        if self.reading.records == "both":
            answers = [{**one, "records": [one]} for one in answers]
        return self.reading.status, answers, None

    def _tags(
        self,
        tags: list[str],
        remove: list[str] | None = None,
        add: list[str] | None = None,
        set: list[str] | None = None,
    ) -> list[str]:
        if set or (set is not None and self.reading.sets_no_tags):
            return set
        return [tag for tag in tags if tag not in (remove or [])] + (add or [])

    def _record(self, dataset: dict[str, Any], one: dict[str, Any]) -> dict[str, Any]:
        values = {name: one[name] for name in ("input", "expected_output", "metadata")}
        if self.reading.sparse:
            values = {name: value for name, value in values.items() if value is not None}
        flat = {
            "id": one["id"],
            "dataset_id": dataset["id"],
            **values,
            "created_at": one["at"],
            "updated_at": one["at"],
        }
        attributes = {**values, "tags": one["tags"], "canonical_id": one["id"]}
        if self.reading.tells_version:
            attributes["version"] = dataset["version"]
        if self.reading.records == "flat":
            return flat
        if self.reading.records == "attributes":
            return _resource("records", one["id"], **attributes)
        return {**flat, **_resource("records", one["id"], **attributes)}

    # Experiments

    def _look_experiment(self, asked: Asked) -> tuple[int, Any, dict[str, Any]]:
        if "filter[metadata]" in asked.query and self.reading.metadata_filter == "refused":
            raise Refused(400, "filter[metadata] is no filter")
        return self._page(asked, self.experiments, self._is_meant, self._experiment)

    def _is_meant(self, one: dict[str, Any], query: dict[str, str]) -> bool:
        wanted = json.loads(query.get("filter[metadata]", "{}"))
        return (
            query.get("filter[project_id]") in (None, one["project_id"])
            and query.get("filter[id]") in (None, one["id"])
            and query.get("filter[experiment]") in (None, one["experiment"])
            and (self.reading.metadata_filter != "honoured" or _contains(one["metadata"], wanted))
        )

    def _make_experiment(self, asked: Asked) -> tuple[int, Any, None]:
        given = asked.attributes
        self._project_of(given["project_id"])
        dataset = _known(self.datasets, given["dataset_id"], "dataset")
        count = sum(one["experiment"] == given["name"] for one in self.experiments)
        made = {
            "id": str(uuid.uuid4()),
            "description": None,
            "config": {},
            "metadata": {},
            "dataset_version": dataset["version"],
            "run_count": 1,
            "parent_experiment_id": None,
            **given,
            "experiment": given["name"],
            "name": given["name"] + (f"-{count + 1}" if count else ""),
            "status": None,
            "error": None,
            "at": self._now(),
        }
        self.experiments.append(made)
        return self.reading.status, self._one(self._experiment(made)), None

    def _experiment(self, one: dict[str, Any]) -> dict[str, Any]:
        names = ("name", "project_id", "dataset_id", "config", "metadata", "description")
        if not self.reading.sparse:
            names += ("experiment", "dataset_version", "status", "error", "run_count", "parent_experiment_id")
        said = {name: one[name] for name in names}
        return _resource(
            "experiments", one["id"], **said, created_at=one["at"], updated_at=one["at"], new_field={"x": [1]}
        )

    def _status(self, asked: Asked) -> tuple[int, Any, None]:
        one = _known(self.experiments, unquote(asked.path.split("/")[-1]), "experiment")
        given = dict(asked.attributes)
        if "metadata" in given and self.reading.patched_metadata == "merge":
            given["metadata"] = {**one["metadata"], **given["metadata"]}
        one.update(given)
        return 200, self._one(self._experiment(one)), None

    def _events(self, asked: Asked) -> tuple[int, Any, None]:
        experiment = _known(self.experiments, unquote(asked.path.split("/")[-2]), "experiment")
        for kind, kept in (("spans", self.spans), ("metrics", self.metrics)):
            kept.extend({**one, "experiment": experiment["id"]} for one in asked.attributes.get(kind, []))
        return 202, None, None


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    datadog: ScriptedDatadog

    def do_GET(self) -> None:
        self._serve()

    do_POST = do_PATCH = do_GET

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        parts = urlsplit(self.path)
        path = parts.path.removeprefix(PREFIX)
        step = next(
            (name for name, verb, form in _STEPS if verb == self.command and re.fullmatch(form, path)), None
        )
        if step is None:
            self._send(404, {}, _errors(404, f"no path {self.command} {path}"), is_whole=True)
            return
        if len(body) > self.datadog.largest_bytes:
            self._send(413, {}, b"<html><title>413 Request Entity Too Large</title></html>", is_whole=True)
            return
        keys = (self.headers.get("dd-api-key"), self.headers.get("dd-application-key"))
        asked = Asked(step, path, dict(parse_qsl(parts.query)), json.loads(body) if body else None, keys)
        if self.datadog.sends_twice and self.command == "POST":
            self.datadog.answer(asked)
        status, headers, answer, is_whole = self.datadog.answer(asked)
        if status is None:
            self.close_connection = True
        else:
            self._send(status, headers, answer, is_whole=is_whole)

    def _send(self, status: int, headers: dict[str, str], body: bytes, *, is_whole: bool) -> None:
        lines = [f"HTTP/1.1 {status} Scripted", f"content-length: {len(body)}"]
        lines += [
            f"{name}: {value}" for name, value in {"content-type": "application/json", **headers}.items()
        ]
        sent = body if is_whole else body[: len(body) // 2]
        self.wfile.write("\r\n".join([*lines, "", ""]).encode() + sent)  # at once: no waiting for an ACK
        self.close_connection = self.close_connection or not is_whole

    def log_message(self, *_: object) -> None:
        pass


def _resource(kind: str, id: str, **attributes: Any) -> dict[str, Any]:
    return {"id": id, "type": kind, "attributes": attributes}


def _known(among: list[dict[str, Any]], id: str, what: str) -> dict[str, Any]:
    found = next((one for one in among if one["id"] == unquote(id)), None)
    if found is None:
        raise Refused(404, f"no {what} {id}")
    return found


def _errors(status: int, detail: str) -> bytes:
    return json.dumps({"errors": [{"title": str(status), "detail": detail}]}).encode()


def _contains(value: Any, wanted: Any) -> bool:
    if isinstance(wanted, dict):
        return isinstance(value, dict) and all(
            name in value and _contains(value[name], each) for name, each in wanted.items()
        )
    return bool(value == wanted)


def _rewritten(value: Any) -> Any:
    """As a writer has it that sorts keys backwards and knows one kind of number."""
    if isinstance(value, dict):
        return {name: _rewritten(value[name]) for name in sorted(value, reverse=True)}
    if isinstance(value, list):
        return [_rewritten(one) for one in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value
