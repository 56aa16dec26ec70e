"""The programs against clients that are installed here; `python -m tests.agents` runs all of them."""

from __future__ import annotations

import sys

import pytest
from agents.programs import PROGRAMS, Program, lines
from agents.run import run

CLIENTS = {"openai": "openai", "anthropic": "anthropic", "google-genai": "google.genai"}
HERE = [program for program in PROGRAMS if program.name in CLIENTS]


@pytest.mark.parametrize("program", HERE, ids=lambda program: program.name)
def test_an_agent_leaves_the_same_tree_whatever_client_it_is_written_against(program: Program) -> None:
    pytest.importorskip(CLIENTS[program.name], reason="google-genai needs Python 3.11")
    assert lines(run(program, sys.executable)) == lines(program.story())
