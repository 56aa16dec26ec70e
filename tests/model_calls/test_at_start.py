"""Clients that the environment or `configure` names, in programs of their own."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from llmobs_trace.model_calls.instrument import CLIENTS
from llmobs_trace.settings.options import MODEL_CLIENTS

TELL = """
import sys
assert "openai" not in sys.modules and "llmobs_trace.model_calls.openai" not in sys.modules or IMPORTED
import openai._base_client
print(hasattr(openai._base_client.SyncAPIClient.request, "__wrapped__"))
"""


def told(program: str, **environ: str) -> str:
    run = subprocess.run(
        [sys.executable, "-c", f"IMPORTED = False\n{program}\n{TELL}"],
        env={**os.environ, **environ},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert run.returncode == 0, run.stderr
    return run.stdout.strip() + run.stderr


def test_nothing_is_wrapped_where_nobody_asked_and_nothing_is_loaded_for_it() -> None:
    assert told("import llmobs_trace") == "False"


@pytest.mark.parametrize("names", ["all", "openai", " OpenAI , litellm "])
def test_the_environment_names_clients_which_are_wrapped_when_they_are_imported(names: str) -> None:
    assert told("IMPORTED = True; import llmobs_trace", LLMOBS_TRACE_INSTRUMENT=names) == "True"


@pytest.mark.parametrize("given", ["'all'", "['openai']", "'openai'"])
def test_configure_names_clients(given: str) -> None:
    program = f"IMPORTED = True; import llmobs_trace; llmobs_trace.configure(instrument={given})"
    assert told(program) == "True"


def test_a_client_that_was_imported_before_is_wrapped_too() -> None:
    program = "IMPORTED = True; import openai, llmobs_trace; llmobs_trace.instrument()"
    assert told(program) == "True"


def test_a_wrong_name_in_the_environment_is_told_once_and_nothing_is_wrapped() -> None:
    said = told(
        "import llmobs_trace\nwith llmobs_trace.experiment_span('row'): pass",
        LLMOBS_TRACE_INSTRUMENT="opanai",
    )
    assert said.startswith("False")
    assert said.count("instrument (LLMOBS_TRACE_INSTRUMENT): given 'opanai', which is not known") == 1


def test_the_names_that_configure_takes_are_those_of_the_clients() -> None:
    assert [*CLIENTS] == MODEL_CLIENTS
