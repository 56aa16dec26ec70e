"""The program of one run: does the acts of its plan, traced or not, and prints what they came to.

    program.py PLAN.json           traced where CAMPAIGN_TRACED is 1, else its untraced twin

What it prints depends on the plan alone. What happens to it on the way (its clock, its disk) comes after so
many ends, as the plan has it; being killed is the campaign's to see to.
"""

from __future__ import annotations

import asyncio
import atexit
import itertools
import os
import resource
import shutil
import signal
import sys
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import suppress
from multiprocessing import get_context
from pathlib import Path
from random import Random
from typing import Any

from campaign import clock
from campaign.diary import Writer
from campaign.plan import OWN_FILES, OWN_TEXT, Act, DiskFault, Plan, read
from campaign.weather import POISON


def _say_stats() -> None:
    """After the package's own exit, which is registered as it is imported, later than this."""
    _say_which_were_closed()
    if delivery_stats is not None:
        stats = delivery_stats()
        counts = (stats.recorded, stats.delivered, stats.pending, stats.rejected, stats.dropped)
        diary.write("stats", os.getpid(), *counts)


if __name__ == "__main__":
    atexit.register(_say_stats)
if os.environ.get("CAMPAIGN_TRACED") == "1":
    from llmobs_trace import current_span, delivery_stats, experiment_span, flush, record_metric
else:
    from campaign.untraced import current_span, experiment_span, flush, record_metric

    delivery_stats = None

diary = Writer()
_labels = itertools.count()


# --- recording, and saying so -------------------------------------------------------------------------------


class told:
    """A block with a span in it, both of which say when they begin and end."""

    def __init__(self, name: str, chance: Random, size_bytes: int = 60) -> None:
        text = "".join(chance.choices("abcdefgh ", k=size_bytes))
        if chance.random() < 0.06:
            text += POISON
        self.block = experiment_span(name, input={"about": name, "text": text}, tags={"pid": os.getpid()})

    def __enter__(self) -> Any:
        self.pid = os.getpid()
        self.span = self.block.__enter__()
        diary.begun("S", self.span.span_id)
        return self.span

    def __exit__(self, *error: Any) -> None:
        self.block.__exit__(*error)
        # A forked child leaves its parent's blocks too: they are its parent's to record.
        if os.getpid() == self.pid:
            diary.ended("S", self.span.span_id)


def metric(value: Any) -> None:
    label = f"m-{os.getpid()}-{next(_labels)}"
    diary.begun("M", label)
    record_metric(label, value)
    diary.ended("M", label)


_running: dict[str, str] = {}  # the ids of spans that a decorated callable is in, by what it was called with


def _inside(key: str) -> None:
    _running[key] = current_span().span_id
    diary.begun("S", _running[key])


def _outside(key: str) -> None:
    diary.ended("S", _running.pop(key))


@experiment_span("summarise")
def summarise(text: str, depth: int) -> str:
    _inside(text)
    if depth:
        inner = summarise(text + ".", depth - 1)
        _outside(text + ".")
        return inner + "+"
    return text[::-1]


@experiment_span("stream")
def stream(text: str) -> Any:
    _inside(text)
    yield from text.split()


@experiment_span("ask")
async def ask(text: str) -> str:
    _inside(text)
    await asyncio.sleep(0.001)
    with told("tool", Random(text)):
        await asyncio.sleep(0)
    return text.upper()


@experiment_span("tokens")
async def tokens(text: str) -> Any:
    _inside(text)
    for token in text.split():
        await asyncio.sleep(0)
        yield token


# --- the acts -----------------------------------------------------------------------------------------------


def functions(act: Act, chance: Random) -> Any:
    results = []
    for number in range(act.size):
        text = f"f{act.seed} {number}"
        results.append(summarise(text, number % 3))
        _outside(text)
        time.sleep(0.001)
    return results


def blocks(act: Act, chance: Random) -> Any:
    with told("row", chance) as row:
        for number in range(act.size):
            with told(f"step {number}", chance, chance.choice([20, 400, 3000])) as span:
                span.set_output({"number": number})
                metric(number)
            time.sleep(0.002)
        row.set_output("done")
    return act.size


def threads(act: Act, chance: Random) -> Any:
    def job(number: int) -> int:
        with told(f"job {number}", Random(f"{act.seed}/{number}")):
            metric(number)
            time.sleep(0.001)
        return number * number

    with told("fan out", chance), ThreadPoolExecutor(3) as pool:
        return list(pool.map(job, range(act.size)))


