"""The table's rows, as data: what is measured, and how far it may go. In the order they are printed."""

from __future__ import annotations

from typing import NamedTuple

from benchmarks.peers import PEERS


class Goal(NamedTuple):
    """One row. Without a limit the figure is stated, and nothing is asked of it."""

    what: str
    limit: float | None
    at_least: bool = False
    unit: str = ""

    def met(self, value: float) -> bool:
        """Whether a figure reaches the goal, as it is printed: two digits after the point."""
        if self.limit is None:
            return True
        return round(value, 2) >= self.limit if self.at_least else round(value, 2) <= self.limit

    @property
    def wanted(self) -> str:
        if self.limit is None:
            return "stated"
        return f"{'≥' if self.at_least else '≤'} {self.limit:g}{self.unit}"


GOALS: dict[str, Goal] = {
    "call.journal": Goal("decorated call, mapped journal ÷ hand-inlined span", 1.6),
    "call.memory": Goal("decorated call, queue in memory ÷ hand-inlined span", 1.4),
    "block.journal": Goal("`with` block, mapped journal ÷ hand-inlined span", 1.6),
    "block.memory": Goal("`with` block, queue in memory ÷ hand-inlined span", 1.4),
    "coroutine": Goal("decorated coroutine ÷ its own inlined floor", 2.0),
    "chunk": Goal("each chunk of a decorated stream ÷ its own inlined floor", 2.0),
    **{
        f"peer.{peer.name}": Goal(
            f"{peer.title} ÷ this", 8 if peer.name == "opentelemetry" else 20, at_least=True
        )
        for peer in PEERS
    },
    "disabled": Goal("switched off ÷ a bare `wrapt` passthrough", 1.1),
    "unsampled": Goal("an unsampled trace ÷ switched off", 2.0),
    "streams.1": Goal("a span while one decorated stream is open ÷ none open", 1.1),
    "streams.1000": Goal("a span while 1,000 decorated streams are open ÷ none open", 1.1),
    "held": Goal("a span 20 frames deep while a plain generator holds a block open ÷ none open", 1.8),
    "exceptions.level": Goal("a decorated call that an exception leaves", 60, unit=" µs"),
    "exceptions.depth": Goal("the same 90 deep ÷ 30 deep", 3),
    "exceptions.limit": Goal("runaway recursion, beyond twice the undecorated time", 0.3, unit=" s"),
    "p99": Goal("p99 ÷ p50 of a call, the sender flushing at full rate", 5),
    "p99.9": Goal("p99.9 ÷ p50 of a call, the sender flushing at full rate", 25),
    "large": Goal("a 10 MB input, cut to `max_event_bytes` ÷ one msgspec encode of it", 1.3),
    "media": Goal("a 5 MB picture in a chat message ÷ one msgspec encode of it", 1.3),
    "amount": Goal("encoding far too much, whatever its shape", 250, unit=" ms"),
    "throughput": Goal(
        "end-to-end spans a second, nothing lost ÷ the best other tracer that loses nothing", 5, at_least=True
    ),
    "wire": Goal("bytes on the wire a span, request heads included ÷ its minimal JSON", 1.05),
    "import": Goal("import time ÷ that of `wrapt` and `msgspec` alone", 1.25),
    "soak.time": Goal("the last spans of a million ÷ the first thousands", 1.1),
    "soak.memory": Goal("resident memory grown over a million delivered spans", 1.0, unit=" MB"),
    "cpu": Goal("CPU of the sender a span ÷ CPU of capture a span", 0.5),
    "store.cpu": Goal("the local store: processor time an event on the sender's thread", 8, unit=" µs"),
    "store.rate": Goal(
        "flat out into the local store ÷ with delivery to a receiver, calls a second to an empty queue",
        0.8,
        at_least=True,
    ),
    "otel": Goal(
        "OpenTelemetry's spans that become ours, a second, none lost", 10_000, at_least=True, unit=" spans"
    ),
    "threads.4": Goal("a call with 4 threads recording ÷ with one", None),
    "threads.16": Goal("a call with 16 threads recording ÷ with one", None),
}
