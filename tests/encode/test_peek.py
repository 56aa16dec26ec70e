"""Types and objects are looked into, and none of their code runs."""

from __future__ import annotations

import sys
import types
from typing import Any

import pytest
from support.values import OfTellingClass, Properties, TellingMeta, Unknown, ran

from llmobs_trace import experiment_span
from llmobs_trace.encode import peek
from llmobs_trace.encode.peek import ABSENT


class Slots:
    __slots__ = ("held", "unset")


class Hidden(Slots):
    """Its own property hides the slot."""

    @property
    def held(self) -> Any:
        ran.append("held")
        raise RuntimeError


class Deceiving:
    """What stands where a descriptor does is an object of a class that tells when it is compared."""

    __dict__ = OfTellingClass()  # type: ignore[assignment]
    held = OfTellingClass()


class Named(str):
    def __eq__(self, other: object) -> bool:
        ran.append("__eq__")
        raise RuntimeError

    __hash__ = str.__hash__


@pytest.fixture(autouse=True)
def nothing_runs() -> Any:
    ran.clear()
    yield
    assert ran == []


def test_a_class_derives_from_what_its_order_says() -> None:
    assert peek.derives(bool, int)
    assert peek.derives(OfTellingClass, object)
    assert not peek.derives(int, bool)
    assert not peek.derives(OfTellingClass, ABSENT)


def test_what_a_class_holds_is_found_at_its_nearest_base() -> None:
    assert peek.class_attribute(Hidden, "held") is Hidden.__dict__["held"]
    assert peek.class_attribute(Hidden, "unset") is Slots.__dict__["unset"]
    assert peek.class_attribute(Hidden, "nothing") is ABSENT
    assert peek.class_attribute(Deceiving, "held") is Deceiving.__dict__["held"]


def test_a_class_is_named_with_its_module() -> None:
    assert peek.type_name(int) == peek.name_of(int) == "int"
    assert peek.type_name(Slots) == f"{__name__}.Slots"
    assert peek.name_of(OfTellingClass) == "OfTellingClass"
    assert peek.type_name(type("Made", (), {"__module__": "".join(("built", "ins"))})) == "Made"
    odd = TellingMeta("Odd", (), {"__module__": 7})
    assert peek.type_name(odd) == "Odd"


def test_attributes_are_read_where_they_are_stored() -> None:
    plain, hidden, deceiving = types.SimpleNamespace(a=1), Hidden(), Deceiving()
    assert peek.instance_dict(plain) == {"a": 1}
    assert peek.instance_dict(hidden) == {}
    assert peek.instance_dict(Slots()) == {}
    assert peek.instance_dict(deceiving) == {}
    assert peek.instance_dict(Properties()) == {}
    assert peek.instance_dict(7) == {}
    Slots.__dict__["held"].__set__(hidden, 8)
    assert peek.slot(hidden, "held") == 8
    assert peek.slot(hidden, "unset") is ABSENT
    assert peek.slot(hidden, "nothing") is ABSENT
    assert peek.slot(deceiving, "held") is ABSENT
    field = Unknown()
    stored = types.SimpleNamespace(a=field)
    assert peek.stored_fields(stored, ["a", "b"]) == [("a", field)]
    assert peek.stored_fields(hidden, ["a", "held", "unset"]) == [("held", 8)]


def test_a_member_of_a_set_of_texts_is_found_by_its_text() -> None:
    allowed = ("one", "two")
    assert peek.one_of("one", allowed) == "one"
    assert peek.one_of(Named("two"), allowed) == "two"
    assert type(peek.one_of(Named("two"), allowed)) is str
    for other in ("three", Named("three"), 1, None, Unknown(), OfTellingClass()):
        assert peek.one_of(other, allowed) is None


def test_a_module_that_is_not_loaded_has_no_class() -> None:
    assert peek.of_module("sys", "version_info") is sys.version_info
    assert peek.of_module("sys", "nothing") is ABSENT
    assert peek.of_module("no.such.module", "Class") is ABSENT


def test_a_decorated_callable_is_looked_through() -> None:
    def plain() -> None: ...

    assert peek.undecorated(experiment_span("name")(plain)) is plain
    assert peek.undecorated(plain) is plain
    telling = OfTellingClass()
    assert peek.undecorated(telling) is telling
