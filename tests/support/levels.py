"""The four kinds of frame in which an actor of `support.actors` takes its steps.

They repeat one another on purpose: a block belongs to the frame that opens it, so each kind opens its own.
"""

from __future__ import annotations

from contextlib import AsyncExitStack, ExitStack, suppress
from typing import TYPE_CHECKING, Any

from support.nesting import leaf

from llmobs_trace import experiment_span

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Generator

    from support.actors import Actor, World
    from support.programs import Step


class Unwound(Exception):
    """What a frame of a program raises, and what its caller expects."""


def start(block: Any) -> None:
    """Opens `block` from a function that returns at once."""
    block.__enter__()


class Opened:
    """The blocks that one frame opened otherwise than by `with`, innermost last."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.held: list[tuple[str, Any]] = []

    def any_of_the_frame(self) -> bool:
        """Whether any is still open that the frame itself opened, not a helper."""
        return any(name not in self.world.ended and name not in self.world.helped for name, _ in self.held)

    def pop(self, name: str = "") -> Any | None:
        """The innermost that is still open and, where `name` is given, is that one."""
        while self.held and self.held[-1][0] in self.world.ended:
            self.held.pop()
        if self.held and name in ("", self.held[-1][0]):
            ended, manager = self.held.pop()
            self.world.ended.add(ended)
            return manager
        return None


def function_level(world: World, actor: Actor) -> Step | None:
    """A plain function's frame; the block of a `with` is around another of these."""
    opened = Opened(world)
    try:
        while True:
            step = actor.take()
            if step.op == "return":
                if step.raises:
                    raise Unwound
                return step
            if step.op == "close":
                manager = opened.pop(step.name)
                if manager is None:
                    return None
                manager.__exit__(None, None, None)
            elif step.op == "open" and step.style == "with":
                with experiment_span(step.name):
                    last = function_level(world, actor)
                if last is not None:
                    return last
            elif step.op == "open" and step.style == "helper":
                manager = world.manager(step)
                start(manager)
                world.helped.add(step.name)
                opened.held.append((step.name, manager))
            elif step.op == "open" and step.style == "stack":
                stack = ExitStack()
                stack.enter_context(world.manager(step))
                opened.held.append((step.name, stack))
            elif step.op == "open":
                manager = world.manager(step)
                manager.__enter__()
                opened.held.append((step.name, manager))
            elif step.op == "call":
                with suppress(Unwound):
                    world.function(step)(world, actor)
            elif step.op == "resume":
                world.drivers[step.target] = actor
                with suppress(Unwound):
                    next(world.generators[step.target], None)
            elif step.op == "shut":
                shut(world, step)
            else:
                world.common(step)
    finally:
        while manager := opened.pop():
            manager.__exit__(None, None, None)


def shut(world: World, step: Step) -> None:
    """Closes, throws into or lets go of a suspended generator."""
    if step.style == "close generator":
        world.generators.pop(step.target).close()
    elif step.style == "throw generator":
        with suppress(Unwound):
            world.generators.pop(step.target).throw(Unwound)
    else:
        del world.generators[step.target]


def generator_level(world: World, number: int, delegated: bool = False) -> Generator[None, None, Step | None]:
    """A generator's frame; the block of a `with` is around a delegation to another of these."""
    opened = Opened(world)
    try:
        while True:
            step = world.drivers[number].take()
            if step.op == "return":
                if step.raises:
                    raise Unwound
                return step
            if step.op == "suspend":
                try:
                    yield
                except (GeneratorExit, Unwound) as reason:
                    if not delegated or opened.any_of_the_frame() or isinstance(reason, Unwound):
                        leaf(f"farewell {number}")
                    raise
            elif step.op == "close":
                manager = opened.pop(step.name)
                if manager is None:
                    return None
                manager.__exit__(None, None, None)
            elif step.op == "open" and step.style == "with":
                with experiment_span(step.name):
                    last = yield from generator_level(world, number, True)
                if last is not None:
                    return last
            elif step.op == "open" and step.style == "helper":
                manager = world.manager(step)
                start(manager)
                world.helped.add(step.name)
                opened.held.append((step.name, manager))
            elif step.op == "open" and step.style == "stack":
                stack = ExitStack()
                stack.enter_context(world.manager(step))
                opened.held.append((step.name, stack))
            elif step.op == "open":
                manager = world.manager(step)
                manager.__enter__()
                opened.held.append((step.name, manager))
            elif step.op == "call":
                with suppress(Unwound):
                    world.function(step)(world, world.drivers[number])
            elif step.op == "resume":
                world.drivers[step.target] = world.drivers[number]
                with suppress(Unwound):
                    next(world.generators[step.target], None)
            elif step.op == "shut":
                shut(world, step)
            else:
                world.common(step)
    finally:
        while manager := opened.pop():
            manager.__exit__(None, None, None)


