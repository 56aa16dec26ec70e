"""Says how to import the library into Temporal's workflows, in place of an error deep inside an import.

Temporal imports a workflow's modules once more for each run, in a sandbox that refuses clocks, files and the
environment, and where modules with parts in C can't be imported a second time. What is passed through is
the program's own.
"""

from __future__ import annotations

import sys
from typing import Final

_WORDS: Final = (
    "llmobs_trace can't be imported inside Temporal's workflow sandbox; pass it through:\n"
    "    with workflow.unsafe.imports_passed_through():\n"
    "        import llmobs_trace"
)


def check() -> None:
    """Raise ImportError where this is the sandbox."""
    unsafe = getattr(sys.modules.get("temporalio.workflow"), "unsafe", None)
    is_inside = getattr(unsafe, "in_sandbox", None)
    if is_inside is not None and is_inside():
        raise ImportError(_WORDS)


check()
