"""Trace LLM experiments: what a model was given, what it answered, how long it took, how it scored. Nothing
recorded is lost.

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
...         span.set_output(reply := model(question))
...     record_metric("length", len(reply))
...     return reply
"""

from llmobs_trace.capture.block import SpanBlock, experiment_span
from llmobs_trace.capture.carry.callables import propagate
from llmobs_trace.capture.carry.headers import continue_trace, inject
from llmobs_trace.capture.metric import record_metric
from llmobs_trace.capture.span import Span, current_span
from llmobs_trace.errors import ConfigurationError, LLMObsTraceError, UsageError
from llmobs_trace.runtime import configure, delivery_stats, flush, shutdown

__all__ = [
    "ConfigurationError",
    "LLMObsTraceError",
    "Span",
    "SpanBlock",
    "UsageError",
    "configure",
    "continue_trace",
    "current_span",
    "delivery_stats",
    "experiment_span",
    "flush",
    "inject",
    "propagate",
    "record_metric",
    "shutdown",
]
