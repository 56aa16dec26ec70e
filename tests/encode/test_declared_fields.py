"""Objects with declared fields: what they store by name, and nothing computed."""

from __future__ import annotations

import dataclasses
import sys
from typing import Any, ClassVar, NamedTuple

import attrs
import msgspec
import pydantic
import pytest
from pydantic import v1
from support.values import OfTellingClass, Unknown, ran, strict_json

from llmobs_trace.encode import encode


@dataclasses.dataclass
class Plain:
    a: int
    b: Any = "x"
    shared: ClassVar[int] = 3
    start: dataclasses.InitVar[int] = 0

    @property
    def lazy(self) -> int:
        ran.append("lazy")
        return 1


@dataclasses.dataclass(slots=True, frozen=True)
class Slotted:
    a: int
    b: float = float("nan")


@dataclasses.dataclass
class Watched(Plain):
    def __getattribute__(self, name: str) -> Any:
        ran.append(name)
        return object.__getattribute__(self, name)


@attrs.define
class Defined:
    a: int
    b: Any = None


@attrs.define(slots=False)
class Loose:
    a: int


class Packed(msgspec.Struct, rename="camel", tag=True):
    first_name: str
    inner: Any = None


class Message(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="allow")
    role: str
    content: Any = None
    secret: str = pydantic.Field("hidden", exclude=True)
    _private: int = 3

    @pydantic.computed_field  # type: ignore[prop-decorator]
    @property
    def costly(self) -> int:
        ran.append("costly")
        return 1


class Choice(pydantic.BaseModel):
    index: int
    message: Message
    finish_reason: str | None = None


class Completion(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="allow")
    id: str
    choices: list[Choice]
    token: pydantic.SecretStr = pydantic.SecretStr("sk-1")


class Names(pydantic.RootModel[list[str]]):
    pass


class Old(v1.BaseModel):
    a: int
    password: v1.SecretStr = v1.SecretStr("sk-1")
    hidden: str = v1.Field("h", exclude=True)

    class Config:
        extra = "allow"


class OldRoot(v1.BaseModel):
    __root__: list[int]


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (Plain(1), {"a": 1, "b": "x"}),
        (Slotted(1), {"a": 1, "b": "NaN"}),
        (Watched(1), {"a": 1, "b": "x"}),
        (Defined(1, {2}), {"a": 1, "b": [2]}),
        (Loose(1), {"a": 1}),
        (Packed("Ada"), {"first_name": "Ada", "inner": None}),
        (
            Message(role="user", content="hi", extra_field=[1]),
            {"role": "user", "content": "hi", "extra_field": [1]},
        ),
        (Names(["a"]), ["a"]),
        (Old(a=1, more=2), {"a": 1, "password": "**********", "more": 2}),
        (OldRoot(__root__=[1]), [1]),
    ],
)
def test_stored_fields_are_shown_by_name(value: Any, shown: Any) -> None:
    ran.clear()
    encoded = encode(value)
    assert ran == []
    assert strict_json(encoded) == shown


class Pair(NamedTuple):
    a: Any
    b: Any = "x"


class Numbered(tuple[Any, ...]):
    _fields = (1, 2)


@pytest.mark.parametrize("kind", [tuple, list])
def test_a_tuple_has_fields_where_all_its_names_are_texts(kind: Any) -> None:
    assert strict_json(encode(Pair(1))) == {"a": 1, "b": "x"}
    assert strict_json(encode(Numbered([1, 2]))) == [1, 2]
    odd = type("Odd", (kind,), {"_fields": ("a", 1)})
    assert strict_json(encode(odd([1, 2]))) == [1, 2]
    listed = type("Listed", (kind,), {"_fields": ["a", "b"]})
    assert strict_json(encode(listed([1, 2]))) == [1, 2]
    of_no_tuple = type("OfNoTuple", (), {"_fields": ("a", "b")})
    assert strict_json(encode(of_no_tuple())) == f"<{__name__}.OfNoTuple>"


@pytest.mark.parametrize(
    "make",
    [
        Plain,
        Slotted,
        Watched,
        Defined,
        Loose,
        Packed,
        Pair,
        lambda value: Message.model_construct(role=value, content=value, more=value),
        lambda value: Names.model_construct(value),
        lambda value: Old.construct(a=value, more=value),
        lambda value: OldRoot.construct(__root__=value),
    ],
)
def test_what_stands_in_a_field_is_asked_nothing(make: Any) -> None:
    for value in (Unknown(), OfTellingClass(), OfTellingClass):
        record = make(value)
        ran.clear()
        strict_json(encode(record))
        assert ran == []


def test_what_stands_in_the_place_of_extra_fields_is_asked_nothing() -> None:
    for value in (OfTellingClass(), Unknown(), None):
        record = Message(role="user")
        object.__setattr__(record, "__pydantic_extra__", value)
        ran.clear()
        assert strict_json(encode(record)) == {"role": "user", "content": None}
        assert ran == []


def test_an_answer_in_the_style_of_openai_is_shown_in_full() -> None:
    answer = Completion.model_construct(
        id="chatcmpl-1",
        choices=[Choice.model_construct(index=0, message=Message(role="assistant", content="4"))],
        usage={"total_tokens": 9},
        token=pydantic.SecretStr("sk-secret"),
    )
    shown = strict_json(encode({"output": answer}))["output"]
    assert shown == {
        "id": "chatcmpl-1",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "4"}, "finish_reason": None}],
        "usage": {"total_tokens": 9},
        "token": "**********",
    }


def test_fields_that_were_never_set_are_left_out() -> None:
    assert encode(Slotted.__new__(Slotted)) == b"{}"
    assert encode(Defined.__new__(Defined)) == b"{}"
    assert encode(Message.__new__(Message)) == b"{}"


def test_what_only_pretends_to_declare_fields_is_a_name() -> None:
    class Pretends:
        __dataclass_fields__: ClassVar[dict[str, int]] = {"a": 1}
        __attrs_attrs__ = (1,)
        __struct_fields__ = ("a",)
        _fields = ("a",)
        a = 1

    assert strict_json(encode(Pretends())).endswith("Pretends>")


def test_a_record_within_itself_is_a_cycle() -> None:
    value = Plain(1)
    value.b = [value]
    assert strict_json(encode(value))["b"] == [f"<cycle: {__name__}.Plain>"]


def test_no_library_is_imported_to_recognise_its_types() -> None:
    import subprocess

    code = (
        "import sys, llmobs_trace.encode as e\n"
        "class A: pass\n"
        "e.encode([A(), {1}, object(), 1j, ValueError()])\n"
        "print([m for m in ('numpy', 'pandas', 'pydantic', 'attr', 'httpx') if m in sys.modules])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=_root()
    )
    assert done.stdout.strip() == "[]"


def _root() -> str:
    import pathlib

    import llmobs_trace

    return str(pathlib.Path(llmobs_trace.__file__).parent.parent)
