"""A number of rows comes in, events like real ones go out: a tree of ten spans and four metrics for each."""

from __future__ import annotations

import random
from collections.abc import Iterator

import msgspec

SPANS_A_ROW = 10
METRICS_A_ROW = 4
_START_NS = 1_764_000_000_000_000_000
# Child: its parent, by their places in the row, with kind and name.
_TREE = (
    (0, "retrieval", "retrieve"),
    (0, "agent", "plan"),
    (2, "llm", "chat"),
    (2, "tool", "look_up"),
    (0, "agent", "answer"),
    (5, "llm", "chat"),
    (5, "tool", "look_up"),
    (5, "llm", "chat"),
    (0, "task", "score"),
)


class MadeUp:
    """Events of one experiment, the same for the same seed; words come as often as they do in a language."""

    def __init__(self, seed: int = 1) -> None:
        self._random = random.Random(seed)
        letters = "abcdefghijklmnopqrstuvwxyz"
        self.words = ["".join(self._random.choices(letters, k=2 + number % 9)) for number in range(20_000)]
        self._often = [0.0]
        for number in range(len(self.words)):
            self._often.append(self._often[-1] + 1 / (number + 1))
        del self._often[0]

    def text(self, count: int) -> str:
        return " ".join(self._random.choices(self.words, cum_weights=self._often, k=count))

    def rows(self, first: int, count: int) -> Iterator[tuple[list[bytes], list[bytes]]]:
        """The spans of each row, children before parents as they end, and its metrics."""
        for number in range(first, first + count):
            spans = [self._span(number, place) for place in range(SPANS_A_ROW - 1, -1, -1)]
            yield spans, self._metrics(number)

    def measured(self, first: int, count: int) -> Iterator[tuple[list[bytes], list[bytes]]]:
        """The same rows with 25 metrics each: numbers beside the four, every fifth with a verdict."""
        for number, (spans, metrics) in enumerate(self.rows(first, count), first):
            for place in range(25 - METRICS_A_ROW):
                score = round(self._random.random(), 3)
                verdict = {"assessment": "pass" if score > 0.5 else "fail"} if place % 5 == 0 else {}
                event = {
                    "span_id": f"{number:012x}{0:04x}",
                    "label": f"measure_{place}",
                    "metric_type": "score",
                }
                metrics.append(
                    msgspec.json.encode(event | {"timestamp_ms": number, "score_value": score} | verdict)
                )
            yield spans, metrics

    def roots(self, first: int, count: int) -> Iterator[tuple[list[bytes], list[bytes]]]:
        """The same rows, of which the root is the only span."""
        for number in range(first, first + count):
            yield [self._span(number, 0)], self._metrics(number)

    def _span(self, row: int, place: int) -> bytes:
        parent, kind, name = _TREE[place - 1] if place else (None, "experiment", "answer_question")
        tags = [f"span_kind:{kind}"]
        tags.append(
            f"dataset_record_id:row-{row:06}" if parent is None else f"parent_id:{row:012x}{parent:04x}"
        )
        if kind == "llm":
            tags += ["model_name:gpt-4.1-mini", "model_provider:openai"]
        if kind == "llm" or parent is None:
            # Of a row the sums: one call in twenty has no price.
            spent = [f"input_tokens:{int(self._random.lognormvariate(6, 1))}", "output_tokens:40"]
            if self._random.random() > 0.05:
                spent.append(f"cost_usd:{self._random.lognormvariate(-7, 1):.9f}")
            tags += spent
        if parent is None:
            tags += ["model_calls:1", f"language:{('en', 'zh', 'de')[row % 3]}"]
        failed = self._random.random() < 0.01
        question = self.text(15)
        given: object = {"question": question}
        if kind == "llm":
            given = [{"role": "system", "content": self.text(20)}, {"role": "user", "content": question}]
        meta: dict[str, object] = {"input": given}
        if failed:
            meta["error"] = {"type": "TimeoutError", "message": "no answer", "stack": self.text(30)}
        else:
            meta["output"] = self.text(25)
        if parent is None:
            meta["expected_output"] = {"value": self.text(5)}
        return msgspec.json.encode(
            {
                "span_id": f"{row:012x}{place:04x}",
                "trace_id": f"{row:032x}",
                "name": name,
                "start_ns": _START_NS + row * 1_000_000 + place * 10_000,
                "duration": int(self._random.lognormvariate(20, 1)) // (place + 1),
                "status": "error" if failed else "ok",
                "project_id": "project",
                "dataset_id": "dataset",
                "tags": tags,
                "meta": meta,
            }
        )

    def _metrics(self, row: int) -> list[bytes]:
        chance = self._random.random
        values: list[dict[str, object]] = [
            {"label": "f1", "metric_type": "score", "score_value": round(chance(), 3)},
            {"label": "exact", "metric_type": "boolean", "boolean_value": chance() < 0.6},
            {
                "label": "tone",
                "metric_type": "categorical",
                "categorical_value": self.words[int(chance() * 6)],
            },
            {"label": "helpful", "metric_type": "score", "score_value": int(chance() * 5)},
        ]
        if chance() < 0.02:
            values[0] = {"label": "f1", "metric_type": "score", "error": {"message": "nothing to compare"}}
        return [
            msgspec.json.encode(
                {"span_id": f"{row:012x}{0:04x}", "timestamp_ms": _START_NS // 1_000_000 + row, **value}
            )
            for value in values
        ]
