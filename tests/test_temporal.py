"""Where Temporal imports a workflow's modules once more, in its sandbox; the real one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("temporalio", reason="Temporal's sandbox is tried where it is installed")

WORKFLOW = """
from temporalio import workflow
{imported}

@workflow.defn
class Traced:
    @workflow.run
    async def run(self) -> int:
        with experiment_span("in a workflow"):
            return 1
"""
PREPARE = """
import asyncio
import traced
from temporalio import workflow
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions

async def prepare():
    restrictions = SandboxRestrictions.default{passed}
    runner = SandboxedWorkflowRunner(restrictions=restrictions)
    runner.prepare_workflow(workflow._Definition.must_from_class(traced.Traced))

asyncio.run(prepare())
"""
PLAIN = "from llmobs_trace import experiment_span"
PASSED = f"with workflow.unsafe.imports_passed_through():\n    {PLAIN}"


def prepare(directory: Path, imported: str, passed: str = "") -> subprocess.CompletedProcess[str]:
    """Have the sandbox import a workflow, as a worker does at its start."""
    (directory / "traced.py").write_text(WORKFLOW.format(imported=imported))
    (directory / "prepare.py").write_text(PREPARE.format(passed=passed))
    return subprocess.run([sys.executable, "prepare.py"], cwd=directory, capture_output=True, text=True)


@pytest.mark.parametrize("imported", [PLAIN, "import llmobs_trace.capture.span"])
def test_an_import_in_the_sandbox_says_how_it_is_passed_through(tmp_path: Path, imported: str) -> None:
    ended = prepare(tmp_path, imported)
    assert ended.returncode == 1
    assert ended.stderr.endswith(
        "ImportError: llmobs_trace can't be imported inside Temporal's workflow sandbox; pass it through:\n"
        "    with workflow.unsafe.imports_passed_through():\n"
        "        import llmobs_trace\n"
    )


@pytest.mark.parametrize(
    ("imported", "passed"), [(PASSED, ""), (PLAIN, '.with_passthrough_modules("llmobs_trace")')]
)
def test_what_is_passed_through_is_imported(tmp_path: Path, imported: str, passed: str) -> None:
    ended = prepare(tmp_path, imported, passed)
    assert (ended.returncode, ended.stderr) == (0, "")
