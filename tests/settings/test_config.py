from __future__ import annotations

import os
import pickle
import subprocess
import sys
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmobs_trace.errors import ConfigurationError
from llmobs_trace.settings import inherited
from llmobs_trace.settings.config import (
    Config,
    find_database,
    find_journal,
    from_environment,
    hand_over,
    resolve,
)
from llmobs_trace.settings.options import BY_NAME, OPTIONS
from llmobs_trace.settings.places import file_problem
from llmobs_trace.wire import mark_of

KEYS = {"api_key": "canary-api", "app_key": "canary-app"}
IDS = {"experiment_id": "e-1", "project_id": "p-1", "dataset_id": "d-1"}
VARIABLES = [variable for option in OPTIONS for variable in option.environment]


@pytest.fixture(autouse=True)
def working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def quiet(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """An environment of its own, with places for files, for examples that come by the hundred."""
    home = tmp_path_factory.mktemp("home")
    return {"HOME": str(home), "LLMOBS_TRACE_DATABASE": str(home / "x.db")}


def resolved(environ: Mapping[str, str] | None = None, /, **options: object) -> Config:
    return resolve(options, {"HOME": os.path.abspath("home"), **(environ or {})})


def refusal(environ: Mapping[str, str] | None = None, /, **options: object) -> str:
    with pytest.raises(ConfigurationError) as refused:
        resolved(environ, **options)
    return str(refused.value)


# --- Where values come from ---------------------------------------------------------------------------------

GOOD = {
    "api_key": "k",
    "app_key": "k",
    "site": "us5.datadoghq.com",
    "base_url": "http://127.0.0.1:9",
    "destination": "local",
    "experiment_id": "e",
    "project_id": "p",
    "dataset_id": "d",
    "project_name": "pn",
    "dataset_name": "dn",
    "experiment_name": "n",
    "database": "db/x.db",
    "journal": "j",
    "enabled": "false",
    "capture_input": "no",
    "capture_output": "off",
    "sample_rate": "0.25",
    "instrument_threads": "0",
    "keep_media": "yes",
    "instrument": "litellm, openai",
    "flush_interval": "0.1",
    "request_timeout": "3600",
    "shutdown_timeout": "2.5",
    "max_batch_bytes": "2000000",
    "max_event_bytes": "100000",
    "max_journal_bytes": "5000000",
    "strict": "1",
}


def test_every_option_but_those_that_hold_objects_has_an_environment_variable() -> None:
    objects = ["redact", "not_errors"]
    assert [option.name for option in OPTIONS if not option.environment] == objects
    assert set(GOOD) == set(BY_NAME) - {*objects}
    for option in OPTIONS:
        own = (f"LLMOBS_TRACE_{option.name.upper()}",)
        if option.name not in ("api_key", "app_key", "site", "project_name", *objects):
            assert option.environment == own


@pytest.mark.parametrize("name", sorted(GOOD))
def test_an_option_read_from_the_environment_is_what_the_argument_would_be(name: str) -> None:
    option = BY_NAME[name]
    for variable in option.environment:
        from_variable = resolved({variable: GOOD[name]})
        assert from_variable == resolved(**{name: option.read(GOOD[name])})
        assert getattr(from_variable, name) != getattr(resolved(), name) or name == "destination"
        assert from_environment({"HOME": os.path.abspath("home"), variable: GOOD[name]}) == (
            from_variable,
            [],
        )


@pytest.mark.parametrize("name", sorted(GOOD))
def test_the_argument_wins_over_the_environment(name: str) -> None:
    option = BY_NAME[name]
    argument = option.read(GOOD[name])
    other = {
        "instrument": "all",
        "site": "datadoghq.eu",
        "destination": "datadog",
        "base_url": "https://h",
        "sample_rate": "1",
    }
    for variable in option.environment:
        config = resolved(
            {variable: other.get(name, "1000000" if name.startswith("max_") else "1")}, **{name: argument}
        )
        assert getattr(config, name) == getattr(resolved(**{name: argument}), name)


def test_an_empty_variable_and_an_argument_of_none_are_as_if_not_given() -> None:
    assert resolved(dict.fromkeys(VARIABLES, "")) == resolved()
    assert resolved(**{name: None for name in BY_NAME if name != "journal"}) == resolved()
    assert resolved({"DD_SITE": "datadoghq.eu"}, site=None).site == "datadoghq.eu"


def test_the_application_key_goes_by_two_names() -> None:
    both = resolved({"DD_APP_KEY": "first", "DD_APPLICATION_KEY": "second"}).app_key
    second = resolved({"DD_APPLICATION_KEY": "second"}).app_key
    assert both is not None
    assert second is not None
    assert (both.reveal(), second.reveal()) == ("first", "second")


def test_the_site_decides_the_base_url_unless_it_is_given() -> None:
    assert resolved(site="us3.datadoghq.com").base_url == "https://api.us3.datadoghq.com"
    assert resolved(site="us3.datadoghq.com", base_url="http://localhost:1/").base_url == "http://localhost:1"


# --- What won't do ------------------------------------------------------------------------------------------

BAD: list[tuple[str, object]] = [
    ("api_key", ""),
    ("api_key", 7),
    ("app_key", "two words"),
    ("site", "datadog.com"),
    ("base_url", "http://example.com"),
    ("destination", "file"),
    ("experiment_id", ""),
    ("project_id", "a\nb"),
    ("dataset_id", 3),
    ("project_name", 3),
    ("dataset_name", 3),
    ("experiment_name", "\x1b[31m"),
    ("database", 3),
    ("journal", False),
    ("enabled", "yes"),
    ("capture_input", 1),
    ("capture_output", "false"),
    ("redact", "not callable"),
    ("sample_rate", 1.5),
    ("instrument_threads", 0),
    ("keep_media", "image"),
    ("instrument", ["opanai"]),
    ("not_errors", "typer.Exit"),
    ("not_errors", KeyError),
    ("not_errors", [int]),
    ("not_errors", [SystemExit(0)]),
    ("not_errors", ["Interrupt"]),
    ("not_errors", ["a b.C"]),
    ("not_errors", ["os.path.join"]),
    ("not_errors", ["builtins.int"]),
    ("not_errors", [KeyError, None]),
    ("flush_interval", 0),
    ("request_timeout", float("nan")),
    ("shutdown_timeout", 3601),
    ("max_batch_bytes", 1.5),
    ("max_event_bytes", 10),
    ("max_journal_bytes", -1),
    ("strict", 0),
]


def test_there_is_a_bad_value_for_every_option() -> None:
    assert {name for name, _ in BAD} == set(BY_NAME)


@pytest.mark.parametrize(("name", "value"), BAD)
def test_an_argument_that_will_not_do_raises_naming_it_what_was_given_and_what_would_do(
    name: str, value: object
) -> None:
    message = refusal(**{name: value})
    assert message.startswith(f"{name}: given ")
    assert message.endswith(f"; expected {BY_NAME[name].expected}")


@pytest.mark.parametrize("name", sorted(set(GOOD) - {"database", "journal"}))
def test_a_variable_that_will_not_do_raises_when_configured_and_is_only_said_when_not(name: str) -> None:
    variable = BY_NAME[name].environment[0]
    environ = {"HOME": os.path.abspath("home"), variable: "\x07?"}
    assert refusal(environ).startswith(f"{name} ({variable}): given ")
    config, (complaint,) = from_environment(environ)
    assert complaint.startswith(f"{name} ({variable}): given ")
    assert complaint.endswith("; its default is used")
    assert config == resolved()


def test_an_unknown_option_raises_with_the_nearest_one_and_without_its_value() -> None:
    message = refusal(api_kye="canary-secret")
    assert message.startswith(
        "api_kye: no such option (did you mean api_key?); the options are: api_key, app_key"
    )
    assert "canary" not in message
    assert "did you mean" not in refusal(zzz=1)


def test_an_unknown_variable_with_our_prefix_is_noted() -> None:
    (note,) = resolved({"LLMOBS_TRACE_FLUSHINTERVAL": "3"}).notes
    assert note.startswith(
        "LLMOBS_TRACE_FLUSHINTERVAL: no such variable (did you mean LLMOBS_TRACE_FLUSH_INTERVAL?)"
    )


def test_what_is_meant_for_a_command_is_no_unknown_variable_of_a_program() -> None:
    assert resolved({"LLMOBS_TRACE_SERVE_API_KEY": "k", "LLMOBS_TRACE_SERVE_APP_KEY": "l"}).notes == ()


@given(st.dictionaries(st.sampled_from(VARIABLES), st.text(max_size=12), max_size=6))
def test_no_environment_makes_an_unconfigured_program_fail(
    quiet: dict[str, str], variables: dict[str, str]
) -> None:
    places = ("LLMOBS_TRACE_DATABASE", "LLMOBS_TRACE_JOURNAL")
    config, complaints = from_environment(
        {**variables, **quiet, **dict.fromkeys(places[:1], quiet[places[0]]), places[1]: "off"}
    )
    assert isinstance(config, Config)
    assert all("given" in complaint for complaint in complaints)


@given(
    st.dictionaries(
        st.sampled_from([name for name in BY_NAME if name not in ("database", "journal")])
        | st.text(max_size=8),
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.binary(max_size=8),
        max_size=4,
    )
)
def test_arguments_of_any_kind_configure_or_raise_one_clear_error(
    quiet: dict[str, str], options: dict[str, Any]
) -> None:
    try:
        config = resolve(options, quiet | {"LLMOBS_TRACE_JOURNAL": "off"})
    except ConfigurationError as error:
        message = str(error)
        chain = (error.__cause__, error.__context__)
    else:
        message, chain = "", (None, None)
        assert config.max_event_bytes < config.max_batch_bytes
    assert message == "" or any(name in message for name in options)
    assert chain == (None, None)


# --- The destination ----------------------------------------------------------------------------------------


def test_with_both_keys_and_all_three_ids_the_destination_is_datadog() -> None:
    config = resolved(**KEYS, **IDS)
    assert config.destination == "datadog"
    assert config.notes == ()
    assert (config.experiment_id, config.project_id, config.dataset_id) == ("e-1", "p-1", "d-1")


def test_without_keys_the_destination_is_local_and_nothing_is_said() -> None:
    config = resolved(**IDS)
    assert (config.destination, config.notes) == ("local", ())


@pytest.mark.parametrize("part", ["project", "dataset"])
def test_with_keys_but_no_project_or_dataset_the_destination_is_local_and_one_line_says_so(part: str) -> None:
    config = resolved(**KEYS, **{name: value for name, value in IDS.items() if name != f"{part}_id"})
    assert config.destination == "local"
    (note,) = config.notes
    variables = f"LLMOBS_TRACE_{part.upper()}_NAME) or {part}_id (LLMOBS_TRACE_{part.upper()}_ID)"
    assert note.endswith(f"still needs {part}_name ({variables}")


def test_keys_and_a_project_s_name_for_other_programs_send_nothing_anywhere() -> None:
    config = resolved({"DD_API_KEY": "a", "DD_LLMOBS_PROJECT_NAME": "bot"})
    assert (config.destination, config.project_id, config.notes) == ("local", "bot", ())
    config = resolved({"DD_API_KEY": "a", "DD_APP_KEY": "b", "DD_LLMOBS_PROJECT_NAME": "bot"})
    assert (config.destination, len(config.notes)) == ("local", 1)


NAMES = {"project_name": "bot", "dataset_name": "tickets"}


def test_with_both_keys_a_project_and_a_dataset_by_name_the_destination_is_datadog() -> None:
    config = resolved(**KEYS, **NAMES)
    assert (config.destination, config.notes) == ("datadog", ())
    ids = (config.experiment_id, config.project_id, config.dataset_id)
    assert list(map(mark_of, ids)) == [config.mark] * 3
    # One in every process of the run; another where it is named otherwise, or goes elsewhere.
    assert resolved(**KEYS, **NAMES, strict=True).mark == config.mark
    others = [{"experiment_name": "other"}, {"project_name": "other"}, {"base_url": "https://other.example"}]
    assert len({config.mark, *(resolved(**KEYS, **(NAMES | other)).mark for other in others)}) == 4


def test_a_name_beside_an_id_is_not_asked_for() -> None:
    config = resolved(**KEYS, **IDS, **NAMES)
    assert (config.mark, config.experiment_id, config.project_id) == ("", "e-1", "p-1")
    config = resolved(**KEYS, project_id="p-1", dataset_name="tickets")
    assert config.project_id == "p-1"
    assert mark_of(config.experiment_id) == mark_of(config.dataset_id) == config.mark


def test_on_the_local_destination_a_name_is_an_id() -> None:
    config = resolved(project_name="bot 7", dataset_name="tickets")
    assert (config.destination, config.project_id, config.dataset_id) == ("local", "bot 7", "tickets")
    assert resolved(**NAMES, project_id="p-1").project_id == "p-1"


def test_a_child_has_the_run_s_made_up_ids_and_makes_up_others_where_it_names_another_project(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    parent = resolved(**KEYS, **NAMES)
    monkeypatch.setattr(inherited, "_received", hand_over(parent, {}))
    child = resolved()
    assert (child.mark, child.experiment_id) == (parent.mark, parent.experiment_id)
    other = resolved(project_name="other")
    assert mark_of(other.project_id) == mark_of(other.dataset_id) == other.mark != parent.mark
    assert resolved(destination="local").project_id == "bot"


def test_with_an_address_alone_the_destination_is_local_and_one_line_says_what_that_address_needs() -> None:
    config = resolved(base_url="http://127.0.0.1:8126")
    assert config.destination == "local"
    (note,) = config.notes
    assert "sending to http://127.0.0.1:8126 still needs api_key (DD_API_KEY), app_key" in note


@pytest.mark.parametrize("missing", sorted(KEYS))
def test_datadog_asked_for_without_a_key_raises_naming_it(missing: str) -> None:
    options = {name: value for name, value in (KEYS | IDS).items() if name != missing}
    message = refusal(destination="datadog", **options)
    assert message.startswith(
        f"destination: given 'datadog' without {missing} ({BY_NAME[missing].environment[0]});"
    )
    assert [name for name in KEYS | IDS if name != missing and f"{name} (" in message] == []


def test_datadog_asked_for_without_a_dataset_raises_naming_it() -> None:
    message = refusal(destination="datadog", **KEYS, project_name="bot")
    assert message.startswith("destination: given 'datadog' without dataset_name (LLMOBS_TRACE_DATASET_NAME)")
    assert "project" not in message


def test_datadog_asked_for_by_the_environment_alone_falls_back_to_local() -> None:
    config, (complaint,) = from_environment({"HOME": "/nowhere", "LLMOBS_TRACE_DESTINATION": "datadog"})
    assert config.destination == "local"
    assert complaint.startswith(
        "destination: given 'datadog' without api_key (DD_API_KEY), app_key (DD_APP_KEY)"
    )


def test_local_asked_for_wins_over_keys_and_ids() -> None:
    assert resolved(destination="local", **KEYS, **IDS).destination == "local"


# --- Ids that are made --------------------------------------------------------------------------------------


def test_one_experiment_is_made_a_process_and_project_and_dataset_stay_the_same() -> None:
    first, second = resolved(), resolved(strict=True)
    assert first.experiment_id == second.experiment_id
    program = (
        "import os; from llmobs_trace.settings.config import resolve;"
        "c = resolve({'journal': None}, os.environ);"
        "print(c.experiment_id, c.project_id, c.dataset_id, c.experiment_name)"
    )
    Path("evaluate_answers.py").write_text(program)
    environ = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)}
    runs = [
        subprocess.run(
            [sys.executable, "evaluate_answers.py"], check=True, capture_output=True, text=True, env=environ
        )
        for _ in range(2)
    ]
    (experiment_a, *stable_a), (experiment_b, *stable_b) = (run.stdout.split() for run in runs)
    assert experiment_a != experiment_b
    assert stable_a == stable_b
    assert stable_a[0].startswith(Path.cwd().name)
    assert stable_a[1].startswith("evaluate_answers-")
    assert stable_a[2] == "evaluate_answers"


