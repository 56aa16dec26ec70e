"""Defines the experiment itself: what is run and traced, and how a row is scored. This is the part to copy.

answer_question            a row of the dataset: a root span, four at a time
├── retrieve               kind retrieval: the sentences most like the question
└── model                  kind llm: the prompt in, the streamed answer out
    └── stream             a decorated generator: one span, its words joined, its time to the first

Four evaluators score each row: a boolean, a category, an object, and a number.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from llmobs_trace import Dataset, Experiment, Row, Score, evaluator, experiment_span
from llmobs_trace.demo.dataset import PASSAGES
from llmobs_trace.demo.model import Passage, Retriever, answer_tokens, kind_of_answer

retriever = Retriever(PASSAGES)


@experiment_span(kind="retrieval", tags={"index": "tf-idf"})
def retrieve(question: str) -> list[Passage]:
    return retriever.search(question)


@experiment_span
def stream(prompt: list[dict[str, str]], model: str) -> Iterator[str]:
    yield from answer_tokens(prompt, model)


def answer_question(question: str, config: Mapping[str, str]) -> str:
    passages = retrieve(question)
    prompt = [
        {"role": "system", "content": "\n".join(passage.text for passage in passages)},
        {"role": "user", "content": question},
    ]
    with experiment_span("model", kind="llm", input=prompt, tags={"model": config["model"]}) as span:
        answer = "".join(stream(prompt, config["model"]))
        span.set_output({"role": "assistant", "content": answer})
    return answer


@evaluator(passes=1)
def exact_match(output: str, expected_output: str) -> bool:
    return output.casefold() == expected_output.casefold()


@evaluator(label="kind_of_answer")
def kind(input: str) -> str:
    return kind_of_answer(input)


def evidence(spans: Any) -> dict[str, Any]:
    """What the answer rests on: an evaluator may look at what was recorded while the row ran."""
    passages = spans.named("retrieve").output
    return {"similarity": passages[0]["similarity"], "passages": len(passages)}


def token_f1(output: str, expected_output: str) -> Score:
    """The harmonic mean of precision and recall over words, as in SQuAD (Rajpurkar et al., 2016)."""
    given, wanted = output.casefold().split(), expected_output.casefold().split()
    if not given:
        raise ValueError("there is no answer to compare")  # an evaluator that fails is no score of zero
    overlap = 2 * len(set(given) & set(wanted)) / (len(given) + len(wanted))
    # Of most metrics with "token" in their name less is better: of this one it has to be said.
    return Score(overlap, reasoning=f"{output!r} against {expected_output!r}", lower_is_better=False)


def experiment(name: str, rows: Sequence[Row], model: str) -> Experiment:
    return Experiment(
        name,
        dataset=Dataset(rows, name="facts-1"),
        task=answer_question,
        evaluators=[exact_match, kind, evidence, token_f1],
        config={"model": model},
        project="demo",
    )
