"""Looks whether what events are sent to by name is there, or would be made; on the main thread.

By documented GET requests without a body, which make nothing:

    GET /api/v2/llm-obs/v1/projects?filter[name]=
    GET /api/v2/llm-obs/v1/<project id>/datasets?filter[name]=

Whether the keys may make what is not there, no such request tells.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final
from urllib.parse import quote

import msgspec

from llmobs_trace.cli.doctor.check import Check
from llmobs_trace.settings.config import Config
from llmobs_trace.wire import mark_of

_PREFIX: Final = "/api/v2/llm-obs/v1"

# A path → the status of its answer, and the body.
Ask = Callable[[str], tuple[int, bytes]]


class _Attributes(msgspec.Struct, frozen=True):
    name: Any = None


class _Listed(msgspec.Struct, frozen=True):
    id: str
    attributes: _Attributes = _Attributes()


class _Meta(msgspec.Struct, frozen=True):
    after: Any = None


class _List(msgspec.Struct, frozen=True):
    data: list[_Listed]
    meta: _Meta | None = None


def look(config: Config, ask: Ask) -> list[Check]:
    """What there is of a configuration's names, as far as these keys may see; `ask` may raise."""
    checks = []
    project_id = config.project_id
    if mark_of(project_id) is not None:
        check, project_id = _look_for("project", config.project_name or "", "projects", ask)
        checks.append(check)
    if mark_of(config.dataset_id) is not None:
        name = config.dataset_name or ""
        if project_id:
            checks.append(_look_for("dataset", name, f"{quote(project_id, safe='')}/datasets", ask)[0])
        elif checks[0].ok:
            checks.append(Check("dataset", True, f"{name!r} would be made with its project"))
    if mark_of(config.experiment_id) is not None:
        checks.append(Check("experiment", True, f"{config.experiment_name!r}: one is made for each run"))
    return checks


def _look_for(what: str, name: str, path: str, ask: Ask) -> tuple[Check, str]:
    """What is said of it, and its id where it is there."""
    path = f"{_PREFIX}/{path}?filter[name]={quote(name, safe='')}"
    status, body = ask(path)
    answered = f"GET {path.partition('?')[0]} was answered {status}"
    if status in (401, 403):
        advice = "the application key needs the right to read experiments of LLM Observability"
        return Check(what, False, f"{name!r} can't be looked for ({answered}): {advice}"), ""
    try:
        listed = msgspec.json.decode(body, type=_List) if status == 200 else None
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        listed = None
    if listed is None:
        return Check(what, None, f"{name!r} can't be looked for: {answered}"), ""
    found = next((each.id for each in listed.data if each.attributes.name == name), "")
    if found:
        return Check(what, True, f"{name!r} is there"), found
    if listed.meta is not None and listed.meta.after:
        return Check(what, None, f"{name!r} is not among the first that are listed"), ""
    return Check(what, True, f"{name!r} is not there: the first events make it, if the keys may"), ""
