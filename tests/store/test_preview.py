from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st
from support.events import span

from llmobs_trace.store.columns import span_columns
from llmobs_trace.store.preview import LARGE_BYTES, previewed

# No conversations: of those see `test_shortening`.
_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(given_value=_values, size=st.integers(1, 40))
def test_a_preview_is_the_beginning_of_the_value_and_says_whether_it_is_all(
    given_value: object, size: int
) -> None:
    event = span("a", input=given_value)
    text = json.dumps(given_value, ensure_ascii=False)
    try:
        event.decode()
    except UnicodeDecodeError:
        return
    shown = previewed(None, event, size)
    if given_value is None:
        assert (shown.input, shown.input_cut) == (None, False)
    else:
        assert shown.input == text[:size]
        assert shown.input_cut == (len(text) > size)


def test_a_large_event_is_kept_with_its_preview_and_a_small_one_without() -> None:
    large, _ = span_columns(span("a", input="é" * LARGE_BYTES, output="short"))
    assert large.preview is not None
    shown = previewed(large.preview, b"", 10)
    assert (shown.output, shown.output_cut, shown.input_cut) == ('"short"', False, True)
    assert span_columns(span("a"))[0].preview is None


def test_a_stack_is_shown_from_its_end_and_what_is_no_text_is_not() -> None:
    assert (
        previewed(None, span("a", error={"stack": "x" * 10_000 + "end"}), 10).error_stack
        == "x" * 3997 + "end"
    )
    odd = span("a", error={"stack": "?"}).replace(b'"?"', b"5")
    assert previewed(None, odd, 10).error_stack is None
