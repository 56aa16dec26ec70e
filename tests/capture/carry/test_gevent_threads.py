"""What jobs of gevent's native thread pool start from: in programs monkey-patched before, after and never."""

from __future__ import annotations


def test_a_thread_pools_job_is_a_child_of_its_submitter(gevent_recorded):
    assert gevent_recorded("gevents_thread_pool") == {
        **{
            f"request {number}": {f"{kind} {number}": {} for kind in ("job", "applied", "mapped")}
            for number in range(3)
        },
        "without": {},
    }


def test_an_executors_job_is_a_child_of_its_submitter(gevent_recorded):
    assert gevent_recorded("gevents_executor") == {
        f"request {number}": {f"job {number}": {}} for number in range(2)
    }
