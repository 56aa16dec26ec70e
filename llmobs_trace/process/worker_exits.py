"""Has workers that leave without the interpreter's exit hooks deliver first. User's thread.

`os._exit`, and a signal that has its default action, run no hook of anybody's. What is wrapped here is the
last thing that such a worker does before it leaves: what its tasks, its requests and its own shutdown
handlers recorded is complete by then.

- celery's pool (billiard): `Worker._do_exit` ends a worker, whether it is recycled or told to stop
- RQ: a work horse leaves once what became of its one job is stored
- uvicorn: its server raises a signal that it stopped for once more, with the action that it had before: the
  default, mostly. Its `shutdown` is wrapped, and not the capture of signals: `uvicorn app:app` imports the
  application, and us with it, when that has begun. A handler for SIGTERM would be the program's business.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from types import ModuleType
from typing import Any, NamedTuple

import wrapt

from llmobs_trace.capture import recorder as slot


class Deliver(NamedTuple):
    """What a worker does before it leaves; neither takes longer than `shutdown_timeout`."""

    for_good: Callable[[], object]
    if_a_signal_ends_it: Callable[[], object]  # or not: the program may have an action of its own for it


_installed = False


def install(deliver: Deliver) -> None:
    """Wrap what is loaded, and wait for the rest. A second call changes nothing."""
    global _installed
    if _installed:
        return
    _installed = True
    for module, path, leaves in _LEAVES:
        wrapt.register_post_import_hook(_wrapping(path, leaves(deliver)), module)


def _wrapping(path: str, wrapper: Callable[..., Any]) -> Callable[[ModuleType], None]:
    def wrap(module: ModuleType) -> None:
        # Other versions may not have it: older ones of uvicorn, say, whose end is an ordinary one.
        try:
            wrapt.wrap_function_wrapper(module, path, wrapper)
        except AttributeError:
            pass
        except Exception as fault:
            slot.fault(fault)

    return wrap


def _quietly(deliver: Callable[[], object]) -> None:
    try:
        deliver()
    except Exception as fault:
        slot.fault(fault)


@contextmanager
def _not_cut_short() -> Iterator[None]:
    """Let a pool's worker that is about to leave do so by itself. A pool that stops waits for that, but sends
    SIGTERM to those that aren't gone in a moment; and the kernel kills those whose creating thread ends.
    """
    handler: Any = None
    with suppress(Exception):
        sys.modules["billiard.util"].set_pdeathsig(0)
    with suppress(ValueError):  # not in the main thread
        handler = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        yield
    finally:
        if handler is not None:
            signal.signal(signal.SIGTERM, handler)


def _pool_worker_of_celery(deliver: Deliver) -> Callable[..., Any]:
    def do_exit(
        wrapped: Callable[..., Any], worker: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        on_exit = worker.on_exit

        # `_do_exit` begins with celery's signal `worker_process_shutdown`, whose receivers may record.
        def then_deliver(*args: Any) -> None:
            try:
                if on_exit is not None:
                    on_exit(*args)
            finally:
                with _not_cut_short():
                    _quietly(deliver.for_good)

        worker.on_exit = then_deliver
        return wrapped(*args, **kwargs)

    return do_exit


def _work_horse_of_rq(deliver: Deliver) -> Callable[..., Any]:
    def job_is_over(
        wrapped: Callable[..., Any], worker: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        try:
            return wrapped(*args, **kwargs)
        finally:
            # A worker that runs its jobs in its own process lives on.
            if getattr(worker, "_is_horse", False):
                _quietly(deliver.for_good)

    return job_is_over


def _server_of_uvicorn(deliver: Deliver) -> Callable[..., Any]:
    def shutdown(
        wrapped: Callable[..., Any], server: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Coroutine[Any, Any, Any]:
        return _then_deliver(wrapped(*args, **kwargs), server, deliver.if_a_signal_ends_it)

    return shutdown


async def _then_deliver(
    shutdown: Coroutine[Any, Any, Any], server: Any, deliver: Callable[[], object]
) -> Any:
    import asyncio

    try:
        return await shutdown
    finally:
        try:
            if getattr(server, "_captured_signals", None):
                # The loop may have other work than this server, and goes on meanwhile.
                await asyncio.to_thread(deliver)
        except Exception as fault:
            slot.fault(fault)


# The module, what of it is wrapped, and with what.
_LEAVES: tuple[tuple[str, str, Callable[[Deliver], Callable[..., Any]]], ...] = (
    ("billiard.pool", "Worker._do_exit", _pool_worker_of_celery),
    # A horse may import its job's module, and us with it, while it performs the job: these come later.
    ("rq.worker", "Worker.handle_job_success", _work_horse_of_rq),
    ("rq.worker", "Worker.handle_job_retry", _work_horse_of_rq),
    ("rq.worker", "Worker.handle_job_failure", _work_horse_of_rq),
    ("uvicorn.server", "Server.shutdown", _server_of_uvicorn),
)
