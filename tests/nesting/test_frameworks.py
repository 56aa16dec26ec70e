"""The same in real frameworks: FastAPI, SQLAlchemy's async engine, callback handlers, pytest's fixtures."""

from __future__ import annotations

import asyncio
import uuid
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from fastapi import BackgroundTasks, Depends, FastAPI
from fastapi.responses import StreamingResponse
from sqlalchemy import event, text
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from support.nesting import active, leaf, stream

from llmobs_trace import experiment_span


class RequestSpan:
    """A plain ASGI middleware with a block around each request, named after its path."""

    def __init__(self, app):
        self.app = app

    async def __call__(self, scope, receive, send):
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        with experiment_span(f"request {scope['path'].strip('/')}"):
            await self.app(scope, receive, send)


@pytest.fixture
def call(run):
    """A callable: what an application answers to paths, asked one after the other or at once."""

    def call(app, *paths, at_once=False):
        async def main():
            transport = httpx.ASGITransport(app=app)
            async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
                if at_once:
                    answers = await asyncio.gather(*(client.get(path) for path in paths))
                else:
                    answers = [await client.get(path) for path in paths]
            assert [answer.status_code for answer in answers] == [200] * len(paths)
            return [answer.text for answer in answers]

        return run(main())

    return call


async def held(number: int):
    """A dependency of an event loop's: it holds a block over the request."""
    with experiment_span(f"dependency {number}"):
        leaf(f"set up {number}")
        yield
        leaf(f"tear down {number}")


def held_in_a_thread(number: int):
    """A synchronous dependency, which FastAPI enters and leaves in worker threads."""
    with experiment_span(f"dependency {number}"):
        leaf(f"set up {number}")
        yield
        leaf(f"tear down {number}")


def with_numbers(expected, count=3):
    """`expected` once for each number, with `#` standing for it."""
    return {
        name.replace("#", str(number)): parent and parent.replace("#", str(number))
        for number in range(count)
        for name, parent in expected.items()
    }


@pytest.mark.parametrize("endpoint_kind", ["async", "sync"])
def test_a_yield_dependency_is_the_parent_of_an_endpoints_spans(parents, call, endpoint_kind):
    async def async_endpoint(number: int):
        await asyncio.sleep(0)
        leaf(f"endpoint {number}")

    def endpoint(number: int):
        leaf(f"endpoint {number}")

    app = FastAPI()
    get = app.get("/{number}", dependencies=[Depends(held)])
    get(async_endpoint if endpoint_kind == "async" else endpoint)
    call(app, "/0", "/1", "/2")
    assert parents() == with_numbers(
        {
            "dependency #": None,
            "set up #": "dependency #",
            "endpoint #": "dependency #",
            "tear down #": "dependency #",
        }
    )


@pytest.mark.parametrize("endpoint_kind", ["async", "sync"])
def test_a_sync_yield_dependency_is_timed_and_parent_of_its_own_spans_alone(parents, call, endpoint_kind):
    app = FastAPI()
    app.add_middleware(RequestSpan)

    if endpoint_kind == "async":

        @app.get("/{number}", dependencies=[Depends(held_in_a_thread)])
        async def endpoint(number: int):
            leaf(f"endpoint {number}")
    else:

        @app.get("/{number}", dependencies=[Depends(held_in_a_thread)])
        def endpoint(number: int):
            leaf(f"endpoint {number}")

    call(app, "/0", "/1", "/2")
    assert parents() == with_numbers(
        {
            "request #": None,
            "dependency #": "request #",
            "set up #": "dependency #",
            "endpoint #": "request #",
            "tear down #": "dependency #",
        }
    )


def test_sync_endpoints_share_workers_over_requests_and_no_parents(parents, call):
    app = FastAPI()
    app.add_middleware(RequestSpan)

    @app.get("/{number}")
    def endpoint(number: int):
        with experiment_span(f"endpoint {number}"):
            leaf(f"leaf {number}")

    call(app, "/0", "/1", "/2")
    assert parents() == with_numbers({"request #": None, "endpoint #": "request #", "leaf #": "endpoint #"})


def test_sync_endpoints_without_a_span_around_are_roots_in_reused_workers(parents, call):
    app = FastAPI()

    @app.get("/{number}")
    def endpoint(number: int):
        leaf(f"endpoint {number}")

    call(app, "/0", "/1", "/2")
    assert parents() == with_numbers({"endpoint #": None})


