"""Runs one suite of CPython's in this process, and writes what came of each test as JSON.

python child.py test.test_functools ours outcomes.json
"""

from __future__ import annotations

import importlib
import json
import sys
import unittest
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from suites.decorating import install


class Outcomes(unittest.TestResult):
    """What came of each test, by its id: the worst of it, where it has several parts."""

    def __init__(self) -> None:
        super().__init__()
        self.found: dict[str, str] = {}

    def startTest(self, test: unittest.TestCase) -> None:
        super().startTest(test)
        self.found[test.id()] = "passed"

    def _bad(self, test: Any, what: str, error: Any) -> None:
        test = getattr(test, "test_case", test)
        self.found[test.id()] = f"{what}: {error[0].__name__}: {error[1]}"[:400]

    def addError(self, test: Any, err: Any) -> None:
        super().addError(test, err)
        self._bad(test, "error", err)

    def addFailure(self, test: Any, err: Any) -> None:
        super().addFailure(test, err)
        self._bad(test, "failed", err)

    def addSubTest(self, test: Any, subtest: Any, err: Any) -> None:
        super().addSubTest(test, subtest, err)
        if err is not None:
            self._bad(test, "failed", err)

    def addSkip(self, test: unittest.TestCase, reason: str) -> None:
        super().addSkip(test, reason)
        self.found[test.id()] = "skipped"

    def addExpectedFailure(self, test: unittest.TestCase, err: Any) -> None:
        super().addExpectedFailure(test, err)
        self.found[test.id()] = "failed, as expected"

    def addUnexpectedSuccess(self, test: unittest.TestCase) -> None:
        super().addUnexpectedSuccess(test)
        self.found[test.id()] = "failed: passed, which was not expected"


def main() -> None:
    name, how, outcomes = sys.argv[1:]
    install([name], how)
    module = importlib.import_module(name)
    suite = unittest.defaultTestLoader.loadTestsFromModule(module)
    result = Outcomes()
    suite.run(result)
    Path(outcomes).write_text(json.dumps(result.found))


if __name__ == "__main__":
    main()
