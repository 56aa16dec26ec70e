"""Resolves options and environment into one frozen `Config`, with every decision taken; set-up only, any
thread.

resolve(options, environ)      what `configure` does: the first thing wrong raises
from_environment(environ)      what an unconfigured program does: what is wrong is said, and its default used
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar, cast

from msgspec import Struct, structs

from llmobs_trace.errors import ConfigurationError, did_you_mean
from llmobs_trace.not_errors import NotErrors
from llmobs_trace.settings import inherited
from llmobs_trace.settings.belonging import IDS, belonging, lacking, made_names
from llmobs_trace.settings.checks import Secret, Unfit, read_flag
from llmobs_trace.settings.inherited import Handed, Pickled
from llmobs_trace.settings.options import BY_NAME, OF_COMMANDS, OPTIONS, PREFIX, DestinationName, Option
from llmobs_trace.settings.places import (
    NOWHERE,
    default_databases,
    default_journal,
    directory_problem,
    file_problem,
    has_journals,
    not_ours,
    working_database,
)
from llmobs_trace.settings.sites import Site, default_base_url

# Room for what surrounds one event in a request body: the envelope's names and brackets.
_ENVELOPE_ROOM_BYTES = 1024
# The journal's segments hold at least two of the largest events, and there are at least two segments.
EVENTS_IN_A_JOURNAL = 4
_SEGMENT_BYTES = 2 << 20

_NAME_ONE = "name a database, or LLMOBS_TRACE_DATABASE, to use one all the same"

# What the endpoint needs before anything can be sent there.
_KEYS = ("api_key", "app_key")
# What is made up where nobody gave it; an experiment's id is made from the run and its name.
_MADE_UP = ("project_id", "dataset_id", "experiment_name", "database", "journal")

Complain = Callable[[str], None]
_Given = TypeVar("_Given")


class Unseen(Mapping[str, _Given]):
    """Arguments or an environment, keys included, as frames hold them: tools print a frame's locals."""

    __slots__ = ("_given",)

    def __init__(self, given: Mapping[str, _Given]) -> None:
        self._given = given

    def __getitem__(self, name: str) -> _Given:
        return self._given[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._given)

    def __len__(self) -> int:
        return len(self._given)

    def __repr__(self) -> str:
        return "Unseen(hidden)"


