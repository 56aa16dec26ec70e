"""The reference model of nesting: random choices go in, a legal plan and the tree it must give come out.

Nothing here knows how the library finds a parent. An actor (a task, a thread, a pool's job) has a stack of
frames; a frame holds the blocks it opened; a generator's frame, with its blocks, lies on the stack of whoever
resumed it, and on nobody's while it is suspended. The parent of a new span is the innermost open block on the
actor's stack; where there is none, the span that was active where the actor was started.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

WORKERS = 3
FIRST_ACTORS = ("task", "thread", "job", "task")
SYNC_STYLES = ("by hand", "with", "contextmanager", "stack", "class")
ASYNC_STYLES = ("async by hand", "asynccontextmanager", "async stack")

# What a choice of hypothesis may ask for; what is common is there more often.
WISHES = (
    *["leaf"] * 4,
    *["open"] * 5,
    *["close"] * 2,
    "end",
    *["call"] * 2,
    *["leave"] * 2,
    *["make"] * 3,
    *["resume"] * 6,
    *["suspend"] * 4,
    "finish",
    *["shut"] * 2,
    *["spawn"] * 3,
)


@dataclass
class Step:
    """One thing that an actor does in its innermost frame; `active` is what it must see before doing it."""

    actor: int
    op: str
    name: str = ""
    style: str = ""
    target: int = -1
    raises: bool = False
    active: str | None = None
    active_is_known: bool = True


@dataclass
class Block:
    """`home` is the actor for which a helper opened it inside a generator: to others it means nothing."""

    name: str
    style: str
    home: int | None = None


@dataclass
class Frame:
    kind: str  # function, coroutine, generator, async generator
    blocks: list[Block] = field(default_factory=list)
    number: int = -1  # of a generator
    decorated: str | None = None
    called_in: str | None = None
    started: bool = False

    @property
    def is_async(self) -> bool:
        return self.kind in ("coroutine", "async generator")

    @property
    def is_generator(self) -> bool:
        return self.kind in ("generator", "async generator")

    @property
    def says_farewell_when_closed(self) -> bool:
        """Not where only a delegating frame has a block: Python's `close` passes by such frames."""
        styles = [block.style for block in self.blocks if block.style != "helper"]
        return not styles or styles[-1] != "with"


@dataclass
class Actor:
    number: int
    kind: str  # task, thread, job
    base: str | None
    frames: list[Frame]


