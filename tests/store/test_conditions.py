from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from support.examples import examples

from llmobs_trace.store import conditions
from llmobs_trace.store.conditions import BECAME, WORDS, Condition, ConditionError, Field, Sort

SIGNS = ("=", "!=", "<", "<=", ">", ">=")
_names = st.text(st.characters(exclude_categories=["Cs"]), max_size=12) | st.sampled_from(
    [*WORDS, "start", "tag.", "tag.a", "-a", 'say "hi"', "back\\slash", "line\nend", "a=b", "n/a", ""]
)
_numbers = st.integers().map(str) | st.floats(allow_nan=False, allow_infinity=False).map(repr)


@st.composite
def drawn(draw: st.DrawFn) -> Condition:
    """A condition that says something."""
    word = draw(st.sampled_from(["metric", "tag", *WORDS]))
    name = draw(_names) if word in ("metric", "tag") else ""
    if word == "tag" and WORDS.get(name) == "number":
        name += "s"
    sign = draw(st.sampled_from(SIGNS))
    bare = _names.map(lambda text: text.strip(' \t\n\r\f\v="').partition("\n")[0].rstrip(" \t\r\f\v"))
    values = bare.filter(bool) | st.sampled_from(BECAME)
    if WORDS.get(word) == "status":
        values, sign = st.sampled_from(["ok", "error"]), draw(st.sampled_from(SIGNS[:2]))
    elif WORDS.get(word) == "duration":
        values = st.builds("{}{}".format, st.integers(0, 10**9), st.sampled_from(["", "ms", "s", "m", "h"]))
    elif WORDS.get(word) == "number" or (sign not in SIGNS[:2] and word in ("metric", "tag")):
        values = _numbers
    else:
        sign = draw(st.sampled_from(SIGNS[:2]))
        if draw(st.booleans()):
            return Condition(Field(word, name), sign, draw(_names), is_quoted=True)
    return Condition(Field(word, name), sign, draw(values))


@settings(max_examples=examples(200))
@given(drawn())
def test_what_is_written_is_read_as_it_was(condition: Condition) -> None:
    written = conditions.write(condition)
    assert "\n" not in written
    assert conditions.read(written) == condition


@settings(max_examples=examples(200))
@given(_names, st.booleans(), st.booleans())
def test_what_to_sort_by_is_read_as_it_was_written(name: str, is_tag: bool, is_descending: bool) -> None:
    if is_tag and WORDS.get(name) == "number":
        name += "s"
    field = Field("tag" if is_tag else "metric", name)
    written = ("-" if is_descending else "") + conditions.write_field(field)
    assert conditions.read_sort(written) == Sort(field, is_descending)


_PARTS = 'toxicity tag. tag " \\ = ! < > 1e999 250ms s latency error status text n/a 1 . - é cost_usd'
_parts = st.sampled_from([*_PARTS.split(), " ", "\n", "\ud800"])


def refusal(read: Callable[[str], object], text: str) -> str | None:
    try:
        read(text)
    except ConditionError as error:
        return str(error)
    return None


@settings(max_examples=examples(300))
@given(st.lists(_parts, max_size=8).map("".join) | st.text(max_size=12))
@example("x" * 2000)
@example("latency=1e300h")
def test_bad_text_is_refused_by_an_error_of_its_own_that_names_it(text: str) -> None:
    for read in (conditions.read, conditions.read_sort):
        said = refusal(read, text)
        assert said is None or repr(text[:40])[1:-1] in said


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("toxicity", "a condition is FIELD OP VALUE"),
        ("toxicity", "fields: a metric's label, tag.KEY, status, error, latency"),
        ("toxicity>", "it has no value"),
        ("toxicity>high", "> takes a number"),
        ("toxicity==1", "put the value in double quotes"),
        ("status=fine", "status=ok, status=error"),
        ("error>3", "error is compared with = or !="),
        ("latency>quick", "seconds, or as 250ms, 1.5s, 2m"),
        ("cost_usd=free", "cost_usd is compared with a number"),
        ("tag.=1", "name the tag's key"),
        ("tag.cost_usd>1", "write cost_usd"),
        ("x=\ud800", "no Unicode text"),
    ],
)
def test_what_would_do_is_said(text: str, says: str) -> None:
    with pytest.raises(ConditionError, match=r"^condition ") as raised:
        conditions.read(text)
    assert says in str(raised.value)


@pytest.mark.parametrize(
    ("text", "field", "value"),
    [
        ("toxicity > 0.3", Field("metric", "toxicity"), "0.3"),
        ("  tag.language=pt BR ", Field("tag", "language"), "pt BR"),
        ('tag."a b" = c', Field("tag", "a b"), "c"),
        ('"latency">3', Field("metric", "latency"), "3"),
        ("latency>3", Field("latency"), "3"),
        ('"a\\"b\\\\c\\nd"!=x', Field("metric", 'a"b\\c\nd'), "x"),
        ("geval:tone/1=n/a", Field("metric", "geval:tone/1"), "n/a"),
    ],
)
def test_fields_are_words_tags_and_labels(text: str, field: Field, value: str) -> None:
    found = conditions.read(text)
    assert (found.field, found.value) == (field, value)


@pytest.mark.parametrize(
    ("value", "duration_ns"),
    [("2", 2e9), ("250ms", 250e6), ("1.5s", 1.5e9), ("2 m", 120e9), ("1h", 3600e9), ("0.0000000014", 1.0)],
)
def test_a_time_has_units(value: str, duration_ns: float) -> None:
    assert conditions.read(f"latency>={value}").duration_ns == duration_ns


def test_a_quoted_value_is_text_whatever_it_reads_as() -> None:
    assert conditions.read("tone=missing").became == "missing"
    quoted = conditions.read('tone="missing"')
    assert (quoted.became, quoted.number, quoted.value) == (None, None, "missing")
    assert conditions.read('tone="1"').number is None


def test_conditions_are_so_many_at_most() -> None:
    assert len(conditions.read_all(["a=1"] * conditions.MOST)) == conditions.MOST
    with pytest.raises(ConditionError, match="at most 30 are taken at once"):
        conditions.read_all(["a=1"] * 31)
