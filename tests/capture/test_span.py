from __future__ import annotations

import asyncio
import contextlib
import enum
import gc
import logging
import re
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from llmobs_trace import Span, SpanBlock, UsageError, current_span, experiment_span, record_metric
from llmobs_trace.capture import recorder as slot
from llmobs_trace.capture import row_ids
from llmobs_trace.wire import KINDS


@pytest.fixture(autouse=True)
def starts_afresh():
    """Misuse is logged once a minute, and rows are counted for the whole process."""
    slot.forget_what_was_said()
    row_ids.forget_rows()


@pytest.fixture
def said(caplog):
    """A callable: the lines logged so far."""
    caplog.set_level(logging.WARNING, "llmobs_trace")
    return lambda: [record.getMessage() for record in caplog.records]


# --- blocks -------------------------------------------------------------------------------------------------


def test_a_block_makes_a_span(llmobs_spans):
    with experiment_span("answer", input={"q": "2+2"}, expected_output=4, tags={"model": "small"}) as span:
        assert isinstance(span, Span)
        assert current_span() is span
        span.set_output(4)
    assert current_span() is None
    (recorded,) = llmobs_spans
    assert (recorded.name, recorded.span_id, recorded.trace_id) == (span.name, span.span_id, span.trace_id)
    assert (recorded.input, recorded.output, recorded.expected_output) == ({"q": "2+2"}, 4, {"value": 4})
    assert (recorded.status, recorded.error, recorded.tags["model"]) == ("ok", None, "small")


def test_an_async_block_makes_a_span(llmobs_spans):
    async def main():
        async with experiment_span("answer", input=1) as span:
            assert current_span() is span
            span.set_output(2)

    asyncio.run(main())
    assert (llmobs_spans.named("answer").input, llmobs_spans.named("answer").output) == (1, 2)


def test_a_block_without_a_name_is_named_after_the_function_it_stands_in(llmobs_spans):
    def helper():
        with experiment_span():
            pass

    async def async_helper():
        async with experiment_span(kind="tool"):
            pass

    helper()
    asyncio.run(async_helper())
    names = [span.name for span in llmobs_spans]
    assert names == ["helper", "async_helper"]


def test_each_entry_of_a_block_makes_a_new_span(llmobs_spans):
    block = experiment_span("again")
    assert isinstance(block, SpanBlock)
    with block as first:
        pass
    with block as second, block as inner:
        assert inner.parent_id == second.span_id
    assert len({first.span_id, second.span_id, inner.span_id}) == 3
    assert [span.span_id for span in llmobs_spans] == [first.span_id, inner.span_id, second.span_id]


def test_a_block_takes_a_name_that_is_a_string_of_another_class(llmobs_spans):
    class Names(str, enum.Enum):
        ANSWER = "answer"

    with experiment_span(Names.ANSWER):
        pass
    assert llmobs_spans[0].name == "answer"


def test_a_blocks_input_and_output_are_what_they_were_when_given(llmobs_spans):
    messages = [{"role": "user", "parts": [1]}]
    expected = {"a": [1]}
    tags = {"state": ["new"]}
    with experiment_span("model", input=messages, expected_output=expected, tags=tags) as span:
        messages[0]["parts"].append(2)
        expected["a"].append(2)
        tags["state"].append("old")
        span.set_output(messages)
        messages.clear()
    recorded = llmobs_spans.named("model")
    assert recorded.input == [{"role": "user", "parts": [1]}]
    assert recorded.output == [{"role": "user", "parts": [1, 2]}]
    assert recorded.expected_output == {"a": [1]}
    assert recorded.tags["state"] == '["new"]'


