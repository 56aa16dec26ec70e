"""The options as data: one table of names, environment variables, checks and defaults; set-up only.

A check takes what the user gave and returns it in the option's own type, or raises `Unfit`. Text from the
environment is first read as what the option holds, then checked the same way.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Literal, get_args

from msgspec import Struct

from llmobs_trace import checks
from llmobs_trace.wire import SITES

DestinationName = Literal["datadog", "local"]
DESTINATIONS: tuple[DestinationName, ...] = get_args(DestinationName)
PREFIX: Final = "LLMOBS_TRACE_"

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
    environment: tuple[str, ...] = ()
    read: Callable[[str], object] = str


# --- The table ----------------------------------------------------------------------------------------------

_ON_OR_OFF = "True or False (in the environment: 1/0, true/false, yes/no, on/off)"
_ID = "a string that is not empty, without control characters, of at most 256 characters"
_KEY = "the key as Datadog shows it, a string"


def _own(name: str) -> tuple[str, ...]:
    return (PREFIX + name.upper(),)


def _flag(name: str, default: bool, doc: str) -> Option:
    return Option(
        name=name,
        environment=_own(name),
        expected=_ON_OR_OFF,
        check=checks.flag,
        read=checks.read_flag,
        default=default,
        doc=doc,
    )


def _id(name: str, doc: str) -> Option:
    return Option(name=name, environment=_own(name), expected=_ID, check=checks.identifier, doc=doc)


def _seconds(name: str, default: float, doc: str) -> Option:
    return Option(
        name=name,
        environment=_own(name),
        expected="a number of seconds from 0.1 to 3600",
        check=checks.number(0.1, 3600),
        read=checks.read_number,
        default=default,
        doc=doc,
    )


def _bytes(name: str, default: int, low: int, high: int, doc: str) -> Option:
    return Option(
        name=name,
        environment=_own(name),
        expected=f"a whole number of bytes from {low} to {high}",
        check=checks.whole(low, high),
        read=checks.read_whole,
        default=default,
        doc=doc,
    )


OPTIONS: Final[tuple[Option, ...]] = (
    Option(
        name="api_key", environment=("DD_API_KEY",), expected=_KEY, check=checks.key, doc="Datadog API key."
    ),
    Option(
        name="app_key",
        environment=("DD_APP_KEY", "DD_APPLICATION_KEY"),
        expected=_KEY,
        check=checks.key,
        doc="Datadog application key.",
    ),
    Option(
        name="site",
        environment=("DD_SITE",),
        expected=f"one of: {', '.join(SITES)}",
        check=checks.site,
        default=SITES[0],
        doc="Datadog site that the keys belong to.",
    ),
    Option(
        name="base_url",
        environment=_own("base_url"),
        expected="an https:// URL, or http:// to a loopback address such as http://127.0.0.1:8080",
        check=checks.base_url,
        doc="Where requests go, for a local receiver or a proxy; by default https://api.<site>.",
    ),
    Option(
        name="destination",
        environment=_own("destination"),
        expected=f"one of: {', '.join(DESTINATIONS)}",
        check=checks.choice(DESTINATIONS),
        doc="datadog or local; by default datadog where both keys and all three ids are there, else local.",
    ),
    _id("experiment_id", "Experiment of every root span that names none; made once a process for local."),
    _id("project_id", "Project of the experiment; made from the working directory for local."),
    _id("dataset_id", "Dataset of the experiment; made from the program's name for local."),
    _id("experiment_name", "What the local store calls the experiment; by default the program's name."),
    Option(
        name="database",
        environment=_own("database"),
        expected="the path of a file that can be written",
        check=checks.path,
        doc="SQLite file of the local store; by default .llmobs/experiments.db where the program starts.",
    ),
    Option(
        name="journal",
        environment=_own("journal"),
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
        expected="a callable (field: str, value) -> value",
        check=checks.redactor,
        doc="Run at capture over every field that holds a user's value, on a plain JSON copy.",
    ),
    Option(
        name="sample_rate",
        environment=_own("sample_rate"),
        expected="a number from 0 to 1",
        check=checks.number(0, 1),
        read=checks.read_number,
        default=1.0,
        doc="Share of traces that are recorded, decided once for each trace.",
    ),
    _flag("instrument_threads", True, "Threads and executors hand their creator's active span on."),
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
    _bytes("max_journal_bytes", 256 * MIB, 1 * MIB, 1024 * GIB, "Bound of what waits on disk."),
    _flag("strict", False, "True makes run-time misuse raise UsageError, for tests."),
)
BY_NAME: Final = {option.name: option for option in OPTIONS}
