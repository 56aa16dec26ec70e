"""A fault in any function of ours that a traced call reaches: the user's program does not notice.

The functions are not listed here: they are those that the program enters while it is traced.
"""

from __future__ import annotations

import ast
import gc
import logging
import sys
import threading
from pathlib import Path

import pytest
from support.faults import Fault, Injection, borrowed, entered, functions_by_code, makers, name_of
from support.stories import PACKAGE, Unequal, fresh, told
from support.traced_program import PARTS, Untraced, at_depth, calls, frames_left

import llmobs_trace
from llmobs_trace import current_span, experiment_span
from llmobs_trace.capture import active
from llmobs_trace.capture import recorder as slot
from llmobs_trace.capture.carry.install import install
from llmobs_trace.encode import Redactor
from llmobs_trace.journal import open_journal, this_process
from llmobs_trace.process.life import recording_to
from llmobs_trace.pytest_plugin import RecordedSpans


@pytest.fixture(scope="module")
def recorder(tmp_path_factory):
    """A recorder that redacts, and keeps what it is given in a real journal of small segments."""
    queue = open_journal(
        tmp_path_factory.mktemp("journal"),
        owner=this_process("nowhere", "e", "test"),
        segment_bytes=64 << 10,
        max_bytes=1 << 20,
    )
    scope = slot.Scope("e", "p", "d")
    made = slot.Recorder(
        queue.append, scope, redactor=Redactor(lambda field, value: value), max_event_bytes=6000
    )
    yield made
    queue.close(keep=False)


@pytest.fixture(scope="module")
def untraced():
    """What each part of the program comes to when nothing is traced."""
    return {part: part(Untraced) for part in PARTS}


@pytest.fixture(autouse=True)
def quiet(caplog):
    """Faults are logged, as they should be; thousands of them would fill the report."""
    install(threads=True)
    logger = logging.getLogger("llmobs_trace")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    yield
    logger.setLevel(level)


def run(part, recorder):
    """A part of the program, traced, from before the first span on."""
    filler, before = slot.first_filler, slot.current
    slot.first_filler, slot.current = lambda: fill(recorder), None
    try:
        return part(llmobs_trace)
    finally:
        slot.first_filler, slot.current = filler, before


def fill(recorder):
    slot.current = recorder
    return recorder


@pytest.fixture(scope="module")
def reached(recorder):
    """For each part: how often it enters each function of ours from within the package."""
    install(threads=True)
    found = {}
    for part in PARTS:
        run(part, recorder)
        found[part] = entered(lambda part=part: run(part, recorder))
    return found


@pytest.fixture(scope="module")
def injection(reached):
    """A callable: an `Injection` of a code."""
    functions = functions_by_code()
    made_by = makers(functions)
    return lambda code, *how: Injection(code, functions, made_by, *how)


def nothing_is_left(recorder):
    """No span is active, and the next one is a root that is recorded."""
    spans = RecordedSpans()
    with recording_to(slot.Recorder(spans.append_record, recorder.scope)):
        if current_span() is not None or active._blocks:
            gc.collect()
        left = current_span()
        with experiment_span("after", input=1), experiment_span("child"):
            pass
    if left is not None:
        active.forget_everything()  # one fault is to be told of once
        return f"{left!r} is still active"
    if [(span.name, span.parent_id is None) for span in spans] != [("child", False), ("after", True)]:
        return f"the next span is not what it should be: {list(spans)}"
    return None


def unequal(part, recorder, untraced):
    """What the user sees of a part that a fault is in, or None where it is what it is untraced."""
    try:
        seen = run(part, recorder)
    except BaseException as error:
        return f"{part.__name__} raised {error!r}"
    for place, (ours, theirs) in enumerate(zip(seen, untraced[part], strict=True)):
        if ours != theirs:
            return f"{part.__name__}[{place}]: {ours} instead of {theirs}"
    return None


def test_the_program_does_the_same_traced_and_untraced(recorder, untraced):
    before = slot.faults.count
    for part in PARTS:
        assert unequal(part, recorder, untraced) is None
        assert nothing_is_left(recorder) is None
    assert slot.faults.count == before, slot.faults.last


