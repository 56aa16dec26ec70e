"""From a seed and a number to everything that one run does. Data, pure: the same numbers, the same plan.

What is random is drawn here and nowhere else, so a plan that failed can be printed, read and run again. How
fast the machine runs is not in the plan: a kill "after 40 ends" comes wherever the program is by then.
"""

from __future__ import annotations

import random
from typing import Any, Literal

import msgspec
from msgspec import Struct

ActKind = Literal[
    "functions",
    "blocks",
    "threads",
    "tasks",
    "generators",
    "exceptions",
    "metrics",
    "burst",
    "large",
    "fork",
    "pool",
    "recycled",
    "spawn",
    "flush",
    "pause",
]
ChildEnd = Literal["returns", "_exit", "killed", "killed by its parent", "outlives it"]
EndKind = Literal["returns", "_exit", "killed", "all killed", "sigterm", "sigterm handled"]
DiskKind = Literal[
    "full", "file size limit", "segment removed", "no directory", "descriptors closed", "store removed"
]
Recovery = Literal["resend", "two resends", "resend killed", "resend in bad weather", "next run", "copied"]

_ACTS: dict[ActKind, int] = {
    "functions": 4,
    "blocks": 4,
    "threads": 3,
    "tasks": 3,
    "generators": 3,
    "exceptions": 2,
    "metrics": 2,
    "burst": 3,
    "large": 2,
    "fork": 4,
    "pool": 1,
    "recycled": 1,
    "spawn": 1,
    "flush": 1,
    "pause": 2,
}
_ENDS: dict[EndKind, int] = {
    "returns": 5,
    "_exit": 3,
    "killed": 8,
    "all killed": 3,
    "sigterm": 2,
    "sigterm handled": 2,
}
# What the server does while the program runs, by the names of `weather.SPELLS`.
_SPELLS: dict[str, int] = {
    "busy, so many seconds": 2,
    "busy, until a date": 1,
    "busy, until the limit's reset": 2,
    "broken": 3,
    "slow": 2,
    "slower than the timeout": 2,
    "a byte at a time": 2,
    "half an answer": 3,
    "closed without an answer": 3,
    "reset": 3,
    "silent": 2,
    "refuses connections": 3,
    "refuses connections for a while": 2,
    "unauthorised": 1,
    "forbidden": 1,
    "unknown experiment": 1,
    "redirects": 1,
    "refuses everything": 1,
    "a login page": 1,
    "a proxy's own version": 1,
    "errors within": 1,
    "refuses single bodies": 2,
}
# What is in the way of the local store meanwhile.
_LOCAL_SPELLS: dict[str, int] = {"nothing": 3, "locked": 1, "locked for a while": 2}
_DISKS: dict[str, dict[DiskKind, int]] = {
    "receiver": {
        "full": 2,
        "file size limit": 1,
        "segment removed": 1,
        "no directory": 1,
        "descriptors closed": 2,
    },
    "local": {"full": 2, "file size limit": 1, "segment removed": 1, "no directory": 1, "store removed": 4},
}
_RECOVERIES: dict[Recovery, int] = {
    "resend": 4,
    "two resends": 2,
    "resend killed": 2,
    "resend in bad weather": 2,
    "next run": 3,
    "copied": 1,
}


# What the program writes itself, under the numbers of the descriptors that it closed.
OWN_FILES = "own-file-"
OWN_TEXT = b"what the program wrote itself\n" * 20


class Act(Struct, frozen=True, kw_only=True):
    """One thing that the program does, with how many spans about, and what feeds its choices."""

    kind: ActKind
    size: int
    seed: int
    child_end: ChildEnd = "returns"


class End(Struct, frozen=True, kw_only=True):
    """How the program ends: by itself, or after so many ends of spans and metrics, or so much time."""

    kind: EndKind
    after_ends: int | None = None
    after_seconds: float = 0.0


class DiskFault(Struct, frozen=True, kw_only=True):
    """What happens to the journal's files, or the store's, and after how many ends.

    `over_after` is when that is over.
    """

    kind: DiskKind
    after_ends: int
    over_after: int | None = None
    room_bytes: int = 0


class ClockStep(Struct, frozen=True, kw_only=True):
    """The wall clock is set, forwards or backwards, after so many ends."""

    after_ends: int
    seconds: float


