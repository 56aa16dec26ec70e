"""The four kinds of frame in which an actor of `support.actors` takes its steps.

A block belongs to the frame that opens it, so each kind opens and closes its own; what needs no frame of its
own kind is done in one place for all.
"""

from __future__ import annotations

from contextlib import AsyncExitStack, ExitStack, suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from support.nesting import leaf

from llmobs_trace import experiment_span

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Generator

    from support.actors import Actor, World
    from support.programs import Step


class Unwound(Exception):
    """What a frame of a program raises, and what its caller expects."""


class Awaited:
    """A manager that was entered with an await, and is exited with one."""

    def __init__(self, manager: Any) -> None:
        self.manager = manager


class Opened:
    """The blocks that one frame opened otherwise than by `with`, innermost last."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.held: list[tuple[str, Any]] = []

    def entry(self, step: Step) -> Callable[[], Any]:
        """What enters the block of `step`, for its frame to call: and to await, where the style is async."""
        world, name = self.world, step.name
        manager = world.manager(step)
        if step.style == "async stack":
            async_stack = AsyncExitStack()
            self.held.append((name, Awaited(async_stack)))
            return partial(async_stack.enter_async_context, manager)
        if step.style.startswith("async"):
            self.held.append((name, Awaited(manager)))
            return manager.__aenter__
        if step.style == "stack":
            stack = ExitStack()
            self.held.append((name, stack))
            return partial(stack.enter_context, manager)
        self.held.append((name, manager))
        if step.style == "helper":
            world.helped.add(name)
            return partial(start, manager)
        return manager.__enter__

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


def start(block: Any) -> None:
    """Opens `block` from a function that returns at once."""
    block.__enter__()


def last_of(step: Step) -> Step:
    """A frame's last step: where it raises, what it returns otherwise."""
    if step.raises:
        raise Unwound
    return step


def function_level(world: World, actor: Actor) -> Step | None:
    """A plain function's frame; the block of a `with` is around another of these."""
    opened = Opened(world)
    try:
        while True:
            step = actor.take()
            if step.op == "return":
                return last_of(step)
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
            elif step.op == "open":
                opened.entry(step)()
            else:
                anywhere(world, actor, step)
    finally:
        while manager := opened.pop():
            manager.__exit__(None, None, None)


def generator_level(world: World, number: int, delegated: bool = False) -> Generator[None, None, Step | None]:
    """A generator's frame; the block of a `with` is around a delegation to another of these."""
    opened = Opened(world)
    try:
        while True:
            step = world.drivers[number].take()
            if step.op == "return":
                return last_of(step)
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
            elif step.op == "open":
                opened.entry(step)()
            else:
                anywhere(world, world.drivers[number], step)
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
                return last_of(step)
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
            elif step.op == "open" and step.style.startswith("async"):
                await opened.entry(step)()
            elif step.op == "open":
                opened.entry(step)()
            else:
                await anywhere_async(world, actor, step)
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
                last_of(step)
                return
            if step.op == "suspend":
                try:
                    yield
                except (GeneratorExit, Unwound):
                    leaf(f"farewell {number}")
                    raise
            elif step.op == "close":
                await leave(opened.pop(step.name))
            elif step.op == "open" and step.style.startswith("async"):
                await opened.entry(step)()
            elif step.op == "open":
                opened.entry(step)()
            else:
                await anywhere_async(world, world.drivers[number], step)
    finally:
        while manager := opened.pop():
            await leave(manager)


def anywhere(world: World, actor: Actor, step: Step) -> None:
    """What needs no frame of its own kind."""
    if step.op == "call":
        with suppress(Unwound):
            world.function(step)(world, actor)
    elif step.op == "resume":
        world.drivers[step.target] = actor
        with suppress(Unwound):
            next(world.generators[step.target], None)
    elif step.op != "shut":
        world.common(step)
    elif step.style == "close generator":
        world.generators.pop(step.target).close()
    elif step.style == "throw generator":
        with suppress(Unwound):
            world.generators.pop(step.target).throw(Unwound)
    else:
        del world.generators[step.target]


async def anywhere_async(world: World, actor: Actor, step: Step) -> None:
    """The same, with what only a coroutine can do."""
    if step.op == "call" and step.style == "coroutine":
        with suppress(Unwound):
            await world.function(step)(world, actor)
    elif step.op == "resume" and step.style != "generator":
        world.drivers[step.target] = actor
        with suppress(Unwound, StopAsyncIteration):
            await world.generators[step.target].asend(None)
    elif step.op == "shut" and step.style == "close async generator":
        await world.generators.pop(step.target).aclose()
    elif step.op == "shut" and step.style == "throw async generator":
        with suppress(Unwound):
            await world.generators.pop(step.target).athrow(Unwound)
    elif step.op == "leaf" and step.style == "async block":
        async with experiment_span(step.name):
            pass
    elif step.op == "leaf" and step.style == "coroutine":

        @experiment_span(step.name)
        async def decorated() -> None:
            pass

        await decorated()
    else:
        anywhere(world, actor, step)


async def leave(manager: Any) -> None:
    """Exits what was entered in either way."""
    if isinstance(manager, Awaited):
        await manager.manager.__aexit__(None, None, None)
    else:
        manager.__exit__(None, None, None)
