"""Finds the way to Datadog that a command takes, as the environment says it; on the main thread."""

from __future__ import annotations

import os

from llmobs_trace.cli.command_line.exits import MISUSE, Refusal
from llmobs_trace.settings.checks import Secret
from llmobs_trace.settings.config import Config, resolve
from llmobs_trace.settings.options import BY_NAME


def configured() -> tuple[Config, Secret, Secret]:
    """The configuration and both keys; a `Refusal` where a key is missing."""
    # What a command sends is under ids that it finds or makes itself.
    ids = dict.fromkeys(("experiment_id", "project_id", "dataset_id"), "unused")
    keys = (BY_NAME["api_key"].environment, BY_NAME["app_key"].environment)
    missing = [variables[0] for variables in keys if not any(map(os.environ.get, variables))]
    if missing:
        raise Refusal(f"set {' and '.join(missing)} to the keys of your Datadog account", MISUSE)
    config = resolve({**ids, "destination": "datadog"}, os.environ)
    assert config.api_key is not None
    assert config.app_key is not None
    return config, config.api_key, config.app_key
