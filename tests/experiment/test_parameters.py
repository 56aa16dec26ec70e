"""What a task and an evaluator are handed: what their parameters are named after, in whosever words."""

from __future__ import annotations

import functools
from typing import Any

import pytest

from llmobs_trace import ConfigurationError, Dataset, Experiment, experiment_span
from llmobs_trace.experiment import parameters
from llmobs_trace.experiment.parameters import MEANINGS

KNOWN = {meaning: f"the {meaning}" for meaning in MEANINGS.values()}


def given(make: Any, function: Any) -> Any:
    return make(function)(KNOWN)


class Callable_:
    def __call__(self, question: Any) -> Any:
        return question


class Methods:
    def task(self, input: Any, config: Any) -> Any:
        return input, config


@pytest.mark.parametrize(
    ("task", "expected"),
    [
        (lambda question: question, "the input"),
        (lambda question, config: (question, config), ("the input", "the config")),
        (lambda input_data, metadata: (input_data, metadata), ("the input", "the metadata")),
        (lambda row, inputs: (row, inputs), ("the row", "the input")),
        (lambda question, temperature=0: (question, temperature), ("the input", 0)),
        (Callable_(), "the input"),
        (Methods().task, ("the input", "the config")),
        (functools.partial(lambda prefix, question: (prefix, question), "p"), ("p", "the input")),
        (experiment_span(lambda question: question), "the input"),
        (len, 9),
    ],
)
def test_a_task_gets_the_input_and_what_it_names(task: Any, expected: Any) -> None:
    assert given(parameters.task, task) == expected


@pytest.mark.parametrize("word", [word for word, meaning in MEANINGS.items() if meaning == "expected_output"])
def test_a_task_never_gets_the_expected_output_by_whatever_word(word: str) -> None:
    task = eval(f"lambda question, {word}: 1")
    with pytest.raises(ConfigurationError, match="never gets the expected output"):
        parameters.task(task)


@pytest.mark.parametrize("word", MEANINGS)
def test_an_evaluator_gets_what_a_parameter_is_named_after(word: str) -> None:
    assert given(parameters.evaluator, eval(f"lambda {word}: {word}")) == f"the {MEANINGS[word]}"


def test_an_evaluator_of_one_parameter_of_its_own_gets_all_of_it() -> None:
    class Evaluator:
        def evaluate(self, context: Any) -> Any:
            return context.input_data, context.output_data, context.expected_output

    expected = ("the input", "the output", "the expected_output")
    assert given(parameters.evaluator, Evaluator()) == expected
    assert given(parameters.evaluator, lambda ctx: (ctx.input, ctx.output, ctx.expected_output)) == expected


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"task": lambda: 1}, "takes no parameters"),
        ({"task": 3}, "task: given 3; expected a function"),
        ({"task": lambda a, b: 1}, "asks for 'a', which is not known"),
        ({"task": lambda question, output: 1}, "asks for 'output', which only evaluators get"),
        (
            {"evaluators": [lambda outptu, expected: 1]},
            "asks for 'outptu', which is not known (did you mean output?)",
        ),
        ({"evaluators": [len, len]}, "2 are called 'len'"),
        ({"evaluators": [str]}, "given the class str"),
        ({"repeats": 0}, "repeats: given 0; expected a number from 1"),
        ({"name": " "}, "name: given ' '"),
        ({"dataset": "rows.csv"}, "rows: given a str"),
        ({"config": 3}, "config: given a int"),
        (
            {"summary_evaluators": [lambda row: 1, lambda a, b: 1]},
            "summary_evaluators: <lambda> asks for 'a'",
        ),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_runs(arguments: Any, told: str) -> None:
    whole: dict[str, Any] = {"name": "e", "dataset": Dataset([(1, 1)]), "task": len, **arguments}
    name = whole.pop("name")
    with pytest.raises(ConfigurationError) as refused:
        Experiment(name, **whole)
    assert told in str(refused.value)