class Model:
    """Grows a plan step by step, each step legal where it stands."""

    def __init__(self) -> None:
        self.plan: list[Step] = []
        self.parents: dict[str, str | None] = {}
        self.actors: dict[int, Actor] = {}
        self.generators: dict[int, Frame] = {}
        self.names = self.numbers = 0
        for number, kind in enumerate(FIRST_ACTORS):
            self.actors[number] = self.starting(number, kind, None)
        self.spawned = len(self.actors) - 1

    @staticmethod
    def starting(number: int, kind: str, base: str | None) -> Actor:
        return Actor(number, kind, base, [Frame("coroutine" if kind == "task" else "function")])

    # What is so

    def innermost(self, actor: Actor) -> Block | None:
        """The innermost open block on the stack of `actor`."""
        blocks = (b for frame in reversed(actor.frames) for b in reversed(frame.blocks))
        return next((b for b in blocks if b.home in (None, actor.number)), None)

    def active(self, actor: Actor) -> str | None:
        block = self.innermost(actor)
        return block.name if block else actor.base

    def able(self) -> list[Actor]:
        """Who may take a step: a task in a synchronous frame keeps every other task from running."""
        holder = next(
            (a for a in self.actors.values() if a.kind == "task" and not a.frames[-1].is_async), None
        )
        return [a for a in self.actors.values() if holder is None or a.kind != "task" or a is holder]

    def suspended(self) -> list[Frame]:
        running = {id(frame) for actor in self.actors.values() for frame in actor.frames}
        return [frame for frame in self.generators.values() if id(frame) not in running]

    # What is done

    def name(self, kind: str) -> str:
        self.names += 1
        return f"{kind} {self.names}"

    def step(self, actor: Actor, op: str, **fields: Any) -> None:
        known = self.innermost(actor) is not None or actor.base is None
        self.plan.append(Step(actor.number, op, active=self.active(actor), active_is_known=known, **fields))

    def wish(self, who: int, what: str, which: int, how: int) -> None:
        """Adds the step that was wished for, or nothing where it isn't legal now."""
        able = self.able()
        actor = able[who % len(able)]
        getattr(self, what)(actor, actor.frames[-1], which, how)

    def leaf(self, actor: Actor, frame: Frame, which: int, how: int) -> None:
        styles = ["block", "function"] + ["async block", "coroutine"] * frame.is_async
        name = self.name("leaf")
        self.step(actor, "leaf", name=name, style=styles[how % len(styles)])
        self.parents[name] = self.active(actor)

    def open(self, actor: Actor, frame: Frame, which: int, how: int) -> None:
        # What a helper opens inside a generator is suspended with the generator's own block around it.
        helped = not frame.is_generator or any(b.style != "decorated" for b in frame.blocks)
        styles = (*SYNC_STYLES, "helper") if helped else SYNC_STYLES
        if frame.is_async:
            styles = (*styles, *ASYNC_STYLES)
        block = Block(self.name("block"), styles[how % len(styles)])
        if frame.kind == "async generator" and block.style == "with":
            block.style = "by hand"
        if frame.is_generator and block.style == "helper":
            block.home = actor.number
        self.step(actor, "open", name=block.name, style=block.style)
        self.parents[block.name] = self.active(actor)
        frame.blocks.append(block)

    def close(self, actor: Actor, frame: Frame, which: int, how: int) -> None:
        if frame.blocks and frame.blocks[-1].style != "decorated":
            self.step(actor, "close", name=frame.blocks[-1].name)
            frame.blocks.pop()

    def end(self, actor: Actor, frame: Frame, which: int, how: int) -> None:
        """Ends a block out of its order: one of this frame, of another actor, of a suspended generator."""
        frames = [f for a in self.actors.values() for f in a.frames] + self.suspended()
        choices = [
            (f, b)
            for f in frames
            for b in f.blocks
            if b.style == "helper" or (b.style == "by hand" and all(other.home is None for other in f.blocks))
        ]
        if choices:
            holder, block = choices[which % len(choices)]
            self.step(actor, "end", name=block.name)
            holder.blocks.remove(block)

    def call(self, actor: Actor, frame: Frame, which: int, how: int) -> None:
        if len(actor.frames) < 8:
            kind = "coroutine" if frame.is_async and which % 2 else "function"
            called = Frame(kind)
            name = self.name(kind) if how % 2 else ""
            self.step(actor, "call", name=name, style=kind)
            if name:
                self.parents[name] = self.active(actor)
                called.blocks.append(Block(name, "decorated"))
            actor.frames.append(called)

    def leave(self, actor: Actor, frame: Frame, which: int, how: int) -> None:
        if frame.is_generator:
            return
        if len(actor.frames) > 1:
            self.step(actor, "return", raises=how % 3 == 2)
            actor.frames.pop()
        elif actor.number != 0 and which % 2:
            self.step(actor, "return")
            del self.actors[actor.number]

    def make(self, actor: Actor, frame: Frame, which: int, how: int) -> None:
        if len(self.generators) < 5:
            self.numbers += 1
            made = Frame("async generator" if which % 2 else "generator", number=self.numbers)
            made.decorated = self.name("generator") if how % 2 else None
            made.called_in = self.active(actor)
            self.step(actor, "make", name=made.decorated or "", style=made.kind, target=made.number)
            self.generators[made.number] = made

    def resume(self, actor: Actor, frame: Frame, which: int, how: int) -> None:
        fit = [g for g in self.suspended() if g.kind == "generator" or frame.is_async]
        if fit and len(actor.frames) < 8:
            resumed = fit[which % len(fit)]
            self.step(actor, "resume", target=resumed.number, style=resumed.kind)
            if resumed.decorated and not resumed.started:
                self.parents[resumed.decorated] = self.active(actor) or resumed.called_in
                resumed.blocks.append(Block(resumed.decorated, "decorated"))
            resumed.started = True
            actor.frames.append(resumed)

    def suspend(self, actor: Actor, frame: Frame, which: int, how: int) -> None:
        if frame.is_generator:
            self.step(actor, "suspend")
            actor.frames.pop()

    def finish(self, actor: Actor, frame: Frame, which: int, how: int) -> None:
        if frame.is_generator:
            self.step(actor, "return", raises=how % 3 == 2)
            actor.frames.pop()
            del self.generators[frame.number]

    def shut(self, actor: Actor, frame: Frame, which: int, how: int) -> None:
        """Closes, drops or throws into a suspended generator, which says farewell with a leaf."""
        way = ("close", "drop", "throw")[how % 3]
        # A dropped async generator is closed by a task of the loop's: only its own blocks are around it then.
        fit = [
            g
            for g in self.suspended()
            if (g.started or way != "throw")
            and (
                g.kind == "generator"
                or (way == "drop" and (g.blocks or not g.started))
                or (way != "drop" and frame.is_async)
            )
        ]
        if fit:
            shut = fit[which % len(fit)]
            self.step(actor, "shut", style=f"{way} {shut.kind}", target=shut.number)
            if shut.started and (way == "throw" or shut.says_farewell_when_closed):
                # A dropped async generator's farewell is a task's of the loop: no helper's home.
                home = None if shut.is_async and way == "drop" else actor.number
                own = [b.name for b in shut.blocks if b.home in (None, home)]
                around = own[-1] if own else self.active(actor)
                self.parents[f"farewell {shut.number}"] = around
            del self.generators[shut.number]

    def spawn(self, actor: Actor, frame: Frame, which: int, how: int) -> None:
        if len(self.actors) >= 7:
            return
        ways = ["thread", "timer", "submit", "threadsafe"]
        if actor.kind == "task":
            ways += ["create_task", "ensure_future", "run_in_executor"] + ["to_thread"] * frame.is_async
        way = ways[which % len(ways)]
        kind = {"thread": "thread", "timer": "thread"}.get(way, "job")
        if way in ("threadsafe", "create_task", "ensure_future"):
            kind = "task"
        if kind == "job" and sum(a.kind == "job" for a in self.actors.values()) >= WORKERS:
            return
        self.spawned += 1
        self.step(actor, "spawn", style=way, target=self.spawned)
        self.actors[self.spawned] = self.starting(self.spawned, kind, self.active(actor))

    def over(self) -> None:
        """Unwinds every stack, shuts what is suspended and lets each actor end, the first one last."""
        while busy := [actor for actor in self.able() if len(actor.frames) > 1]:
            actor = busy[0]
            if actor.frames[-1].is_generator:
                self.suspend(actor, actor.frames[-1], 0, 0)
            else:
                self.leave(actor, actor.frames[-1], 0, 0)
        first = self.actors[0]
        while self.generators:
            self.shut(first, first.frames[-1], 0, 0)
        for actor in [*self.actors.values()][::-1]:
            self.step(actor, "return")


def plan(wishes: list[tuple[int, str, int, int]]) -> Model:
    """The model after all of `wishes`: its `plan` is legal, its `parents` are what the rule asks for."""
    model = Model()
    for who, what, which, how in wishes:
        model.wish(who, what, which, how)
    model.over()
    return model
