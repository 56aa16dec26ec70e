"""Answers a question by TF-IDF retrieval over sentences, then the likeliest phrase. Small, real, and
sometimes wrong.

Sentences are ranked by the cosine of their TF-IDF vectors with the question's (Salton and Buckley,
"Term-weighting approaches in automatic text retrieval", 1988); the answer is a phrase of the best one, chosen
by what the question asks for. There are two models: `extractive-1` takes the first phrase of the right kind
in the best sentence; `extractive-2` looks for what the question names (which *sea*, which *lake*), and where
a sentence has no phrase that would do, goes on to the next.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

MODELS = ("extractive-1", "extractive-2")

_WORD = re.compile(r"[a-z0-9]+")
_NUMBER = re.compile(r"\d+")
# Capitalised words in a row, with the small ones that stand inside names: "Leonardo da Vinci", "Tim
# Berners-Lee".
_NAME = re.compile(r"[A-Z][\w-]*(?:(?: (?:da|de|van|of the|of))? [A-Z][\w-]*)*")
# What the question asks for by its kind: "which sea", "what is the deepest lake".
_ASKED_FOR = re.compile(r"(?:which|what)(?: is the \w+est)? ([a-z]+)")
# "The cheetah is the", "is the femur.": the other side of what the question says.
_SUBJECT = re.compile(r"^The ([a-z]+) is the|is the ([a-z]+)\.$")
_ARTICLE = re.compile(r"^(?:The|A|An|Its|His|Her)(?: |$)")
# fmt: off
_COMMON = frozenset({
    "a", "an", "and", "are", "as", "at", "be", "by", "did", "do", "does", "for", "from", "has", "have",
    "how", "in", "into", "is", "it", "its", "of", "on", "or", "since", "than", "that", "the", "this",
    "to", "was", "were", "what", "when", "where", "which", "who", "with", "would",
})
# fmt: on


class Passage(NamedTuple):
    """A sentence that was found, and how like the question it is, from 0 to 1."""

    text: str
    similarity: float


class Retriever:
    """The sentences of some passages, ready to be searched."""

    def __init__(self, passages: Sequence[str]) -> None:
        self._sentences = [text for passage in passages for text in re.split(r"(?<=[.;]) (?=[A-Z])", passage)]
        counts = [Counter(_words(sentence)) for sentence in self._sentences]
        seen_in = Counter(word for count in counts for word in count)
        self._rarity = {word: math.log(1 + len(counts) / number) for word, number in seen_in.items()}
        self._vectors = [self._vector(count) for count in counts]

    def search(self, question: str, top: int = 3) -> list[Passage]:
        """The sentences most like the question, best first; raises LookupError where none shares a word
        with it.
        """
        asked = self._vector(Counter(_words(question)))
        likeness = [sum(weight * asked.get(word, 0.0) for word, weight in v.items()) for v in self._vectors]
        best = sorted(range(len(likeness)), key=likeness.__getitem__, reverse=True)[:top]
        found = [Passage(self._sentences[i], round(likeness[i], 3)) for i in best if likeness[i] > 0]
        if not found:
            raise LookupError(f"no passage shares a word with the question {question!r}")
        return found

    def _vector(self, counts: Counter[str]) -> dict[str, float]:
        weights = {
            word: number * self._rarity[word] for word, number in counts.items() if word in self._rarity
        }
        length = math.sqrt(sum(weight * weight for weight in weights.values()))
        return {word: weight / length for word, weight in weights.items()}


def answer_tokens(prompt: Sequence[dict[str, str]], model: str = MODELS[0]) -> Iterator[str]:
    """What a model does with a chat: read the passages and the question in it, and answer word by word."""
    passages = prompt[0]["content"].splitlines()
    question = prompt[-1]["content"]
    answer = _extract(question, passages[0]) if model == MODELS[0] else _search(question, passages)
    for number, word in enumerate(answer.split()):
        yield word if number == 0 else f" {word}"


def kind_of_answer(question: str) -> str:
    """What a question asks for: a `year`, a `number` or a `name`."""
    asked = question.lower()
    if "which year" in asked or asked.startswith("when"):
        return "year"
    return (
        "number" if asked.startswith(("how many", "how high", "how far")) or " number " in asked else "name"
    )


def _extract(question: str, sentence: str) -> str:
    """The first phrase of the sentence that answers."""
    return next(iter(_candidates(question, sentence)), "")


def _search(question: str, sentences: Sequence[str]) -> str:
    """What the question names, or else the first phrase that answers, of the first sentence that has one."""
    asked_for = _ASKED_FOR.search(question.lower())
    for sentence in sentences:
        if asked_for is not None and kind_of_answer(question) == "name":
            names = (_ARTICLE.sub("", name) for name in _NAME.findall(sentence))
            named = [name for name in names if asked_for[1] in _words(name)]
            if named:
                return named[0]
        candidates = _candidates(question, sentence)
        if candidates:
            return candidates[0]
        subject = _SUBJECT.search(sentence)
        if subject is not None:
            return subject[1] or subject[2]
    return ""


def _candidates(question: str, sentence: str) -> list[str]:
    """Phrases of the kind that is asked for, and not already in the question."""
    kind = kind_of_answer(question)
    if kind == "year":
        return [number for number in _NUMBER.findall(sentence) if len(number) == 4]
    if kind == "number":
        return _NUMBER.findall(sentence)
    asked = set(_words(question))
    names = [_ARTICLE.sub("", name) for name in _NAME.findall(sentence)]
    return [name for name in names if _words(name) and not asked & set(_words(name))]


def _words(text: str) -> list[str]:
    return [word for word in _WORD.findall(text.lower()) if word not in _COMMON]
