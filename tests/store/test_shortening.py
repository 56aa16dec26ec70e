from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmobs_trace.store.shortening import shortened

_text = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
_messages = st.lists(
    st.fixed_dictionaries({"role": st.sampled_from(["system", "user", "assistant"]), "content": _text}),
    min_size=1,
    max_size=8,
)


def raw(value: object) -> msgspec.Raw:
    return msgspec.Raw(compact(value).encode())


def compact(value: object) -> str:
    """As values are recorded."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


@given(messages=_messages, room=st.integers(1, 400), is_object=st.booleans(), model=_text)
def test_of_a_conversation_the_newest_messages_stay_and_it_is_said_how_many_do_not(
    messages: list[dict[str, str]], room: int, is_object: bool, model: str
) -> None:
    value: object = {"model": model, "messages": messages} if is_object else messages
    text, is_cut, left_out = shortened(raw(value), room)
    whole = compact(value)
    assert text is not None
    assert len(text) <= room
    assert is_cut == (len(whole) > room)
    if not is_cut:
        assert (text, left_out) == (whole, 0)
        return
    try:
        kept = json.loads(text)
    except ValueError:
        # There was no room for a single message: the beginning of the newest.
        assert left_out == len(messages) - 1
        return
    kept = kept["messages"] if is_object else kept
    assert kept == messages[left_out:]
    assert left_out == len(messages) - len(kept)
    # Of an object the members beside its messages go first.
    assert left_out > 0 or is_object


def test_what_stands_beside_the_messages_stays_where_there_is_room() -> None:
    value = {
        "model": "small-1",
        "tools": ["t" * 200],
        "messages": [{"role": "user", "content": "a" * 300}, {"role": "user", "content": "Why?"}],
    }
    text, is_cut, left_out = shortened(raw(value), 200)
    assert json.loads(text or "") == {"messages": [{"role": "user", "content": "Why?"}], "model": "small-1"}
    assert (is_cut, left_out) == (True, 1)


@pytest.mark.parametrize(
    "value",
    [
        "x" * 500,
        ["x" * 100] * 5,
        [{"content": "x" * 500}],
        {"messages": "x" * 500},
        {"messages": [], "x": "x" * 500},
        {"a": {"messages": [{"role": "user", "content": "x" * 500}]}},
        [[["x" * 500]]],
        [*[{"role": "user", "content": "x" * 500}], "no message"],
    ],
)
def test_what_is_no_conversation_is_shown_from_its_beginning(value: object) -> None:
    whole = compact(value)
    assert shortened(raw(value), 100) == (whole[:100], True, 0)
