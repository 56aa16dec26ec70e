"""Writes a comparison as Markdown for a pull request, all but the verdicts folded; on any thread.

Labels and names are anybody's text: they come as code, in which neither HTML nor a mention does anything.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from llmobs_trace.cli.compare import words
from llmobs_trace.cli.compare.table import remark
from llmobs_trace.cli.terminal.text import harmless
from llmobs_trace.compare import Comparison, MetricResult

_SENTENCES: Final = {
    "better": "B is **better** than A",
    "worse": "B is **worse** than A",
    "no different": "B is **no different** from A",
    "cannot tell": "**Cannot tell** whether B is better or worse than A",
}


def lines(comparison: Comparison) -> Iterator[str]:
    """Markdown as GitHub and GitLab take it."""
    yield f"### {_SENTENCES[comparison.verdict]}{_which(comparison)}"
    yield ""
    a, b = (_experiment(each.id, each.name) for each in (comparison.a, comparison.b))
    yield f"A: {a} · B: {b} · {words.rows(comparison)}"
    yield ""
    interval = f"difference ({comparison.confidence:.0%} interval)"
    yield f"| B is | metric | better | A | B | {interval} | failed | missing |"
    yield "|---|---|---|--:|--:|---|--:|--:|"
    for metric in comparison.metrics:
        if metric.direction is not None or metric.verdict == "not judged":
            yield _row(metric)
    yield ""
    yield "<details><summary>Why, and what was compared</summary>"
    yield ""
    for metric in comparison.metrics:
        yield f"- {_code(metric.label)}: {_text(remark(metric))}. {_counts(metric)}"
    yield ""
    for line in words.advice(comparison.metrics):
        yield f"{_text(line)}."
        yield ""
    yield (
        f"Paired by row id. Better and worse: at most {comparison.alpha:.0%} false alarms, of all metrics"
        " together (Holm's method). A row that failed or is missing on one side is taken at its worst and at"
        " its best: a verdict holds for both."
    )
    yield ""
    yield "</details>"


def _which(comparison: Comparison) -> str:
    """The labels that made it so."""
    if comparison.verdict == "no different":
        return ""
    deciding = [metric for metric in comparison.metrics if metric.decides]
    if comparison.verdict == "cannot tell":
        deciding = [metric for metric in deciding if metric.weighs] or deciding
    labels = [_code(metric.label) for metric in deciding if metric.verdict == comparison.verdict]
    return f" ({', '.join(labels)})" if labels else ""


def _experiment(experiment_id: str, name: str | None) -> str:
    return f"{_code(name)} {_code(experiment_id)}" if name else _code(experiment_id)


def _row(metric: MetricResult) -> str:
    verdict = f"**{metric.verdict}**" if metric.verdict in ("better", "worse") else metric.verdict
    cells = [
        verdict,
        _code(metric.label),
        words.better(metric),
        words.mean(metric, metric.mean_a),
        words.mean(metric, metric.mean_b),
        f"{words.difference(metric)} ({words.interval(metric)})",
        str(metric.failed),
        str(metric.missing),
    ]
    return f"| {' | '.join(cells)} |"


def _counts(metric: MetricResult) -> str:
    parts = [f"{metric.n} scored on both sides"]
    if metric.not_applicable_a or metric.not_applicable_b:
        parts.append(f"does not apply {metric.not_applicable_a} and {metric.not_applicable_b} times")
    if metric.difference is not None:
        parts.append(f"wins/losses/ties {words.counts(metric)}")
    if metric.p is not None:
        parts.append(f"p {metric.p:.2g}")
    if metric.p_adjusted is not None:
        parts.append(f"corrected {metric.p_adjusted:.2g}")
    return ", ".join(parts) + "."


def _code(text: str) -> str:
    """As code; a cell of a table ends at a bar, code at a backtick."""
    return "`" + (harmless(text).replace("`", "'").replace("|", "\\|") or " ") + "`"


def _text(text: str) -> str:
    escaped = (
        harmless(text).replace("\\", "\\\\").replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    )
    for sign in "`*_[]|@#":
        escaped = escaped.replace(sign, f"&#{ord(sign)};")
    return escaped
