"""Random programs of blocks, functions, generators, tasks, threads and jobs: the exact tree, on any schedule.

The first property hands out one step at a time, by a plan, so that any step may come at any moment: its
expected tree is computed by the model in `support.programs`. The others let everything run at once: their
expected tree is the program itself.
"""

from __future__ import annotations

import asyncio
import sys
from concurrent.futures import ThreadPoolExecutor

import anyio
import pytest
import uvloop
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st
from support.actors import World
from support.examples import examples
from support.programs import WISHES, plan
from support.trees import AnyTasks, Tasks, Threads, async_nodes, named, run_in


def eager_loop():
    loop = asyncio.new_event_loop()
    loop.set_task_factory(asyncio.eager_task_factory)
    return loop


LOOPS = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}
if sys.version_info >= (3, 12):
    LOOPS["eager tasks"] = eager_loop

ONCE = settings(
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=[
        HealthCheck.function_scoped_fixture,
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
    ],
)

wishes = st.tuples(st.integers(0, 6), st.sampled_from(WISHES), st.integers(0, 7), st.integers(0, 11))


@pytest.mark.parametrize("loop", list(LOOPS))
@settings(ONCE, max_examples=examples(40))
@given(program=st.lists(wishes, min_size=60, max_size=100))
def test_every_schedule_of_a_random_program_gives_the_tree_of_the_rule(llmobs_spans, parents, loop, program):
    llmobs_spans.clear()
    model = plan(program)
    for step in model.plan:
        note(str(step))
    world = World(LOOPS[loop])
    try:
        world.carry_out(model.plan)
    finally:
        world.close()
    assert world.failures == []
    assert world.mismatches == []
    assert parents() == {"first of the loop": None, **model.parents}


@pytest.mark.parametrize("loop", list(LOOPS))
@settings(ONCE, max_examples=examples(25))
@given(program=st.lists(async_nodes, min_size=1, max_size=4))
def test_every_program_of_asyncio_gives_its_own_tree(llmobs_spans, parents, loop, program):
    llmobs_spans.clear()
    expected = named(program, "main", {"main": None})
    running = LOOPS[loop]()
    with ThreadPoolExecutor(64) as pool:
        running.run_until_complete(run_in(Tasks(Threads(pool)), program))
        running.run_until_complete(running.shutdown_default_executor())
    running.close()
    assert parents() == expected


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@settings(ONCE, max_examples=examples(25))
@given(program=st.lists(async_nodes, min_size=1, max_size=4))
def test_every_program_of_anyio_gives_its_own_tree(llmobs_spans, parents, backend, program):
    llmobs_spans.clear()
    expected = named(program, "main", {"main": None})
    with ThreadPoolExecutor(64) as pool:
        anyio.run(run_in, AnyTasks(Threads(pool)), program, backend=backend)
    assert parents() == expected
