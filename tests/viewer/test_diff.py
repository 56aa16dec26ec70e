"""What two texts have in common, as the browser works it out."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
from playwright.sync_api import Page

# Of each pair: both sides' pieces.
DIFF = """async (pairs) => {
    const { textDiff } = await import("/assets/diff.js");
    return JSON.stringify(pairs.map(([before, after]) => textDiff(before, after)));
}"""


def diffs(page: Page, server: str, pairs: list[tuple[str, str]]) -> list[dict[str, list[list[Any]]]]:
    page.goto(server)
    found: list[dict[str, list[list[Any]]]] = json.loads(page.evaluate(DIFF, pairs))
    for (before, after), each in zip(pairs, found, strict=True):
        # Nothing of either is lost, and what is said to be the same is.
        assert "".join(text for _, text in each["before"]) == before
        assert "".join(text for _, text in each["after"]) == after
        same = ["".join(text for is_same, text in each[side] if is_same) for side in ("before", "after")]
        assert "".join(same[0].split()) == "".join(same[1].split())
    return found


def changed(pieces: list[list[Any]]) -> list[str]:
    return [text for is_same, text in pieces if not is_same]


def words(count: int, vocabulary: int, seed: int = 1) -> list[str]:
    chosen = random.Random(seed)
    return [f"w{chosen.randrange(vocabulary)}" for _ in range(count)]


@pytest.mark.parametrize(
    "text", ["", "same", " ", "word " * 200, "a, b. (c)\n" * 20_000, "👩‍👩‍👧\n東京" * 5_000]
)
def test_equal_texts_have_no_difference_whatever_their_length(page: Page, server: str, text: str) -> None:
    [found] = diffs(page, server, [(text, text)])
    assert found["before"] == found["after"] == ([[True, text]] if text else [])


@pytest.mark.parametrize(("vocabulary", "joint"), [(10, " "), (20_000, " "), (20_000, "\n"), (50, "-")])
def test_in_a_hundred_thousand_characters_what_changed_alone_is_marked(
    page: Page, server: str, vocabulary: int, joint: str
) -> None:
    before = words(20_000, vocabulary)
    after = list(before)
    for place in (0, 1, 7_000, 12_345, 19_999):
        after[place] += "x"
    del after[15_000]
    after.insert(3_000, "new")
    [found] = diffs(page, server, [(joint.join(before), joint.join(after))])
    assert sum(map(len, changed(found["before"]))) < 60
    assert sum(map(len, changed(found["after"]))) < 60
    marked = "".join(changed(found["after"]))
    assert "new" in marked
    assert marked.count("x") == 5


def test_many_small_changes_in_a_long_text_of_few_words_leave_the_rest_the_same(
    page: Page, server: str
) -> None:
    before = words(20_000, 10)
    after = [f"{word}x" if place % 40 == 0 else word for place, word in enumerate(before)]
    [found] = diffs(page, server, [(" ".join(before), " ".join(after))])
    same = sum(len(text) for is_same, text in found["before"] if is_same)
    assert same > 0.9 * len(" ".join(before))


@pytest.mark.parametrize("joint", [" ", "\n"])
@pytest.mark.parametrize("vocabulary", [10, 50, 20_000])
def test_what_was_put_in_moved_or_changed_all_over_a_long_text_leaves_the_rest_the_same(
    page: Page, server: str, vocabulary: int, joint: str
) -> None:
    """However few words it is made of, and however often each comes."""
    before = words(20_000, vocabulary)
    changed_all_over = [f"{word}x" if place % 50 == 0 else word for place, word in enumerate(before)]
    cases = [
        (changed_all_over[:9_000] + words(5_000, vocabulary, seed=2) + changed_all_over[9_000:], 0.97),
        (before[:2_000] + before[5_000:15_000] + before[2_000:5_000] + before[15_000:], 0.84),
        ([f"{word}x" if place % 3 == 0 else word for place, word in enumerate(before)], 0.66),
    ]
    text = joint.join(before)
    found = diffs(page, server, [(text, joint.join(after)) for after, _ in cases])
    for each, (_, share) in zip(found, cases, strict=True):
        assert sum(len(part) for is_same, part in each["before"] if is_same) > share * len(text)


def test_texts_that_have_nothing_in_common_and_those_that_have_everything_out_of_order_come_to_an_end(
    page: Page, server: str
) -> None:
    lines = [f"line {number}" for number in range(5_000)]
    chosen = random.Random(2)
    brackets = ["".join(chosen.choice("()") for _ in range(100_000)) for _ in range(2)]
    diffs(
        page,
        server,
        [
            (" ".join(words(20_000, 30_000)), " ".join(f"v{word}" for word in words(20_000, 30_000))),
            ("\n".join(lines), "\n".join(reversed(lines))),
            (brackets[0], brackets[1]),
            ("(" * 100_000, ")(" * 50_000),
            ("", " ".join(words(20_000, 10))),
        ],
    )


def test_any_two_texts_are_all_there_and_what_is_the_same_is(page: Page, server: str) -> None:
    chosen = random.Random(3)
    tokens = ["a", "b", "\n", "c ", " ", "é", "👍", "\n\n"]
    texts = ["".join(chosen.choices(tokens, k=chosen.randrange(40))) for _ in range(800)]
    diffs(page, server, list(zip(texts[::2], texts[1::2], strict=True)))


def test_a_word_that_changed_is_marked_alone_and_two_changes_with_a_space_between_are_one(
    page: Page, server: str
) -> None:
    pairs = [
        ("The answer to 4 is 4.", "The answer to 4 is 8."),
        ("one two three", "one 2 3"),
        ("The answer", "The answer is 42"),
        (json.dumps({"a": 1}), json.dumps({"a": 2})),
    ]
    found = diffs(page, server, pairs)
    assert [changed(each["before"]) for each in found] == [["4"], ["two three"], [], ["1"]]
    assert [changed(each["after"]) for each in found] == [["8"], ["2 3"], [" is 42"], ["2"]]