def test_an_exception_that_leaves_a_block_is_recorded_and_goes_on_unchanged(llmobs_spans):
    cause, raised = KeyError("cause"), ValueError("left")
    with pytest.raises(ValueError, match="left") as caught, experiment_span("block"):
        raise raised from cause
    assert caught.value is raised
    assert caught.value.__cause__ is cause
    frames = []
    trace = caught.value.__traceback__
    while trace is not None:
        frames.append(trace.tb_frame.f_code.co_filename)
        trace = trace.tb_next
    assert frames == [__file__]
    span = llmobs_spans.named("block")
    assert (span.status, span.error["type"], span.error["message"]) == ("error", "ValueError", "left")
    assert "KeyError: 'cause'" in span.error["stack"]


def test_generator_exit_in_a_block_is_ok(llmobs_spans):
    def stream():
        with experiment_span("block"):
            yield

    iterator = stream()
    next(iterator)
    iterator.close()
    assert (llmobs_spans.named("block").status, llmobs_spans.named("block").error) == ("ok", None)


def test_a_block_does_not_swallow_and_an_exit_stack_may(llmobs_spans):
    with contextlib.suppress(ValueError), experiment_span("block"):
        raise ValueError
    assert llmobs_spans.named("block").status == "error"


def test_a_block_that_is_lost_ends_its_span(llmobs_spans):
    block = experiment_span("lost")
    block.__enter__()
    del block
    gc.collect()
    assert current_span() is None
    assert llmobs_spans.named("lost").status == "ok"


def test_leaving_a_block_that_was_not_entered_is_harmless(llmobs_spans):
    experiment_span("never").__exit__(None, None, None)
    assert len(llmobs_spans) == 0


WRONG = {
    "kind": {"kind": "bogus"},
    "tags": {"tags": ["a"]},
    "row_id": {"row_id": 7},
    "experiment_id": {"experiment_id": ""},
    "project_id": {"project_id": ".."},
    "dataset_id": {"dataset_id": 5},
    "capture_input": {"capture_input": "no"},
    "capture_output": {"capture_output": 0},
    "kind?": {"knid": "llm"},
    "expected_output?": {"expected": 4},
    "has no argument zzz": {"zzz": 1},
}


@pytest.mark.parametrize(("option", "given"), WRONG.items(), ids=WRONG)
def test_a_blocks_wrong_argument_is_said_and_left_out(llmobs_spans, said, option, given):
    """A block runs with the program: a row whose id is a number must not end it."""
    for _ in range(2):
        with experiment_span("block", input=1, **given) as span:
            span.set_output(2)
    assert [(span.name, span.input, span.output) for span in llmobs_spans] == [("block", 1, 2)] * 2
    (line,) = said()
    assert option in line
    assert "left out" in line


@pytest.mark.parametrize("given", WRONG.values(), ids=WRONG)
def test_strict_makes_a_blocks_wrong_argument_raise(llmobs_spans, given):
    slot.current.strict = True
    with pytest.raises(UsageError), experiment_span("block", **given):
        pass
    assert current_span() is None
    assert len(llmobs_spans) == 0


def test_a_block_whose_name_is_no_string_still_runs(llmobs_spans, said):
    with experiment_span(5, input=1):
        pass
    assert llmobs_spans[0].input == 1
    assert len(said()) == 1


# --- ids, times, kinds --------------------------------------------------------------------------------------


def test_ids_are_w3c_hex_and_a_child_shares_its_parents_trace(llmobs_spans):
    with experiment_span("parent") as parent, experiment_span("child") as child:
        pass
    assert re.fullmatch("[0-9a-f]{32}", parent.trace_id)
    assert re.fullmatch("[0-9a-f]{16}", parent.span_id)
    assert int(parent.trace_id, 16)
    assert int(parent.span_id, 16)
    assert (child.trace_id, child.parent_id, parent.parent_id) == (parent.trace_id, parent.span_id, None)
    recorded = llmobs_spans.named("child")
    assert recorded.wire["tags"][:2] == [f"parent_id:{parent.span_id}", "span_kind:task"]
    assert (recorded.start_ns, child.start_ns) == (child.start_ns, recorded.start_ns)
    assert recorded.duration_ns >= 0