# Reached by other ways than a traced call: made before it, after it, by another process or another library.
NOT_OF_A_CALL = {
    "__repr__": "shown to a person",
    "begin_roots": "where an experiment is opened, which may raise",
    "end_roots": "where an experiment is opened, which may raise",
    "forget_scope": "of the spans that a runner scores",
    "value_record": "of what a runner's evaluators give",
    "place_within": "of spans that another tracer began",
    "forget_everything": "in a forked child",
    "forget": "in a forked child",
    "forget_what_was_said": "in tests",
    "_forget_some": "after thousands of metrics",
    "forget_rows": "in a forked child",
    "after_fork_in_child": "in a forked child",
    "_seed": "at import and in a forked child",
    "__reduce__": "when it is pickled",
    "__reduce_ex__": "when it is pickled",
    "_by_value": "when it is pickled",
    "name_of": "when it is pickled",
    "_found": "when it is pickled",
    "_is_dills": "when it is pickled",
    "mend": "when it is pickled",
    "_sending_whole": "when it is pickled",
    "send": "when it is pickled",
    "_arrived": "when it is unpickled",
    "__copy__": "when it is copied",
    "__deepcopy__": "when it is copied",
    "_copied": "when it is copied",
    "_decorated_again": "when it is copied",
    "discard": "in a forked child",
    "__del__": "when nobody is left to be told",
    "_as_stated": "when the library is imported",
    "_refusal": "where a decorator stands",
    "register_type": "before any call",
    "_check": "before any call",
    "_guarded": "before any call",
    "is_hearsay": "in the sender's thread",
    "_iterable_coroutine": "at import",
    "_asking": "at import",
    "_driver_of": "when it is bound",
    "_quiet": "at the first exception",
    "end_what_is_open": "at the process's end",
    "wrap": "when a library is loaded",
    "wrap_asgiref": "when a library is loaded",
    "_main_wrap": "under another library",
    "_find_running_loop": "until asyncio is loaded",
    "mute_thread": "in the sender's thread",
    "_in_finalizer": "in the sender's thread",
    "thread_chain": "under another library",
    "AsyncJob.__call__": "under another library",
    "Job.__getattr__": "by a library that shows its name",
    "fault": "by a fault",
    "lost": "by a fault",
    "Failure.told": "of a model call",
    "set_aside": "of a model call",
    "written_tags": "of a model call",
}
# What only another library has run, a model's client or a run of an experiment.
ELSEWHERE = (
    *("before_set_up", "elsewhere", "gevent", "greenlets", "trio", "install"),
    *("known_streams", "row_root"),
)


def test_the_program_enters_every_function_of_capture(reached):
    """A function that the program does not enter is not made to fail: then the program lacks something."""
    seen = {(code.co_filename, code.co_firstlineno) for codes in reached.values() for code in codes}
    borders = set()
    for part in PARTS:
        borders |= user_calls(part)
    missing = []
    for module in sorted(Path(PACKAGE, "capture").rglob("*.py")):
        if module.stem in ELSEWHERE:
            continue
        for name, node in functions_in(ast.parse(module.read_text())):
            line = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
            excused = {name, node.name} & NOT_OF_A_CALL.keys()
            if (str(module), line) not in seen | borders and not excused:
                missing.append(f"{module.stem}.{name}:{line}")
    assert not missing, "\n".join(missing)


_STATING = ("overload", "_as_stated")


