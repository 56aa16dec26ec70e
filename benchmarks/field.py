"""The tracers side by side, each in a process of its own, in rounds that take turns.

First what a call costs its caller: bursts below the smallest queue, flushed between them, so that nothing is
dropped and the sender works beside the caller as it does in a program. Then end to end: calls as fast as they
come, until the server has them all. A tracer that drops some has to try again, flushing so often that its
queue holds: that is the rate at which it loses nothing.
"""

from __future__ import annotations

import json
import select
import statistics
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks import inlined
from benchmarks.environments import NotInstalled, environment
from benchmarks.figures import Figure, Plan, ratios
from benchmarks.peers import OURS, PEERS, Peer
from benchmarks.rows import private_environment

US = Peer(OURS, "this library", (), "")

# What a tracer may take to set up, and to answer one line.
_ANSWER_SECONDS = 180
_CALLS_SECONDS = 0.3
_END_TO_END_SECONDS = 4.0
_PACED_CALLS = 500


class Failed(Exception):
    """Why a tracer's process is of no use, in one line."""


@dataclass
class Standing:
    """What one tracer came to. `reason`: why it didn't."""

    peer: Peer
    version: str = ""
    reason: str = ""
    call_seconds: list[float] = field(default_factory=list)
    cpu_seconds: list[float] = field(default_factory=list)
    # End to end, flat out: calls, of them lost, and their rate in each round.
    recorded: int = 0
    lost: int = 0
    rates: list[float] = field(default_factory=list)
    # The rates at which nothing was lost: those, where nothing was, else those of the paced rounds.
    whole_rates: list[float] = field(default_factory=list)
    bytes_a_call: float = 0.0