def tasks(act: Act, chance: Random) -> Any:
    async def one(number: int) -> Any:
        text = f"t{act.seed} {number}"
        answer = await ask(text)
        _outside(text)
        text += " in tokens"
        found = [token async for token in tokens(text)]
        _outside(text)
        return answer, found

    async def everything() -> Any:
        return await asyncio.gather(*(one(number) for number in range(act.size)))

    with told("loop", chance):
        return asyncio.run(everything())


def generators(act: Act, chance: Random) -> Any:
    results = []
    for number in range(act.size):
        text = f"g{act.seed} {number} and more"
        stopped = number % 3 == 2
        parts = stream(text)
        results.append(next(parts) if stopped else list(parts))
        parts.close()
        _outside(text)
    return results


def exceptions(act: Act, chance: Random) -> Any:
    results = []
    for number in range(act.size):
        try:
            with told("fails", chance):
                raise KeyError(number) from ValueError(act.seed)
        except KeyError as error:
            results.append((repr(error), repr(error.__cause__)))
    return results


def metrics(act: Act, chance: Random) -> Any:
    with told("scored", chance):
        for number in range(act.size):
            metric(chance.choice([number, number / 7, True, "good", {"a": [1, {"b": number}]}]))
    return act.size


def burst(act: Act, chance: Random) -> Any:
    """As fast as it can: a kill comes in the middle of an append."""
    for number in range(act.size * 12):
        with told(f"burst {number}", chance, 200):
            pass
    return act.size


def large(act: Act, chance: Random) -> Any:
    """Segments are filled, and the next ones begun."""
    for number in range(act.size):
        with told(f"large {number}", chance, 10) as span:
            span.set_output("x" * 300_000)
    return act.size


def _child(act: Act, done: int | None = None) -> None:
    chance = Random(act.seed + 1)
    for number in range(act.size):
        with told(f"child {number}", chance):
            metric(number)
        if act.child_end == "outlives it":
            flush(0.2)
            time.sleep(0.05)
        if done is not None and number == act.size // 2:
            os.write(done, b".")
            time.sleep(30)
        if act.child_end == "killed" and number == act.size // 2:
            os.kill(os.getpid(), signal.SIGKILL)


def fork(act: Act, chance: Random) -> Any:
    reader, writer = os.pipe()
    with told("before the fork", chance):
        pid = os.fork()
        if pid == 0:
            diary.write("fork")
            _child(act, writer if act.child_end == "killed by its parent" else None)
            if act.child_end == "_exit":
                os._exit(7)
            sys.exit(7)
        diary.write("child", act.child_end.replace(" ", "-"))
        if act.child_end == "killed by its parent":
            os.read(reader, 1)
            os.kill(pid, signal.SIGKILL)
    os.close(reader)
    os.close(writer)
    if act.child_end == "outlives it":
        return "left alone"
    with told("after the fork", chance):
        _, status = os.waitpid(pid, 0)
    return os.waitstatus_to_exitcode(status)


def work(number: int) -> int:
    with told(f"work {number}", Random(number)):
        metric(number)
    return number + 1


def pool(act: Act, chance: Random) -> Any:
    with told("pool", chance), ProcessPoolExecutor(2, mp_context=get_context("fork")) as workers:
        return list(workers.map(work, range(act.size)))


def recycled(act: Act, chance: Random) -> Any:
    """Workers that leave after each job, as servers have them against leaks."""
    with told("recycled", chance), get_context("fork").Pool(2, maxtasksperchild=1) as workers:
        results = workers.map(work, range(act.size), chunksize=1)
        workers.close()
        workers.join()
    return results


def spawn(act: Act, chance: Random) -> Any:
    with told("spawn", chance):
        child = get_context("spawn").Process(target=_child, args=(act,))
        child.start()
        child.join()
    return child.exitcode


def flushes(act: Act, chance: Random) -> Any:
    with told("before a flush", chance):
        pass
    flush(0.3)


def pause(act: Act, chance: Random) -> Any:
    time.sleep(act.size * 0.02)


ACTS = {
    **{act.__name__: act for act in (functions, blocks, threads, tasks, generators, exceptions, metrics)},
    **{act.__name__: act for act in (burst, large, fork, pool, recycled, spawn, pause)},
    "flush": flushes,
}


# --- what happens to it -------------------------------------------------------------------------------------


def _segments() -> list[Path]:
    journals = Path(os.environ["XDG_STATE_HOME"]) / "llmobs-trace" / "journal"
    return sorted(journals.glob(f"*-{os.getpid()}-*.journal/*.segment"))


