"""The table of real servers and pools: what each needs, how it is driven, and what it records."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import urllib.request
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from support.delivery import wait_until
from support.machine import Machine
from support.receiver import Receiver

REQUESTS = 20
TASKS = 4

Drive = Callable[[Machine, Receiver], object]


@dataclass(frozen=True)
class Case:
    """One way to run a program, and how it is driven to its end. `spans`: what it records at the least."""

    name: str
    requirements: tuple[str, ...]
    spans: dict[str, int]
    drive: Callable[[Machine, Receiver], None]


# Programs write a line for each span to a file, so that nobody must guess what they recorded.
TELL = """
def tell(name):
    with open("told", "a") as told: told.write(f"{name}\\n")
"""


def told(machine: Machine) -> Counter[str]:
    """How many spans of which name the programs say that they recorded."""
    return Counter((machine.home / "told").read_text().split())


def arrived(receiver: Receiver) -> Counter[str]:
    """How many spans of which name have come, each counted once."""
    names = {span["span_id"]: span["name"] for one in receiver.accepted() if one.body for span in one.spans}
    return Counter(names.values())


def ended(process: subprocess.Popen[str], code: int, number: int | None = None) -> str:
    """Wait for the end, which is to come with this exit code, after this signal; what was said."""
    if number is not None:
        process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert process.returncode == code, f"exit code {process.returncode}:\n{out}\n{err}"
    return out + err


# --- celery -------------------------------------------------------------------------------------------------

CELERY = """
import os
from celery import Celery
from celery.signals import worker_process_shutdown
from llmobs_trace import experiment_span
app = Celery("program", broker="filesystem://")
folders = {f"data_folder_{way}": os.path.abspath("queue") for way in ("in", "out")}
folders["control_folder"] = os.path.abspath("control")
app.conf.broker_transport_options = {**folders, "polling_interval": 0.1}
app.conf.worker_proc_alive_timeout = 60.0
@app.task
def work(number):
    with experiment_span("task", input=number): tell("task")
@worker_process_shutdown.connect
def leave(**_):
    with experiment_span("leave"): tell("leave")
"""


def celery(*words: str) -> Drive:
    def drive(machine: Machine, receiver: Receiver) -> None:
        # Nothing is delivered by the way: what comes, comes from workers that leave.
        machine.set(flush_interval=3600)
        (machine.home / "program.py").write_text(TELL + CELERY)
        (machine.home / "queue").mkdir()
        send = f"import program\nfor number in range({TASKS}): program.work.delay(number)"
        ended(machine.start(send, name="send"), 0)
        quiet = ("--without-gossip", "--without-mingle", "--without-heartbeat")
        worker = machine.start_python("-m", "celery", "-A", "program", "worker", *quiet, *words)
        if "--max-tasks-per-child" in words:
            wait_until(lambda: arrived(receiver)["task"] == TASKS)
        else:
            wait_until(lambda: not any((machine.home / "queue").iterdir()))
        ended(worker, 0, signal.SIGTERM)

    return drive


# --- uvicorn, gunicorn, hypercorn ---------------------------------------------------------------------------

ASGI = """
import contextlib
from llmobs_trace import experiment_span
@contextlib.asynccontextmanager
async def lifespan():
    yield
    with experiment_span("shutdown"): tell("shutdown")
async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        async with lifespan():
            await receive(); await send({"type": "lifespan.startup.complete"}); await receive()
        await send({"type": "lifespan.shutdown.complete"})
        return
    with experiment_span("request"): tell("request")
    await send({"type": "http.response.start", "status": 200, "headers": [(b"connection", b"close")]})
    await send({"type": "http.response.body", "body": b"ok"})
def wsgi(environ, start_response):
    with experiment_span("request"): tell("request")
    start_response("200 OK", [])
    return [b"ok"]
"""


def web(*words: str, code: int = 0, number: int = signal.SIGTERM) -> Callable[[Machine, Receiver], str]:
    """A server that is asked, then told to end by a signal, and ends with this code; what it said."""

    def drive(machine: Machine, receiver: Receiver) -> str:
        machine.set(flush_interval=3600)
        (machine.home / "program.py").write_text(TELL + ASGI)
        server = machine.start_python("-m", *words)
        assert server.stderr is not None
        said = ""
        while (found := re.search(r"(http://127\.0\.0\.1:[1-9]\d*)", said)) is None:
            said += (line := server.stderr.readline())
            assert line, said
        wait_until(lambda: _is_listening(found[1]))
        for _ in range(REQUESTS):
            # Each on a connection of its own, for a worker of its own.
            assert _asked(found[1]) == b"ok"
        return said + ended(server, code, number)

    return drive


def _is_listening(url: str) -> bool:
    try:
        socket.create_connection(("127.0.0.1", int(url.rsplit(":", 1)[1]))).close()
    except ConnectionRefusedError:
        return False
    return True


def _asked(url: str) -> bytes:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(url, timeout=20) as answer:
        body: bytes = answer.read()
    return body


# --- RQ -----------------------------------------------------------------------------------------------------

RQ = """
import socketserver, sys, threading, time
from fakeredis import TcpFakeServer
socketserver.TCPServer.allow_reuse_address = True
server = TcpFakeServer(("127.0.0.1", 0))
threading.Thread(target=server.serve_forever, daemon=True).start()
print(server.server_address[1], flush=True)
sys.stdin.readline()
"""
RQ_JOB = """
from llmobs_trace import experiment_span
def work(number):
    with experiment_span("task"): tell("task")
"""
RQ_JOBS = """
import sys
import rq, redis
class Redis(redis.Redis):
    def client_info(self): return {"addr": "127.0.0.1:0"}  # the server at hand has no such command
