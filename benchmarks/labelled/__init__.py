"""Holds the labelled lines that redactors are measured on: what must go, and what must stay.

- **forms**: a key of each provider, as its documentation describes it, in a line that says nothing of it;
- **contexts**, with **places.txt**: a password or key without a form, where what is around it gives it away;
- **harmless.txt**: a line each of code, prose, logs and settings that speak of secrets and hold none.

Keys are made from their forms when they are asked for, from a seed: no scanner for secrets stops a repository
that holds none.
"""

from __future__ import annotations

from pathlib import Path

from benchmarks.labelled.contexts import contexts
from benchmarks.labelled.forms import forms

__all__ = ["contexts", "forms", "harmless"]


def harmless() -> list[str]:
    """Lines that a redactor should leave as they are."""
    lines = Path(__file__).with_name("harmless.txt").read_text("utf-8").splitlines()
    return [line for line in lines if line]