async def coroutine_level(world: World, actor: Actor) -> Step | None:
    """A coroutine's frame, in a task."""
    opened = Opened(world)
    try:
        while True:
            step = await actor.take_async()
            if step.op == "return":
                if step.raises:
                    raise Unwound
                return step
            if step.op == "close":
                manager = opened.pop(step.name)
                if manager is None:
                    return None
                await leave(manager)
            elif step.op == "open" and step.style == "with":
                with experiment_span(step.name):
                    last = await coroutine_level(world, actor)
                if last is not None:
                    return last
            elif step.op == "open" and step.style == "helper":
                manager = world.manager(step)
                start(manager)
                world.helped.add(step.name)
                opened.held.append((step.name, manager))
            elif step.op == "open" and step.style == "stack":
                stack = ExitStack()
                stack.enter_context(world.manager(step))
                opened.held.append((step.name, stack))
            elif step.op == "open" and step.style == "async stack":
                async_stack = AsyncExitStack()
                await async_stack.enter_async_context(world.manager(step))
                opened.held.append((step.name, Awaited(async_stack)))
            elif step.op == "open" and step.style.startswith("async"):
                manager = world.manager(step)
                await manager.__aenter__()
                opened.held.append((step.name, Awaited(manager)))
            elif step.op == "open":
                manager = world.manager(step)
                manager.__enter__()
                opened.held.append((step.name, manager))
            elif step.op == "call" and step.style == "coroutine":
                with suppress(Unwound):
                    await world.function(step)(world, actor)
            elif step.op == "call":
                with suppress(Unwound):
                    world.function(step)(world, actor)
            elif step.op == "resume":
                world.drivers[step.target] = actor
                with suppress(Unwound, StopAsyncIteration):
                    if step.style == "generator":
                        next(world.generators[step.target], None)
                    else:
                        await world.generators[step.target].asend(None)
            elif step.op == "shut" and step.style.endswith("async generator"):
                await shut_async(world, step)
            elif step.op == "shut":
                shut(world, step)
            elif step.op == "leaf" and step.style in ("async block", "coroutine"):
                await async_leaf(step)
            else:
                world.common(step)
    finally:
        while manager := opened.pop():
            await leave(manager)


async def async_generator_level(world: World, number: int) -> AsyncIterator[None]:
    """An async generator's frame."""
    opened = Opened(world)
    try:
        while True:
            step = await world.drivers[number].take_async()
            if step.op == "return":
                if step.raises:
                    raise Unwound
                return
            if step.op == "suspend":
                try:
                    yield
                except (GeneratorExit, Unwound):
                    leaf(f"farewell {number}")
                    raise
            elif step.op == "close":
                await leave(opened.pop(step.name))
            elif step.op == "open" and step.style == "helper":
                manager = world.manager(step)
                start(manager)
                world.helped.add(step.name)
                opened.held.append((step.name, manager))
            elif step.op == "open" and step.style == "stack":
                stack = ExitStack()
                stack.enter_context(world.manager(step))
                opened.held.append((step.name, stack))
            elif step.op == "open" and step.style == "async stack":
                async_stack = AsyncExitStack()
                await async_stack.enter_async_context(world.manager(step))
                opened.held.append((step.name, Awaited(async_stack)))
            elif step.op == "open" and step.style.startswith("async"):
                manager = world.manager(step)
                await manager.__aenter__()
                opened.held.append((step.name, Awaited(manager)))
            elif step.op == "open":
                manager = world.manager(step)
                manager.__enter__()
                opened.held.append((step.name, manager))
            elif step.op == "call" and step.style == "coroutine":
                with suppress(Unwound):
                    await world.function(step)(world, world.drivers[number])
            elif step.op == "call":
                with suppress(Unwound):
                    world.function(step)(world, world.drivers[number])
            elif step.op == "resume":
                world.drivers[step.target] = world.drivers[number]
                with suppress(Unwound, StopAsyncIteration):
                    if step.style == "generator":
                        next(world.generators[step.target], None)
                    else:
                        await world.generators[step.target].asend(None)
            elif step.op == "shut" and step.style.endswith("async generator"):
                await shut_async(world, step)
            elif step.op == "shut":
                shut(world, step)
            elif step.op == "leaf" and step.style in ("async block", "coroutine"):
                await async_leaf(step)
            else:
                world.common(step)
    finally:
        while manager := opened.pop():
            await leave(manager)


class Awaited:
    """A manager that was entered with an await, and is exited with one."""

    def __init__(self, manager: Any) -> None:
        self.manager = manager


async def leave(manager: Any) -> None:
    """Exits what was entered in either way."""
    if isinstance(manager, Awaited):
        await manager.manager.__aexit__(None, None, None)
    else:
        manager.__exit__(None, None, None)


async def shut_async(world: World, step: Step) -> None:
    """Closes, throws into or lets go of a suspended async generator."""
    if step.style == "close async generator":
        await world.generators.pop(step.target).aclose()
    elif step.style == "throw async generator":
        with suppress(Unwound):
            await world.generators.pop(step.target).athrow(Unwound)
    else:
        del world.generators[step.target]


async def async_leaf(step: Step) -> None:
    """A span that opens and ends at once, in one of the ways that only a coroutine has."""
    if step.style == "async block":
        async with experiment_span(step.name):
            pass
        return

    @experiment_span(step.name)
    async def decorated() -> None:
        pass

    await decorated()
