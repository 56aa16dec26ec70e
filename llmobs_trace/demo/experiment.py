"""Defines the experiment itself: what is traced, and how a row is run and scored. This is the part to copy.

answer_question            a row of the dataset: a root span, several at a time
├── retrieve               kind retrieval: the sentences most like the question
├── model                  kind llm: the prompt in, the streamed answer out
│   └── stream             a decorated generator: one span, its words joined, its time to the first
└── score                  four metrics: a boolean, a score, a category, an object
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed

from llmobs_trace import Span, experiment_span
from llmobs_trace.demo.dataset import PASSAGES, Row
from llmobs_trace.demo.model import MODELS, Passage, Retriever, answer_tokens, kind_of_answer

retriever = Retriever(PASSAGES)


@experiment_span(kind="retrieval", tags={"index": "tf-idf"})
def retrieve(question: str) -> list[Passage]:
    return retriever.search(question)


@experiment_span
def stream(prompt: list[dict[str, str]], model: str) -> Iterator[str]:
    yield from answer_tokens(prompt, model)


def ask_model(question: str, passages: Sequence[Passage], model: str) -> str:
    prompt = [
        {"role": "system", "content": "\n".join(passage.text for passage in passages)},
        {"role": "user", "content": question},
    ]
    with experiment_span("model", kind="llm", input=prompt, tags={"model": model}) as span:
        answer = "".join(stream(prompt, model))
        span.set_output({"role": "assistant", "content": answer})
    return answer


def score(row: Row, span: Span, answer: str, passages: Sequence[Passage]) -> None:
    with experiment_span("score", input={"answer": answer, "expected": row.expected}):
        exact = answer.casefold() == row.expected.casefold()
        span.record_metric("exact_match", exact, assessment="pass" if exact else "fail")
        span.record_metric("kind_of_answer", kind_of_answer(row.question))
        span.record_metric("evidence", {"similarity": passages[0].similarity, "passages": len(passages)})
        try:
            overlap = token_f1(answer, row.expected)
        except ValueError as error:  # an evaluator that fails is not a score of zero
            span.record_metric("token_f1", error=error)
        else:
            # Of most metrics with "token" in their name less is better: of this one it has to be said.
            why = f"{answer!r} against {row.expected!r}"
            span.record_metric("token_f1", overlap, reasoning=why, lower_is_better=False)


def token_f1(answer: str, expected: str) -> float:
    """The harmonic mean of precision and recall over words, as in SQuAD (Rajpurkar et al., 2016)."""
    given, wanted = answer.casefold().split(), expected.casefold().split()
    if not given:
        raise ValueError("there is no answer to compare")
    shared = len(set(given) & set(wanted))
    return 2 * shared / (len(given) + len(wanted)) if shared else 0.0


def answer_question(row: Row, model: str) -> str:
    with experiment_span(
        "answer_question", input=row.question, expected_output=row.expected, row_id=row.row_id
    ) as span:
        passages = retrieve(row.question)
        answer = ask_model(row.question, passages, model)
        span.set_output(answer)
        score(row, span, answer, passages)
    return answer


def run(rows: Sequence[Row], model: str = MODELS[0]) -> Iterator[tuple[int, int]]:
    """Run all rows, four at a time; yields how many have ended and how many of those raised."""
    failed = 0
    with ThreadPoolExecutor(max_workers=4) as pool:
        futures = [pool.submit(answer_question, row, model) for row in rows]
        for ended, future in enumerate(as_completed(futures), start=1):
            failed += future.exception() is not None
            yield ended, failed
