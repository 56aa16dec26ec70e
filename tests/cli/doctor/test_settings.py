from __future__ import annotations

import msgspec

from llmobs_trace.cli.doctor.settings import Setting, SettingsInForce, read
from llmobs_trace.settings.options import OPTIONS


def told(environ: dict[str, str]) -> dict[str, Setting]:
    return {each.name: each for each in read(environ, {})[1].options}


def test_every_option_is_told_with_its_value_and_where_it_came_from() -> None:
    found = told(
        {
            "DD_SITE": "datadoghq.eu",
            "DD_APPLICATION_KEY": "canary",
            "LLMOBS_TRACE_FLUSH_INTERVAL": "2.5",
            "LLMOBS_TRACE_JOURNAL": "off",
        }
    )
    assert list(found) == [option.name for option in OPTIONS]
    assert found["site"] == Setting("site", "datadoghq.eu", "DD_SITE")
    assert found["base_url"] == Setting("base_url", "https://api.datadoghq.eu", "default, from site")
    assert found["flush_interval"] == Setting("flush_interval", 2.5, "LLMOBS_TRACE_FLUSH_INTERVAL")
    assert found["journal"] == Setting("journal", "memory only", "LLMOBS_TRACE_JOURNAL")
    assert found["request_timeout"] == Setting("request_timeout", 10.0, "default")
    assert found["redact"] == Setting("redact", None, "only an argument of configure()")


def test_keys_are_set_or_not_set() -> None:
    found = told({"DD_APPLICATION_KEY": "canary"})
    assert found["api_key"] == Setting("api_key", "not set", "default")
    assert found["app_key"] == Setting("app_key", "set, not shown", "DD_APPLICATION_KEY")


def test_a_value_that_will_not_do_is_a_problem_and_its_default_is_told() -> None:
    _, settings = read({"DD_SITE": "datadog.com", "DD_API_KEY": "with a canary"}, {})
    found = {each.name: each for each in settings.options}
    assert found["site"] == Setting("site", "datadoghq.com", "default")
    assert found["api_key"] == Setting("api_key", "not set", "default")
    api_key, site = settings.problems
    assert "datadog.com" in site
    assert "DD_API_KEY" in api_key
    assert b"canary" not in msgspec.json.encode(settings)


def test_what_each_process_makes_for_itself_is_not_the_doctors_own() -> None:
    found = told({})
    assert found["experiment_id"].value == "one for each process"
    assert told({"LLMOBS_TRACE_EXPERIMENT_ID": "e"})["experiment_id"].value == "e"


def test_an_argument_of_the_command_stands_for_its_variable() -> None:
    environ = {"LLMOBS_TRACE_JOURNAL": "off"}
    _, settings = read(environ, {"LLMOBS_TRACE_JOURNAL": ("--journal", "/mnt/x")})
    assert Setting("journal", "/mnt/x", "--journal") in settings.options


def test_notes_are_what_configure_would_log() -> None:
    _, settings = read({"DD_API_KEY": "a", "DD_APP_KEY": "b", "LLMOBS_TRACE_FLUSH": "1"}, {})
    assert isinstance(settings, SettingsInForce)
    assert any("still needs project_name" in note for note in settings.notes)
    assert any("LLMOBS_TRACE_FLUSH: no such variable" in note for note in settings.notes)