@pytest.mark.parametrize(
    ("started_as", "name"),
    [
        ("/srv/app/evaluate.py", "evaluate"),
        ("/srv/app/__main__.py", "app"),
        ("/usr/bin/pytest", "pytest"),
        ("-c", "python"),
        ("", "python"),
        ("bad\nname.py", "bad-name"),
    ],
)
def test_an_experiment_is_named_after_the_program(
    monkeypatch: pytest.MonkeyPatch, started_as: str, name: str
) -> None:
    monkeypatch.setattr(sys, "argv", [started_as])
    assert resolved().experiment_name == name


def test_an_embedded_python_without_arguments_has_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(sys, "argv")
    assert resolved().experiment_name == "python"


# --- Bounds that depend on one another ----------------------------------------------------------------------


def test_an_event_always_fits_into_a_request_and_several_into_the_journal() -> None:
    small_batch = resolved(max_batch_bytes=100_000)
    assert (small_batch.max_event_bytes < 100_000, small_batch.notes) == (True, ())
    large_event = resolved(max_event_bytes=8_000_000)
    assert (large_event.max_event_bytes, large_event.max_batch_bytes > 8_000_000) == (8_000_000, True)
    small_journal = resolved(max_journal_bytes=1 << 20)
    assert small_journal.max_event_bytes * 4 <= 1 << 20