def test_a_span_shows_its_name_ids_and_state(llmobs_spans):
    with experiment_span("shown") as span:
        assert "'shown'" in repr(span)
        assert span.span_id in repr(span)
        assert "open" in repr(span)
    assert "ended" in repr(span)
    assert "shown" in repr(experiment_span("shown"))


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind(llmobs_spans, kind):
    with experiment_span("root", kind=kind) as root, experiment_span("child", kind=kind) as child:
        pass
    assert (root.kind, child.kind) == (kind, kind)
    assert [span.kind for span in llmobs_spans] == [kind, kind]


def test_a_root_is_an_experiment_and_a_child_a_task_unless_told_otherwise(llmobs_spans):
    with experiment_span("root"), experiment_span("child"):
        pass
    assert [(span.name, span.kind) for span in llmobs_spans] == [("child", "task"), ("root", "experiment")]


def test_a_root_may_name_its_experiment_and_its_descendants_inherit_it(llmobs_spans):
    ids = {"experiment_id": "e", "project_id": "p", "dataset_id": "d"}
    inherits = {"experiment_id": "ignored"}
    with experiment_span("root", **ids), experiment_span("child", **inherits), experiment_span("grandchild"):
        pass
    with experiment_span("partly", experiment_id="e2"):
        pass
    with experiment_span("default"):
        pass

    @experiment_span("decorated", **ids)
    def work():
        return None

    work()
    assert [(s.name, s.experiment_id, s.project_id, s.dataset_id) for s in llmobs_spans] == [
        ("grandchild", "e", "p", "d"),
        ("child", "e", "p", "d"),
        ("root", "e", "p", "d"),
        ("partly", "e2", "test-project", "test-dataset"),
        ("default", "test-experiment", "test-project", "test-dataset"),
        ("decorated", "e", "p", "d"),
    ]


# --- rows ---------------------------------------------------------------------------------------------------


def recorded_row(spans, *args, **kwargs):
    with experiment_span(*args, **kwargs):
        pass
    return spans[-1].row_id


def test_a_row_is_named_by_row_id_which_travels_as_a_tag(llmobs_spans):
    assert recorded_row(llmobs_spans, "row", row_id="question-7") == "question-7"
    assert "dataset_record_id:question-7" in llmobs_spans[0].wire["tags"]
    assert recorded_row(llmobs_spans, "row", row_id="question-7") == "question-7"


def test_a_row_without_a_name_is_known_by_its_input(llmobs_spans):
    first = recorded_row(llmobs_spans, "row", input={"q": 1})
    other = recorded_row(llmobs_spans, "row", input={"q": 2})
    renamed = recorded_row(llmobs_spans, "another name", input={"q": 3})
    row_ids.forget_rows()
    assert recorded_row(llmobs_spans, "another name", input={"q": 1}) == first
    assert len({first, other, renamed}) == 3
    assert re.fullmatch("[0-9a-f]{16}", first)


def test_a_row_that_comes_again_gets_an_ordinal_in_its_own_experiment(llmobs_spans):
    first = recorded_row(llmobs_spans, "row", input=1)
    assert [recorded_row(llmobs_spans, "row", input=1) for _ in range(2)] == [f"{first}-2", f"{first}-3"]
    assert recorded_row(llmobs_spans, "row", input=1, experiment_id="other") == first


def test_a_row_has_one_id_whatever_else_is_said_of_it_and_counts_once_where_it_is_cut(llmobs_spans):
    slot.current.max_event_bytes = 2048
    first = recorded_row(llmobs_spans, "row", input="x" * 9000)
    assert recorded_row(llmobs_spans, "row", input="x" * 9000, tags={"split": "test"}) == f"{first}-2"
    assert recorded_row(llmobs_spans, "row", input="x" * 9000) == f"{first}-3"


