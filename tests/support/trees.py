"""Random concurrent programs whose expected tree is the program itself: what to generate, and how to run it.

A node's children happen inside it; what is `between` happens in its consumer, between its items. Nothing here
waits for a schedule: tasks, threads and jobs run as they may.
"""

from __future__ import annotations

import asyncio
import itertools
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import anyio
import anyio.to_thread
from hypothesis import strategies as st
from support.nesting import scope

from llmobs_trace import experiment_span

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator


@dataclass
class Node:
    kind: str
    children: list[Node] = field(default_factory=list)
    between: list[Node] = field(default_factory=list)
    name: str = ""


STREAMS = ("stream", "generator", "stream in a scope")
SPANS = ("block", "scope", "function", *STREAMS)
THREADS = ("threads", "jobs")
ASYNC_STREAMS = ("async stream", "async generator", "stepped by tasks")
ASYNC_SPANS = ("async block", "coroutine", *ASYNC_STREAMS)
TASKS = ("together", "in threads")


def _nodes(kinds: tuple[str, ...], children: Any) -> Any:
    return st.builds(
        Node, st.sampled_from(kinds), st.lists(children, max_size=3), st.lists(children, max_size=2)
    )


plain_nodes = st.recursive(
    st.builds(Node, st.sampled_from(SPANS)), lambda nodes: _nodes(SPANS + THREADS, nodes), max_leaves=6
)
async_nodes = st.recursive(
    st.builds(Node, st.sampled_from(ASYNC_SPANS)) | plain_nodes,
    lambda nodes: _nodes((*ASYNC_SPANS, "together"), nodes) | _nodes(("in threads",), plain_nodes),
    max_leaves=10,
)


def named(nodes: list[Node], parent: str | None, parents: dict[str, str | None]) -> dict[str, str | None]:
    """Gives each node that makes a span a name, and its parent in the program's own tree."""
    for node in nodes:
        inside = parent
        if node.kind in SPANS + ASYNC_SPANS:
            node.name = inside = f"{node.kind} {len(parents)}"
            parents[node.name] = parent
        named(node.children, inside, parents)
        named(node.between, parent, parents)
    return parents


def one_of(rest: Iterator[Node]) -> list[Node]:
    """The next of `rest`, or nothing, as a list."""
    return list(itertools.islice(rest, 1))


class Threads:
    """Runs plain nodes in the calling thread, and in threads and jobs that they start."""

    def __init__(self, pool: ThreadPoolExecutor) -> None:
        self.pool = pool

    def run_all(self, nodes: Any) -> None:
        for node in nodes:
            self.run(node)

    def run(self, node: Node) -> None:
        if node.kind in STREAMS:
            rest = iter(node.between)
            for _ in self.opened(node):
                self.run_all(one_of(rest))
            self.run_all(rest)
            return
        if node.kind == "block":
            with experiment_span(node.name):
                self.run_all(node.children)
        elif node.kind == "scope":
            with scope(node.name):
                self.run_all(node.children)
        elif node.kind == "function":
            experiment_span(node.name)(self.run_all)(node.children)
        elif node.kind == "threads":
            threads = [threading.Thread(target=self.run, args=(child,)) for child in node.children]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(60)
        else:
            for job in [self.pool.submit(self.run, child) for child in node.children]:
                job.result(60)
        self.run_all(node.between)

    def opened(self, node: Node) -> Iterator[None]:
        if node.kind == "generator":
            return experiment_span(node.name)(self.items)(node)
        return self.stream(node, experiment_span if node.kind == "stream" else scope)

    def items(self, node: Node) -> Iterator[None]:
        for child in node.children:
            self.run(child)
            yield

    def stream(self, node: Node, holder: Any) -> Iterator[None]:
        with holder(node.name):
            yield from self.items(node)


class Tasks:
    """Runs any nodes in the calling task, and in tasks and threads that they start, by way of asyncio."""

    def __init__(self, threads: Threads) -> None:
        self.threads = threads

    async def let_others_work(self) -> None:
        await asyncio.sleep(0)

    async def together(self, function: Any, nodes: list[Node]) -> None:
        if len(nodes) % 2:
            await asyncio.gather(*(function(node) for node in nodes))
        else:
            for task in [asyncio.create_task(function(node)) for node in nodes][::-1]:
                await task

    async def in_thread(self, node: Node) -> None:
        await asyncio.to_thread(self.threads.run, node)

    async def run_all(self, nodes: Any) -> None:
        for node in nodes:
            await self.run(node)

    async def run(self, node: Node) -> None:
        await self.let_others_work()
        if node.kind in SPANS + THREADS:
            self.threads.run(node)
            return
        if node.kind in ASYNC_STREAMS:
            await self.consume(node)
            return
        if node.kind == "async block":
            async with experiment_span(node.name):
                await self.run_all(node.children)
        elif node.kind == "coroutine":
            await experiment_span(node.name)(self.run_all)(node.children)
        elif node.kind == "together":
            await self.together(self.run, node.children)
        else:
            await self.together(self.in_thread, node.children)
        await self.run_all(node.between)

    async def consume(self, node: Node) -> None:
        rest = iter(node.between)
        if node.kind == "async generator":
            async for _ in experiment_span(node.name)(self.items)(node):
                await self.run_all(one_of(rest))
        elif node.kind == "async stream":
            async for _ in self.stream(node):
                await self.run_all(one_of(rest))
        else:
            held, more = self.stream(node), [True]

            async def step(_: Node) -> None:
                more[0] = await anext(held, "over") != "over"

            while more[0]:
                await self.together(step, [node])
                await self.run_all(one_of(rest))
        await self.run_all(rest)

    async def items(self, node: Node) -> AsyncIterator[None]:
        for child in node.children:
            await self.run(child)
            yield

    async def stream(self, node: Node) -> AsyncIterator[None]:
        with experiment_span(node.name):
            for child in node.children:
                await self.run(child)
                await self.let_others_work()
                yield


class AnyTasks(Tasks):
    """The same by way of anyio, on any loop."""

    async def let_others_work(self) -> None:
        await anyio.lowlevel.checkpoint()

    async def together(self, function: Any, nodes: list[Node]) -> None:
        async with anyio.create_task_group() as group:
            for node in nodes:
                group.start_soon(function, node)

    async def in_thread(self, node: Node) -> None:
        await anyio.to_thread.run_sync(self.threads.run, node)


async def run_in(tasks: Tasks, program: list[Node]) -> None:
    """A whole program inside the block `main`."""
    with experiment_span("main"):
        await tasks.together(tasks.run, program)