def functions_in(tree, within=""):
    """(name, node) of every function; the declarations of an overloaded one are none, nor what is stated."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            if not any(isinstance(mark, ast.Name) and mark.id in _STATING for mark in node.decorator_list):
                yield within + node.name, node
            yield from functions_in(node)
        else:
            yield from functions_in(node, f"{node.name}." if isinstance(node, ast.ClassDef) else within)


def user_calls(part):
    """The functions of ours that a part of the program, or the interpreter for it, calls itself."""
    found = set()

    def profile(frame, event, _):
        if event == "call" and frame.f_code.co_filename.startswith(PACKAGE):
            found.add((frame.f_code.co_filename, frame.f_code.co_firstlineno))

    recorder = slot.Recorder(slot.discard, slot.Scope("e", "p", "d"))
    threading.setprofile(profile)
    sys.setprofile(profile)
    try:
        run(part, recorder)
    finally:
        sys.setprofile(None)
        threading.setprofile(None)
    return found


def each_fault(reached, injection, error):
    """Every function in turn, failing at every call, in every part that enters it: (injection, part)."""
    for part, codes in reached.items():
        for code in codes:
            yield injection(code, error), part


def each_single_fault(reached, injection, error):
    """Every function in turn, failing at its first, second or last call alone, where it is called most."""
    busiest = {}
    for part, codes in reached.items():
        for code, count in codes.items():
            busiest[code] = max(busiest.get(code, (0, None)), (count, part), key=lambda found: found[0])
    for code, (count, part) in busiest.items():
        for only in sorted({1, min(2, count), count}):
            yield injection(code, error, only), part


def noticed(faults, recorder, untraced):
    """The faults that the user saw, or that left something behind; and how many were raised in all."""
    seen, raised = {}, 0
    for injection, part in faults:
        with injection:
            difference = unequal(part, recorder, untraced)
        difference = difference or nothing_is_left(recorder)
        raised += injection.raised
        if difference is not None:
            seen.setdefault(f"{name_of(injection.code)} only={injection.only}", difference)
    return seen, raised


def test_a_fault_at_every_call_of_any_function_goes_unnoticed(recorder, untraced, reached, injection):
    seen, raised = noticed(each_fault(reached, injection, Fault), recorder, untraced)
    assert seen == {}
    assert raised > 1000


def test_a_fault_at_the_first_second_or_last_call_of_any_function_goes_unnoticed(
    recorder, untraced, reached, injection
):
    seen, raised = noticed(each_single_fault(reached, injection, Fault), recorder, untraced)
    assert seen == {}
    assert raised > 500


@pytest.mark.parametrize("error", [RecursionError, MemoryError, StopIteration, TypeError, AttributeError])
def test_no_kind_of_fault_is_taken_for_something_else(recorder, untraced, reached, injection, error):
    """Some exceptions mean something to the interpreter or to us: a stream's end, a wrong call."""
    few = {
        part: codes for part, codes in reached.items() if part.__name__ in ("calls", "generators", "blocks")
    }
    seen, raised = noticed(each_fault(few, injection, error), recorder, untraced)
    assert seen == {}
    assert raised > 100


@pytest.mark.parametrize("room", ["capture", "encode"])
def test_a_fault_in_what_is_borrowed_from_c_goes_unnoticed(recorder, untraced, monkeypatch, room):
    def fails(*args, **kwargs):
        raise MemoryError("injected")

    seen = {}
    for module, name in borrowed([room]):
        for part in PARTS:
            with monkeypatch.context() as patched:
                patched.setattr(module, name, fails)
                difference = unequal(part, recorder, untraced)
            difference = difference or nothing_is_left(recorder)
            if difference is not None:
                seen.setdefault(f"{module.__name__}.{name}", difference)
    assert seen == {}


@pytest.mark.parametrize("error", [Fault, MemoryError, OSError, ValueError])
def test_a_queue_that_refuses_goes_unnoticed(recorder, untraced, error):
    def refuses(record):
        raise error("injected")

    append, recorder.append = recorder.append, refuses
    try:
        for part in PARTS:
            assert unequal(part, recorder, untraced) is None
    finally:
        recorder.append = append
    assert nothing_is_left(recorder) is None


def test_a_redactor_that_raises_goes_unnoticed(recorder, untraced):
    def refuses(field, value):
        raise Fault("injected")

    redactor, recorder.redactor = recorder.redactor, Redactor(refuses)
    try:
        for part in PARTS:
            assert unequal(part, recorder, untraced) is None
    finally:
        recorder.redactor = redactor