def test_requests_at_once_keep_to_their_own_spans(parents, call):
    app = FastAPI()
    app.add_middleware(RequestSpan)

    @app.get("/{number}", dependencies=[Depends(held)])
    async def endpoint(number: int):
        with experiment_span(f"endpoint {number}"):
            await asyncio.sleep(0)
            await asyncio.gather(asyncio.to_thread(leaf, f"job {number}"), asyncio.sleep(0))
            leaf(f"leaf {number}")

    call(app, *(f"/{number}" for number in range(6)), at_once=True)
    assert parents() == with_numbers(
        {
            "request #": None,
            "dependency #": "request #",
            "set up #": "dependency #",
            "endpoint #": "dependency #",
            "job #": "endpoint #",
            "leaf #": "endpoint #",
            "tear down #": "dependency #",
        },
        count=6,
    )


def test_decorated_endpoints_keep_their_parameters(parents, call):
    app = FastAPI()

    @app.get("/sync/{number}")
    @experiment_span("sync endpoint")
    def sync_endpoint(number: int, repeat: int = 1):
        leaf("in sync")
        return number * repeat

    @app.get("/async/{number}")
    @experiment_span("async endpoint")
    async def async_endpoint(number: int, repeat: int = 1):
        await asyncio.sleep(0)
        leaf("in async")
        return number * repeat

    assert call(app, "/sync/2?repeat=3", "/async/3?repeat=4") == ["6", "12"]
    assert parents() == {
        "in sync": "sync endpoint",
        "sync endpoint": None,
        "in async": "async endpoint",
        "async endpoint": None,
    }


@pytest.mark.parametrize("body_kind", ["async", "sync"])
def test_a_streaming_response_is_a_child_of_the_handler_that_returned_it(parents, call, body_kind):
    app = FastAPI()

    async def async_tokens(number):
        for token in range(2):
            await asyncio.sleep(0)
            leaf(f"token {number}.{token}")
            yield str(token)

    def tokens(number):
        for token in range(2):
            leaf(f"token {number}.{token}")
            yield str(token)

    @app.get("/{number}")
    async def endpoint(number: int):
        with experiment_span(f"handler {number}"):
            decorated = experiment_span(f"body {number}")(async_tokens if body_kind == "async" else tokens)
            return StreamingResponse(decorated(number))

    assert call(app, "/0", "/1", "/2") == ["01"] * 3
    assert parents() == with_numbers(
        {
            "handler #": None,
            "body #": "handler #",
            "token #.0": "body #",
            "token #.1": "body #",
        }
    )


@pytest.mark.parametrize("endpoint_kind", ["async", "sync"])
def test_a_streaming_response_inside_a_requests_span_belongs_to_the_request(parents, call, endpoint_kind):
    app = FastAPI()
    app.add_middleware(RequestSpan)

    @experiment_span("body 0")
    async def decorated():
        leaf("token 0")
        yield "0"

    async def plain():
        with experiment_span("body 1"):
            await asyncio.sleep(0)
            leaf("token 1")
            yield "1"

    def answer(number):
        with experiment_span(f"handler {number}"):
            return StreamingResponse(plain() if number else decorated())

    if endpoint_kind == "async":

        @app.get("/{number}")
        async def endpoint(number: int):
            return answer(number)
    else:

        @app.get("/{number}")
        def endpoint(number: int):
            return answer(number)

    assert call(app, "/0", "/1") == ["0", "1"]
    assert parents() == with_numbers(
        {"request #": None, "handler #": "request #", "body #": "request #", "token #": "body #"}, count=2
    )


def test_background_tasks_belong_to_their_request(parents, call):
    app = FastAPI()
    app.add_middleware(RequestSpan)

    async def later(number):
        leaf(f"async background {number}")

    @app.get("/{number}")
    async def endpoint(number: int, background: BackgroundTasks):
        background.add_task(leaf, f"background {number}")
        background.add_task(later, number)
        with experiment_span(f"endpoint {number}"):
            return number

    call(app, "/0", "/1", "/2")
    assert parents() == with_numbers(
        {
            "request #": None,
            "endpoint #": "request #",
            "background #": "request #",
            "async background #": "request #",
        }
    )


# SQLAlchemy runs its synchronous core in greenlets that switch to the task whenever the driver awaits.