class Config(Struct, frozen=True, kw_only=True):
    """Every option, decided. Times in seconds; a `journal` of None is memory; `notes` are for the log."""

    enabled: bool
    destination: DestinationName
    site: Site
    base_url: str
    api_key: Secret | None
    app_key: Secret | None
    experiment_id: str
    project_id: str
    dataset_id: str
    project_name: str | None
    dataset_name: str | None
    experiment_name: str
    database: Path
    journal: Path | None
    capture_input: bool
    capture_output: bool
    redact: Callable[[str, object], object] | None
    sample_rate: float
    instrument_threads: bool
    instrument: tuple[str, ...]
    keep_media: bool
    not_errors: NotErrors
    flush_interval: float
    request_timeout: float
    shutdown_timeout: float
    max_batch_bytes: int
    max_event_bytes: int
    max_journal_bytes: int
    strict: bool
    notes: tuple[str, ...] = ()
    # What was given as options, by whatever way, and the run that is recorded: a child is handed these.
    given: Mapping[str, object] = {}
    run: str = ""
    # Where the ids above, some of them, stand for what is found or made by name: what marks it as this run's.
    mark: str = ""
    # Why nothing may be recorded: the parent's redactor could not be handed over.
    refused: str = ""
    # Where a test records: the file to which its child appends its records.
    records: str = ""

    @property
    def segment_bytes(self) -> int:
        """In what steps the journal grows: at least two of the largest events at a time."""
        return min(max(_SEGMENT_BYTES, 2 * self.max_event_bytes), self.max_journal_bytes // 2)


def resolve(options: Mapping[str, object], environ: Mapping[str, str]) -> Config:
    """Decide every option from arguments and environment; the first that won't do raises ConfigurationError.

    An argument of None is as if it were not given, except for `journal`, where it asks for memory. In a
    child what is not given is what its parent has.
    """
    options, environ = Unseen(options), Unseen(environ)
    return _resolve(options, environ, _raise)


def from_environment(environ: Mapping[str, str]) -> tuple[Config, list[str]]:
    """Decide every option from the environment alone; never raises, gives what was wrong as lines to log."""
    environ = Unseen(environ)
    complaints: list[str] = []
    config = _resolve({}, environ, complaints.append)
    return config, [f"{complaint}; its default is used" for complaint in complaints]


def find_database(environ: Mapping[str, str]) -> Path:
    """The local store's path, for reading: makes nothing. The first default that exists, else the first."""
    environ = Unseen(environ)
    named = _from_environment(BY_NAME["database"], environ, _raise)
    if named is not None:
        return Path(cast(str, named.value))
    if made := inherited.received(environ).made.get("database"):
        return Path(made)
    places = default_databases(environ)
    if not places:
        raise ConfigurationError(f"database: {not_ours(working_database())}; {_NAME_ONE}")
    return next((place for place in places if os.path.exists(place)), places[0])


def find_journal(environ: Mapping[str, str]) -> Path | None:
    """The journal's directory, for looking into it: makes nothing. None where it is switched off."""
    environ = Unseen(environ)
    named = _from_environment(BY_NAME["journal"], environ, _raise)
    if named is None:
        made = inherited.received(environ).made
        return _as_path(made["journal"]) if "journal" in made else default_journal(environ)
    return None if named.value is None else Path(cast(str, named.value))


def find_options(environ: Mapping[str, str], *names: str) -> dict[str, Any]:
    """Some options as an unconfigured program has them; one that won't do has its default.

    Raises `ConfigurationError` where the process that started this one has a value that isn't to be had here.
    """
    environ = Unseen(environ)
    parent = inherited.received(environ)
    found: dict[str, Any] = {}
    for option in map(BY_NAME.__getitem__, names):
        try:
            one = _from_parent(option, parent.options, _ignore)
        except Unfit as unfit:
            raise ConfigurationError(_refusal(option, unfit)) from None
        one = one or _from_environment(option, environ, _ignore)
        found[option.name] = option.default if one is None else one.value
    return found


def hand_over(config: Config | None, environ: Mapping[str, str]) -> Handed:
    """What a child of this process is to know, configured (so) or not."""
    if config is None:
        got = inherited.received(environ)
        return structs.replace(got, made={**made_names(), **got.made})
    decided = {name: getattr(config, name) for name in _MADE_UP if name not in config.given}
    if config.mark:  # a child makes them up itself, from the run and its own names
        decided = {name: value for name, value in decided.items() if name not in IDS}
    made = {name: None if value is None else str(value) for name, value in decided.items()}
    return Handed(run=config.run, options=config.given, made=made, records=config.records)


# --- One option at a time -----------------------------------------------------------------------------------


class _Found(Struct, frozen=True):
    """A value that passed its check, and the name under which the user gave it."""

    value: object
    source: str


def _raise(message: str) -> None:
    raise ConfigurationError(message)


def _ignore(message: str) -> None:
    """While switched off, a variable that won't do is nobody's concern."""


def _checked(option: Option, source: str, value: object, complain: Complain) -> _Found | None:
    try:
        return _Found(option.check(value), source)
    except Unfit as unfit:
        message = f"{source}: {unfit}; expected {option.expected}"
    # Outside of the handler: the error that the user sees is the whole story, without a chain.
    complain(message)
    return None


def _from_arguments(option: Option, options: Mapping[str, object]) -> _Found | None:
    if option.name not in options or (options[option.name] is None and option.name != "journal"):
        return None
    return _checked(option, option.name, _sealed(option, options[option.name]), _raise)


def _from_parent(option: Option, options: Mapping[str, object], complain: Complain) -> _Found | None:
    """Raises `Unfit` where the parent's value has not arrived, or is no longer one here."""
    if option.name not in options:
        return None
    value, source = options[option.name], f"{option.name} (of the process that started this one)"
    if isinstance(value, Pickled):
        # A default in the place of a redactor would record what the parent hides.
        return _Found(option.check(value.load()), source)
    return _checked(option, source, value, complain)


def _from_environment(option: Option, environ: Mapping[str, str], complain: Complain) -> _Found | None:
    for variable in option.environment:
        value = _read(option, variable, environ)
        if value is not None:
            return _checked(option, f"{option.name} ({variable})", value, complain)
    return None


def _read(option: Option, variable: str, environ: Mapping[str, str]) -> object:
    """A variable's value as what the option holds; None for an empty one, which is one that is not set."""
    text = environ.get(variable, "").strip()
    return _sealed(option, option.read(text)) if text else None


def _sealed(option: Option, value: object) -> object:
    """A key is out of sight before anything can be wrong with it: a traceback may show a frame's locals."""
    return Secret(value) if option.name in _KEYS and isinstance(value, str) else value


def _unknown_arguments(options: Mapping[str, object]) -> None:
    for name in options:
        if name not in BY_NAME:
            hint = did_you_mean(name, tuple(BY_NAME)) if isinstance(name, str) else ""
            raise ConfigurationError(f"{name!s}: no such option{hint}; the options are: {', '.join(BY_NAME)}")


def _unknown_variables(environ: Mapping[str, str]) -> list[str]:
    options = (variable for option in OPTIONS for variable in option.environment)
    known = (inherited.VARIABLE, *OF_COMMANDS, *(one for one in options if one.startswith(PREFIX)))
    return [
        f"{name}: no such variable{did_you_mean(name, known, cutoff=0.85)}; it is ignored"
        for name in sorted(environ)
        if name.startswith(PREFIX) and name not in known
    ]


# --- All of them together -----------------------------------------------------------------------------------


def _resolve(options: Mapping[str, object], environ: Mapping[str, str], complain: Complain) -> Config:
    _unknown_arguments(options)
    switched_off = read_flag(environ.get(f"{PREFIX}ENABLED", "")) is False
    if switched_off:
        complain = _ignore
    found: dict[str, _Found] = {}
    lost: dict[str, object] = {}  # what the parent has and this process can't load; its children may
    parent, refused = inherited.received(environ), ""
    for option in OPTIONS:
        one = _from_arguments(option, options)
        if one is None:
            try:
                one = _from_parent(option, parent.options, complain)
            except Unfit as unfit:
                lost[option.name] = parent.options[option.name]
                refused = refused or _refusal(option, unfit)
        one = one or _from_environment(option, environ, complain)
        if one is not None:
            found[option.name] = one
    values: dict[str, Any] = {option.name: option.default for option in OPTIONS}
    values.update((name, one.value) for name, one in found.items())
    if switched_off:
        values["enabled"] = False
        refused = refused if parent.records else ""  # what a test's child records is recorded all the same

    notes: list[str] = [] if switched_off else _unknown_variables(environ)
    values["destination"] = _destination(values, complain, notes)
    values["base_url"] = values["base_url"] or default_base_url(values["site"])
    values.update(_sizes(values, found, notes))
    values["database"] = _database(values, found, parent, environ, complain, notes)
    values["journal"] = _journal(values, found, parent, environ, complain, notes)
    values.update(belonging(values, parent)._asdict())
    given = Unseen({**lost, **_given(found, values)})
    return Config(
        **values, notes=tuple(notes), given=given, run=parent.run, refused=refused, records=parent.records
    )


def _given(found: Mapping[str, _Found], values: Mapping[str, Any]) -> dict[str, object]:
    """What was given, as it is used; a child finds what to use for the rest by itself, as this did."""
    refusable = ("destination", "database", "journal")
    return {
        name: values[name]
        for name, one in found.items()
        if name not in refusable or str(one.value) == str(values[name])
    }


def _refusal(option: Option, unfit: Unfit) -> str:
    return (
        f"{option.name}: the process that started this one could not hand its own over ({unfit}), so "
        "nothing is recorded here; define it in a module that both import, or configure this process as well"
    )


def _destination(values: Mapping[str, Any], complain: Complain, notes: list[str]) -> DestinationName:
    keys = [name for name in _KEYS if values[name] is not None]
    missing = [f"{name} ({BY_NAME[name].environment[0]})" for name in _KEYS if name not in keys]
    missing += lacking(values)
    asked: DestinationName | None = values["destination"]
    # Nothing is sent while disabled, so nothing is missing: switched off, a program needs no keys.
    if asked == "local" or not missing or (asked is not None and not values["enabled"]):
        return asked or "datadog"
    needs = ", ".join(missing)
    if asked == "datadog":
        complain(
            f"destination: given 'datadog' without {needs}; give what is missing, or destination='local'"
        )
        return "local"
    # A project's name may be there for other programs' sake.
    is_meant = any(values[name] for name in (*IDS, "dataset_name"))
    if values["base_url"] or len(keys) == len(_KEYS) or (keys and is_meant):
        where = values["base_url"] or "Datadog"
        notes.append(f"destination: recording to the local store; sending to {where} still needs {needs}")
    return "local"


def _sizes(values: Mapping[str, Any], found: Mapping[str, _Found], notes: list[str]) -> dict[str, int]:
    """Make the bounds agree: the largest event fits into a request and, several times, into the journal."""
    event_bytes: int = values["max_event_bytes"]
    batch_bytes: int = values["max_batch_bytes"]
    if "max_batch_bytes" not in found:
        batch_bytes = max(batch_bytes, event_bytes + _ENVELOPE_ROOM_BYTES)
    fitting_bytes = min(
        batch_bytes - _ENVELOPE_ROOM_BYTES, values["max_journal_bytes"] // EVENTS_IN_A_JOURNAL
    )
    if event_bytes > fitting_bytes and "max_event_bytes" in found:
        notes.append(
            f"max_event_bytes: given {event_bytes}, using {fitting_bytes}, which is what max_batch_bytes "
            f"({batch_bytes}) and max_journal_bytes ({values['max_journal_bytes']}) leave room for"
        )
    return {"max_event_bytes": min(event_bytes, fitting_bytes), "max_batch_bytes": batch_bytes}


def _database(
    values: Mapping[str, Any],
    found: Mapping[str, _Found],
    parent: Handed,
    environ: Mapping[str, str],
    complain: Complain,
    notes: list[str],
) -> Path:
    if "database" in found:
        asked = Path(values["database"])
        problem = file_problem(asked) if values["enabled"] else None
        if problem is None:
            return asked
        complain(f"{found['database'].source}: {_unwritable(asked, problem)}; name a file that can be")
    if made := parent.made.get("database"):
        return Path(made)
    places = default_databases(environ)
    best = places[0] if places else NOWHERE
    if values["destination"] != "local" or not values["enabled"]:
        return best
    foreign = not_ours(working_database())
    problems = [] if foreign is None else [f"{foreign}, so it is not used ({_NAME_ONE})"]
    for place in places:
        problem = file_problem(place)
        if problem is None:
            if problems:
                notes.append(f"database: {'; '.join(problems)}; using {place}")
            return place
        problems.append(f"{place} can't be written ({problem})")
    notes.append(f"database: {'; '.join(problems)}; events wait until one can be")
    return best


def _journal(
    values: Mapping[str, Any],
    found: Mapping[str, _Found],
    parent: Handed,
    environ: Mapping[str, str],
    complain: Complain,
    notes: list[str],
) -> Path | None:
    if "journal" in found:
        if values["journal"] is None:
            return None
        asked = Path(values["journal"])
        problem = directory_problem(asked) if values["enabled"] else None
        if problem is None:
            return asked
        complain(f"{found['journal'].source}: {_unwritable(asked, problem)}; name a directory that can be")
    if "journal" in parent.made:
        return _as_path(parent.made["journal"])
    place = default_journal(environ)
    if not values["enabled"]:
        return place
    if not has_journals():
        return None  # the manual says so, and doctor; not every program at every start
    problem = "the user has no home directory" if place is None else directory_problem(place)
    if problem is None:
        return place
    notes.append(
        f"journal: kept in memory, where a kill loses it: {place or 'a file'} can't be written ({problem})"
    )
    return None


def _as_path(text: str | None) -> Path | None:
    return None if text is None else Path(text)


def _unwritable(given: Path, problem: str) -> str:
    return f"given {str(given)!r}, which can't be written ({problem})"
