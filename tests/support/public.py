"""What is public, as the package's docstring states it."""

from __future__ import annotations

import importlib
from typing import Any

PUBLIC = (
    "llmobs_trace",
    "llmobs_trace.redactors",
    "llmobs_trace.evaluators",
    "llmobs_trace.otel",
    "llmobs_trace.pytest_plugin",
)


def public_names() -> dict[str, Any]:
    """Every public name, as users import it, and what it stands for."""
    modules = [importlib.import_module(module) for module in PUBLIC]
    return {
        f"{module.__name__}.{name}": getattr(module, name) for module in modules for name in module.__all__
    }
