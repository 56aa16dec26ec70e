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


def test_what_a_redactor_takes_away_is_left_out_or_said_to_be_removed(machine: Machine) -> None:
    """None is nothing, not the word `null`: an event can be without its input, but not without its name."""
    ended = machine.run("""
        configure(redact=lambda field, value: None)
        with experiment_span("row", input="a", expected_output="b", tags={"t": 1}, row_id="r") as span:
            span.set_output("c")
            span.record_metric("f1", 0.5, reasoning="because", metadata={"a": 1}, tags={"t": 1})
            span.record_metric("judged", error="down")
        try:
            with experiment_span("fails"): raise ValueError("x")
        except ValueError: pass
    """)
    removed = "[removed by the redactor]"
    fails, row = sorted(machine.stored_spans(), key=lambda span: span["status"])
    assert (row["name"], row["meta"]) == (removed, {})
    assert [tag.split(":")[0] for tag in row["tags"]] == ["span_kind", "dataset_record_id"]
    assert fails["name"] == removed
    assert fails["meta"] == {"error": {"type": "ValueError", "message": removed, "stack": removed}}
    f1, judged = machine.stored_metrics()
    assert (f1["label"], f1["reasoning"], f1["error"]) == (removed, removed, {"message": removed})
    assert not {"score_value", "metadata", "tags"} & {name for name, value in f1.items() if value}
    assert (judged["label"], judged["error"]) == (removed, {"message": removed})
    assert ended.err == ""


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


def test_what_is_logged_of_a_wrong_call_has_been_through_the_redactor(machine: Machine) -> None:
    ended = machine.run("""
        CANARY = "canary-" + "4f1c"
        def hide(field, value):
            if isinstance(value, str): return value.replace(CANARY, "***")
            if isinstance(value, list): return [hide(field, item) for item in value]
            if isinstance(value, dict): return {hide(field, k): hide(field, v) for k, v in value.items()}
            return value
        configure(redact=hide)
        with experiment_span("name " + CANARY) as span: pass
        for act in (span.set_input, span.set_output, span.set_expected_output, span.record_exception):
            act(ValueError(CANARY))
        span.set_tags({CANARY: CANARY})
        for options in ({"tags": CANARY}, {"kind": CANARY}, {"row_id": [CANARY]}, {"capture_input": CANARY}):
            with experiment_span("block", **options) as span: pass
        with experiment_span("row", row_id="row " + CANARY): pass
        span.record_metric(CANARY)
        for options in ({"metric_type": CANARY}, {"assessment": CANARY}, {"tags": CANARY},
                        {"timestamp_ms": CANARY}, {"span": [CANARY]}):
            record_metric(CANARY, 1, **{"span": span, **options})
        class Rude(dict):
            def items(self): raise RuntimeError(CANARY)
        span.set_tags(Rude())
        with experiment_span("rude") as span: span.set_tags(Rude({"a": 1}))
    """)
    assert ended.err.count("\n") >= 10
    assert "***" in ended.err
    assert CANARY not in ended.err + ended.out
    assert CANARY.encode() not in everywhere(machine)
    # Rows of which the id is hidden are known by their input, or name.
    assert all("***" not in tag for span in machine.stored_spans() for tag in span["tags"])


def test_a_wrong_call_in_a_loop_is_told_once_however_its_values_differ(machine: Machine) -> None:
    ended = machine.run("""
        for number in range(1000):
            with experiment_span(f"row {number}") as span:
                span.record_metric(f"label {number}")
            span.set_output(number)
    """)
    assert len(ended.err.splitlines()) == 2


# --- The redactors that come with the package ---------------------------------------------------------------

