from __future__ import annotations

import pytest

from llmobs_trace import errors
from llmobs_trace.errors import ConfigurationError, LLMObsTraceError, StoreError, UsageError


@pytest.mark.parametrize("error", [ConfigurationError, UsageError, StoreError])
def test_one_except_clause_catches_every_error_of_the_library(error: type[Exception]) -> None:
    with pytest.raises(LLMObsTraceError, match="what was given"):
        raise error("what was given")


def test_a_wrong_option_is_a_value_error_and_misuse_a_runtime_error() -> None:
    assert issubclass(ConfigurationError, ValueError)
    assert issubclass(UsageError, RuntimeError)
    assert issubclass(StoreError, RuntimeError)


def test_the_docstring_draws_the_whole_tree() -> None:
    assert errors.__doc__ is not None
    assert [name for name in errors.__all__ if name not in errors.__doc__] == []
