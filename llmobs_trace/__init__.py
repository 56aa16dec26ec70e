"""Traces LLM experiments: what a model was given, what it answered, how long it took, how it scored.
Nothing recorded is lost.

- **experiment**: one run of a function over a dataset; its rows are root spans
- **span**: one timed piece of work: `@experiment_span` around a function, `with experiment_span(…)` around a
  model call
- **trace**: a root span and all that ran inside it
- **metric**: what an evaluator says of a span: `record_metric("exact_match", True)`
- **event**: a span or a metric as it travels; **journal**: where events are safe until they are delivered
- **destination**: Datadog's experiments endpoint, or the local store of `llmobs-trace show`

>>> from llmobs_trace import experiment_span, record_metric
>>> @experiment_span
... def answer(question):
...     with experiment_span("model", kind="llm", input=question) as span:
...         span.set_output(reply := question.upper())  # here a model would be called
...     record_metric("length", len(reply))
...     return reply
>>> answer("why?")
'WHY?'

Public are the names below, those of `llmobs_trace.redactors`, `llmobs_trace.evaluators` and
`llmobs_trace.otel`, and the fixture of `llmobs_trace.pytest_plugin` with what it hands out. Every other
module is the library's own, and changes without notice.
"""

from typing import TYPE_CHECKING

import llmobs_trace.temporal  # noqa: F401  before all that can't be imported there
from llmobs_trace.capture.block import SpanBlock, experiment_span
from llmobs_trace.capture.carry.callables import propagate
from llmobs_trace.capture.carry.headers import continue_trace, inject
from llmobs_trace.capture.evaluation import record_metric
from llmobs_trace.capture.register_type import register_type
from llmobs_trace.capture.span import Span, current_span
from llmobs_trace.errors import ConfigurationError, ExperimentError, LLMObsTraceError, UsageError
from llmobs_trace.model_calls.at_start import as_the_environment_says
from llmobs_trace.process.children import child_environment
from llmobs_trace.process.configure import configure
from llmobs_trace.process.life import delivery_stats, flush, shutdown
from llmobs_trace.stats import DeliveryStats

__version__ = "0.1.0"

as_the_environment_says()

__all__ = [
    "Bound",
    "ConfigurationError",
    "Dataset",
    "DeliveryStats",
    "Experiment",
    "ExperimentError",
    "ExperimentInterrupted",
    "GateVerdict",
    "LLMObsTraceError",
    "Plan",
    "RecordedExperiment",
    "RecordedRow",
    "RecordedSpans",
    "Result",
    "ResultRow",
    "Row",
    "Score",
    "ScoreSummary",
    "Span",
    "SpanBlock",
    "TaskError",
    "UsageError",
    "at_least",
    "at_most",
    "child_environment",
    "configure",
    "continue_trace",
    "current_span",
    "delivery_stats",
    "evaluator",
    "experiment_span",
    "flush",
    "inject",
    "instrument",
    "open_experiment",
    "propagate",
    "read",
    "record_metric",
    "register_type",
    "shutdown",
    "uninstrument",
]

if TYPE_CHECKING:
    from llmobs_trace.experiment.counts import ScoreSummary
    from llmobs_trace.experiment.dataset import Dataset
    from llmobs_trace.experiment.evaluators import evaluator
    from llmobs_trace.experiment.experiment import Experiment
    from llmobs_trace.experiment.gate import Bound, GateVerdict, at_least, at_most
    from llmobs_trace.experiment.interrupted import ExperimentInterrupted
    from llmobs_trace.experiment.open_experiment import open_experiment
    from llmobs_trace.experiment.plan import Plan
    from llmobs_trace.experiment.result import Result, ResultRow
    from llmobs_trace.experiment.rows import Row
    from llmobs_trace.experiment.score import Score
    from llmobs_trace.experiment.steps import TaskError
    from llmobs_trace.model_calls.instrument import instrument, uninstrument
    from llmobs_trace.reading import RecordedExperiment, RecordedRow, read
    from llmobs_trace.recorded import RecordedSpans
else:
    # What only some programs need is loaded on first use; hidden from type checkers, which would allow any
    # name.
    _LOADED_ON_USE = {
        "Bound": "experiment.gate",
        "Dataset": "experiment.dataset",
        "Experiment": "experiment.experiment",
        "ExperimentInterrupted": "experiment.interrupted",
        "GateVerdict": "experiment.gate",
        "Plan": "experiment.plan",
        "RecordedExperiment": "reading",
        "RecordedRow": "reading",
        "RecordedSpans": "recorded",
        "Result": "experiment.result",
        "ResultRow": "experiment.result",
        "Row": "experiment.rows",
        "Score": "experiment.score",
        "ScoreSummary": "experiment.counts",
        "TaskError": "experiment.steps",
        "at_least": "experiment.gate",
        "at_most": "experiment.gate",
        "evaluator": "experiment.evaluators",
        "open_experiment": "experiment.open_experiment",
        "read": "reading",
        "instrument": "model_calls.instrument",
        "uninstrument": "model_calls.instrument",
    }

    def __getattr__(name: str) -> object:
        module = _LOADED_ON_USE.get(name)
        if module is None:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from importlib import import_module

        # As a name of this module's own, so that the next look-up is a plain one.
        found = globals()[name] = getattr(import_module(f"{__name__}.{module}"), name)
        return found