def test_rows_of_many_threads_that_come_at_once_get_each_ordinal_once(llmobs_spans):
    def record_rows():
        for question in range(50):
            with experiment_span("row", input=question):
                pass

    with ThreadPoolExecutor(8) as pool:
        for done in [pool.submit(record_rows) for _ in range(8)]:
            done.result()
    rows = [span.row_id for span in llmobs_spans]
    assert len(set(rows)) == len(rows) == 400
    assert sum("-" not in row for row in rows) == 50
    assert {row.partition("-")[2] for row in rows} == {"", *map(str, range(2, 9))}


def test_a_row_without_an_input_is_known_by_its_name(llmobs_spans):
    first = recorded_row(llmobs_spans, "one")
    assert recorded_row(llmobs_spans, "two") != first
    assert recorded_row(llmobs_spans, "one") == f"{first}-2"


def test_a_decorated_call_is_a_row_too_known_by_its_arguments(llmobs_spans):
    @experiment_span
    def work(question):
        return None

    for question in ("a", "b", "a"):
        work(question)
    first, second, third = (span.row_id for span in llmobs_spans)
    assert third == f"{first}-2"
    assert second not in (first, third)


def test_only_roots_of_kind_experiment_are_rows(llmobs_spans):
    with experiment_span("root", kind="workflow"), experiment_span("child"):
        pass
    assert [span.row_id for span in llmobs_spans] == [None, None]


@pytest.mark.parametrize(
    ("options", "where"), [({"kind": "workflow"}, "of kind workflow"), ({}, "within another span")]
)
def test_a_name_of_a_row_on_what_is_none_is_misuse(llmobs_spans, said, options, where):
    def name_it():
        with experiment_span("no row", row_id="r", **options):
            pass

    with experiment_span("outer") if not options else contextlib.nullcontext():
        name_it()
        slot.current.strict = True
        with pytest.raises(UsageError, match="row_id is for rows"):
            name_it()
    assert said() == [
        f"row_id is for rows, that is, root spans of kind experiment: left out of a span ({where})"
    ]
    assert llmobs_spans.named("no row").row_id is None


@pytest.mark.parametrize("names", [{"experiment_id": "other"}, {"dataset_id": "other", "project_id": "p"}])
def test_another_experiment_within_a_span_is_misuse_and_the_same_one_is_not(llmobs_spans, said, names):
    """As where the loop over the dataset has a span of its own: its rows would all be of that one's."""
    with experiment_span("root", experiment_id="e", project_id="p", dataset_id="d"):
        with experiment_span("same", experiment_id="e", project_id="p"):
            pass
        assert said() == []
        with experiment_span("child", **names):
            pass
        slot.current.strict = True
        with pytest.raises(UsageError, match="are for root spans"), experiment_span("child", **names):
            pass
    assert said() == [
        "experiment_id, project_id and dataset_id are for root spans: left out within another span ('child')"
    ]
    assert llmobs_spans[1].experiment_id == "e"


# --- what a span is told ------------------------------------------------------------------------------------


def test_a_span_may_be_told_more_than_once_and_the_last_word_counts(llmobs_spans):
    with experiment_span("span", input=1, expected_output=1, tags={"a": 1, "b": 1}) as span:
        span.set_input(2)
        span.set_output(1)
        span.set_output({"x": [2]})
        span.set_expected_output({"value": 3})
        span.set_tags({"b": 2, "c": None})
    recorded = llmobs_spans.named("span")
    assert (recorded.input, recorded.output, recorded.expected_output) == (2, {"x": [2]}, {"value": 3})
    assert {key: recorded.tags[key] for key in "abc"} == {"a": "1", "b": "2", "c": "null"}


def test_none_leaves_a_field_out(llmobs_spans):
    with experiment_span("span", input=1) as span:
        span.set_input(None)
        span.set_output(None)
        span.set_expected_output(None)
    assert llmobs_spans.named("span").wire["meta"] == {}


