"""Says what `configure` takes: every option as a keyword, with its type, its documentation and its default.

The options' table in `settings` decides what each of them may be; a test holds the two equal. Any thread.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Collection
from typing import Any, Final, TypeVar, cast

from llmobs_trace.not_errors import NONE
from llmobs_trace.process import life
from llmobs_trace.settings.config import Unseen
from llmobs_trace.settings.options import DestinationName, ModelClient

F = TypeVar("F", bound=Callable[..., None])

# The default of `journal`, whose None is an answer.
_NOT_NONE: Final[Any] = ...
_NONE: Final[Any] = ()
_NO_ERRORS: Final[Any] = NONE


def _told_what_is_given(stated: F) -> F:
    """Carry out what is only stated here. What is not given differs from a default: the environment comes
    between them. And a name that is no option's is told by its right one, as Python alone would not.
    """

    @functools.wraps(stated)
    def configure(**options: object) -> None:
        given = Unseen(options)
        del options  # with the keys in it: a traceback may show a frame's locals
        life.set_up(given)

    return cast(F, configure)


@_told_what_is_given
def configure(
    *,
    api_key: str | None = None,
    app_key: str | None = None,
    site: str | None = "datadoghq.com",
    base_url: str | None = None,
    destination: DestinationName | None = None,
    experiment_id: str | None = None,
    project_id: str | None = None,
    dataset_id: str | None = None,
    project_name: str | None = None,
    dataset_name: str | None = None,
    experiment_name: str | None = None,
    database: str | os.PathLike[str] | None = None,
    journal: str | os.PathLike[str] | None = _NOT_NONE,
    enabled: bool | None = True,
    capture_input: bool | None = True,
    capture_output: bool | None = True,
    redact: Callable[[str, Any], Any] | None = None,
    sample_rate: float | None = 1.0,
    instrument_threads: bool | None = True,
    instrument: ModelClient | list[ModelClient] | None = _NONE,
    keep_media: bool | None = False,
    not_errors: Collection[type[BaseException] | str] | None = _NO_ERRORS,
    flush_interval: float | None = 1.0,
    request_timeout: float | None = 10.0,
    shutdown_timeout: float | None = 5.0,
    max_batch_bytes: int | None = 4 << 20,
    max_event_bytes: int | None = 1 << 20,
    max_journal_bytes: int | None = 256 << 20,
    strict: bool | None = False,
) -> None:
    """Set the library up, once, at the start of a program. Without a call, the first span does so from the
    environment.

    An option that is not given, or None, is what its environment variable says, which stands in brackets
    below; else its default. Two exceptions: `journal=None` is memory only, and `LLMOBS_TRACE_ENABLED=0` wins
    over `enabled=True`. A second call delivers what was recorded, and then replaces.

    Raises `ConfigurationError` where an option won't do, or there is none of that name. It says what was
    given, and what would do.

    >>> configure(experiment_name="prompt-v2", sample_rate=0.5)

    api_key [DD_API_KEY]
        Datadog API key. Takes the key as Datadog shows it, a string.
    app_key [DD_APP_KEY, DD_APPLICATION_KEY]
        Datadog application key. Takes the key as Datadog shows it, a string.
    site = datadoghq.com [DD_SITE]
        Datadog site that the keys belong to. Takes one of: datadoghq.com, us3.datadoghq.com,
        us5.datadoghq.com, datadoghq.eu, ap1.datadoghq.com, ap2.datadoghq.com, ddog-gov.com, us2.ddog-gov.com.
    base_url [LLMOBS_TRACE_BASE_URL]
        Where requests go, for a local receiver or a proxy; by default https://api.<site>. Takes an https://
        URL, or http:// to a loopback address such as http://127.0.0.1:8080.
    destination [LLMOBS_TRACE_DESTINATION]
        datadog or local; by default datadog where both keys are there, and a project and a dataset, each by
        its name or id; else local. Takes one of: datadog, local.
    experiment_id [LLMOBS_TRACE_EXPERIMENT_ID]
        Experiment of every root span that names none; by default made for each run. Takes a string that is
        not empty, without control characters, of at most 256 characters.
    project_id [LLMOBS_TRACE_PROJECT_ID]
        Project of the experiment; made from the working directory for local. Takes a string that is not
        empty, without control characters, of at most 256 characters.
    dataset_id [LLMOBS_TRACE_DATASET_ID]
        Dataset of the experiment; made from the program's name for local. Takes a string that is not empty,
        without control characters, of at most 256 characters.
    project_name [LLMOBS_TRACE_PROJECT_NAME, DD_LLMOBS_PROJECT_NAME]
        Project of the experiment by its name: it is found on Datadog, or made there. Takes a string that is
        not empty, without control characters, of at most 256 characters.
    dataset_name [LLMOBS_TRACE_DATASET_NAME]
        Dataset of the experiment by its name: it is found in the project, or made there. Takes a string that
        is not empty, without control characters, of at most 256 characters.
    experiment_name [LLMOBS_TRACE_EXPERIMENT_NAME]
        What the experiment is called; by default the program's name. Takes a string that is not empty,
        without control characters, of at most 256 characters.
    database [LLMOBS_TRACE_DATABASE]
        SQLite file of the local store; by default .llmobs/experiments.db where the program starts. Takes the
        path of a file that can be written.
    journal [LLMOBS_TRACE_JOURNAL]
        Directory of the journal; by default in the user's state directory, or memory if that can't be. Takes
        the path of a directory that can be written; None or 'off' for memory only.
    enabled = True [LLMOBS_TRACE_ENABLED]
        False makes every decorator and block a near-free no-op; LLMOBS_TRACE_ENABLED=0 always wins.
    capture_input = True [LLMOBS_TRACE_CAPTURE_INPUT]
        Record a decorated callable's arguments by itself.
    capture_output = True [LLMOBS_TRACE_CAPTURE_OUTPUT]
        Record what a decorated callable returned by itself.
    redact
        Run at capture over every field that holds a user's value, on a plain JSON copy. Takes a callable
        (field: str, value) -> value.
    sample_rate = 1.0 [LLMOBS_TRACE_SAMPLE_RATE]
        Share of traces that are recorded, decided once for each trace. Takes a number from 0 to 1.
    instrument_threads = True [LLMOBS_TRACE_INSTRUMENT_THREADS]
        Threads and executors hand their creator's active span on.
    instrument = () [LLMOBS_TRACE_INSTRUMENT]
        Model clients whose calls are traced. Takes one of: all, openai, anthropic, google-genai, litellm; or
        several of them, as a list or with commas.
    keep_media = False [LLMOBS_TRACE_KEEP_MEDIA]
        Record pictures, sound and files of more than 64 KiB whole; else their kind, size and hash.
    not_errors = ()
        Exceptions that end a span without failing it: its status is ok, its tag ended_by has the type. Takes
        a list of exception types or of their names with their modules, such as [SystemExit, "typer.Exit"].
    flush_interval = 1.0 [LLMOBS_TRACE_FLUSH_INTERVAL]
        How long an event may wait before it is sent. Takes a number of seconds from 0.1 to 3600.
    request_timeout = 10.0 [LLMOBS_TRACE_REQUEST_TIMEOUT]
        Deadline of one whole request. Takes a number of seconds from 0.1 to 3600.
    shutdown_timeout = 5.0 [LLMOBS_TRACE_SHUTDOWN_TIMEOUT]
        How long the program's exit may wait for delivery. Takes a number of seconds from 0.1 to 3600.
    max_batch_bytes = 4194304 [LLMOBS_TRACE_MAX_BATCH_BYTES]
        Bound of one request body. Takes a whole number of bytes from 4096 to 67108864.
    max_event_bytes = 1048576 [LLMOBS_TRACE_MAX_EVENT_BYTES]
        Bound of one span or metric; larger values are cut, visibly. Takes a whole number of bytes from 2048
        to 16777216.
    max_journal_bytes = 268435456 [LLMOBS_TRACE_MAX_JOURNAL_BYTES]
        Bound of what waits on disk for one destination, of all processes. Takes a whole number of bytes from
        1048576 to 1099511627776.
    strict = False [LLMOBS_TRACE_STRICT]
        True makes run-time misuse raise UsageError, for tests.
    """
