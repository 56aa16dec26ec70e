"""Runs a plan of `support.programs` for real: actors in tasks, threads and a pool's jobs, one step at a time.

Each actor waits for its next step in its innermost frame, so that every block is opened, and every generator
resumed, by a frame of the kind that the plan names. The scheduler hands out the steps and waits for each.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from support.levels import async_generator_level, coroutine_level, function_level, generator_level
from support.nesting import Block, active, leaf, scope
from support.programs import FIRST_ACTORS, WORKERS

from llmobs_trace import experiment_span

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from support.programs import Step

PATIENCE_SECONDS = 30


@asynccontextmanager
async def async_scope(name: str) -> AsyncIterator[None]:
    async with experiment_span(name):
        await asyncio.sleep(0)
        yield


class Actor:
    """One task, thread or job: where its next step arrives, and what it is waiting in."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.steps: queue.SimpleQueue[Step] = queue.SimpleQueue()
        self.async_steps: asyncio.Queue[Step] | None = None
        self.waits_in_loop = False
        self.ready = threading.Semaphore(0)
        self.is_ready = False
        self.has_ended = False

    def take(self) -> Step:
        """Says that the last step is done and waits, in this thread, for the next."""
        self.waits_in_loop = False
        self.ready.release()
        return self.world.looked(self.steps.get(timeout=PATIENCE_SECONDS))

    async def take_async(self) -> Step:
        """The same without keeping the loop."""
        self.waits_in_loop = True
        self.async_steps = self.async_steps or asyncio.Queue()
        self.ready.release()
        return self.world.looked(await self.async_steps.get())

    def run(self) -> None:
        """A thread's or a job's whole life."""
        try:
            function_level(self.world, self)
        except BaseException as failure:
            self.world.failures.append(failure)
        finally:
            self.has_ended = True
            self.ready.release()

    async def run_async(self) -> None:
        """A task's whole life."""
        try:
            await coroutine_level(self.world, self)
        except BaseException as failure:
            self.world.failures.append(failure)
            raise
        finally:
            self.has_ended = True
            self.ready.release()


class World:
    """What the actors of one program share."""

    def __init__(self, make_loop: Callable[[], asyncio.AbstractEventLoop]) -> None:
        self.actors: dict[int, Actor] = {}
        self.generators: dict[int, Any] = {}
        self.drivers: dict[int, Actor] = {}
        self.managers: dict[str, Any] = {}
        self.ended: set[str] = set()
        self.helped: set[str] = set()
        self.failures: list[BaseException] = []
        self.mismatches: list[str] = []
        self.kept: list[Any] = []
        self.pool = ThreadPoolExecutor(WORKERS)
        self.loop = make_loop()
        self.loop.set_default_executor(self.pool)
        self.thread = threading.Thread(target=self.loop.run_forever)
        self.thread.start()

    # The scheduler's side

    def carry_out(self, plan: list[Step]) -> None:
        """Has each step of `plan` done by its actor, in order."""
        asyncio.run_coroutine_threadsafe(self.first_span(), self.loop).result(PATIENCE_SECONDS)
        self.actors = {number: Actor(self) for number in range(len(FIRST_ACTORS))}
        for actor, kind in zip(self.actors.values(), FIRST_ACTORS, strict=True):
            self.start(actor, {"task": "threadsafe", "thread": "thread", "job": "submit"}[kind])
        for step in plan:
            actor = self.actors[step.actor]
            self.until_ready(actor, step)
            actor.is_ready = False
            if actor.waits_in_loop:
                self.loop.call_soon_threadsafe(actor.async_steps.put_nowait, step)
            else:
                actor.steps.put(step)
            self.until_ready(actor, step)
            if step.style == "to_thread":
                self.until_ready(self.actors[step.target], step)

    def until_ready(self, actor: Actor, step: Step) -> None:
        if not actor.is_ready:
            if not actor.ready.acquire(timeout=PATIENCE_SECONDS):
                raise AssertionError(f"nothing happened at {step}")
            actor.is_ready = True
        if self.failures:
            raise self.failures[0]

    @staticmethod
    async def first_span() -> None:
        """A loop's tasks are known from its first span on."""
        leaf("first of the loop")

    def close(self) -> None:
        """Ends the loop, the pool and whoever still waits."""

        async def last() -> None:
            current = asyncio.current_task()
            while others := [task for task in asyncio.all_tasks() if task is not current]:
                if self.failures or self.mismatches:
                    for task in others:
                        task.cancel()
                await asyncio.gather(*others, return_exceptions=True)
            await asyncio.sleep(0)
            await self.loop.shutdown_asyncgens()

        asyncio.run_coroutine_threadsafe(last(), self.loop).result(PATIENCE_SECONDS)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(PATIENCE_SECONDS)
        self.pool.shutdown()
        self.loop.close()
        for thread in self.kept:
            if isinstance(thread, threading.Thread):
                thread.join(PATIENCE_SECONDS)

    # The actors' side

    def looked(self, step: Step) -> Step:
        """Compares what is active where `step` arrives with what the model says."""
        seen = active()
        if step.active_is_known and seen != step.active:
            self.mismatches.append(f"{seen!r} was active, not {step.active!r}, before {step}")
        return step

    def manager(self, step: Step) -> Any:
        """The context manager that `step` asks for, not yet entered."""
        make = {
            "contextmanager": scope,
            "asynccontextmanager": async_scope,
            "class": Block,
        }.get(step.style, experiment_span)
        self.managers[step.name] = made = make(step.name)
        return made

    def end(self, name: str) -> None:
        """Ends a block from wherever the caller is."""
        self.ended.add(name)
        self.managers[name].__exit__(None, None, None)

    def leaf(self, step: Step) -> None:
        if step.style == "function":
            experiment_span(step.name)(lambda: None)()
        else:
            leaf(step.name)

    def make(self, step: Step) -> None:
        made = generator_level if step.style == "generator" else async_generator_level
        if step.name:
            made = experiment_span(step.name)(made)
        self.generators[step.target] = made(self, step.target)

    def start(self, actor: Actor, way: str) -> None:
        if way in ("thread", "timer"):
            thread = threading.Thread(target=actor.run) if way == "thread" else threading.Timer(0, actor.run)
            thread.start()
            self.kept.append(thread)
        elif way == "submit":
            self.pool.submit(actor.run)
        elif way == "threadsafe":
            self.kept.append(asyncio.run_coroutine_threadsafe(actor.run_async(), self.loop))
        elif way == "create_task":
            self.kept.append(asyncio.create_task(actor.run_async()))
        elif way == "ensure_future":
            self.kept.append(asyncio.ensure_future(actor.run_async()))
        elif way == "run_in_executor":
            self.kept.append(asyncio.get_running_loop().run_in_executor(None, actor.run))
        else:
            self.kept.append(asyncio.ensure_future(asyncio.to_thread(actor.run)))

    def common(self, step: Step) -> None:
        """What needs no frame of its own kind."""
        if step.op == "leaf":
            self.leaf(step)
        elif step.op == "end":
            self.end(step.name)
        elif step.op == "make":
            self.make(step)
        elif step.op == "spawn":
            self.actors[step.target] = actor = Actor(self)
            self.start(actor, step.style)
        else:
            raise AssertionError(f"no such step here: {step}")

    def function(self, step: Step) -> Any:
        level = function_level if step.style == "function" else coroutine_level
        return experiment_span(step.name)(level) if step.name else level
