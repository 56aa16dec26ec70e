"""The ways by which a caller comes to an answer of OpenAI's client, all of them: what each gives, as it is.

Each takes a client and parameters, and returns what the caller got, whole: for streams the list of chunks.
Those of `AsyncOpenAI` are coroutines, run by `run`.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from typing import Any

import openai


def create(client: Any, **asked: Any) -> Any:
    return client.chat.completions.create(**asked)


def raw(client: Any, **asked: Any) -> Any:
    answer = client.chat.completions.with_raw_response.create(**asked)
    return answer, answer.http_response.content, answer.parse()


def streaming_response(read: Callable[[Any], Any]) -> Callable[..., Any]:
    def way(client: Any, **asked: Any) -> Any:
        with client.chat.completions.with_streaming_response.create(**asked) as answer:
            return read(answer)

    return way


def stream(client: Any, **asked: Any) -> Any:
    return list(client.chat.completions.create(**asked, stream=True))


def stream_by_next(client: Any, **asked: Any) -> Any:
    chunks = client.chat.completions.create(**asked, stream=True)
    got = []
    while (chunk := next(chunks, None)) is not None:
        got.append(chunk)
    return got


def stream_in_block(client: Any, **asked: Any) -> Any:
    with client.chat.completions.create(**asked, stream=True) as chunks:
        return list(chunks)


def raw_stream(client: Any, **asked: Any) -> Any:
    answer = client.chat.completions.with_raw_response.create(**asked, stream=True)
    return list(answer.parse())


def streamed_lines(client: Any, **asked: Any) -> Any:
    with client.chat.completions.with_streaming_response.create(**asked, stream=True) as answer:
        return list(answer.iter_lines())


def manager(client: Any, **asked: Any) -> Any:
    with client.chat.completions.stream(**asked) as events:
        return [*events, events.get_final_completion()]


def manager_until_done(client: Any, **asked: Any) -> Any:
    with client.chat.completions.stream(**asked) as events:
        return events.until_done().get_final_completion()


async def acreate(client: Any, **asked: Any) -> Any:
    return await client.chat.completions.create(**asked)


async def araw(client: Any, **asked: Any) -> Any:
    answer = await client.chat.completions.with_raw_response.create(**asked)
    return answer, answer.http_response.content, answer.parse()


async def astreaming_response(client: Any, **asked: Any) -> Any:
    async with client.chat.completions.with_streaming_response.create(**asked) as answer:
        return await answer.parse()


async def astream(client: Any, **asked: Any) -> Any:
    return [chunk async for chunk in await client.chat.completions.create(**asked, stream=True)]


async def astream_in_block(client: Any, **asked: Any) -> Any:
    async with await client.chat.completions.create(**asked, stream=True) as chunks:
        return [chunk async for chunk in chunks]


async def araw_stream(client: Any, **asked: Any) -> Any:
    answer = await client.chat.completions.with_raw_response.create(**asked, stream=True)
    return [chunk async for chunk in answer.parse()]


async def astreamed_lines(client: Any, **asked: Any) -> Any:
    async with client.chat.completions.with_streaming_response.create(**asked, stream=True) as answer:
        return [line async for line in answer.iter_lines()]


async def amanager(client: Any, **asked: Any) -> Any:
    async with client.chat.completions.stream(**asked) as events:
        return [*[event async for event in events], await events.get_final_completion()]


AT_ONCE: dict[str, Callable[..., Any]] = {
    "create": create,
    "with_raw_response": raw,
    "with_streaming_response.parse": streaming_response(lambda answer: answer.parse()),
    "with_streaming_response.json": streaming_response(lambda answer: answer.json()),
    "with_streaming_response.read": streaming_response(lambda answer: answer.read()),
    "with_streaming_response.iter_bytes": streaming_response(lambda answer: b"".join(answer.iter_bytes())),
    "with_streaming_response.iter_text": streaming_response(lambda answer: "".join(answer.iter_text())),
    "with_streaming_response.twice": streaming_response(lambda answer: (answer.read(), answer.parse())),
    "async create": acreate,
    "async with_raw_response": araw,
    "async with_streaming_response": astreaming_response,
}
STREAMED: dict[str, Callable[..., Any]] = {
    "stream": stream,
    "stream by next": stream_by_next,
    "stream in a block": stream_in_block,
    "with_raw_response, streamed": raw_stream,
    "with_streaming_response, lines": streamed_lines,
    "manager": manager,
    "manager until done": manager_until_done,
    "async stream": astream,
    "async stream in a block": astream_in_block,
    "async with_raw_response, streamed": araw_stream,
    "async with_streaming_response, lines": astreamed_lines,
    "async manager": amanager,
}


def run(way: Callable[..., Any], url: str, **asked: Any) -> Any:
    """What one way gives, of a client of its kind."""
    if not inspect.iscoroutinefunction(way):
        with openai.OpenAI(base_url=url, api_key="sk-canary-1", max_retries=0) as client:
            return way(client, **asked)

    async def program() -> Any:
        async with openai.AsyncOpenAI(base_url=url, api_key="sk-canary-1", max_retries=0) as client:
            return await way(client, **asked)

    return asyncio.run(program())