_SEMAPHORE_BYTES = 32


def _break_disk(fault: DiskFault) -> None:
    diary.write("disk", fault.kind.replace(" ", "-"))
    state = Path(os.environ["XDG_STATE_HOME"]) / "llmobs-trace"
    if fault.kind == "file size limit":
        # A semaphore of multiprocessing's is a file, too: of 32 bytes, that no journal can do anything with.
        room_bytes = max(fault.room_bytes, _SEMAPHORE_BYTES)
        resource.setrlimit(resource.RLIMIT_FSIZE, (room_bytes, resource.RLIM_INFINITY))
    elif fault.kind == "full":
        # Another thread may mend it meanwhile, by its name.
        with open(state / "filler", "wb", 0) as file:
            with suppress(OSError):
                while True:
                    file.write(bytes(4096))
            if fault.room_bytes:
                file.truncate(max(0, file.tell() - fault.room_bytes))
    elif fault.kind == "segment removed":
        for path in _segments()[:1]:
            path.unlink()
    elif fault.kind == "descriptors closed":
        _close_descriptors(state)
    elif fault.kind == "store removed":
        shutil.rmtree(".llmobs", ignore_errors=True)
        # Whatever is begun from here on is recorded later than this.
        diary.write("removed")


_own_files: dict[int, int] = {}  # by number, which file it is


def _say_which_were_closed() -> None:
    for number, inode in _own_files.items():
        try:
            is_ours = os.fstat(number).st_ino == inode
        except OSError:
            is_ours = False
        if not is_ours:
            diary.write("closed", number)


def _open_below(state: Path) -> set[int]:
    numbers = set()
    for number in map(int, os.listdir("/proc/self/fd")):
        with suppress(OSError):
            if os.readlink(f"/proc/self/fd/{number}").startswith(str(state)):
                numbers.add(number)
    return numbers


def _close_descriptors(state: Path) -> None:
    """As a daemon does; their numbers go to files of the program's own, which nobody else may write to."""
    before = _open_below(state)
    time.sleep(0.01)
    # Not what was about to be moved out of the way: for that instant nobody can guard it.
    for number in before & _open_below(state):
        with suppress(OSError):  # the sender may have closed it meanwhile
            os.close(number)
        file = os.open(f"{OWN_FILES}{number}", os.O_RDWR | os.O_CREAT | os.O_TRUNC)
        os.write(file, OWN_TEXT)  # where a kill comes first, less of it
        _own_files[file] = os.fstat(file).st_ino


def _mend_disk(fault: DiskFault) -> None:
    if fault.kind == "file size limit":
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
    elif fault.kind == "full":
        (Path(os.environ["XDG_STATE_HOME"]) / "llmobs-trace" / "filler").unlink(missing_ok=True)


def _events(plan: Plan) -> Any:
    """What is to happen after each number of ends."""
    due: dict[int, list[Any]] = {}
    for step in plan.clock:
        due.setdefault(step.after_ends, []).append(lambda step=step: _step(step.seconds))
    disk = plan.disk
    if disk is not None and disk.kind != "no directory":
        due.setdefault(disk.after_ends, []).append(lambda: _break_disk(disk))
        if disk.over_after is not None:
            due.setdefault(disk.over_after, []).append(lambda: _mend_disk(disk))

    def at_end(number: int) -> None:
        for happen in due.get(number, ()):
            happen()

    return at_end


def _step(seconds: float) -> None:
    diary.write("clock", "forwards" if seconds > 0 else "backwards")
    clock.step(seconds)


def _leave(*_: object) -> None:
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        sys.exit(143)
    # Raised within the loop's own step it may cost a task its next one, traced or not: then it never ends.
    loop.call_soon_threadsafe(sys.exit, 143)


def main() -> None:
    plan = read(Path(sys.argv[1]).read_bytes())
    if plan.end.kind == "sigterm handled":
        signal.signal(signal.SIGTERM, _leave)
    diary.at_end = _events(plan)
    for number, act in enumerate(plan.acts):
        result = ACTS[act.kind](act, Random(act.seed))
        print(number, act.kind, repr(result), flush=True)
    if plan.end.kind not in ("returns", "_exit"):
        # By now it should have been ended: it waits for that, recording now and then.
        waited = Random(0)
        while True:
            with told("waiting", waited):
                time.sleep(0.02)  # which a handler that raises leaves in order, as `Event.wait` is not
    if plan.end.kind == "_exit":
        os._exit(3)


if __name__ == "__main__":
    main()