# Each holds the canary in a form that has one; a secret in prose has none, and no redactor finds it.
PLANTED = """
import asyncio, json, logging, os, sys
logging.basicConfig(level=logging.DEBUG)
from llmobs_trace.redactors import chain, personal_data, secrets
CANARY = "canary" + "4f1c"
KEY = "sk-proj-" + CANARY + "A1b2C3d4E5f6G7h8I9j0K1l2M3n4O5p6Q7r8S9t0"
os.environ["SERVICE_API_KEY"] = os.environ["DATABASE_PASSWORD"] = CANARY + "Zz9"
HEADERS = {"Authorization": "Bearer " + CANARY + "0123456789", "Cookie": "session=" + CANARY, "Accept": "*/*"}
planted = [
    KEY,
    f"the key is {KEY}, keep it",
    f"postgres://bob:{CANARY}@db.example/x",
    f"https://api.example/v1?api_key={CANARY}A1&x=1",
    {"password": CANARY, "nested": [{"client_secret": CANARY}]},
    json.dumps({"tool": {"arguments": json.dumps({"access_token": CANARY + "A1b2C3"})}}),
    HEADERS,
    str(HEADERS),
    dict(os.environ),
    str(dict(os.environ)),
    "\\n".join(f"{name}={value}" for name, value in os.environ.items()),
    f"write to {CANARY}@example.com",
    f"-----BEGIN PRIVATE KEY-----\\n{CANARY}\\n-----END PRIVATE KEY-----",
    f"curl -H 'Authorization: Bearer {CANARY}0123456789' https://api.example",
    "-H 'x-api-key: " + CANARY + "0123456789'",
]
configure(redact=chain(secrets, personal_data), shutdown_timeout=float(sys.argv[1]))

@experiment_span
def function(value, **more): return {"answer": value}
@experiment_span
def stream(value):
    yield value
    yield [value]
@experiment_span
async def fails(value): raise ValueError(value)

for number, value in enumerate(planted):
    text = value if isinstance(value, str) else json.dumps(value)
    with experiment_span("name " + text, input=value, expected_output=value, tags={"t": value}) as span:
        span.set_output({"messages": [{"role": "user", "content": value}]})
        function(value, more=value)
        list(stream(value))
        try: asyncio.run(fails(value))
        except ValueError as error:
            try: raise RuntimeError(text) from error
            except RuntimeError as second: span.record_exception(second)
        span.record_metric("label " + text, text, reasoning=text, metadata={"m": value}, tags={"t": value})
        span.record_metric("json", value if isinstance(value, dict) else {"v": value})
        span.record_metric("error", error=text)
        span.record_metric("not a number", value, metric_type="score")
    span.set_output(value)
    span.record_metric("no value " + text)
while not flush(float(sys.argv[1])) and not delivery_stats().retried: pass
"""
PLANTED_CANARY = b"canary4f1c"


@pytest.mark.parametrize("weather", ["fair", "an outage", "refusals that repeat what was sent"])
def test_the_package_s_own_redactors_leave_no_planted_secret_anywhere(
    machine: Machine, receiver: Receiver, weather: str
) -> None:
    # Nothing is sent before the end, so that the first body has it all: in an outage it is the only one, and
    # of a batch with nothing but what is refused nobody could say whose fault it is.
    machine.sends_to(receiver.url, flush_interval=3600)
    if weather == "an outage":
        receiver.usual(Reply(status=503))
    elif weather != "fair":
        receiver.refuse(Reply(status=400, repeats_body=True), containing='"name":"function"')
    ended = machine.run(PLANTED, 0.2 if weather == "an outage" else 20)
    said = ended.out + ended.err
    for words in (["doctor"], ["doctor", "--format", "json"]):
        told = machine.command(*words, code=None)
        said += told.out + told.err
        if len(words) == 1:
            assert told.out.splitlines()[-1].startswith("nothing lost: 120 recorded = ")
    bodies = b"".join(request.body for request in receiver.requests())
    assert receiver.requests()[0].body.count(b"[redacted: ") > 100
    for place in (said.encode(), bodies, everywhere(machine)):
        assert PLANTED_CANARY not in place
    if weather.startswith("refusals"):
        kept = (machine.journal / "rejected" / "rejected.jsonl").read_bytes()
        assert kept.count(b"[redacted: ") > 10
    # What is no secret is still there to be read.
    assert b'"Accept":"*/*"' in bodies
    assert b"keep it" in bodies
