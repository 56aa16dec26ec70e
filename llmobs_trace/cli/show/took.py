"""Says in a few words what a model call, or a row of them, took: model, tokens, money; on any thread."""

from __future__ import annotations

from llmobs_trace.cli.terminal import units
from llmobs_trace.cli.terminal.text import harmless
from llmobs_trace.store.queries import StoredSpan


def took(span: StoredSpan) -> str:
    """`gpt-4.1-mini, 1,200 tokens in, 34 out, ~$0.00053`; "" where nothing is known of any call.

    A cost that was worked out, not stated, has a `~` before it.
    """
    parts = []
    if span.model and (span.model_calls or 1) == 1:
        parts.append(harmless(span.model))
    elif span.model_calls is not None:
        parts.append(units.counted(span.model_calls, "model call"))
    counts = [(span.input_tokens, "tokens in"), (span.output_tokens, "out")]
    if span.input_tokens is None:
        counts[1] = (span.output_tokens, "tokens out")
    parts += [f"{count:,} {what}" for count, what in counts if count is not None]
    if span.cost_usd is not None:
        parts.append(("~" if span.priced_with else "") + units.dollars(span.cost_usd))
    elif parts:
        parts.append("cost unknown")
    return ", ".join(parts)
