"""A plugin for pytest that decorates a suite's modules and writes what came of each test as JSON.

It is for anyio's own tests, which pytest imports. That rewrites assertions with a loader of its own, so it
runs with `--assert=plain` here, decorated or not.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from suites.decorating import install

_outcomes: dict[str, str] = {}


def pytest_configure(config: Any) -> None:
    install(os.environ["SUITES_MODULES"].split(","), os.environ["SUITES_WITH"])


def pytest_runtest_logreport(report: Any) -> None:
    if report.when == "call" or report.outcome != "passed":
        said = "" if report.outcome != "failed" else f": {str(report.longrepr).splitlines()[-1:]}"
        _outcomes[report.nodeid] = report.outcome + said


def pytest_sessionfinish(session: Any) -> None:
    Path(os.environ["SUITES_OUTCOMES"]).write_text(json.dumps(_outcomes))
