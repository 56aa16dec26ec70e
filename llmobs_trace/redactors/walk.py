"""Takes rules and names through plain JSON, which keeps its shape; on the user's thread.

A name gives its value away wherever the two stand: as a member, as `{"name": …, "value": …}` (environments),
as `["x-api-key", …]` (headers), as `"--password", …` (arguments of a command).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from .rule import BEGIN_OF_KEY, END_OF_KEY, MARKER, Rule, marker, without

# A JSON schema describes a password without holding one; tools are described to models by such schemas.
_SCHEMA_TYPES: Final = frozenset({"string", "number", "integer", "boolean", "object", "array", "null"})
_SCHEMA_WORDS: Final = frozenset({"type", "title", "description", "format", "pattern"})
# As environments, headers, form fields and settings are listed: `{"name": "DB_PASSWORD", "value": …}`.
_NAMES: Final = ("name", "key", "header", "variable", "field", "option", "setting", "param", "parameter", "k")
_VALUES: Final = frozenset({"value", "val", "content", "data", "v"})
_OPTION: Final = re.compile(r"--?[A-Za-z][\w-]{2,60}\Z", re.ASCII)
_MARKED: Final = re.compile(MARKER)
_SHORT_OPTION: Final = re.compile(r"-[A-Za-z]\Z|-[pP][^-]", re.ASCII)
_BREAKS: Final = re.compile(r"[\t\r\n]")
_PEM_BEGIN: Final = re.compile(rf"\s*{BEGIN_OF_KEY}")
_PEM_END: Final = re.compile(END_OF_KEY)


class Walk:
    """Rules for texts, names whose value goes whatever it is, and what a bare number may be."""

    def __init__(
        self,
        rules: Sequence[Rule],
        names: Callable[[str, object], str | None],
        number: Callable[[int], str | None] | None = None,
        *,
        hides_keys: bool = False,
    ) -> None:
        self._rules = tuple(rules)
        self._names = names
        self._number = number
        self._hides_keys = hides_keys

    def through(self, value: Any) -> Any:
        """A value in, what may be seen of it out; the value itself is left as it is."""
        if isinstance(value, str):
            return without(value, self._rules)
        if isinstance(value, dict):
            return self._members(value)
        if isinstance(value, (list, tuple)):
            return self._items(value)
        if self._number is not None and isinstance(value, (int, float)) and not isinstance(value, bool):
            label = self._number(int(value)) if value % 1 == 0 else None  # not so for infinity and NaN
            return value if label is None else marker(label)
        return value

    def _items(self, items: Sequence[Any]) -> list[Any]:
        command = self._command(items)
        if command is not None:
            items = command
        seen: list[Any] = []
        is_pair = len(items) == 2
        in_pem = False
        for at, item in enumerate(items):
            before = items[at - 1] if at else None
            # A PEM file that was read as a list of lines.
            if isinstance(item, str) and (in_pem or _PEM_BEGIN.match(item)):
                in_pem = _PEM_END.search(item) is None
                seen.append(marker("private key") if self._hides_keys else self.through(item))
                continue
            label = None
            if (
                isinstance(before, str)
                and isinstance(item, (str, list))
                and (is_pair or _OPTION.match(before))
            ):
                label = self._label(before.lstrip("-"), without(before, self._rules).lstrip("-"), item)
            seen.append(self.through(item) if label is None else self._hidden(item, label))
        return seen

    def _command(self, items: Sequence[Any]) -> list[str] | None:
        """The arguments of a command, read as its line would be: `["sshpass", "-p", "x"]`; None of others."""
        if len(items) < 3 or not all(isinstance(item, str) and not _BREAKS.search(item) for item in items):
            return None
        if not any(_SHORT_OPTION.match(item) for item in items):
            return None
        seen = without("\t".join(items), self._rules).split("\t")
        return seen if len(seen) == len(items) else None

    def _members(self, members: Mapping[str, Any]) -> dict[str, Any]:
        seen: dict[str, Any] = {}
        repeats: dict[str, int] = {}
        values = _values_by_name(members)
        hidden = _hidden_by_kind(members) if self._hides_keys else {}
        for name, item in members.items():
            shown = without(name, self._rules) if isinstance(name, str) else name
            label = self._label(name, shown, item)
            if label is None and name in values:
                named_by = values[name]
                label = self._label(named_by, without(named_by, self._rules), item)
            label = label or hidden.get(name)
            # Two names may have become one: both stay, and can be told apart.
            unique = shown
            while unique in seen:
                repeats[shown] = repeats.get(shown, 1) + 1
                unique = f"{shown} ({repeats[shown]})"
            seen[unique] = self.through(item) if label is None else self._hidden(item, label)
        return seen

    def _label(self, name: object, shown: object, item: object) -> str | None:
        """By the name as it was and is shown: the next redactor sees but the second. A marker names none."""
        if not isinstance(name, str) or not isinstance(shown, str) or _MARKED.fullmatch(shown):
            return None
        return self._names(shown, item) or (self._names(name, item) if name != shown else None)

    def _hidden(self, value: Any, label: str) -> Any:
        """Everything below a telling name goes, but for what says only that something is there or not."""
        if value is None or isinstance(value, bool) or value == "":
            return value
        if isinstance(value, str) and _MARKED.fullmatch(value):  # what a name within said of it is closer
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


def _values_by_name(members: Mapping[str, Any]) -> dict[str, str]:
    """Of members that hold a value, the name that another gives it: `ParameterKey` to `ParameterValue`."""
    by_name = {name.lower(): item for name, item in members.items() if isinstance(name, str)}
    found = {}
    for name in members:
        lowered = name.lower() if isinstance(name, str) else ""
        if lowered in _VALUES:
            named_by = next((by_name[each] for each in _NAMES if each in by_name), None)
        elif lowered.endswith("value"):
            stem = lowered.removesuffix("value")
            named_by = by_name.get(f"{stem}name", by_name.get(f"{stem}key"))
        else:
            continue
        if isinstance(named_by, str):
            found[name] = named_by
    return found


def _hidden_by_kind(members: Mapping[str, Any]) -> dict[str, str]:
    """What is secret in a private JSON Web Key, and in a secret of Kubernetes."""
    if "kty" in members:
        return dict.fromkeys(("d", "p", "q", "dp", "dq", "qi", "k"), "private key")
    if members.get("kind") == "Secret":
        return dict.fromkeys(("data", "stringData"), "secret")
    return {}
