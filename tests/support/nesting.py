"""Small words that the nesting tests share: a span that opens and ends at once, streams, pairs of methods."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

from llmobs_trace import current_span, experiment_span

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator


def leaf(name: str) -> None:
    """A span named `name` that is opened and ended here; its parent is what the tests ask about."""
    with experiment_span(name):
        pass


def active() -> str | None:
    """The name of the active span as the caller sees it, or None."""
    span = current_span()
    return None if span is None else span.name


def stream(name: str, steps: int = 3) -> Iterator[int]:
    """An undecorated generator whose block `name` is open at each step, with a leaf `<name>.<step>`."""
    with experiment_span(name):
        for step in range(steps):
            leaf(f"{name}.{step}")
            yield step


async def async_stream(name: str, steps: int = 3) -> AsyncIterator[int]:
    """The same as `stream`, as an undecorated async generator."""
    with experiment_span(name):
        for step in range(steps):
            leaf(f"{name}.{step}")
            yield step


@experiment_span("decorated")
def decorated(steps: int = 3) -> Iterator[int]:
    """A decorated generator, with a leaf `decorated.<step>` at each step."""
    for step in range(steps):
        leaf(f"decorated.{step}")
        yield step


@experiment_span("decorated")
async def async_decorated(steps: int = 3) -> AsyncIterator[int]:
    """The same as `decorated`, as a decorated async generator."""
    for step in range(steps):
        leaf(f"decorated.{step}")
        await asyncio.sleep(0)
        yield step


@contextmanager
def scope(name: str) -> Iterator[Any]:
    """A context manager made of a generator that holds the block `name`."""
    with experiment_span(name) as span:
        yield span


class Started:
    """A block that one method opens and another ends, as callback handlers do it."""

    def __init__(self, name: str) -> None:
        self.block = experiment_span(name)

    def start(self) -> None:
        self.block.__enter__()

    def end(self) -> None:
        self.block.__exit__(None, None, None)


class Stored:
    """A block kept in an ExitStack from one method to another."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.stack = ExitStack()

    def start(self) -> None:
        self.stack.enter_context(experiment_span(self.name))

    def end(self) -> None:
        self.stack.close()


class Block:
    """A class of the user's whose `__enter__` opens a block and whose `__exit__` ends it."""

    def __init__(self, name: str) -> None:
        self.block = experiment_span(name)

    def __enter__(self) -> Block:
        self.block.__enter__()
        return self

    def __exit__(self, *exc_info: Any) -> None:
        self.block.__exit__(*exc_info)
