"""Says why a test of somebody else's comes out otherwise when every function is decorated."""

from __future__ import annotations

from typing import Final, NamedTuple


class Reason(NamedTuple):
    """Why the tests differ that have one of these in their ids."""

    suite: str
    tests: tuple[str, ...]
    why: str


_FRAMES = "the traceback and the stack have a frame of the decorator in them"
_LOCALS = "the generator that the caller holds is the decorator's, which has other local variables"
_AWAITED = "the generator that the caller holds is the decorator's, which awaits the function's own"
_UNWRAP = "unwrap goes to the undecorated function, as it should: the decorated one says where that is"

REASONS: Final[tuple[Reason, ...]] = (
    Reason(
        "anyio",
        ("TestCreateTask::", "test_task_name_default["),
        "a task is named after the module of its coroutine's frame, which is the decorator's",
    ),
    Reason("contextlib", ("test_exit_exception_traceback",), _FRAMES),
    Reason("contextlib_async", ("test_exit_exception_traceback",), _FRAMES),
    Reason("coroutines", ("test_cr_await",), _AWAITED),
    Reason("coroutines", ("test_origin_tracking", "test_origin_tracking_warning"), _FRAMES),
    Reason("generators", ("test_send_with_yield_from", "test_throw_with_yield_from"), _FRAMES),
    Reason("generators", ("test_generator_gi_yieldfrom",), _AWAITED),
    Reason(
        "inspect",
        (
            "test_getcoroutinelocals",
            "test_getgeneratorlocals",
            "test_getgeneratorlocals_empty",
            "test_getasyncgenlocals",
            "test_getasyncgenlocals_empty",
        ),
        _LOCALS,
    ),
    Reason("functools", ("test_lru_recursion",), "a decorator's own call costs recursion depth"),
    Reason("inspect", ("test_previous_frame", "test_stack", "test_trace"), _FRAMES),
    Reason("inspect", ("test_unwrap_one", "test_unwrap_several"), _UNWRAP),
)


def reason_of(suite: str, test: str) -> str | None:
    for reason in REASONS:
        if reason.suite == suite and any(part in test for part in reason.tests):
            return reason.why
    return None
