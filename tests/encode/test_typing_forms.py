"""Typing forms are shown as a program writes them, and nothing in them is asked for its text."""

from __future__ import annotations

import collections.abc
import enum
import types
import typing
from typing import Any

import pytest
from support.values import OfTellingClass, TellingColour, Unknown, ran, strict_json

from llmobs_trace.encode import encode

T = typing.TypeVar("T")
P = typing.ParamSpec("P")
HERE = __name__


class City:
    pass


class Box(typing.Generic[T]):
    pass


class Answer(str, enum.Enum):
    YES = "yes"


UserId = typing.NewType("UserId", int)


@pytest.mark.parametrize(
    ("form", "shown"),
    [
        (list[City], f"list[{HERE}.City]"),
        (dict[str, list[City]], f"dict[str, list[{HERE}.City]]"),
        (typing.List[int], "list[int]"),  # noqa: UP006
        (typing.Literal["a", 'it\'s "b"', 1, True, None], "Literal['a', 'it\\'s \"b\"', 1, True, None]"),
        (typing.Literal[Answer.YES], f"Literal[{HERE}.Answer.YES]"),
        (int | None, "int | None"),
        (typing.Optional[City], f"{HERE}.City | None"),  # noqa: UP045
        (typing.Union[int, typing.Literal["a"]], "int | Literal['a']"),  # noqa: UP007
        (collections.abc.Callable[[int, City], str], f"Callable[[int, {HERE}.City], str]"),
        (typing.Callable[..., None], "Callable[..., None]"),
        (typing.Callable[P, int], "Callable[[P], int]"),
        (tuple[int, ...], "tuple[int, ...]"),
        (Box[int], f"{HERE}.Box[int]"),
        (Box[T], f"{HERE}.Box[T]"),
        (typing.Annotated[int, "metres", City()], f"Annotated[int, metres, <{HERE}.City>]"),
        (list["City"], "list[City]"),
        (typing.ForwardRef("City"), "City"),
        (typing.ClassVar[int], "ClassVar[int]"),
        (typing.List, "List"),  # noqa: UP006
        # A class from CPython 3.14 on.
        (typing.Union, "<class typing.Union>" if isinstance(typing.Union, type) else "Union"),
        (T, "T"),
        (UserId, f"{HERE}.UserId"),
        (list[UserId], f"list[{HERE}.UserId]"),
    ],
)
def test_a_typing_form_is_shown_as_a_program_writes_it(form: Any, shown: str) -> None:
    assert strict_json(encode(form)) == shown
    assert strict_json(encode({"response_format": form})) == {"response_format": shown}


def test_what_stands_in_a_form_is_asked_nothing() -> None:
    forms = [
        list[OfTellingClass],
        typing.Literal[TellingColour.RED],
        typing.Annotated[int, Unknown()],
        types.GenericAlias(list, (OfTellingClass(),)),
        collections.abc.Callable[[OfTellingClass], Unknown],
    ]
    ran.clear()
    strict_json(encode(forms))
    assert ran == []


def test_a_form_that_doubles_with_every_level_is_shown_in_part() -> None:
    form: Any = int
    for _ in range(200):
        form = tuple[form, form]
    shown = strict_json(encode(form))
    assert shown.startswith("tuple[tuple[")
    assert "…" in shown
    assert len(shown) < 2_000


def test_a_long_literal_is_shown_in_part() -> None:
    form = typing.Literal["x" * 1_000_000, 10**5000]  # type: ignore[valid-type]
    assert len(encode(form)) < 2_000
    many = typing.Literal[tuple(range(10_000))]  # type: ignore[valid-type]
    assert len(encode(many)) < 2_000


def nested(levels: int) -> Any:
    form: Any = int
    for _ in range(levels):
        form = list[form]
    return form


def test_twenty_levels_of_a_form_are_shown() -> None:
    assert strict_json(encode(nested(20))) == "list[" * 20 + "int" + "]" * 20
    assert strict_json(encode(nested(21))) == "list[" * 21 + "…" + "]" * 21
    assert strict_json(encode(nested(22))) == strict_json(encode(nested(21)))


@pytest.mark.parametrize(
    ("around", "shown"),
    [
        (lambda form: collections.abc.Callable[[form], None], "Callable[[{}], None]"),
        (lambda form: collections.abc.Callable[[int], form], "Callable[[int], {}]"),
        (lambda form: collections.abc.Callable[..., form], "Callable[..., {}]"),
        (lambda form: typing.Optional[form], "{} | None"),  # noqa: UP045
        (lambda form: typing.Annotated[form, "unit"], "Annotated[{}, unit]"),
        (lambda form: dict[str, form], "dict[str, {}]"),
    ],
)
def test_whatever_holds_a_form_is_one_level_more(around: Any, shown: str) -> None:
    whole = strict_json(encode(nested(19)))
    assert strict_json(encode(around(nested(19)))) == shown.format(whole)
    cut = strict_json(encode(nested(20))).replace("int", "…")
    assert strict_json(encode(around(nested(20)))) == shown.format(cut)


def test_a_hundred_parts_of_a_form_are_shown() -> None:
    """The form, what it is made of, and all that stands in it."""
    for count, more in ((98, ""), (99, ", …"), (100, ", …"), (5_000, ", …")):
        inside = ", ".join(["int"] * min(count, 98)) + more
        assert strict_json(encode(tuple[(int,) * count])) == f"tuple[{inside}]"  # type: ignore[misc]
        inside = ", ".join(map(str, range(min(count + 1, 99)))) + more
        many = typing.Literal[tuple(range(count + 1))]  # type: ignore[valid-type]
        assert strict_json(encode(many)) == f"Literal[{inside}]"
    first = ", ".join(map(str, range(98)))
    two = typing.Literal[tuple(range(200))] | int | str  # type: ignore[valid-type]
    assert strict_json(encode(two)) == f"Literal[{first}, …] | … | …"


def test_a_thousand_characters_of_a_text_in_a_form_are_shown() -> None:
    for length in (999, 1_000):
        text = "x" * length
        assert strict_json(encode(typing.Literal[text])) == f"Literal['{text}']"  # type: ignore[valid-type]
        assert strict_json(encode(list[text])) == f"list[{text}]"  # type: ignore[valid-type]
        assert strict_json(encode(typing.TypeVar(text))) == text  # type: ignore[misc]
    text = "x" * 1_000
    for longer in (text + "x", text + "xy"):
        assert strict_json(encode(typing.Literal[longer])) == f"Literal['{text}']"  # type: ignore[valid-type]
        assert strict_json(encode(list[longer])) == f"list[{text}…]"  # type: ignore[valid-type]
        assert strict_json(encode(typing.TypeVar(longer))) == f"{text}…"  # type: ignore[misc]
    assert strict_json(encode(typing.Literal[b"x" * 1_001])) == f"Literal[b'{text}']"  # type: ignore[valid-type]


def test_a_number_of_a_thousand_bits_in_a_literal_is_shown() -> None:
    for number, shown in ((2**999, str(2**999)), (2**1000 - 1, str(2**1000 - 1)), (2**1000, "<int>")):
        assert strict_json(encode(typing.Literal[number])) == f"Literal[{shown}]"  # type: ignore[valid-type]
    assert strict_json(encode(typing.Literal[1.5])) == "Literal[<float>]"  # type: ignore[valid-type]
    assert strict_json(encode(typing.Literal[False])) == "Literal[False]"