def traced(engine):
    """Puts a block around each statement of `engine`: opened by one listener, ended by another."""
    open_blocks = {}

    @event.listens_for(engine.sync_engine, "before_cursor_execute")
    def before(connection, cursor, statement, parameters, context, executemany):
        open_blocks[context] = experiment_span(statement)
        open_blocks[context].__enter__()
        leaf(f"{statement}: before")

    @event.listens_for(engine.sync_engine, "after_cursor_execute")
    def after(connection, cursor, statement, parameters, context, executemany):
        leaf(f"{statement}: after")
        open_blocks.pop(context).__exit__(None, None, None)

    return engine


def test_listeners_of_an_async_session_put_a_span_around_each_statement(parents, run):
    async def main():
        engine = traced(create_async_engine("sqlite+aiosqlite://"))
        with experiment_span("request"):
            async with AsyncSession(engine) as session:
                for number in range(2):
                    assert (await session.execute(text(f"select {number}"))).scalar() == number
                    leaf(f"between {number}")
            assert active() == "request"
        await engine.dispose()

    run(main())
    expected = {"request": None, "between 0": "request", "between 1": "request"}
    for number in range(2):
        statement = f"select {number}"
        expected |= {
            statement: "request",
            f"{statement}: before": statement,
            f"{statement}: after": statement,
        }
    assert parents() == expected


def test_a_block_inside_run_sync_is_the_parent_of_its_statements(parents, run):
    def unit_of_work(session):
        with experiment_span("unit of work"):
            session.execute(text("select 1"))
            leaf("in unit")

    async def main():
        engine = traced(create_async_engine("sqlite+aiosqlite://"))
        with experiment_span("request"):
            async with AsyncSession(engine) as session:
                await session.run_sync(unit_of_work)
                leaf("after")
        await engine.dispose()

    run(main())
    assert parents() == {
        "select 1: before": "select 1",
        "select 1: after": "select 1",
        "select 1": "unit of work",
        "in unit": "unit of work",
        "unit of work": "request",
        "after": "request",
        "request": None,
    }


def test_a_block_that_waits_in_a_greenlet_is_nobodys_parent_meanwhile(parents, run):
    def unit_of_work(session, number):
        with experiment_span(f"unit {number}"):
            for _ in range(3):
                session.execute(text("select 1"))
            leaf(f"in unit {number}")

    async def request(number):
        engine = create_async_engine("sqlite+aiosqlite://")
        with experiment_span(f"request {number}"):
            async with AsyncSession(engine) as session:
                work = asyncio.ensure_future(session.run_sync(unit_of_work, number))
                turn = 0
                while not work.done() and turn < 20:
                    leaf(f"meanwhile {number}.{turn}")
                    turn += 1
                    await asyncio.sleep(0)
                await work
                leaf(f"after {number}")
        await engine.dispose()

    async def main():
        await asyncio.gather(request(0), request(1))

    run(main())
    found = parents()
    meanwhile = {name: found.pop(name) for name in list(found) if name.startswith("meanwhile")}
    assert meanwhile
    assert all(parent == f"request {name.split()[1][0]}" for name, parent in meanwhile.items())
    assert found == with_numbers(
        {
            "request #": None,
            "unit #": "request #",
            "in unit #": "unit #",
            "after #": "request #",
        },
        count=2,
    )


# A callback handler hears of a start in one method and of the end in another, each on any thread.


class Handler:
    """A tracing callback handler as chain libraries have them: one span a run, by its run id."""

    def __init__(self):
        self.open = {}

    def on_start(self, run_id, name):
        self.open[run_id] = experiment_span(name)
        self.open[run_id].__enter__()

    def on_end(self, run_id):
        self.open.pop(run_id).__exit__(None, None, None)


def test_a_handlers_runs_are_nested_as_they_start_and_end(parents):
    handler, chain, model, tool = Handler(), *(uuid.uuid4() for _ in range(3))
    with experiment_span("request"):
        handler.on_start(chain, "chain")
        handler.on_start(model, "model")
        leaf("in model")
        handler.on_end(model)
        handler.on_start(tool, "tool")
        handler.on_end(tool)
        leaf("in chain")
        handler.on_end(chain)
        leaf("in request")
    assert parents() == {
        "in model": "model",
        "model": "chain",
        "tool": "chain",
        "in chain": "chain",
        "chain": "request",
        "in request": "request",
        "request": None,
    }


