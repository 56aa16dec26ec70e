"""Plain JSON in, plain JSON of the same shape out: each text through the rules, each name looked at. User's
thread.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from .rule import Rule, marker, without

__all__ = ["Walk"]

# A JSON schema describes a password without holding one; tools are described to models by such schemas.
_SCHEMA_TYPES: Final = frozenset({"string", "number", "integer", "boolean", "object", "array", "null"})
_SCHEMA_WORDS: Final = frozenset({"type", "title", "description", "format", "pattern"})


class Walk:
    """Rules for texts, names whose value goes whatever it is, and what a bare number may be."""

    def __init__(
        self,
        rules: Sequence[Rule],
        names: Callable[[str, object], str | None],
        number: Callable[[int], str | None] | None = None,
    ) -> None:
        self._rules = tuple(rules)
        self._names = names
        self._number = number

    def through(self, value: Any) -> Any:
        """A value in, what may be seen of it out; the value itself is left as it is."""
        if isinstance(value, str):
            return without(value, self._rules)
        if isinstance(value, dict):
            return self._members(value)
        if isinstance(value, (list, tuple)):
            return [self.through(item) for item in value]
        if self._number is not None and isinstance(value, (int, float)) and not isinstance(value, bool):
            label = self._number(int(value)) if value % 1 == 0 else None  # not so for infinity and NaN
            return value if label is None else marker(label)
        return value

    def _members(self, members: Mapping[str, Any]) -> dict[str, Any]:
        seen: dict[str, Any] = {}
        repeats: dict[str, int] = {}
        # `{"name": "DB_PASSWORD", "value": …}`, as environments and headers are listed.
        named_by = members.get("name", members.get("key")) if "value" in members else None
        for name, item in members.items():
            shown = without(name, self._rules) if isinstance(name, str) else name
            label = self._label(name, shown, item)
            if label is None and name == "value" and isinstance(named_by, str):
                label = self._label(named_by, without(named_by, self._rules), item)
            # Two names may have become one: both stay, and can be told apart.
            unique = shown
            while unique in seen:
                repeats[shown] = repeats.get(shown, 1) + 1
                unique = f"{shown} ({repeats[shown]})"
            seen[unique] = self.through(item) if label is None else self._hidden(item, label)
        return seen

    def _label(self, name: object, shown: object, item: object) -> str | None:
        """By the name as it was and as it is shown: the next redactor sees but the second."""
        if not isinstance(name, str) or not isinstance(shown, str):
            return None
        return self._names(shown, item) or (self._names(name, item) if name != shown else None)

    def _hidden(self, value: Any, label: str) -> Any:
        """Everything below a telling name goes, but for what says only that something is there or not."""
        if value is None or isinstance(value, bool) or value == "":
            return value
        if isinstance(value, (list, tuple)):
            return [self._hidden(item, label) for item in value]
        if isinstance(value, dict):
            kind = value.get("type")
            is_schema = isinstance(kind, str) and kind in _SCHEMA_TYPES
            hidden = {}
            for name, item in self._members(value).items():
                # As `through` left it, so that both halves have the same names.
                tells_nothing = is_schema and name in _SCHEMA_WORDS and isinstance(item, str)
                hidden[name] = item if tells_nothing else self._hidden(item, label)
            return hidden
        return marker(label)
