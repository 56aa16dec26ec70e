"""Runs a program on a machine of its own, against a model that says what the program's table says."""

from __future__ import annotations

import tempfile
from pathlib import Path

from agents.programs import Program, Step, told
from support.machine import Machine
from support.model_server import ModelServer


def run(program: Program, python: str) -> tuple[Step, ...]:
    """The tree that it left in the local store."""
    with tempfile.TemporaryDirectory() as home, ModelServer() as server:
        machine = Machine(Path(home), python=python)
        try:
            server.will(*program.answers)
            machine.run("# from llmobs_trace import *\n" + program.source, server.url)
            return told(machine.stored_spans())
        finally:
            machine.stop()