def test_bounds_that_contradict_each_other_are_lowered_and_it_is_said() -> None:
    config = resolved(max_event_bytes=500_000, max_batch_bytes=100_000)
    assert config.max_event_bytes < config.max_batch_bytes == 100_000
    (note,) = config.notes
    assert note.startswith("max_event_bytes: given 500000, using ")


# --- Files --------------------------------------------------------------------------------------------------


def test_by_default_the_database_is_below_the_working_directory_and_the_journal_below_the_home() -> None:
    config = resolved()
    assert config.database == Path.cwd() / ".llmobs" / "experiments.db"
    assert config.journal == Path.cwd() / "home" / ".local" / "state" / "llmobs-trace" / "journal"
    assert config.journal.is_dir()
    assert config.notes == ()


def test_a_database_that_can_not_be_below_the_working_directory_is_below_the_home_and_it_says_so() -> None:
    Path(".llmobs").write_text("in the way")
    config = resolved()
    assert config.database == Path.cwd() / "home" / ".local" / "state" / "llmobs-trace" / "experiments.db"
    (note,) = config.notes
    assert note.startswith(f"database: {Path.cwd() / '.llmobs' / 'experiments.db'} can't be written (")
    assert note.endswith(f"using {config.database}")


def test_a_store_of_others_in_a_shared_working_directory_gets_nothing_and_it_says_so() -> None:
    Path("theirs").mkdir()
    Path(".llmobs").symlink_to("theirs")
    state = Path.cwd() / "home" / ".local" / "state" / "llmobs-trace" / "experiments.db"
    config = resolved()
    assert config.database == state
    (note,) = config.notes
    assert note == (
        f"database: {Path.cwd() / '.llmobs'} is a symbolic link, so it is not used (name a database, or"
        f" LLMOBS_TRACE_DATABASE, to use one all the same); using {state}"
    )
    assert list(Path("theirs").iterdir()) == []
    # For who reads it too; and who names it has it.
    assert find_database({"HOME": os.path.abspath("home")}) == state
    assert resolved(database=".llmobs/experiments.db").database == Path.cwd() / ".llmobs" / "experiments.db"


