"""Finds out once what a task or an evaluator asks for by the names of its parameters, and calls it with that.

The names are one table, which the errors print. Other libraries' words for the same are taken too, so that
their users' functions run as they are. Any thread.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from llmobs_trace.errors import ConfigurationError, did_you_mean
from llmobs_trace.experiment.rows import Row

# What a parameter means, by its name. Whose word it is, where it is not ours, stands behind it.
MEANINGS: dict[str, str] = {
    "input": "input",
    "input_data": "input",  # ddtrace
    "inputs": "input",  # langsmith, mlflow
    "output": "output",
    "output_data": "output",  # ddtrace
    "outputs": "output",  # langsmith, mlflow
    "expected_output": "expected_output",
    "expected": "expected_output",  # braintrust, autoevals
    "reference_outputs": "expected_output",  # langsmith
    "expectations": "expected_output",  # mlflow
    "reference": "expected_output",
    "metadata": "metadata",
    "config": "config",
    "row": "row",
    "tags": "tags",
    "error": "error",
    "spans": "spans",
    "trace": "spans",
}
OF_A_TASK = ("input", "config", "metadata", "row")
OF_AN_EVALUATOR = (
    "input",
    "output",
    "expected_output",
    "metadata",
    "config",
    "row",
    "tags",
    "error",
    "spans",
)
# ddtrace's words for lists of equal length come beside our own rows.
OF_A_SUMMARY = ("rows", "inputs", "outputs", "expected_outputs", "evaluators_results", "metadata", "config")

_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


@dataclass(frozen=True)
class Context:
    """What an evaluator with one parameter of its own gets: everything that is known of a row, by name."""

    input: Any = None
    output: Any = None
    expected_output: Any = None
    metadata: Mapping[str, Any] | None = None
    config: Any = None
    row: Any = None
    tags: tuple[str, ...] = ()
    error: BaseException | None = None
    spans: Any = None

    @property
    def input_data(self) -> Any:
        """ddtrace's word."""
        return self.input

    @property
    def output_data(self) -> Any:
        """ddtrace's word."""
        return self.output


@dataclass(frozen=True)
class Callee:
    """A user's function and how it is to be called."""

    function: Callable[..., Any]
    name: str
    is_async: bool
    # Parameter → meaning; `positional` is what the one parameter of another name gets, by position.
    by_name: Mapping[str, str]
    positional: str | None

    def __call__(self, known: Mapping[str, Any]) -> Any:
        """What the function returns, given what is known by meaning; a coroutine where it is async."""
        if not self.by_name and self.positional != "context":
            return self.function(_own(known.get(self.positional or "")))
        named = {parameter: _own(known.get(meaning)) for parameter, meaning in self.by_name.items()}
        if self.positional is None:
            return self.function(**named)
        if self.positional == "context":
            first: Any = Context(**{meaning: _own(value) for meaning, value in known.items()})
        else:
            first = _own(known.get(self.positional))
        return self.function(first, **named)


def _own(value: Any) -> Any:
    """A value that the function may change without anybody else seeing it: the next attempt or repeat,
    another evaluator, whoever reads the dataset again. Containers are copied, what is in them is not.
    """
    kind = type(value)
    if kind is dict or kind is list:
        try:
            return _copied(value)
        except RecursionError:  # one that holds itself
            return value
    if kind is Row:
        return value.copied(_own(value.input), _own(value.expected_output), _own(value.metadata))
    return value


def _copied(value: Any) -> Any:
    kind = type(value)
    if kind is dict:
        return {key: _copied(item) for key, item in value.items()}
    return [_copied(item) for item in value] if kind is list else value


def task(function: object) -> Callee:
    """A task as it is called. Raises `ConfigurationError` for what can't be one."""
    callee = _callee(function, "task", OF_A_TASK, other="input")
    if not callee.by_name and callee.positional is None:
        raise ConfigurationError(
            f"task: {callee.name} takes no parameters; expected one for the input, or some of "
            f"{', '.join(OF_A_TASK)}"
        )
    return callee