def test_a_handler_called_on_threads_of_a_pool_leaves_nothing_in_them(parents, run):
    handler = Handler()

    async def request(number, pool):
        loop, run_id = asyncio.get_running_loop(), uuid.uuid4()
        with experiment_span(f"request {number}"):
            await loop.run_in_executor(pool, handler.on_start, run_id, f"run {number}")
            leaf(f"between {number}")
            await loop.run_in_executor(pool, leaf, f"job {number}")
            await loop.run_in_executor(pool, handler.on_end, run_id)
            leaf(f"after {number}")

    async def main():
        with ThreadPoolExecutor(2) as pool:
            await asyncio.gather(*(request(number, pool) for number in range(3)))
            for number in range(3, 5):
                await request(number, pool)
            assert {await asyncio.get_running_loop().run_in_executor(pool, active) for _ in range(4)} == {
                None
            }

    run(main())
    assert parents() == with_numbers(
        {
            "request #": None,
            "run #": "request #",
            "between #": "request #",
            "job #": "request #",
            "after #": "request #",
        },
        count=5,
    )


def test_a_handler_that_starts_here_and_ends_in_a_thread(parents):
    handler, chain, model = Handler(), uuid.uuid4(), uuid.uuid4()
    items = stream("stream")
    next(items)
    with ThreadPoolExecutor(1) as pool:
        handler.on_start(chain, "chain")
        handler.on_start(model, "model")
        pool.submit(leaf, "job").result()
        pool.submit(handler.on_end, model).result()
        leaf("in chain")
        pool.submit(handler.on_end, chain).result()
        leaf("after")
        pool.submit(leaf, "job after").result()
    items.close()
    assert parents() == {
        "stream.0": "stream",
        "job": "model",
        "model": "chain",
        "in chain": "chain",
        "chain": None,
        "after": None,
        "job after": None,
        "stream": None,
    }


def test_a_handler_shared_by_tasks(parents, run):
    handler = Handler()

    async def request(number):
        chain, model = uuid.uuid4(), uuid.uuid4()
        handler.on_start(chain, f"chain {number}")
        await asyncio.sleep(0)
        handler.on_start(model, f"model {number}")
        await asyncio.sleep(0)
        leaf(f"leaf {number}")
        handler.on_end(model)
        await asyncio.sleep(0)
        handler.on_end(chain)

    async def main():
        with experiment_span("all"):
            await asyncio.gather(*(request(number) for number in range(3)))

    run(main())
    assert parents() == {
        "all": None,
        **with_numbers({"chain #": "all", "model #": "chain #", "leaf #": "model #"}),
    }


# pytest's fixtures are generators that hold a block over the test.


@pytest.fixture
def seen_after_all(parents):
    """Compares the tree with the test's expectation when the fixtures below have ended too."""
    expected = {}
    yield expected
    assert parents() == expected


@pytest.fixture
def outer_fixture(seen_after_all):
    with experiment_span("outer fixture"):
        leaf("outer set up")
        yield
        leaf("outer tear down")


@pytest.fixture
def inner_fixture(outer_fixture):
    with experiment_span("inner fixture"):
        leaf("inner set up")
        yield
        leaf("inner tear down")


FIXTURES = {
    "outer fixture": None,
    "outer set up": "outer fixture",
    "outer tear down": "outer fixture",
    "inner fixture": "outer fixture",
    "inner set up": "inner fixture",
    "inner tear down": "inner fixture",
}


@pytest.mark.usefixtures("inner_fixture")
def test_a_fixtures_block_is_the_parent_of_the_tests_spans(seen_after_all):
    leaf("in test")
    with experiment_span("test's block"):
        leaf("in block")
    seen_after_all |= {
        **FIXTURES,
        "in test": "inner fixture",
        "test's block": "inner fixture",
        "in block": "test's block",
    }
    assert active() == "inner fixture"


def test_a_fixture_asked_for_by_name_in_the_test(request, seen_after_all):
    leaf("before")
    request.getfixturevalue("inner_fixture")
    leaf("after")
    seen_after_all |= {**FIXTURES, "before": None, "after": "inner fixture"}


@pytest.mark.usefixtures("inner_fixture")
def test_a_fixtures_block_is_the_parent_of_what_an_event_loop_runs(seen_after_all, run):
    async def main():
        await asyncio.gather(asyncio.to_thread(leaf, "job"), asyncio.sleep(0))
        leaf("in loop")

    run(main())
    seen_after_all |= {**FIXTURES, "job": "inner fixture", "in loop": "inner fixture"}