class _Process:
    """A worker, asked in lines. Whatever goes wrong becomes `Failed`."""

    def __init__(self, peer: Peer, python: Path, plan: Plan) -> None:
        self._name = peer.name
        place = plan.scratch / peer.name
        place.mkdir()
        self._errors = place / "stderr"
        with self._errors.open("w") as errors:
            self._process = subprocess.Popen(
                [str(python), "-m", "benchmarks.peers.worker", peer.name, plan.sink.url(peer.name)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                cwd=place,
                env=private_environment(plan._replace(scratch=place)),
            )
        message = {"messages": inlined.MESSAGES, "reply": inlined.REPLY}
        self.version: str = self.ask(json.dumps(message))["version"]

    def ask(self, line: str) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(line + "\n")
            self._process.stdin.flush()
        except OSError:
            raise Failed(self._last_words()) from None
        ready, _, _ = select.select([self._process.stdout], [], [], _ANSWER_SECONDS)
        if not ready:
            raise Failed(f"no answer within {_ANSWER_SECONDS} s")
        said = self._process.stdout.readline()
        if not said:
            raise Failed(self._last_words())
        told: dict[str, Any] = json.loads(said)
        return told

    def end(self) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.close()
            self._process.wait(30)
        except (OSError, subprocess.TimeoutExpired):
            self._process.kill()
            self._process.wait()

    def _last_words(self) -> str:
        lines = [line.strip() for line in self._errors.read_text(errors="replace").splitlines()]
        return f"not set up: {next(filter(None, reversed(lines)), 'it ended')[:200]}"


def measure(plan: Plan, say: Any) -> tuple[list[Figure], list[Standing]]:
    """The figures of the table, and every tracer's standing, ours first."""
    standings = [Standing(peer) for peer in (US, *(() if plan.quick else PEERS))]
    processes: dict[str, _Process] = {}
    try:
        for standing in standings:
            say(f"setting up {standing.peer.title}")
            try:
                processes[standing.peer.name] = process = _start(standing.peer, plan)
                standing.version = process.version
            except (NotInstalled, Failed) as fault:
                standing.reason = str(fault)
        for number in range(plan.repeats):
            say(f"calls, round {number + 1} of {plan.repeats}")
            for standing in _there(standings):
                with _Reason(standing):
                    _one_round(standing, processes[standing.peer.name])
        rounds = 1 if plan.quick else 3
        for number in range(rounds):
            say(f"end to end, round {number + 1} of {rounds}")
            for standing in _there(standings):
                with _Reason(standing):
                    _end_to_end(standing, processes[standing.peer.name], plan)
    finally:
        for process in processes.values():
            process.end()
    return list(_figures(standings, plan)), standings


def _start(peer: Peer, plan: Plan) -> _Process:
    python = Path(sys.executable) if peer is US else environment(peer.name, peer.requirements)
    return _Process(peer, python, plan)


def _there(standings: list[Standing]) -> list[Standing]:
    return [standing for standing in standings if not standing.reason]


class _Reason:
    """A tracer that fails is listed with why, and the others go on."""

    def __init__(self, standing: Standing) -> None:
        self._standing = standing

    def __enter__(self) -> None:
        pass

    def __exit__(self, _: object, fault: BaseException | None, __: object) -> bool:
        if not isinstance(fault, Failed):
            return False
        self._standing.reason = str(fault)
        return True


def _one_round(standing: Standing, process: _Process) -> None:
    told = process.ask(f"time {_CALLS_SECONDS}")
    standing.call_seconds.append(told["seconds"] / told["calls"])
    standing.cpu_seconds.append(told["cpu_seconds"] / told["calls"])


def _end_to_end(standing: Standing, process: _Process, plan: Plan) -> None:
    # As many calls as keep this tracer busy for the time, by what it did before.
    known = standing.rates[-1] if standing.rates else 0.5 / statistics.median(standing.cpu_seconds)
    seconds = _END_TO_END_SECONDS / (4 if plan.quick else 1)
    calls = max(2_000, min(300_000, int(known * seconds)))
    rate, lost, wire_bytes = _counted(process, standing.peer, plan, calls, 0)
    standing.rates.append(rate)
    standing.recorded += calls
    standing.lost += lost
    standing.bytes_a_call = wire_bytes / max(1, calls - lost)
    if lost:
        calls = max(2_000, int(calls / 2))
        rate, lost, _ = _counted(process, standing.peer, plan, calls, _PACED_CALLS)
    standing.whole_rates.append(0.0 if lost else rate)


def _counted(process: _Process, peer: Peer, plan: Plan, calls: int, every: int) -> tuple[float, int, int]:
    """Calls a second, how many of them never came, and the bytes they took."""
    before = plan.sink.received(peer.name)
    told = process.ask(f"burst {calls} {every}")
    after = plan.sink.received(peer.name)
    if after.unknown != before.unknown:
        raise Failed(f"the sink has no answer to {', '.join(after.unknown)}")
    wire_bytes = after.body_bytes + after.head_bytes - before.body_bytes - before.head_bytes
    return calls / told["seconds"], calls - (after.calls - before.calls), wire_bytes


def _figures(standings: list[Standing], plan: Plan) -> Iterator[Figure]:
    us, *others = standings
    for standing in others:
        goal = f"peer.{standing.peer.name}"
        if standing.reason or us.reason:
            yield Figure(goal, (), standing.reason or us.reason)
            continue
        yield ratios(goal, standing.call_seconds, us.call_seconds)
    whole = [each for each in _there(others) if each.whole_rates and min(each.whole_rates) > 0]
    if plan.quick:
        return
    if us.reason or us.lost or not whole:
        yield Figure("throughput", (), us.reason or (f"{us.lost:,} lost" if us.lost else "nobody to compare"))
        return
    best = max(whole, key=lambda each: statistics.median(each.whole_rates))
    yield Figure(
        "throughput",
        tuple(mine / other for mine, other in zip(us.whole_rates, best.whole_rates, strict=True)),
        f"{statistics.median(us.whole_rates):,.0f} against {best.peer.title}'s "
        f"{statistics.median(best.whole_rates):,.0f} a second",
    )