queue = rq.Queue(connection=Redis(port=int(sys.argv[1])))
for number in range(int(sys.argv[2])): queue.enqueue("jobs.work", number)
rq.Worker([queue], connection=queue.connection).work(burst=True)
"""


def rq(machine: Machine, receiver: Receiver) -> None:
    machine.set(flush_interval=3600)
    (machine.home / "jobs.py").write_text(TELL + RQ_JOB)
    server = machine.start(RQ, name="server")
    assert server.stdout is not None
    ended(machine.start(RQ_JOBS, server.stdout.readline().strip(), TASKS), 0)
    server.communicate("\n")


# --- daemons and pools --------------------------------------------------------------------------------------

DAEMON = """
import os, sys, time
import daemon
from llmobs_trace import *
with experiment_span("before"): tell("before")
with daemon.DaemonContext(working_directory=os.getcwd(), umask=0o077):
    with open("data", "w") as data:
        with experiment_span("daemon"): tell("daemon")
        data.write(f"{os.getpid()} {data.fileno()}")
        data.flush()
        os.rename("data", "written")
        while not os.path.exists("stop"): time.sleep(0.01)
"""


def python_daemon(machine: Machine, receiver: Receiver) -> None:
    ended(machine.start(TELL + DAEMON), 0)
    written = machine.home / "written"
    wait_until(written.exists)
    pid, _ = written.read_text().split()
    (machine.home / "stop").touch()
    wait_until(lambda: not os.path.exists(f"/proc/{pid}"))
    # Its file holds what it wrote, and not a byte of ours.
    assert re.fullmatch(r"\d+ \d+", written.read_text()), written.read_bytes()


# A function of the program itself, which is sent by value, and one of a module, which is not.
WORK = """
from llmobs_trace import experiment_span
@experiment_span("NAME")
def work(number):
    tell("NAME")
    return "secret"
"""
POOL = """
import IMPORTS
import module
def hide(field, value):
    return value.replace("secret", "hidden") if isinstance(value, str) else value
if __name__ == "__main__":
    configure(experiment_id="its-own", redact=hide)
    with experiment_span("main"):
        tell("main")
        RUN
"""
JOBLIB = "for f in (work, module.work): joblib.Parallel(n_jobs=2)(joblib.delayed(f)(n) for n in range(50))"
DASK = """with dask.distributed.LocalCluster(n_workers=2, dashboard_address=None) as cluster:
            with dask.distributed.Client(cluster) as client:
                for f in (work, module.work): client.gather(client.map(f, range(50)))"""


def pool(imports: str, run: str) -> Drive:
    def drive(machine: Machine, receiver: Receiver) -> None:
        (machine.home / "module.py").write_text(TELL + WORK.replace("NAME", "imported"))
        # The programs' own module is no longer where it was: it is told where to tell.
        machine.run(TELL + WORK.replace("NAME", "own") + POOL.replace("IMPORTS", imports).replace("RUN", run))
        # Its workers record as it is configured to: the redactor, which is sent by value, included.
        for request in receiver.accepted():
            assert not request.body or request.experiment_id == "its-own"
            assert b"secret" not in request.body

    return drive


# --- the table ----------------------------------------------------------------------------------------------

UVICORN = ("uvicorn", "--port", "0", "program:app")
GUNICORN = ("gunicorn", "--bind", "127.0.0.1:0", "--workers", "2", "--no-control-socket")
ASKED = {"request": REQUESTS}

CASES: tuple[Case, ...] = (
    Case("celery", ("celery",), {"task": TASKS}, celery("--concurrency", "2")),
    Case(
        "celery, a task a worker",
        ("celery",),
        {"task": TASKS},
        celery("--concurrency", "2", "--max-tasks-per-child", "1"),
    ),
    Case("celery, threads", ("celery",), {"task": TASKS}, celery("--pool", "threads", "--concurrency", "2")),
    Case("uvicorn", ("uvicorn",), {**ASKED, "shutdown": 1}, web(*UVICORN, code=-signal.SIGTERM)),
    Case("uvicorn, interrupted", ("uvicorn",), {**ASKED, "shutdown": 1}, web(*UVICORN, number=signal.SIGINT)),
    Case("uvicorn, 2 workers", ("uvicorn",), {**ASKED, "shutdown": 2}, web(*UVICORN, "--workers", "2")),
    Case("gunicorn", ("gunicorn",), ASKED, web(*GUNICORN, "program:wsgi")),
    Case("gunicorn, loaded before", ("gunicorn",), ASKED, web(*GUNICORN, "--preload", "program:wsgi")),
    Case("gunicorn, recycled", ("gunicorn",), ASKED, web(*GUNICORN, "--max-requests", "3", "program:wsgi")),
    Case(
        "gunicorn, gevent",
        ("gunicorn", "gevent", "packaging"),
        ASKED,
        web(*GUNICORN, "-k", "gevent", "program:wsgi"),
    ),
    Case(
        "gunicorn of uvicorn's",
        ("gunicorn", "uvicorn-worker"),
        {**ASKED, "shutdown": 2},
        web(*GUNICORN, "-k", "uvicorn_worker.UvicornWorker", "program:app"),
    ),
    Case(
        "hypercorn",
        ("hypercorn",),
        {**ASKED, "shutdown": 1},
        web("hypercorn", "--bind", "127.0.0.1:0", "program:app"),
    ),
    Case("RQ", ("rq", "fakeredis"), {"task": TASKS}, rq),
    Case("python-daemon", ("python-daemon",), {"before": 1, "daemon": 1}, python_daemon),
    Case("joblib", ("joblib",), {"main": 1, "own": 50, "imported": 50}, pool("joblib", JOBLIB)),
    Case("Dask", ("distributed",), {"main": 1, "own": 50, "imported": 50}, pool("dask.distributed", DASK)),
)
