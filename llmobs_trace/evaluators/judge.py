"""Has a model judge an output by the user's own function, and takes one verdict from its reply or none. Any
thread.

What is judged is put into the prompt as JSON, so that an answer can't end the quotation or pose as a verdict;
only the reply is read. A reply without one clear verdict is asked for once more, and then an error: it is
never taken for a zero, and never moved onto the scale.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Awaitable, Callable, Generator, Iterable, Mapping, Sequence
from typing import Any

import msgspec

from llmobs_trace.encode import encode
from llmobs_trace.errors import ConfigurationError, LLMObsTraceError, did_you_mean
from llmobs_trace.evaluators.schema import _refuse_unknown, problems
from llmobs_trace.experiment.parameters import is_async, name_of
from llmobs_trace.experiment.score import Score

_PLACES = ("input", "output", "expected_output", "metadata")
_PLACE = re.compile(r"\{([A-Za-z_]+)\}")
# Steps of a judge: it yields a prompt, gets the reply, and returns what came of it.
_Steps = Generator[str, str, Any]


class JudgeError(LLMObsTraceError, ValueError):
    """A judge's reply held no verdict, or more than one; the replies are in the metric's metadata.

    >>> try:
    ...     judge(lambda prompt: "Both!", "{output}?", choices=["yes", "no"], label="ok")(output="x")
    ... except JudgeError as error:
    ...     print(error, error.metadata)
    no verdict: the reply holds no verdicts of yes, no {'replies': ['Both!', 'Both!']}
    """

    def __init__(self, message: str, replies: Sequence[str]) -> None:
        super().__init__(message)
        self.metadata: dict[str, list[str]] = {"replies": list(replies)}


def judge(
    ask: Callable[[str], str | Awaitable[str]],
    prompt: str,
    *,
    choices: Mapping[str, float] | Iterable[str] | None = None,
    scale: tuple[float, float] | None = None,
    schema: Mapping[str, Any] | None = None,
    label: str,
    votes: int = 1,
    version: str | None = None,
) -> Callable[..., Any]:
    """An evaluator that asks a model: `ask` is your own function from a text to a text, sync or async.

    >>> def ask(prompt):
    ...     return "A"  # here a model would be called
    >>> helpful = judge(
    ...     ask,
    ...     "Reply: {output}. Is it helpful? A: yes. B: no.",
    ...     choices={"A": 1.0, "B": 0.0},
    ...     label="helpful",
    ... )
    >>> helpful(output="Restart it.").value
    1.0

    - `prompt`: with `{input}`, `{output}`, `{expected_output}` or `{metadata}`, which are put in as JSON
    - `choices`: the words that the reply may be, each with its score; a list of words makes categories
    - `scale`: the lowest and the highest number
    - `schema`: a JSON schema of the object that the reply is
    - `label`: the metric's name
    - `votes`: how often to ask: the mean of numbers, the commonest of categories counts, and all are kept
    - `version`: change it where the judge changes in a way that the code does not show

    Raises `ConfigurationError` where not exactly one of `choices`, `scale` and `schema` is given.
    """
    verdict = _verdict(choices, scale, schema)
    if not callable(ask):
        raise ConfigurationError(f"judge: ask is {ask!r}; expected a function from a text to a text")
    if (
        isinstance(votes, bool)
        or not isinstance(votes, int)
        or votes < 1
        or (votes > 1 and schema is not None)
    ):
        raise ConfigurationError(f"judge: votes={votes!r}; expected a number from 1, and 1 with a schema")
    for place in _PLACE.findall(prompt):
        near = did_you_mean(place, _PLACES, cutoff=0.7)
        if place not in _PLACES and near:
            raise ConfigurationError(f"judge: the prompt has {{{place}}}, which is not known{near}")
    return _Judge(ask, prompt, verdict, label, votes, version)


class _Verdict:
    """What a reply must hold, how it is asked for, and what it is worth."""

    def __init__(self, wanted: str, read: Callable[[str], Any], worth: Callable[[Any], Any]) -> None:
        self.wanted = wanted
        self.read = read
        self.worth = worth


def _verdict(
    choices: Mapping[str, float] | Iterable[str] | None,
    scale: tuple[float, float] | None,
    schema: Mapping[str, Any] | None,
) -> _Verdict:
    if sum(given is not None for given in (choices, scale, schema)) != 1:
        raise ConfigurationError("judge: give one of choices, scale and schema")
    if choices is not None:
        return _of_choices(choices)
    if scale is not None:
        return _of_scale(scale)
    assert schema is not None
    return _of_schema(msgspec.to_builtins(schema))


def _of_choices(choices: Mapping[str, float] | Iterable[str]) -> _Verdict:
    words = list(choices)
    if len(words) < 2 or isinstance(choices, str) or not all(isinstance(w, str) and w.strip() for w in words):
        raise ConfigurationError(f"judge: choices={choices!r}; expected at least two words")
    found = re.compile("|".join(rf"(?<!\w){re.escape(word)}(?!\w)" for word in sorted(words, key=len)[::-1]))

    def read(reply: str) -> str:
        said = set(found.findall(reply))
        if len(said) != 1:
            count = "no" if not said else f"{len(said)}"
            raise ValueError(f"the reply holds {count} verdicts of {', '.join(words)}")
        return str(said.pop())

    scores = choices if isinstance(choices, Mapping) else None
    return _Verdict(
        f"Answer with one of {', '.join(words)} and nothing else.",
        read,
        lambda word: word if scores is None else float(scores[word]),
    )


_NUMBER = re.compile(r"(?<![\w.])[-+]?\d+(?:\.\d+)?(?![\w]|\.\d)")


def _of_scale(scale: tuple[float, float]) -> _Verdict:
    try:
        least, most = scale
        if not float(least) < float(most):
            raise ValueError
    except (TypeError, ValueError):
        raise ConfigurationError(f"judge: scale={scale!r}; expected a lowest and a highest number") from None
    out_of = re.compile(rf"(?<=\d)\s*(?:/|out of)\s*{re.escape(f'{most:g}')}(?!\w|\.\d)")

    def read(reply: str) -> float:
        numbers = {float(number) for number in _NUMBER.findall(out_of.sub("", reply))}
        if len(numbers) != 1:
            raise ValueError(f"the reply holds {len(numbers) or 'no'} numbers")
        number = numbers.pop()
        if not least <= number <= most:
            raise ValueError(f"{number:g} is not from {least:g} to {most:g}")
        return number

    return _Verdict(f"Answer with one number from {least:g} to {most:g} and nothing else.", read, float)


_FENCED = re.compile(r"```(?:json)?\s*\n(.*?)\n\s*```", re.DOTALL)


def _of_schema(schema: dict[str, Any]) -> _Verdict:
    _refuse_unknown(schema, "$", schema)

    def read(reply: str) -> Any:
        fenced = _FENCED.findall(reply)
        if len(fenced) > 1:
            raise ValueError(f"the reply holds {len(fenced)} blocks")
        try:
            found = msgspec.json.decode(fenced[0] if fenced else reply.strip())
        except msgspec.DecodeError as error:
            raise ValueError(f"the reply is no JSON: {error}") from None
        if (problem := next(problems(found, schema, "$", schema), None)) is not None:
            raise ValueError(problem)
        return found

    said = msgspec.json.encode(schema).decode()
    return _Verdict(
        f"Answer with one JSON object of this schema and nothing else: {said}", read, lambda found: found
    )


class _Judge:
    """An evaluator by its call; a coroutine where `ask` is one's function."""

    def __init__(
        self,
        ask: Callable[[str], Any],
        prompt: str,
        verdict: _Verdict,
        label: str,
        votes: int,
        version: str | None,
    ) -> None:
        self.ask = ask
        self.prompt = prompt
        self.label = self.__name__ = label
        self.version = version
        self._verdict = verdict
        self._votes = votes
        self._begun = _Begun()
        self.is_async = is_async(ask)

    def __call__(
        self, input: Any = None, output: Any = None, expected_output: Any = None, metadata: Any = None
    ) -> Any:
        known = {"input": input, "output": output, "expected_output": expected_output, "metadata": metadata}
        steps = self._steps(self._filled(known))
        return _answered_async(steps, self.ask) if self.is_async else _answered(steps, self.ask)

    def __repr__(self) -> str:
        return f"judge({name_of(self.ask)}, label={self.label!r})"

    def _filled(self, known: Mapping[str, Any]) -> str:
        def put_in(place: re.Match[str]) -> str:
            name = place.group(1)
            return encode(known[name]).decode() if name in known else place.group()

        return f"{_PLACE.sub(put_in, self.prompt)}\n\n{self._verdict.wanted}"

    def _steps(self, prompt: str) -> _Steps:
        votes, replies = self._begun.take(prompt)
        try:
            while len(votes) < self._votes:
                votes.append((yield from self._vote(prompt, replies)))
        except GeneratorExit:  # a call failed, as under a rate limit, and may be made again
            self._begun.keep(prompt, votes, replies)
            raise
        worths = [self._verdict.worth(vote) for vote in votes]
        return Score(
            _together(worths, replies),
            label=self.label,
            reasoning=_reasoning(votes[0]) if len(votes) == 1 else None,
            metadata={
                "votes": votes,
                **({"worths": worths} if worths != votes else {}),  # of choices that stand for numbers
                "replies": replies,
            }
            if self._votes > 1
            else {"reply": replies[-1]},
        )

    def _vote(self, prompt: str, replies: list[str]) -> _Steps:
        asked = prompt
        for is_last in (False, True):
            reply = yield asked
            if not isinstance(reply, str):
                raise TypeError(f"{name_of(self.ask)} returned a {type(reply).__name__}, not a text")
            replies.append(reply)
            try:
                return self._verdict.read(reply)
            except ValueError as problem:
                if is_last:
                    raise JudgeError(f"no verdict: {problem}", replies) from None
                asked = f"{prompt}\n\nYour last reply could not be used: {problem}."
        raise AssertionError("unreachable")


