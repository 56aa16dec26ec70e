from __future__ import annotations

import doctest
from types import ModuleType

import pytest

from llmobs_trace.compare import correction, intervals, power, signflip


@pytest.mark.parametrize(
    "module", [correction, intervals, power, signflip], ids=lambda module: module.__name__
)
def test_the_examples_in_the_docstrings_are_true(module: ModuleType) -> None:
    result = doctest.testmod(module)
    assert result.attempted > 0
    assert result.failed == 0