class Plan(Struct, frozen=True, kw_only=True):
    """One run. `poison` and `largest_body_bytes` are what the server refuses in good weather too."""

    seed: int
    run: int
    destination: Literal["receiver", "local"]
    acts: list[Act]
    end: End
    spells: list[str]
    spell_seed: int
    poison_status: int | None
    largest_body_bytes: int | None
    disk: DiskFault | None
    clock: list[ClockStep]
    recovery: Recovery
    recovery_clock_seconds: float
    options: dict[str, float]

    @property
    def spoils_journals(self) -> bool:
        """Whether events may be lost with the disk. Closed descriptors and a removed store excuse nothing."""
        return self.disk is not None and self.disk.kind not in ("descriptors closed", "store removed")

    def as_json(self) -> bytes:
        """For the program, and for a person who reads what failed."""
        return msgspec.json.encode(self)

    @property
    def command(self) -> str:
        """What to type to have exactly this run again."""
        return f"python -m tests.campaign --seed {self.seed} --run {self.run}"


def read(text: bytes | str) -> Plan:
    """The other way."""
    return msgspec.json.decode(text, type=Plan)


def draw(seed: int, run: int) -> Plan:
    """The plan of one run."""
    chance = random.Random(f"{seed}/{run}")
    destination = "local" if chance.random() < 0.25 else "receiver"
    disk = _disk(chance, destination) if chance.random() < 0.4 else None
    acts = [_act(chance) for _ in range(chance.randint(3, 8))]
    if chance.random() < 0.25:
        # Whoever ends while a child of its own still records: what it closes then must be its own.
        acts.append(Act(kind="fork", size=14, seed=chance.getrandbits(32), child_end="outlives it"))
    end = _end(chance)
    if disk is not None and disk.kind in ("segment removed", "no directory"):
        # What somebody removes, or what was never to be on disk, nobody owes to a later run.
        end = End(kind="returns")
        acts = [
            msgspec.structs.replace(act, child_end="returns")
            for act in acts
            if act.kind not in ("pool", "recycled")
        ]
    spells = _spells(chance) if destination == "receiver" else [_choice(chance, _LOCAL_SPELLS)]
    is_picky = destination == "receiver" and chance.random() < 0.4
    return Plan(
        seed=seed,
        run=run,
        destination=destination,
        acts=acts,
        end=end,
        spells=spells,
        spell_seed=chance.getrandbits(32),
        poison_status=chance.choice([400, 422]) if is_picky else None,
        largest_body_bytes=chance.choice([3000, 20_000, 100_000])
        if is_picky and chance.random() < 0.6
        else None,
        disk=disk,
        clock=_clock(chance) if chance.random() < 0.35 else [],
        recovery=_choice(chance, _RECOVERIES),
        recovery_clock_seconds=chance.choice([0, 0, 0, 3 * 86_400, -3 * 86_400]),
        options={
            "flush_interval": chance.choice([0.1, 0.1, 0.3, 3600]),
            "request_timeout": chance.choice([0.3, 1.0]),
            "shutdown_timeout": chance.choice([0.2, 1.0, 2.0]),
            "max_batch_bytes": chance.choice([4096, 65_536, 4 << 20]),
        },
    )


def _choice(chance: random.Random, weights: dict[Any, int]) -> Any:
    return chance.choices(list(weights), list(weights.values()))[0]


def _act(chance: random.Random) -> Act:
    return Act(
        kind=_choice(chance, _ACTS),
        size=chance.randint(2, 14),
        seed=chance.getrandbits(32),
        child_end=chance.choice(
            ["returns", "_exit", "killed", "killed by its parent", "outlives it", "outlives it"]
        ),
    )


def _end(chance: random.Random) -> End:
    kind = _choice(chance, _ENDS)
    if kind in ("returns", "_exit"):
        return End(kind=kind)
    if chance.random() < 0.3:
        return End(kind=kind, after_seconds=round(chance.uniform(0.15, 1.5), 3))
    return End(kind=kind, after_ends=int(chance.triangular(1, 150, 25)))


def _disk(chance: random.Random, destination: str) -> DiskFault:
    after = chance.randint(1, 60)
    is_over = chance.random() < 0.4
    return DiskFault(
        kind=_choice(chance, _DISKS[destination]),
        after_ends=after,
        over_after=after + chance.randint(1, 60) if is_over else None,
        room_bytes=chance.choice([0, 0, 4096, 100_000]),
    )


def _clock(chance: random.Random) -> list[ClockStep]:
    steps = [3600.0, 86_400.0 * 400, 2.0, -2.0, -3600.0, -86_400.0 * 400]
    ends = sorted(chance.randint(1, 80) for _ in range(chance.randint(1, 3)))
    return [ClockStep(after_ends=at, seconds=chance.choice(steps)) for at in ends]


def _spells(chance: random.Random) -> list[str]:
    if chance.random() < 0.15:
        return []
    return list(dict.fromkeys(_choice(chance, _SPELLS) for _ in range(chance.randint(1, 3))))
