"""JSON that says the same has one digest, whoever wrote it; what says another thing has another."""

from __future__ import annotations

import msgspec
import pytest

from llmobs_trace.catalog.digests import are_tags_alone, canonical, digest_of, is_same


def of(text: str, metadata: str = "null", *tags: str) -> bytes:
    return digest_of([msgspec.Raw(text.encode())], msgspec.Raw(metadata.encode()), tags)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ('{"a":1,"b":[2,{"c":3,"d":4}]}', '{ "b" : [2, {"d":4,"c":3}],\n"a":1 }'),
        ("1.0", "1"),
        ("[-0.0, 1e2, 1.50]", "[0, 100, 1.5]"),
        ('"\\u00e9\\/\\ud83d\\ude00"', '"é/😀"'),
        ("9007199254740993", "9007199254740993"),
        ("", "null"),
    ],
)
def test_what_says_the_same_is_the_same(one: str, other: str) -> None:
    assert of(one) == of(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("1", '"1"'),
        ("1", "true"),
        ("null", '""'),
        ("null", "{}"),
        ("[1,2]", "[2,1]"),
        ("9007199254740993", "9007199254740992"),
        ("0.1", "0.10000000000000002"),
        ('{"a":null}', "{}"),
        ("[]", "{}"),
    ],
)
def test_what_says_another_thing_differs(one: str, other: str) -> None:
    assert of(one) != of(other)


def test_no_metadata_and_empty_metadata_are_the_same() -> None:
    assert of("1", "{}") == of("1", "null") == of("1", "")
    assert of("1", '{"a":1}') != of("1")


def test_values_do_not_run_into_one_another() -> None:
    def two(one: bytes, other: bytes) -> bytes:
        return digest_of([msgspec.Raw(one), msgspec.Raw(other)], msgspec.Raw(b"null"))

    assert two(b"1", b"23") != two(b"12", b"3")
    assert two(b"null", b"1") != two(b"1", b"null")


def test_tags_count_where_both_know_them_in_whatever_order_and_size_of_letters() -> None:
    unknown = digest_of([msgspec.Raw(b"1")], msgspec.Raw(b"null"))
    assert is_same(unknown, of("1", "null", "a:b"))
    assert is_same(of("1", "null", "a:b", "C"), of("1", "null", "c", "A:b", "c"))
    assert not is_same(of("1"), of("1", "null", "a:b"))
    assert not is_same(unknown, of("2"))
    assert are_tags_alone(of("1"), of("1", "null", "a:b"))
    assert not are_tags_alone(of("1"), of("2"))


@pytest.mark.parametrize("text", [b"{", b"[" * 100_000, b"\xff"])
def test_what_can_t_be_read_is_compared_as_it_is(text: bytes) -> None:
    assert canonical(msgspec.Raw(text)) == text
