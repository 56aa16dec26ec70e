"""The API keys appear nowhere: programs with keys that are easy to find again, and all that they leave."""

from __future__ import annotations

import copy
import json
import os
import pickle
import subprocess
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from support.commands import finish, start
from support.receiver import Receiver, Reply

from llmobs_trace import ConfigurationError, configure
from llmobs_trace.settings.config import Unseen, find_database, find_journal, from_environment, resolve

API, APP = "canary0api0key0aaaaaaaaaaaaaaaaa", "canary0app0key0bbbbbbbbbbbbbbbbbbbbbbbbb"
KEYS = {"api_key": API, "app_key": APP}
IDS = {"experiment_id": "e", "project_id": "p", "dataset_id": "d"}
CANARY = "canary0"


def frames_shown(error: BaseException) -> str:
    """A traceback as tools print it, with every local variable of our frames."""
    shown = traceback.TracebackException.from_exception(error, capture_locals=True)
    package = str(Path(__file__).parent.parent / "llmobs_trace")
    ours = [frame for frame in shown.stack if frame.filename.startswith(package)]
    assert ours
    assert shown.__cause__ is None
    assert shown.__context__ is None
    lines = [f"{name} = {value}" for frame in ours for name, value in (frame.locals or {}).items()]
    return "\n".join([*shown.format_exception_only(), *lines])


