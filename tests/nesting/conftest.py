"""Every nesting case: under each loop, alone and beside somebody's open stream, and nothing left behind."""

from __future__ import annotations

import asyncio
import logging
import sys
import threading

import pytest
import uvloop
from support.written_once import plain

from llmobs_trace import current_span, experiment_span


class _Lines(logging.Handler):
    """Collects what is logged."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(f"{record.name}: {record.getMessage()}")


@pytest.fixture(autouse=True)
def nothing_is_left_behind(llmobs_spans):
    """After each test the active span is what it was before, and nobody logged a line."""
    before = current_span()
    handler = _Lines()
    watched = [logging.getLogger(name) for name in ("llmobs_trace", "asyncio", "concurrent.futures", "trio")]
    for logger in watched:
        logger.addHandler(handler)
    yield
    for logger in watched:
        logger.removeHandler(handler)
    after = current_span()
    assert (after and after.span_id) == (before and before.span_id)
    assert handler.lines == []


@pytest.fixture(autouse=True, params=["alone", "beside a stream"])
def beside(request, nothing_is_left_behind):
    """Runs each case again while a thread holds two generators' blocks open: one suspended, one running."""
    if request.param == "alone":
        yield
        return
    held, over = threading.Event(), threading.Event()

    def suspended():
        with experiment_span("somebody's suspended stream"):
            yield

    def running():
        with experiment_span("somebody's running stream"):
            held.set()
            over.wait(60)
            yield

    def somebody():
        first, second = suspended(), running()
        next(first)
        next(second)
        second.close()
        first.close()

    thread = threading.Thread(target=somebody)
    thread.start()
    assert held.wait(60)
    yield
    over.set()
    thread.join(60)


@pytest.fixture
def parents(llmobs_spans):
    """A callable: the names of the spans that have ended, each with the name of its parent (or None)."""

    def parents():
        spans = list(llmobs_spans)
        by_id = {span.span_id: span for span in spans}
        assert len(by_id) == len(spans), "a span id came twice"
        found = {}
        for span in spans:
            assert span.name not in found, f"{span.name!r} was recorded twice"
            parent = by_id.get(span.parent_id)
            if parent is not None:
                assert span.trace_id == parent.trace_id, f"{span.name!r} is in another trace than its parent"
                found[span.name] = parent.name
            else:
                found[span.name] = span.parent_id and f"unknown span {span.parent_id}"
        roots = [span.trace_id for span in spans if span.parent_id is None]
        assert len(set(roots)) == len(roots), "two roots share a trace"
        return found

    return parents


def _run_eagerly(main):
    with asyncio.Runner() as runner:
        runner.get_loop().set_task_factory(asyncio.eager_task_factory)
        return runner.run(main)


_LOOPS = {"asyncio": asyncio.run, "uvloop": uvloop.run}
if sys.version_info >= (3, 12):
    _LOOPS["eager tasks"] = _run_eagerly


@pytest.fixture(params=list(_LOOPS))
def run(request):
    """`asyncio.run`, once for each kind of loop."""
    return _LOOPS[request.param]


@pytest.fixture(params=["plain", *_LOOPS])
def run_both(request):
    """Runs a coroutine function's case, once as it is written and once without its awaits."""

    def run_both(case, **fixtures):
        if request.param == "plain":
            plain(case)(**fixtures)
        else:
            _LOOPS[request.param](case(**fixtures))

    return run_both
