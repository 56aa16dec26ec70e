"""Answers for projects. The service's threads."""

from __future__ import annotations

from llmobs_trace.receiver.catalog import answers, requests
from llmobs_trace.receiver.catalog.asked import Asked, page
from llmobs_trace.receiver.http import Reply
from llmobs_trace.store import projects
from llmobs_trace.store.store import Store

_NEW = requests.RequestOf("projects", requests.NewProject)
_CHANGED = requests.RequestOf("projects", requests.ChangedProject)
_IDS = requests.RequestOf("projects", requests.ProjectIds)


def create(store: Store, asked: Asked) -> Reply:
    """Find or make: a name that is there is the project that has it."""
    given = _NEW.read(asked.body)
    return answers.one(answers.project(projects.project(store, given.name, given.description)))


def listed(store: Store, asked: Asked) -> Reply:
    found = projects.find_projects(
        store, id=asked.one("filter[id]"), name=asked.one("filter[name]"), before=asked.after
    )
    shown, meta = page(asked, ((each.key, each) for each in found))
    return answers.several(map(answers.project, shown), meta)


def change(store: Store, asked: Asked) -> Reply:
    given = _CHANGED.read(asked.body)
    changed = projects.change_project(store, asked.ids[0], name=given.name, description=given.description)
    return answers.one(answers.project(changed))


def delete(store: Store, asked: Asked) -> Reply:
    projects.delete_projects(store, _IDS.read(asked.body).project_ids)
    return answers.nothing()