@pytest.mark.parametrize(
    ("value", "sent"),
    [
        ([[1, 2], [3]], {"value": [[1, 2], [3]]}),
        ([1, None], {"value": [1, None]}),
        ({}, {"value": {}}),
        ([1, "a", {"b": [[1]]}], [1, "a", {"b": [[1]]}]),
        ("", ""),
        (0, 0),
        (False, False),
    ],
)
def test_values_outside_of_the_schema_are_wrapped(llmobs_spans, value, sent):
    with experiment_span("span", input=value) as span:
        span.set_output(value)
    assert (llmobs_spans[0].input, llmobs_spans[0].output) == (sent, sent)


def test_tags_are_keys_and_values_as_the_encoder_writes_them(llmobs_spans):
    class Model(enum.Enum):
        SMALL = "small"

    tags = {"s": "a:b", "i": 1, "f": 0.5, "b": True, "l": [1, {"x": 2}], "e": Model.SMALL, 3: "three"}
    with experiment_span("span", tags=tags):
        pass
    own = [tag for tag in llmobs_spans[0].wire["tags"] if not tag.startswith(("span_kind", "dataset_record"))]
    assert own == ["s:a:b", "i:1", "f:0.5", "b:true", 'l:[1,{"x":2}]', "e:small", "3:three"]


@pytest.mark.parametrize("reserved", ["parent_id", "span_kind"])
def test_the_librarys_own_tags_cannot_be_set(llmobs_spans, said, reserved):
    with experiment_span("span", tags={reserved: "x", "kept": 1}) as span:
        span.set_tags({reserved: "y"})
    recorded = llmobs_spans[0].wire["tags"]
    assert f"{reserved}:x" not in recorded
    assert f"{reserved}:y" not in recorded
    assert "kept:1" in recorded
    assert len(said()) == 1


def test_an_exception_may_be_recorded_without_leaving_the_block(llmobs_spans):
    with experiment_span("span") as span:
        try:
            raise TimeoutError("slow")
        except TimeoutError as error:
            span.record_exception(error)
    recorded = llmobs_spans.named("span")
    assert (recorded.status, recorded.error["type"], recorded.error["message"]) == (
        "error",
        "TimeoutError",
        "slow",
    )
    assert "TimeoutError: slow" in recorded.error["stack"]


def test_an_exception_that_was_never_raised_may_be_recorded(llmobs_spans):
    with experiment_span("span") as span:
        span.record_exception(ValueError("made"))
    assert llmobs_spans.named("span").error["stack"] == "ValueError: made\n"


def test_exception_groups_and_notes_are_in_the_stack(llmobs_spans):
    if sys.version_info < (3, 11):
        from exceptiongroup import ExceptionGroup
    else:
        from builtins import ExceptionGroup
    with experiment_span("span") as span:
        span.record_exception(ExceptionGroup("several", [ValueError("one"), KeyError("two")]))
    stack = llmobs_spans.named("span").error["stack"]
    assert "ValueError: one" in stack
    assert "KeyError: 'two'" in stack


def test_hostile_exceptions_are_recorded_as_far_as_they_can_be(llmobs_spans):
    class Mute(Exception):
        def __str__(self):
            raise RuntimeError("no")

        __repr__ = __str__

    class NotText(Exception):
        def __str__(self):
            return super().__str__()

    raised = [Mute(), NotText("\ud800"), Exception(*range(5)), BaseException()]
    for error in raised:
        with pytest.raises(BaseException) as caught, experiment_span("span"):  # noqa: PT011 - any
            raise error
        assert caught.value is error
    assert [span.status for span in llmobs_spans] == ["error"] * 4
    assert llmobs_spans[0].error["type"] == "Mute"


def test_an_exception_that_hides_its_class_is_a_failure_all_the_same(llmobs_spans):
    class Hidden(Exception):
        @property
        def __class__(self):
            raise RuntimeError("asked")

    @experiment_span
    def work():
        raise Hidden("no")

    @experiment_span
    def stream():
        yield 1
        raise Hidden("no")

    def block():
        with experiment_span("block"):
            raise Hidden("no")

    for act in (work, lambda: list(stream()), block):
        with contextlib.suppress(Hidden):  # pytest would ask it
            act()
    assert [(span.status, span.error["type"]) for span in llmobs_spans] == [("error", "Hidden")] * 3


