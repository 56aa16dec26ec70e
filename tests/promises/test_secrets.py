"""What a redactor hides is nowhere: not on the wire, in the journal, in the database, nor in a log."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.machine import Machine
from support.receiver import Receiver, Reply
from support.wire_schema import load_official, load_strict

CANARY = "canary-4f1c"
# In every field that can hold a user's value, in values, keys and causes.
EVERYWHERE = """
import asyncio, dataclasses, logging, os, sys
logging.basicConfig(level=logging.DEBUG)
CANARY = "canary-" + "4f1c"
seen = set()

def hide(field, value):
    seen.add(field)
    if isinstance(value, str): return value.replace(CANARY, "***")
    if isinstance(value, list): return [hide(field, item) for item in value]
    if isinstance(value, dict): return {hide(field, key): hide(field, item) for key, item in value.items()}
    return value

configure(redact=hide, **({"shutdown_timeout": 0.2} if "short" in sys.argv else {}))

@dataclasses.dataclass
class Secret:
    text: str

@experiment_span(tags={"of the decorator": CANARY})
def function(question, *more, **options): return {"answer": CANARY}
@experiment_span
def stream(secret):
    yield secret
    yield [secret]
@experiment_span
async def coroutine(secret):
    raise ValueError(f"async {secret}")

with experiment_span("name " + CANARY, input=[CANARY, {CANARY: 1}], expected_output=CANARY,
                     tags={"key": CANARY, CANARY: "x", "object": {"a": [CANARY]}}) as span:
    span.set_output(Secret(CANARY))
    span.set_tags({"later": CANARY})
    function(CANARY, CANARY, key=Secret(CANARY))
    list(stream(CANARY))
    try: asyncio.run(coroutine(CANARY))
    except ValueError as error:
        try: raise RuntimeError(CANARY) from error
        except RuntimeError as second: span.record_exception(second)
    span.record_metric("label " + CANARY, CANARY, reasoning=CANARY, metadata={"a": CANARY},
                       tags={"t": [CANARY]})
    span.record_metric("json", {"a": {CANARY: CANARY}})
    span.record_metric("error", error=CANARY)
    span.record_metric("exception", error=KeyError(CANARY))
    span.record_metric("not finite", float("nan"), reasoning=CANARY)
    span.record_metric("not a number", CANARY, metric_type="score")
    span.record_metric("not a boolean", CANARY, metric_type="boolean")
for attempt in range(2):
    try:
        with experiment_span("row", input=CANARY, row_id="row-1"):
            raise LookupError(CANARY)
    except LookupError: pass

fields = {"name", "input", "output", "expected_output", "tags", "error.message", "error.stack", "label",
          "value", "reasoning", "metadata"}
assert seen == fields, seen ^ fields
"""


def everywhere(machine: Machine) -> bytes:
    """What any file under the home holds, but for the program itself."""
    files = [path for path in machine.home.rglob("*") if path.is_file() and path.suffix != ".py"]
    assert files
    return b"".join(path.read_bytes() for path in files)


def test_a_redactor_sees_every_field_on_the_way_to_the_wire(machine: Machine, receiver: Receiver) -> None:
    machine.sends_to(receiver.url)
    ended = machine.run(EVERYWHERE)
    bodies = [request.body for request in receiver.requests()]
    for body in bodies:
        load_official(body)
        load_strict(body)
        assert b"***" in body
        assert CANARY.encode() not in body
    assert sum(len(request.spans) + len(request.metrics) for request in receiver.requests()) >= 13
    assert CANARY not in ended.out + ended.err
    assert CANARY.encode() not in everywhere(machine)


def test_a_redactor_sees_every_field_on_the_way_to_the_journal(machine: Machine, receiver: Receiver) -> None:
    receiver.usual(Reply(status=503))
    machine.sends_to(receiver.url)
    ended = machine.run(EVERYWHERE, "short")
    held = everywhere(machine)
    assert b"***" in held
    assert CANARY.encode() not in held
    assert CANARY not in ended.out + ended.err


def test_a_redactor_sees_every_field_on_the_way_to_the_store(machine: Machine) -> None:
    ended = machine.run(EVERYWHERE)
    held = everywhere(machine)
    assert b"***" in held
    assert CANARY.encode() not in held
    assert CANARY not in ended.out + ended.err
    exported = (
        machine.command("show", "latest").out + machine.command("export", "latest", "--format", "csv").out
    )
    assert "***" in exported
    assert CANARY not in exported


# Programs end with a value that tells what the traced code saw.
REDACTORS = {
    "that raises": "def hide(field, value): raise RuntimeError(CANARY)",
    "that gives what has no JSON": "def hide(field, value): return object()",
    "that gives nothing": "def hide(field, value): return None",
    "that calls a traced function": (
        "@experiment_span\ndef clean(value): return '***'\ndef hide(field, value): return clean(value)"
    ),
    "that changes the copy it is given": (
        "def hide(field, value):\n    if isinstance(value, (dict, list)): value.clear()\n    return '***'"
    ),
}


@pytest.mark.parametrize("redactor", REDACTORS)
def test_a_redactor(machine: Machine, receiver: Receiver, redactor: str) -> None:
    """… hides, harms no traced call, and leaves what is documented."""
    machine.sends_to(receiver.url)
    ended = machine.run(
        f"CANARY = 'canary-' + '4f1c'\n{REDACTORS[redactor]}\n"
        + """
configure(redact=hide)
@experiment_span
def work(given): return given
given = {"a": [CANARY]}
assert work(given) is given and given == {"a": ["canary-" + "4f1c"]}
with experiment_span("r" + CANARY, input=CANARY, tags={"t": CANARY}, expected_output={"a": CANARY}) as span:
    for value in (CANARY, 1.5, True, {"a": CANARY}):
        span.record_metric(CANARY, value, reasoning=CANARY, metadata={"a": CANARY})
    try:
        with experiment_span("inner"): raise ValueError(CANARY)
    except ValueError: pass
"""
    )
    for request in receiver.requests():
        load_official(request.body)
        load_strict(request.body)
    assert sum(len(request.spans) for request in receiver.requests()) >= 3
    assert sum(len(request.metrics) for request in receiver.requests()) == 4
    assert CANARY.encode() not in everywhere(machine) + b"".join(one.body for one in receiver.requests())
    assert CANARY not in ended.out + ended.err


def test_a_value_too_large_is_redacted_before_it_is_cut(machine: Machine, tmp_path: Path) -> None:
    machine.set(max_event_bytes=2048)
    machine.run("""
        def hide(field, value):
            return value.replace("canary-" + "4f1c", "***") if isinstance(value, str) else value
        configure(redact=hide)
        with experiment_span("row", input=("canary-" + "4f1c") * 5000): pass
    """)
    [span] = machine.stored_spans()
    assert "***" in span["meta"]["input"]
    assert len(span["meta"]["input"]) < 2048
    assert b"canary" not in everywhere(machine)