def test_where_there_is_no_other_place_nothing_goes_to_the_store_of_others() -> None:
    Path("theirs").mkdir()
    Path(".llmobs").symlink_to("theirs")
    config = resolve({}, {"HOME": "nowhere"})
    assert config.notes[0].endswith("; events wait until one can be")
    assert not config.database.exists()
    assert file_problem(config.database) is not None
    assert list(Path("theirs").iterdir()) == []
    with pytest.raises(ConfigurationError, match=r"\.llmobs is a symbolic link; name a database, or LLMOBS_"):
        find_database({"HOME": "nowhere"})


def test_where_nothing_can_be_written_it_says_so_and_goes_on() -> None:
    Path(".llmobs").write_text("in the way")
    config = resolve({}, {"HOME": "/dev/null"})
    assert config.journal is None
    assert [note.split(":")[0] for note in config.notes] == ["database", "journal"]


def test_without_a_home_the_journal_is_in_memory_and_it_says_so() -> None:
    config = resolve({}, {"HOME": "relative"})
    assert config.journal is None
    (note,) = config.notes
    assert note.startswith("journal: kept in memory, where a kill loses it")
    assert note.endswith("(the user has no home directory)")


@pytest.mark.parametrize("off", [None, "off", "OFF"])
def test_a_journal_switched_off_is_memory_and_nothing_is_said(off: object) -> None:
    config = resolved({"LLMOBS_TRACE_JOURNAL": "elsewhere"}, journal=off)
    assert (config.journal, config.notes) == (None, ())