@pytest.mark.parametrize(
    "wrong",
    [
        {"site": "nowhere"},
        {"api_key": f"{CANARY} with a blank"},
        {"app_key": f"{CANARY}é"},
        {"base_url": f"https://user:{CANARY}@host"},
        {"base_url": f"https://host/?key={CANARY}"},
        {"unknown": 1},
        {"destination": "datadog", "experiment_id": ""},
        {"journal": "/proc/nowhere"},
    ],
)
@pytest.mark.parametrize("given_as", ["arguments", "environment"])
def test_no_frame_of_an_error_in_configure_shows_a_key(
    wrong: dict[str, Any], given_as: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    options: dict[str, Any] = {**KEYS, **IDS}
    if given_as == "environment":
        monkeypatch.setenv("DD_API_KEY", options.pop("api_key"))
        monkeypatch.setenv("DD_APP_KEY", options.pop("app_key"))
    with pytest.raises(ConfigurationError) as raised:
        configure(**{**options, **wrong})
    shown = frames_shown(raised.value)
    # What is wrong with a URL is that it holds something: it is not ours to hide from the user's own words.
    hidden = shown if "base_url" not in wrong else shown.replace(f"{wrong['base_url']!r}", "")
    assert API not in shown
    assert APP not in shown
    assert CANARY not in hidden


def test_a_key_in_the_environment_that_will_not_do_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DD_API_KEY", f"{CANARY} with a blank")
    with pytest.raises(ConfigurationError) as raised:
        configure()
    assert CANARY not in frames_shown(raised.value)
    assert CANARY not in repr(from_environment(os.environ))


@pytest.mark.parametrize("find", [find_database, find_journal])
def test_looking_for_files_shows_no_environment(find: Callable[[dict[str, str]], object]) -> None:
    environ = {"DD_API_KEY": API, "LLMOBS_TRACE_DATABASE": "\0", "LLMOBS_TRACE_JOURNAL": "\0"}
    with pytest.raises(ConfigurationError) as raised:
        find(environ)
    assert CANARY not in frames_shown(raised.value)


def test_a_configuration_shows_copies_and_writes_down_no_key() -> None:
    config = resolve({**KEYS, **IDS, "journal": None}, {})
    shown = [repr(config), str(config), f"{config}", repr(copy.deepcopy(config)), repr(config.api_key)]
    assert CANARY not in "".join(shown)
    for write in (pickle.dumps, msgspec.json.encode, msgspec.msgpack.encode):
        with pytest.raises(TypeError) as refused:
            write(config)
        assert CANARY not in str(refused.value)


def test_what_is_unseen_is_a_mapping_that_shows_nothing() -> None:
    unseen = Unseen({"api_key": API})
    assert (dict(unseen), len(unseen), unseen.get("x")) == ({"api_key": API}, 1, None)
    assert CANARY not in repr(unseen)


# Records, is refused, times out, fails in the sender, dumps every stack, and is killed with events pending.
PROGRAM = """
import faulthandler, logging, os, pickle, signal, sys, threading, traceback
logging.basicConfig(level=logging.DEBUG)
import llmobs_trace
from llmobs_trace import configure, experiment_span, flush, record_metric, shutdown, delivery_stats
from llmobs_trace.process import life
configure(flush_interval=0.1, request_timeout=0.5)
assert life.at_work().config.api_key.reveal() == os.environ["DD_API_KEY"]
@experiment_span
def work(x):
    record_metric("m", 0.5)
    if x % 2:
        raise ValueError(x)
    return x
def work_all():
    for number in range(6):
        try:
            work(number)
        except ValueError:
            traceback.print_exc()
work_all()
flush(0.7)
work_all()
flush(0.7)
print(repr(life.at_work()), vars(life.at_work()), repr(life.at_work().config), file=sys.stderr)
print(delivery_stats(), vars(life.at_work().worker), vars(life.at_work().destination), file=sys.stderr)
faulthandler.dump_traceback(all_threads=True)
for thread, frame in sys._current_frames().items():
    summary = traceback.StackSummary.extract(traceback.walk_stack(frame), capture_locals=True)
    sys.stderr.write("".join(summary.format()))
try:
    configure(site="nowhere")
except Exception as error:
    shown = traceback.TracebackException.from_exception(error, capture_locals=True)
    sys.stderr.write("".join(shown.format()))
try:
    pickle.dumps(life.at_work().config)
except TypeError as error:
    traceback.print_exc()
work_all()
sys.stdout.flush(); sys.stderr.flush()
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_program_that_fails_in_every_way_leaves_its_keys_nowhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Receiver() as receiver:
        echo = json.dumps({"errors": [{"title": f"{API} is wrong", "detail": f"so is {APP}"}]})
        receiver.script(
            Reply(status=503, body=echo),
            Reply(silent=True),
            Reply(status=429, headers={"Retry-After": "0"}, body=echo),
        )
        receiver.usual(Reply(status=403, body=echo))
        environ = {
            "DD_API_KEY": API,
            "DD_APP_KEY": APP,
            "LLMOBS_TRACE_BASE_URL": receiver.url,
            "LLMOBS_TRACE_JOURNAL": str(tmp_path / "journal"),
            "LLMOBS_TRACE_DATABASE": str(tmp_path / "x.db"),
            **{f"LLMOBS_TRACE_{name.upper()}": value for name, value in IDS.items()},
        }
        run = subprocess.run(
            [sys.executable, "-X", "faulthandler", "-c", PROGRAM],
            capture_output=True,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **environ},
        )
        assert run.returncode == -9, run.stderr
        sent = receiver.requests()
        assert sent
        # The keys were in use: in two headers of each request, and in nothing else of it.
        for request in sent:
            headers = {name: value for name, value in request.headers.items() if CANARY in value}
            assert headers == {"dd-api-key": API, "dd-application-key": APP}
            assert CANARY not in request.path
            assert CANARY.encode() not in request.body
        said = [run.stdout, run.stderr]
        for words in (["doctor"], ["doctor", "--format", "json"], ["resend", "--timeout", "0.5"], ["doctor"]):
            command = finish(start(*words, **environ))
            said += [command.out, command.err]
    assert "nothing lost: 36 recorded = 0 delivered + 36 pending, by 1 process" in said[2]
    for each in said:
        assert CANARY not in each
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert [path for path in files if path.name == "owner"]
    for path in files:
        assert CANARY.encode() not in path.read_bytes(), path