def test_recording_an_exception_asks_nothing_of_the_users_objects(llmobs_spans):
    """The interpreter's "Did you mean …?" would."""
    asked = []

    class Lazy:
        def __dir__(self):
            asked.append("dir")
            return ["missing_"]

        @property
        def undefined(self):
            asked.append("property")

        def lacks_an_attribute(self):
            return self.missing

        def lacks_a_name(self):
            return undefined  # noqa: F821 - what is tested

        def lacks_both(self):
            try:
                return self.missing
            except AttributeError:
                return undefined  # noqa: F821 - what is tested

    for act in (Lazy().lacks_an_attribute, Lazy().lacks_a_name, Lazy().lacks_both):
        with pytest.raises((AttributeError, NameError)), experiment_span("span"):
            act()
    assert asked == []
    stacks = [span.error["stack"] for span in llmobs_spans]
    assert "object has no attribute 'missing'" in stacks[0]
    assert "name 'undefined' is not defined" in stacks[1]
    assert "During handling of the above exception" in stacks[2]
    assert "Did you mean" not in "".join(stacks)


def test_the_stack_is_the_standard_librarys_text_without_our_frames(llmobs_spans):
    import traceback

    @experiment_span
    def fails():
        raise KeyError("inner")

    def chained():
        try:
            fails()
        except KeyError as error:
            raise ValueError("outer") from error

    with experiment_span("span") as span:
        try:
            chained()
        except ValueError as error:
            span.record_exception(error)
            text = "".join(traceback.format_exception(error))
    ours = "call_function"
    stack = llmobs_spans.named("span").error["stack"]
    assert ours in text
    assert ours not in stack
    assert next(line for line in stack.splitlines() if "File" not in line) == text.splitlines()[0]
    assert stack.count("Traceback (most recent call last)") == 2
    assert stack.endswith("ValueError: outer\n")


def test_recording_an_exception_keeps_neither_it_nor_its_frames_alive(llmobs_spans):
    import weakref

    class Local:
        pass

    def fails():
        local = Local()
        seen.append(weakref.ref(local))
        raise ValueError(local)

    seen = []
    with experiment_span("span") as span:
        try:
            fails()
        except ValueError as error:
            span.record_exception(error)
        gc.collect()
        assert seen[0]() is None


# --- misuse -------------------------------------------------------------------------------------------------

AFTER_ITS_END = {
    "set_input": lambda span: span.set_input(1),
    "set_output": lambda span: span.set_output(1),
    "set_expected_output": lambda span: span.set_expected_output(1),
    "set_tags": lambda span: span.set_tags({"a": 1}),
    "record_exception": lambda span: span.record_exception(ValueError()),
}


@pytest.mark.parametrize(("method", "act"), AFTER_ITS_END.items(), ids=AFTER_ITS_END)
def test_a_span_that_has_ended_is_told_nothing_more(llmobs_spans, said, method, act):
    with experiment_span("span") as span:
        pass
    act(span)
    act(span)
    assert len(llmobs_spans) == 1
    (line,) = said()
    assert method in line
    assert "has ended" in line


@pytest.mark.parametrize("act", AFTER_ITS_END.values(), ids=AFTER_ITS_END)
def test_strict_makes_that_raise(llmobs_spans, act):
    with experiment_span("span") as span:
        pass
    slot.current.strict = True
    with pytest.raises(UsageError):
        act(span)