@pytest.mark.parametrize("word", ["0", "false", "none", "memory", "off"])
def test_a_word_for_off_in_the_environment_makes_no_directory_of_that_name(word: str) -> None:
    config = resolved({"LLMOBS_TRACE_JOURNAL": word})
    assert (config.journal, config.notes) == (None, ())
    assert not Path(word).exists()


@pytest.mark.parametrize(
    ("name", "below"), [("database", "/dev/null/x.db"), ("journal", "/dev/null/x"), ("database", "/")]
)
def test_a_path_given_that_can_not_be_written_raises(name: str, below: str) -> None:
    said = f"given {below!r}, which can't be written ("
    assert refusal(**{name: below}).startswith(f"{name}: {said}")
    variable = BY_NAME[name].environment[0]
    assert refusal({variable: below}).startswith(f"{name} ({variable}): {said}")
    config, (complaint,) = from_environment({"HOME": os.path.abspath("home"), variable: below})
    assert said in complaint
    assert config == resolved()


def test_a_relative_path_stays_where_it_was_when_the_program_moves(monkeypatch: pytest.MonkeyPatch) -> None:
    config = resolved(database="runs/x.db", journal="runs/journal")
    assert config.database == Path.cwd() / "runs" / "x.db"
    assert config.journal == Path.cwd() / "runs" / "journal"


