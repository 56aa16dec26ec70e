"""Decides where an ended process's events go, by its journal's owner, or why nowhere; on the main thread.

What a journal says of its destination is a file's word. Whoever can write that file must not learn the keys,
or have a store made wherever they like. So keys go to the configured base URL and to Datadog's sites, and
events to the configured store and to stores that are there; to anything else only where it was allowed.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Collection, Iterable
from pathlib import Path
from typing import NamedTuple

from llmobs_trace.deliver import DatadogDestination, Destination, LocalDestination
from llmobs_trace.deliver.named_experiments import Asking, asking_datadog, local_id
from llmobs_trace.journal import Owner
from llmobs_trace.journal.files import is_of_this_user
from llmobs_trace.settings.checks import Unfit, base_url, path
from llmobs_trace.settings.config import Config
from llmobs_trace.settings.sites import SITES, default_base_url
from llmobs_trace.store.opening import is_there


class Route(NamedTuple):
    """Where a journal's events go; `destination` is None where they can't, or may not. `asking` is how what
    they name is found or made there.
    """

    name: str
    destination: Destination | None
    asking: Asking | None = None


def as_configured(config: Config, owner: Owner) -> Route:
    """To where the environment says, wherever the journal meant to."""
    if config.destination == "datadog":
        return _datadog(config.base_url, config)
    return _local(config.database, owner)


class AsNamed:
    """To where each journal says, as far as that may be; why not is said once a destination."""

    def __init__(self, config: Config, allowed: Collection[str], say: Callable[[str], None]) -> None:
        self._config = config
        self._allowed = {_plain(each) for each in allowed}
        self._say = say
        self._problems: dict[str, str | None] = {}  # of the destinations so far

    def __call__(self, owner: Owner) -> Route:
        destination = owner.destination
        if destination not in self._problems:
            problem = self._problems[destination] = self._problem(destination)
            if problem is not None:
                self._say(problem)
        if self._problems[destination] is not None:
            return Route(destination, None)
        return (
            _datadog(_plain(destination), self._config)
            if _is_url(destination)
            else _local(Path(destination), owner)
        )

    def _problem(self, destination: str) -> str | None:
        config = self._config
        problem = _unfit(destination)
        if problem is None and _plain(destination) not in self._allowed:
            problem = _not_trusted(destination, config)
        if problem is None and _is_url(destination) and (config.api_key is None or config.app_key is None):
            problem = f"{destination} needs both keys: set DD_API_KEY and DD_APP_KEY"
        return problem


def stores_to_allow(destinations: Iterable[str], config: Config) -> list[str]:
    """Which of these are stores that `resend` makes only with `--allow`.

    Not the URLs: whoever sends keys to one is to read first what `resend` says of it.
    """
    stores = {each for each in destinations if not _is_url(each) and not _unfit(each)}
    return sorted(each for each in stores if _not_trusted(each, config))


def _is_url(destination: str) -> bool:
    return "://" in destination


def _plain(destination: str) -> str:
    """One spelling of a URL, or of a path; what is neither stays as it is."""
    try:
        return base_url(destination) if _is_url(destination) else path(destination)
    except Unfit:
        return destination


def _unfit(destination: str) -> str | None:
    """Why nothing is ever sent there: a file is not to be believed where `configure` is not."""
    try:
        base_url(destination) if _is_url(destination) else path(destination)
    except Unfit as unfit:
        return f"a journal names a destination that can't be used: {unfit}"
    return None


def _not_trusted(destination: str, config: Config) -> str | None:
    """Why nothing is sent there unless it is allowed, and how that is said."""
    plain = _plain(destination)
    allow = f"llmobs-trace resend --allow {shlex.quote(plain)}"
    if _is_url(destination):
        if plain == config.base_url or plain in map(default_base_url, SITES):
            return None
        return (
            f"{plain} is neither the configured base URL nor a Datadog site, so no keys go there;"
            f" to send them there: {allow}"
        )
    if plain == str(config.database) or _is_store(Path(plain)):
        return None
    return (
        f"{plain} is neither the configured store nor an existing one of yours, so it is not made;"
        f" to make it: {allow}"
    )


def _is_store(path: Path) -> bool:
    """Whether a store of this user's is there."""
    try:
        return is_of_this_user(path.stat()) and is_there(path)
    except (OSError, ValueError):
        return False


def _datadog(url: str, config: Config) -> Route:
    if config.api_key is None or config.app_key is None:
        return Route(url, None)
    return Route(
        url,
        DatadogDestination(url, config.api_key, config.app_key),
        asking_datadog(url, config.api_key, config.app_key),
    )


def _local(database: Path, owner: Owner) -> Route:
    name, experiment_id = owner.experiment_name or None, local_id(owner.experiment_id) or None
    return Route(str(database), LocalDestination(database, name, experiment_id))
