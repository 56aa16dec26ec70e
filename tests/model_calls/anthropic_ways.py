"""Every way to call Anthropic's messages, sync and async, and what its caller sees of the answer.

A way is a function of a client and a request; what it gives are the things that its caller holds, in order.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

Seen = list[Any]
Way = Callable[[Any, dict[str, Any]], Seen]
AsyncWay = Callable[[Any, dict[str, Any]], Awaitable[Seen]]


# --- an answer at once --------------------------------------------------------------------------------------


def create(client: Any, request: dict[str, Any]) -> Seen:
    return [client.messages.create(**request)]


def beta(client: Any, request: dict[str, Any]) -> Seen:
    return [client.beta.messages.create(**request)]


def raw(client: Any, request: dict[str, Any]) -> Seen:
    response = client.messages.with_raw_response.create(**request)
    return [response, response.parse(), response.parse() is response.parse(), response.http_response.read()]


def raw_unparsed(client: Any, request: dict[str, Any]) -> Seen:
    return [client.messages.with_raw_response.create(**request)]


def streaming_response(client: Any, request: dict[str, Any]) -> Seen:
    with client.messages.with_streaming_response.create(**request) as response:
        return [response, response.parse()]


def streaming_response_bytes(client: Any, request: dict[str, Any]) -> Seen:
    with client.messages.with_streaming_response.create(**request) as response:
        return [response, b"".join(response.iter_bytes())]


def options(client: Any, request: dict[str, Any]) -> Seen:
    return [client.with_options(timeout=30).messages.create(**request)]


async def async_create(client: Any, request: dict[str, Any]) -> Seen:
    return [await client.messages.create(**request)]


async def async_beta(client: Any, request: dict[str, Any]) -> Seen:
    return [await client.beta.messages.create(**request)]


async def async_raw(client: Any, request: dict[str, Any]) -> Seen:
    response = await client.messages.with_raw_response.create(**request)
    first, second = response.parse(), response.parse()
    if asyncio.iscoroutine(first):  # in later releases
        first, second = await first, await second
    return [response, first, first is second]


async def async_streaming_response(client: Any, request: dict[str, Any]) -> Seen:
    async with client.messages.with_streaming_response.create(**request) as response:
        return [response, await response.parse()]


WHOLE: dict[str, Way] = {
    way.__name__: way
    for way in (create, beta, raw, raw_unparsed, streaming_response, streaming_response_bytes, options)
}
ASYNC_WHOLE: dict[str, AsyncWay] = {
    way.__name__: way for way in (async_create, async_beta, async_raw, async_streaming_response)
}

# --- a stream -----------------------------------------------------------------------------------------------


def iterated(client: Any, request: dict[str, Any]) -> Seen:
    stream = client.messages.create(**request, stream=True)
    return [stream, iter(stream) is stream, *stream]


def stepped(client: Any, request: dict[str, Any]) -> Seen:
    stream = client.messages.create(**request, stream=True)
    seen = [stream, next(stream)]
    while True:
        try:
            seen.append(next(stream))
        except StopIteration as end:
            return [*seen, end]


def in_a_block(client: Any, request: dict[str, Any]) -> Seen:
    with client.messages.create(**request, stream=True) as stream:
        return [stream, *stream]


def beta_iterated(client: Any, request: dict[str, Any]) -> Seen:
    return [*client.beta.messages.create(**request, stream=True)]


def raw_stream(client: Any, request: dict[str, Any]) -> Seen:
    response = client.messages.with_raw_response.create(**request, stream=True)
    stream = response.parse()
    return [response, stream, response.parse() is stream, *stream]


def streaming_response_stream(client: Any, request: dict[str, Any]) -> Seen:
    with client.messages.with_streaming_response.create(**request, stream=True) as response:
        stream = response.parse()
        return [response, stream, *stream]


def manager(client: Any, request: dict[str, Any]) -> Seen:
    held = client.messages.stream(**request)
    with held as stream:
        return [held, stream, *stream, stream.current_message_snapshot]


def manager_text(client: Any, request: dict[str, Any]) -> Seen:
    with client.messages.stream(**request) as stream:
        return [*stream.text_stream]


def manager_final_message(client: Any, request: dict[str, Any]) -> Seen:
    with client.messages.stream(**request) as stream:
        first = stream.get_final_message()
        return [first, stream.get_final_message() is first]


def manager_final_text(client: Any, request: dict[str, Any]) -> Seen:
    with client.messages.stream(**request) as stream:
        stream.until_done()
        return [stream.get_final_text()]


def beta_manager(client: Any, request: dict[str, Any]) -> Seen:
    with client.beta.messages.stream(**request) as stream:
        return [stream, *stream]


async def async_iterated(client: Any, request: dict[str, Any]) -> Seen:
    stream = await client.messages.create(**request, stream=True)
    return [stream, *[event async for event in stream]]


async def async_stepped(client: Any, request: dict[str, Any]) -> Seen:
    stream = await client.messages.create(**request, stream=True)
    seen = [stream]
    while True:
        try:
            seen.append(await stream.__anext__())
        except StopAsyncIteration as end:
            return [*seen, end]


async def async_in_a_block(client: Any, request: dict[str, Any]) -> Seen:
    async with await client.messages.create(**request, stream=True) as stream:
        return [stream, *[event async for event in stream]]


async def async_raw_stream(client: Any, request: dict[str, Any]) -> Seen:
    response = await client.messages.with_raw_response.create(**request, stream=True)
    stream = response.parse()
    if asyncio.iscoroutine(stream):
        stream = await stream
    return [response, stream, *[event async for event in stream]]


async def async_streaming_response_stream(client: Any, request: dict[str, Any]) -> Seen:
    async with client.messages.with_streaming_response.create(**request, stream=True) as response:
        stream = await response.parse()
        return [response, stream, *[event async for event in stream]]


async def async_manager(client: Any, request: dict[str, Any]) -> Seen:
    held = client.messages.stream(**request)
    async with held as stream:
        return [held, stream, *[event async for event in stream], stream.current_message_snapshot]


async def async_manager_text(client: Any, request: dict[str, Any]) -> Seen:
    async with client.messages.stream(**request) as stream:
        return [text async for text in stream.text_stream]


async def async_manager_final_message(client: Any, request: dict[str, Any]) -> Seen:
    async with client.messages.stream(**request) as stream:
        return [await stream.get_final_message(), await stream.get_final_text()]


async def async_beta_manager(client: Any, request: dict[str, Any]) -> Seen:
    async with client.beta.messages.stream(**request) as stream:
        return [stream, *[event async for event in stream]]


STREAMED: dict[str, Way] = {
    way.__name__: way
    for way in (
        iterated,
        stepped,
        in_a_block,
        beta_iterated,
        raw_stream,
        streaming_response_stream,
        manager,
        manager_text,
        manager_final_message,
        manager_final_text,
        beta_manager,
    )
}
ASYNC_STREAMED: dict[str, AsyncWay] = {
    way.__name__: way
    for way in (
        async_iterated,
        async_stepped,
        async_in_a_block,
        async_raw_stream,
        async_streaming_response_stream,
        async_manager,
        async_manager_text,
        async_manager_final_message,
        async_beta_manager,
    )
}