def test_with_datadog_no_default_database_is_made() -> None:
    resolved(journal=None, **KEYS, **IDS)
    assert list(Path.cwd().iterdir()) == []


def test_looking_for_the_store_and_the_journal_makes_neither() -> None:
    environ = {"HOME": os.path.abspath("home")}
    state = Path.cwd() / "home" / ".local" / "state" / "llmobs-trace"
    assert find_database(environ) == Path.cwd() / ".llmobs" / "experiments.db"
    assert find_journal(environ) == state / "journal"
    assert list(Path.cwd().iterdir()) == []
    state.mkdir(parents=True)
    (state / "experiments.db").touch()
    assert find_database(environ) == state / "experiments.db"
    assert find_database(environ | {"LLMOBS_TRACE_DATABASE": "x.db"}) == Path.cwd() / "x.db"
    assert find_journal(environ | {"LLMOBS_TRACE_JOURNAL": "off"}) is None
    assert find_journal(environ | {"LLMOBS_TRACE_JOURNAL": "j"}) == Path.cwd() / "j"


# --- The off switch -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["0", "false", "OFF", " no "])
def test_the_environments_off_switch_wins_over_the_code(text: str) -> None:
    config = resolved({"LLMOBS_TRACE_ENABLED": text}, enabled=True)
    assert config.enabled is False


def test_the_environment_does_not_switch_on_what_the_code_switched_off() -> None:
    assert resolved({"LLMOBS_TRACE_ENABLED": "1"}, enabled=False).enabled is False


def test_switched_off_nothing_is_touched_and_nothing_is_missing() -> None:
    environ = {"LLMOBS_TRACE_ENABLED": "0", "LLMOBS_TRACE_STRICT": "perhaps", "LLMOBS_TRACE_X": "?"}
    config = resolved(environ, destination="datadog", database="/dev/null/x", journal="/dev/null/y")
    assert (config.enabled, config.notes) == (False, ())
    assert from_environment(environ)[1] == []
    assert list(Path.cwd().iterdir()) == []


def test_switched_off_a_wrong_argument_is_still_wrong() -> None:
    assert refusal({"LLMOBS_TRACE_ENABLED": "0"}, flush_interval=-1).startswith("flush_interval")
    assert refusal({"LLMOBS_TRACE_ENABLED": "0"}, flash_interval=1).startswith("flash_interval")


# --- Keys ---------------------------------------------------------------------------------------------------


def test_keys_show_up_nowhere() -> None:
    config = resolved(**KEYS, **IDS, journal=None)
    assert config.api_key is not None
    assert config.app_key is not None
    assert (config.api_key.reveal(), config.app_key.reveal()) == ("canary-api", "canary-app")
    assert "canary" not in f"{config} {config!r} {[config]} {list(config.__rich_repr__())}"
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(config)


def test_keys_are_in_no_error_message_even_where_something_else_is_wrong() -> None:
    bad: list[dict[str, object]] = [
        {"site": "x"},
        {"unknown": 1},
        {"project_id": None, "destination": "datadog"},
    ]
    bad.append({"api_key": "canary api"})
    for wrong in bad:
        with pytest.raises(ConfigurationError) as refused:
            resolved(**(KEYS | IDS | wrong))
        assert "canary" not in "".join(traceback.format_exception_only(refused.value))