class _Begun:
    """Votes that were given before a call failed, by their prompt: they are paid for, and count when the same
    is asked again. Any thread.
    """

    _MOST = 1024

    def __init__(self) -> None:
        self._by_prompt: dict[str, list[tuple[list[Any], list[str]]]] = {}

    def take(self, prompt: str) -> tuple[list[Any], list[str]]:
        waiting = self._by_prompt.pop(prompt, None)
        if waiting is None:
            return [], []
        taken = waiting.pop()
        for others in waiting:
            self.keep(prompt, *others)
        return taken

    def keep(self, prompt: str, votes: list[Any], replies: list[str]) -> None:
        if votes and len(self._by_prompt) < self._MOST:
            self._by_prompt.setdefault(prompt, []).append((votes, replies))


def _together(worths: list[Any], replies: list[str]) -> Any:
    if len(worths) == 1:
        return worths[0]
    if all(isinstance(worth, (int, float)) for worth in worths):
        return sum(worths) / len(worths)
    (first, count), *others = Counter(worths).most_common()
    if others and others[0][1] == count:
        raise JudgeError(f"no verdict: {count} of {len(worths)} votes each for several", replies)
    return first


def _reasoning(vote: Any) -> str | None:
    said = vote.get("reasoning") if isinstance(vote, dict) else None
    return said if isinstance(said, str) else None


def _answered(steps: _Steps, ask: Callable[[str], Any]) -> Any:
    try:
        prompt = next(steps)
        while True:
            prompt = steps.send(ask(prompt))
    except StopIteration as ended:
        return ended.value
    finally:
        steps.close()


async def _answered_async(steps: _Steps, ask: Callable[[str], Any]) -> Any:
    try:
        prompt = next(steps)
        while True:
            prompt = steps.send(await ask(prompt))
    except StopIteration as ended:
        return ended.value
    finally:
        steps.close()