def test_what_cannot_be_set_up_goes_unnoticed(untraced):
    """The first span fills the slot; whatever comes of that."""

    def fails():
        raise Fault("injected")

    filler, before = slot.first_filler, slot.current
    slot.first_filler = fails
    try:
        for part in PARTS:
            slot.current = None
            assert part(llmobs_trace) == untraced[part], part.__name__
    finally:
        slot.first_filler, slot.current = filler, before


def test_a_fault_is_counted_and_logged_once(llmobs_spans, caplog):
    logging.getLogger("llmobs_trace").setLevel(logging.WARNING)
    slot.forget_what_was_said()
    before = slot.faults.count

    @experiment_span
    def work():
        return 1

    def refuses(record):
        raise Fault("no room")

    slot.current.append = refuses
    assert [work(), work()] == [1, 1]
    assert slot.faults.count == before + 2
    assert slot.faults.last == "Fault: no room"
    (line,) = [record.getMessage() for record in caplog.records]
    assert "no room" in line
    assert "went on" in line


# --- near the recursion limit -------------------------------------------------------------------------------


def near_the_limit(act):
    """`act` with ever less room, in each of the last hundred frames: its values, or the exceptions."""
    outcomes = []
    for room in range(100, 0, -1):
        depth = frames_left() - room
        try:
            outcomes.append(at_depth(depth, act))
        except BaseException as error:
            outcomes.append(error)
            error.__traceback__ = None
    return outcomes


@experiment_span
def returns(x):
    return x


@experiment_span
def raises():
    raise fresh(Unequal_)


Unequal_ = Unequal("the user's")


@experiment_span
def streams():
    yield "item"


def block():
    with experiment_span("block", input={"a": [1]}, tags={"b": 1}) as span:
        span.set_output([1, {"c": 2}])
        span.set_tags({"d": 1})
        span.record_metric("m", 1)
        llmobs_trace.record_metric("m", 1)
        current_span()
        llmobs_trace.inject({})
        return "value"


def block_that_raises():
    with experiment_span("block"):
        raise fresh(Unequal_)


@pytest.mark.parametrize(
    ("act", "wanted"),
    [
        (lambda: returns("value"), "value"),
        (raises, Unequal_),
        (lambda: next(streams()), "item"),
        (block, "value"),
        (block_that_raises, Unequal_),
        (lambda: len(experiment_span(len)([1])), TypeError),
        (lambda: experiment_span(len)("abc"), 3),
        (lambda: calls(llmobs_trace) and "value", "value"),
    ],
)
def test_near_the_recursion_limit_there_is_the_users_result_or_a_recursion_error(recorder, act, wanted):
    """A wrapper costs depth; but no exception of ours takes the user's place, and nothing stays open."""
    with recording_to(recorder):
        outcomes = near_the_limit(act)
    for outcome in outcomes:
        assert (
            outcome is wanted
            or (isinstance(outcome, (str, int)) and outcome == wanted)
            or isinstance(outcome, RecursionError)
            or (isinstance(wanted, type) and isinstance(outcome, wanted))
        ), outcome
    assert not isinstance(outcomes[0], RecursionError) or act.__code__ is not returns.__code__
    assert nothing_is_left(recorder) is None


def test_a_call_with_room_for_itself_alone_still_returns(recorder):
    """Where the user's function fits and ours do not, it is called all the same."""

    def bare():
        return "value"

    traced = experiment_span(bare)
    with recording_to(recorder):
        untraced_at = sum(outcome == "value" for outcome in near_the_limit(bare))
        traced_at = sum(outcome == "value" for outcome in near_the_limit(traced))
    assert untraced_at - traced_at <= 2


def test_a_story_is_told_of_a_recursion_error_of_the_users(recorder):
    @experiment_span
    def endless(depth):
        return endless(depth + 1)

    with recording_to(recorder):
        kind, error, *_ = told(lambda: endless(0), ours_at_most=10_000)
    assert (kind, error[0]) == ("raised", RecursionError)
    assert nothing_is_left(recorder) is None