@pytest.mark.parametrize(
    "act",
    [
        lambda span: span.record_exception("no exception"),
        lambda span: span.set_tags(["a"]),
        lambda span: span.set_tags({"parent_id": "x"}),
    ],
)
def test_misuse_of_an_open_span_is_logged_once_and_strict_raises(llmobs_spans, said, act):
    with experiment_span("span") as span:
        act(span)
        act(span)
        assert len(said()) == 1
        slot.current.strict = True
        with pytest.raises(UsageError):
            act(span)
    assert llmobs_spans.named("span").status == "ok"


def test_misuse_under_strict_leaves_no_span_active(llmobs_spans):
    slot.current.strict = True
    with pytest.raises(UsageError), experiment_span("span", tags={"parent_id": 1}):
        pass
    assert current_span() is None


# --- inert spans --------------------------------------------------------------------------------------------


def told_everything(span):
    for act in AFTER_ITS_END.values():
        act(span)
    span.record_metric("m", 1)
    record_metric("m", 1)
    record_metric("m", 1, span=span)
    assert isinstance(span, Span)
    assert re.fullmatch("[0-9a-f]{16}", span.span_id)
    assert re.fullmatch("[0-9a-f]{32}", span.trace_id)
    assert span.parent_id is None
    assert isinstance(span.name, str)
    repr(span)


def test_where_tracing_is_off_spans_are_inert_and_none_is_active(llmobs_spans, said):
    slot.current.enabled = False
    slot.current.strict = True
    with experiment_span("span", input=1, tags={"a": 1}) as span:
        assert current_span() is None
        told_everything(span)
    told_everything(span)

    async def main():
        async with experiment_span("span") as span:
            told_everything(span)

    asyncio.run(main())
    assert (len(llmobs_spans), said()) == (0, [])


def test_where_the_trace_is_not_sampled_spans_are_inert_and_none_is_active(llmobs_spans, said):
    slot.current.sample_rate = 0.0
    slot.current.strict = True
    with experiment_span("root", input=1, tags={"a": 1}) as root:
        assert current_span() is None
        told_everything(root)
        slot.current.sample_rate = 1.0
        with experiment_span("child", kind="llm") as child:
            assert current_span() is None
            told_everything(child)
    assert (len(llmobs_spans), said()) == (0, [])
    with experiment_span("next"):
        assert current_span().name == "next"


def test_sampling_is_decided_once_for_each_trace(llmobs_spans):
    slot.current.sample_rate = 0.5
    for _ in range(200):
        with experiment_span("root"), experiment_span("child"):
            record_metric("m", 1)
    roots = {span.trace_id for span in llmobs_spans if span.name == "root"}
    children = {span.trace_id for span in llmobs_spans if span.name == "child"}
    assert roots == children
    assert len(llmobs_spans.metrics) == len(roots)
    assert 20 < len(roots) < 180


def test_a_block_entered_while_tracing_was_off_and_left_while_it_is_on(llmobs_spans):
    slot.current.enabled = False
    with experiment_span("off"):
        slot.current.enabled = True
        with experiment_span("on"):
            pass
    assert [span.name for span in llmobs_spans] == ["on"]


def test_a_block_entered_while_tracing_was_on_and_left_while_it_is_off(llmobs_spans):
    with experiment_span("on"):
        slot.current.enabled = False
    assert [span.name for span in llmobs_spans] == ["on"]
    assert current_span() is None


def test_an_event_of_many_tags_is_no_longer_than_an_event_may_be(llmobs_spans):
    slot.current.max_event_bytes = 2048
    rows = ["r" * 250 + end for end in "ab"]
    for row_id in rows:
        with experiment_span("row", input="x" * 9000, row_id=row_id) as span:
            span.set_tags({f"tag {number}": "x" * 300 for number in range(200)})
    assert all(len(record) <= 2048 for record in llmobs_spans.records)
    assert [span.row_id for span in llmobs_spans] == rows
    told = llmobs_spans[0].tags["…"]
    kept = sum(name.startswith("tag ") for name in llmobs_spans[0].tags)
    assert kept > 10
    assert told == f"[{200 - kept} of 200 tags cut]"