def evaluator(function: object) -> Callee:
    """An evaluator as it is called: a function, or an object with `evaluate(context)`."""
    method = getattr(function, "evaluate", None)
    if callable(method) and not inspect.isfunction(function) and not isinstance(function, type):
        callee = _callee(method, "evaluators", OF_AN_EVALUATOR, other="context")
        own = getattr(function, "name", None)
        name = own if isinstance(own, str) and own else type(function).__name__
        return Callee(callee.function, name, callee.is_async, callee.by_name, callee.positional)
    return _callee(function, "evaluators", OF_AN_EVALUATOR, other="context")


def summary(function: object) -> Callee:
    """A summary evaluator as it is called, once, with all rows."""
    return _callee(function, "summary_evaluators", OF_A_SUMMARY, other="rows", words=OF_A_SUMMARY)


def _callee(
    function: object,
    argument: str,
    allowed: tuple[str, ...],
    *,
    other: str,
    words: tuple[str, ...] | None = None,
) -> Callee:
    if not callable(function):
        raise ConfigurationError(f"{argument}: given {function!r}; expected a function")
    if isinstance(function, type):
        raise ConfigurationError(
            f"{argument}: given the class {function.__name__}; expected an instance of it"
        )
    name = name_of(function)
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        # Of a function written in C there may be no names: it gets the one thing by position.
        return Callee(function, name, False, {}, other)
    meanings = MEANINGS if words is None else {word: word for word in words}
    by_name: dict[str, str] = {}
    others: list[inspect.Parameter] = []
    for parameter in parameters:
        meaning = meanings.get(parameter.name)
        if parameter.kind in (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD):
            continue
        if meaning in allowed and parameter.kind is not inspect.Parameter.POSITIONAL_ONLY:
            by_name[parameter.name] = meaning
        elif parameter.default is inspect.Parameter.empty:
            others.append(parameter)
    # A word that is known, and not for this kind of function, is meant as that word.
    wrong = [each for each in others if each.name in meanings]
    positional = None
    if len(others) == 1 and not wrong and _takes_all(others[0], parameters, by_name, meanings):
        positional = other
    elif others:
        raise _refused(argument, name, (*wrong, *others)[0].name, allowed, meanings)
    return Callee(function, name, is_async(function), by_name, positional)


def _takes_all(
    parameter: inspect.Parameter, parameters: Any, by_name: Mapping[str, str], meanings: Mapping[str, str]
) -> bool:
    """Whether one parameter of another name is for the input, or for all that is known: it stands first,
    and beside others is not one of their words misspelt.
    """
    if parameter.kind not in _POSITIONAL or next(iter(parameters)) is not parameter:
        return False
    return not by_name or not did_you_mean(parameter.name, meanings, cutoff=0.8)


def _refused(
    argument: str,
    name: str,
    unknown: str,
    allowed: tuple[str, ...],
    meanings: Mapping[str, str],
) -> ConfigurationError:
    if argument == "task" and meanings.get(unknown) == "expected_output":
        return ConfigurationError(
            f"task: {name} asks for {unknown!r}: a task never gets the expected output, so that it can't leak"
        )
    if argument == "task" and meanings.get(unknown) is not None:
        return ConfigurationError(f"task: {name} asks for {unknown!r}, which only evaluators get")
    near = did_you_mean(unknown, [word for word, meaning in meanings.items() if meaning in allowed])
    table = "; ".join(
        f"{meaning} ({', '.join(words)})" if (words := _other_words(meaning, meanings)) else meaning
        for meaning in allowed
    )
    return ConfigurationError(
        f"{argument}: {name} asks for {unknown!r}, which is not known{near}; parameters get: {table}"
    )


def _other_words(meaning: str, meanings: Mapping[str, str]) -> list[str]:
    return [word for word, meant in meanings.items() if meant == meaning and word != meaning]


def name_of(function: object) -> str:
    """What a function is called where people read it: of a partial what it calls, of an object its class."""
    while (inner := getattr(function, "func", None)) is not None and callable(inner):
        function = inner
    name = getattr(function, "__name__", None)
    return name if isinstance(name, str) and name else type(function).__name__


def is_async(function: object) -> bool:
    """Whether calling it makes a coroutine: a coroutine function, or an object that is called by one."""
    while (inner := getattr(function, "func", None)) is not None and callable(inner):
        function = inner
    if isinstance(declared := getattr(function, "is_async", None), bool):
        return declared
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(
        getattr(type(function), "__call__", None)  # noqa: B004  to be looked at, not whether it is there
    )
