"""What gevent's greenlets start from: in programs that are monkey-patched before, after and never."""

from __future__ import annotations


def _work(name):
    return {name: {f"leaf of {name}": {}}}


def test_a_greenlet_is_a_child_of_the_block_it_was_spawned_in(gevent_recorded):
    assert gevent_recorded("spawn") == {
        "first": _work("one"),
        "second": {**_work("two"), "own": {}},
        **_work("without"),
    }


def test_every_way_to_start_a_greenlet_hands_over_at_the_start(gevent_recorded):
    names = ("by hand", "later", "own class", "spawned later", "raw")
    expected = {}
    for name in names:
        expected.update(_work(name))
    assert gevent_recorded("every_way_to_start") == {"main": {"start": expected}}


def test_pools_and_groups_hand_over_each_job(gevent_recorded):
    assert gevent_recorded("pools") == {
        f"request {number}": {
            **_work(f"pool {number}"),
            **_work(f"group {number}"),
            **{f"{kind} {number}": {} for kind in ("map", "imap", "unordered", "async")},
        }
        for number in range(2)
    }


def test_greenlets_spawned_by_greenlets(gevent_recorded):
    assert gevent_recorded("greenlets_of_greenlets") == {"main": {"outer": _work("inner")}}


def test_what_runs_in_the_hub_is_nobodys_child(gevent_recorded):
    assert gevent_recorded("the_hub_is_nobodys_child") == {
        "main": {},
        "in the hub": {},
        **_work("from the hub"),
    }


def test_a_suspended_generators_block_is_its_own(gevent_recorded):
    assert gevent_recorded("a_generator_suspended_beside") == {
        "stream": {"inside": {}},
        "main": _work("other"),
    }


def test_a_generator_waiting_in_the_main_greenlet_is_not_around_the_others(gevent_recorded):
    assert gevent_recorded("a_generator_running_in_main_while_others_run") == {
        "stream": _work("spawned inside"),
        **_work("spawned before"),
    }


def test_a_plain_greenlet_starts_from_the_gevent_greenlet_it_is_in(gevent_recorded):
    assert gevent_recorded("a_plain_greenlet_inside") == {"main": {"gevent's": {"plain": {}}}}


def test_threads_are_children_of_the_block_they_were_started_in(gevent_recorded):
    assert gevent_recorded("threads") == {"first": {"one": {}}, "without": {}}


def test_executors_hand_over_each_job_and_their_workers_start_from_nothing(gevent_recorded):
    assert gevent_recorded("executors") == {
        **{f"request {number}": {f"job {number}": {}} for number in range(3)},
        "initializer": {},
        "without": {},
    }


def test_a_killed_greenlet_leaves_nothing_active(gevent_recorded):
    assert gevent_recorded("killed_greenlets") == {"main": {"killed": {}, "after": {}}}


def test_an_asyncio_loop_in_a_greenlet_starts_from_the_greenlets_span(gevent_recorded):
    assert gevent_recorded("a_loop_in_a_greenlet") == {"main": {"around loop": {"loop": {}}}}


def test_a_coroutine_that_waits_as_gevent_does_is_not_around_the_other_greenlets(gevent_recorded):
    assert gevent_recorded("a_task_that_waits_beside_its_loop") == {"task": {"own": {}}, "one": {}, "two": {}}


def test_an_ended_greenlet_and_what_it_held_are_collected(gevent_recorded):
    assert gevent_recorded("nothing_is_kept") == {"main": {"task": {}}}
