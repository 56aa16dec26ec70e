"""Tells every option's value and where it comes from, as the environment has it; on the main thread.

A command sees the environment alone: what a program gives to `configure` wins over it, in that program. Keys
are said to be set or not, and not read further.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Final

from msgspec import Struct

from llmobs_trace.settings.belonging import IDS
from llmobs_trace.settings.checks import Unfit
from llmobs_trace.settings.config import Config, from_environment
from llmobs_trace.settings.options import OPTIONS, Option
from llmobs_trace.wire import mark_of

# Of a variable that the command line stands in for: how that is spelled, and its value.
Arguments = Mapping[str, tuple[str, str]]

# What every process makes for itself: the doctor's own would mean nothing.
_MADE: Final = {
    "experiment_id": "one for each process",
    "experiment_name": "the program's name",
    "project_id": "made from the working directory",
    "dataset_id": "made from the working directory and the program's name",
}


class Setting(Struct, frozen=True):
    """One option. `source` is a variable, an argument of the command, or the default."""

    name: str
    value: str | float | bool | None
    source: str


class SettingsInForce(Struct, frozen=True):
    """All options; `problems` make `configure` raise, `notes` are what it would log."""

    options: list[Setting]
    problems: list[str]
    notes: list[str]


def read(environ: Mapping[str, str], arguments: Arguments) -> tuple[Config, SettingsInForce]:
    """What a program started now would be configured to."""
    config, problems = from_environment(environ)
    settings = [_setting(option, config, environ, arguments) for option in OPTIONS]
    return config, SettingsInForce(settings, problems, list(config.notes))


def _setting(option: Option, config: Config, environ: Mapping[str, str], arguments: Arguments) -> Setting:
    source, asked = _source(option, environ)
    value = getattr(config, option.name)
    if option.name in ("api_key", "app_key"):
        return Setting(option.name, "not set" if value is None else "set, not shown", source)
    if option.name == "redact":
        return Setting(option.name, None, "only an argument of configure()")
    for variable in option.environment:
        if variable in arguments:
            spelling, given = arguments[variable]
            return Setting(option.name, given, spelling)
    if option.name == "journal" and value is None:
        return Setting(option.name, "memory only", source)
    if source != "default":
        # A variable may be fit by itself, and not with the others or on this machine.
        if str(asked) != str(value):
            source = f"not as {source} asks: see below"
        return Setting(option.name, _shown(value), source)
    if option.name in IDS and mark_of(value) is not None:
        by_name = "made for each run" if option.name == "experiment_id" else "found by its name, or made"
        return Setting(option.name, by_name, source)
    if option.name in _MADE:
        return Setting(option.name, _MADE[option.name], source)
    if option.name == "base_url":
        source = "default, from site"
    elif option.name == "destination":
        source = "default, from the keys, names and ids that are there"
    return Setting(option.name, _shown(value), source)


def _source(option: Option, environ: Mapping[str, str]) -> tuple[str, object]:
    """The first variable that says something, as the library reads them, and what; one that won't do is not
    used.
    """
    with suppress(Unfit):
        for variable in option.environment:
            if text := environ.get(variable, "").strip():
                return variable, option.check(option.read(text))
    return "default", None


def _shown(value: object) -> str | float | bool | None:
    return value if value is None or isinstance(value, (bool, int, float, str)) else str(value)
