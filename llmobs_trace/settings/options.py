"""Lists the options as data: one table of names, environment variables, checks and defaults; set-up only.

A check takes what the user gave and returns it in the option's own type, or raises `Unfit`. Text from the
environment is first read as what the option holds, then checked the same way.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Literal, get_args

from msgspec import Struct

from llmobs_trace import not_errors
from llmobs_trace.settings import checks
from llmobs_trace.settings.sites import SITES

DestinationName = Literal["datadog", "local"]
DESTINATIONS: tuple[DestinationName, ...] = get_args(DestinationName)
ModelClient = Literal["all", "openai", "anthropic", "google-genai", "litellm"]
ALL, *MODEL_CLIENTS = get_args(ModelClient)
PREFIX: Final = "LLMOBS_TRACE_"
# Variables with that prefix that are no option of `configure`: what `llmobs-trace serve` lets pass.
SERVE_API_KEY: Final = f"{PREFIX}SERVE_API_KEY"
SERVE_APP_KEY: Final = f"{PREFIX}SERVE_APP_KEY"
OF_COMMANDS: Final = (SERVE_API_KEY, SERVE_APP_KEY)

KIB: Final = 1024
MIB: Final = 1024 * KIB
GIB: Final = 1024 * MIB


class Option(Struct, frozen=True, kw_only=True):
    """One option: how it is named, what it takes, and what it is when nobody says."""

    name: str
    expected: str
    check: Callable[[object], object]
    doc: str
    default: object = None
    read: Callable[[str], object] = str
    # Where they are others than its own; none where its values are no text, as of what only code can give.
    variables: tuple[str, ...] | None = None

    @property
    def environment(self) -> tuple[str, ...]:
        """The variables that give it, the first one that says something."""
        return (PREFIX + self.name.upper(),) if self.variables is None else self.variables


# --- The table ----------------------------------------------------------------------------------------------

_ON_OR_OFF = "True or False (in the environment: 1/0, true/false, yes/no, on/off)"
_ID = "a string that is not empty, without control characters, of at most 256 characters"
_KEY = "the key as Datadog shows it, a string"


def _flag(name: str, default: bool, doc: str) -> Option:
    return Option(
        name=name,
        expected=_ON_OR_OFF,
        check=checks.flag,
        read=checks.read_flag,
        default=default,
        doc=doc,
    )


def _id(name: str, doc: str, *others: str) -> Option:
    """`others` are variables that give it beside its own."""
    variables = (f"{PREFIX}{name.upper()}", *others) if others else None
    return Option(name=name, expected=_ID, check=checks.identifier, doc=doc, variables=variables)


def _seconds(name: str, default: float, doc: str) -> Option:
    return Option(
        name=name,
        expected="a number of seconds from 0.1 to 3600",
        check=checks.number(0.1, 3600),
        read=checks.read_as(float),
        default=default,
        doc=doc,
    )


def _bytes(name: str, default: int, low: int, high: int, doc: str) -> Option:
    return Option(
        name=name,
        expected=f"a whole number of bytes from {low} to {high}",
        check=checks.number(low, high, int),
        read=checks.read_as(int),
        default=default,
        doc=doc,
    )


OPTIONS: Final[tuple[Option, ...]] = (
    Option(
        name="api_key", variables=("DD_API_KEY",), expected=_KEY, check=checks.key, doc="Datadog API key."
    ),
    Option(
        name="app_key",
        variables=("DD_APP_KEY", "DD_APPLICATION_KEY"),
        expected=_KEY,
        check=checks.key,
        doc="Datadog application key.",
    ),
    Option(
        name="site",
        variables=("DD_SITE",),
        expected=f"one of: {', '.join(SITES)}",
        check=checks.site,
        default=SITES[0],
        doc="Datadog site that the keys belong to.",
    ),
    Option(
        name="base_url",
        expected="an https:// URL, or http:// to a loopback address such as http://127.0.0.1:8080",
        check=checks.base_url,
        doc="Where requests go, for a local receiver or a proxy; by default https://api.<site>.",
    ),
    Option(
        name="destination",
        expected=f"one of: {', '.join(DESTINATIONS)}",
        check=checks.choice(DESTINATIONS),
        doc="datadog or local; by default datadog where both keys are there, and a project and a dataset,"
        " each by its name or id; else local.",
    ),
    _id("experiment_id", "Experiment of every root span that names none; by default made for each run."),
    _id("project_id", "Project of the experiment; made from the working directory for local."),
    _id("dataset_id", "Dataset of the experiment; made from the program's name for local."),
    _id(
        "project_name",
        "Project of the experiment by its name: it is found on Datadog, or made there.",
        "DD_LLMOBS_PROJECT_NAME",
    ),
    _id("dataset_name", "Dataset of the experiment by its name: it is found in the project, or made there."),
    _id("experiment_name", "What the experiment is called; by default the program's name."),
    Option(
        name="database",
        expected="the path of a file that can be written",
        check=checks.path,
        doc="SQLite file of the local store; by default .llmobs/experiments.db where the program starts.",
    ),
    Option(
        name="journal",
        expected="the path of a directory that can be written; None or 'off' for memory only",
        check=checks.path_or_off,
        doc="Directory of the journal; by default in the user's state directory, or memory if that can't be.",
    ),
    _flag(
        "enabled",
        True,
        "False makes every decorator and block a near-free no-op; LLMOBS_TRACE_ENABLED=0 always wins.",
    ),
    _flag("capture_input", True, "Record a decorated callable's arguments by itself."),
    _flag("capture_output", True, "Record what a decorated callable returned by itself."),
    Option(
        name="redact",
        variables=(),
        expected="a callable (field: str, value) -> value",
        check=checks.redactor,
        doc="Run at capture over every field that holds a user's value, on a plain JSON copy.",
    ),
    Option(
        name="sample_rate",
        expected="a number from 0 to 1",
        check=checks.number(0, 1),
        read=checks.read_as(float),
        default=1.0,
        doc="Share of traces that are recorded, decided once for each trace.",
    ),
    _flag("instrument_threads", True, "Threads and executors hand their creator's active span on."),
    Option(
        name="instrument",
        expected=f"one of: {', '.join(get_args(ModelClient))}; or several of them, as a list or with commas",
        check=checks.names(ALL, MODEL_CLIENTS),
        default=(),
        doc="Model clients whose calls are traced.",
    ),
    _flag(
        "keep_media",
        False,
        "Record pictures, sound and files of more than 64 KiB whole; else their kind, size and hash.",
    ),
    Option(
        name="not_errors",
        variables=(),
        expected=not_errors.TAKES,
        check=checks.not_errors,
        default=not_errors.NONE,
        doc="Exceptions that end a span without failing it: its status is ok, its tag ended_by has the type.",
    ),
    _seconds("flush_interval", 1.0, "How long an event may wait before it is sent."),
    _seconds("request_timeout", 10.0, "Deadline of one whole request."),
    _seconds("shutdown_timeout", 5.0, "How long the program's exit may wait for delivery."),
    _bytes("max_batch_bytes", 4 * MIB, 4 * KIB, 64 * MIB, "Bound of one request body."),
    _bytes(
        "max_event_bytes",
        1 * MIB,
        2 * KIB,
        16 * MIB,
        "Bound of one span or metric; larger values are cut, visibly.",
    ),
    _bytes(
        "max_journal_bytes",
        256 * MIB,
        1 * MIB,
        1024 * GIB,
        "Bound of what waits on disk for one destination, of all processes.",
    ),
    _flag("strict", False, "True makes run-time misuse raise UsageError, for tests."),
)
BY_NAME: Final = {option.name: option for option in OPTIONS}
