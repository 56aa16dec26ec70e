"""The environment in, every option with its value and where that came from out; the main thread.

A command sees the environment alone: what a program gives to `configure` wins over it, in that program. Keys
are said to be set or not, and not read further.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from msgspec import Struct

from llmobs_trace.checks import Secret, Unfit
from llmobs_trace.config import Config, from_environment
from llmobs_trace.options import OPTIONS, Option

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


class Settings(Struct, frozen=True):
    """All options; `problems` make `configure` raise, `notes` are what it would log."""

    options: list[Setting]
    problems: list[str]
    notes: list[str]


def read(environ: Mapping[str, str], arguments: Arguments) -> tuple[Config, Settings]:
    """What a program started now would be configured to."""
    config, problems = from_environment(environ)
    settings = [_setting(option, config, environ, arguments) for option in OPTIONS]
    return config, Settings(settings, problems, list(config.notes))


def _setting(option: Option, config: Config, environ: Mapping[str, str], arguments: Arguments) -> Setting:
    source = _source(option, environ)
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
        if not _is_as_asked(option, environ[source], value):
            source = f"not as {source} asks: see below"
        return Setting(option.name, _shown(value), source)
    if option.name in _MADE:
        return Setting(option.name, _MADE[option.name], source)
    if option.name == "base_url":
        source = "default, from site"
    elif option.name == "destination":
        source = "default, from the keys and ids that are there"
    return Setting(option.name, _shown(value), source)


def _source(option: Option, environ: Mapping[str, str]) -> str:
    """The first variable that says something, as the library reads them; one that won't do is not used."""
    for variable in option.environment:
        if environ.get(variable, "").strip():
            return variable if _fits(option, environ[variable]) else "default"
    return "default"


def _fits(option: Option, text: str) -> bool:
    try:
        option.check(option.read(text.strip()))
    except Unfit:
        return False
    return True


def _is_as_asked(option: Option, text: str, value: object) -> bool:
    """Whether it was used; a variable may be fit by itself, and not with the others or on this machine."""
    return str(option.check(option.read(text.strip()))) == str(value)


def _shown(value: object) -> str | float | bool | None:
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    return "set, not shown" if isinstance(value, Secret) else str(value)
