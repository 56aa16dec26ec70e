"""Checks what a user says of a span before it begins: a decorator's and a block's arguments."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from llmobs_trace.capture import recorder as slot
from llmobs_trace.encode import one_of
from llmobs_trace.errors import ConfigurationError, did_you_mean
from llmobs_trace.not_errors import NONE, TAKES, NotErrors, Unfit
from llmobs_trace.wire import KINDS, Kind, id_problem


class _Unset:
    """Tells an argument that was not given from one that is None."""

    def __repr__(self) -> str:
        return "UNSET"

    def __reduce__(self) -> str:
        return "UNSET"  # unpickled and copied, it is still this one


UNSET: Final[Any] = _Unset()


class SpanOptions:
    """The arguments of `experiment_span`. A wrong one is left out, and `problem` says which, what was given
    and what would do: a decorator raises it where it stands in the user's code; for a block, which runs with
    the program, it is misuse.
    """

    # Attributes of the class: a block without any of these, as most are, is spared storing them (9 ns each).
    expected_output: object = UNSET
    tags: Mapping[str, object] | None = None
    row_id: str | None = None
    scope_ids: tuple[str | None, str | None, str | None] | None = None
    capture_input: bool | None = None
    capture_output: bool | None = None
    collect: Callable[[Any], object] | None = None
    not_errors: NotErrors = NONE

    def __init__(
        self, name: str | None = None, kind: Kind | None = None, given_input: object = UNSET
    ) -> None:
        self.problem: tuple[str, object, str] | None = None
        if name is not None and type(name) is not str:
            name = str.__str__(name) if isinstance(name, str) else self._refuse("name", name, _NAME)
        if kind is not None and (type(kind) is not str or kind not in KINDS):
            kind = one_of(kind, KINDS) or self._refuse("kind", kind, f"one of: {', '.join(KINDS)}")
        self.name = name
        self.kind = kind
        self.given_input = given_input
        # Nothing to record at the span's beginning: the common case costs one look.
        self.plain: bool = given_input is UNSET
        self.more: bool = False

    def say_more(
        self,
        *,
        expected_output: object = UNSET,
        tags: Mapping[str, object] | None = None,
        row_id: str | None = None,
        experiment_id: str | None = None,
        project_id: str | None = None,
        dataset_id: str | None = None,
        capture_input: bool | None = None,
        capture_output: bool | None = None,
        collect: Callable[[Any], object] | None = None,
        not_errors: object = None,
        **unknown: object,
    ) -> str | None:
        """What is said of few spans. The answer is an argument that there is not, if one was given."""
        if tags is not None and not isinstance(tags, Mapping):
            tags = self._refuse("tags", tags, 'a mapping of names to values, such as {"model": "small"}')
        if row_id is not None and id_problem(row_id):
            row_id = self._refuse("row_id", row_id, "a string that names the row of the dataset")
        if capture_input is not None and type(capture_input) is not bool:
            capture_input = self._refuse("capture_input", capture_input, _TRUTH)
        if capture_output is not None and type(capture_output) is not bool:
            capture_output = self._refuse("capture_output", capture_output, _TRUTH)
        if experiment_id is not None and (wrong := id_problem(experiment_id)):
            experiment_id = self._refuse(
                "experiment_id", experiment_id, f"the id as the endpoint knows it, and this one {wrong}"
            )
        if project_id is not None and (wrong := id_problem(project_id)):
            project_id = self._refuse(
                "project_id", project_id, f"the id as the endpoint knows it, and this one {wrong}"
            )
        if dataset_id is not None and (wrong := id_problem(dataset_id)):
            dataset_id = self._refuse(
                "dataset_id", dataset_id, f"the id as the endpoint knows it, and this one {wrong}"
            )
        ids = (experiment_id, project_id, dataset_id)
        self.expected_output = expected_output
        self.tags = tags or None
        self.row_id = row_id
        self.scope_ids = ids if any(ids) else None
        self.capture_input = capture_input
        self.capture_output = capture_output
        if not_errors is not None:
            try:
                self.not_errors = NotErrors.of(not_errors)
            except Unfit as unfit:
                self._refuse("not_errors", unfit.given, TAKES)
        if collect is not None:
            if _is_collector(collect):
                self.collect = collect
                self.problem = self.problem or _A_BLOCK_HAS_NO_ITEMS
            else:
                self._refuse("collect", collect, _COLLECTOR)
        self.more = (
            expected_output is not UNSET
            or self.tags is not None
            or row_id is not None
            or self.scope_ids is not None
        )
        self.plain = self.plain and not self.more
        return next(iter(unknown), None)

    def check_decorating(self) -> None:
        """Raise what is wrong with these as a decorator's."""
        if self.problem is not None and self.problem is not _A_BLOCK_HAS_NO_ITEMS:
            raise self._refusal()

    def _refuse(self, option: str, given: object, expected: str) -> Any:
        """Keep the first problem; the option is as if it had not been given."""
        self.problem = self.problem or (option, given, expected)

    def refuse_unknown(self, argument: str, known: Iterable[str]) -> None:
        """Keep that there is no such argument; what it was given may be anything, and is not shown."""
        known = tuple(known)
        near = did_you_mean(argument, known) or f" (the arguments are: {', '.join(known)})"
        self._refuse(argument[:80], UNSET, near)

    def misuse(self) -> tuple[str, str]:
        """The problem as a block's log line tells it, and what was given."""
        assert self.problem is not None
        option, given, expected = self.problem
        if self.problem is _A_BLOCK_HAS_NO_ITEMS:
            return f"experiment_span: {option} {expected}: left out", ""
        if given is UNSET:
            return f"experiment_span has no argument {option}{expected}: left out", ""
        return f"experiment_span: {option} takes {expected}: left out", slot.shown(option, given)

    def _refusal(self) -> ConfigurationError:
        """The problem as a decorator's error."""
        assert self.problem is not None
        option, given, expected = self.problem
        if given is UNSET:
            return ConfigurationError(f"experiment_span has no argument {option}{expected}")
        shown = f"a {type(given).__name__}"
        if isinstance(given, (str, int, float, bool)):
            shown = repr(given)[:100]
        elif isinstance(given, type):
            shown = f"the class {given.__qualname__}"
        return ConfigurationError(f"experiment_span: {option} is {shown}; it takes {expected}")


def _is_collector(given: object) -> bool:
    """Whether it can be called with the items, and gives a value rather than a promise of one."""
    for called in (given, type(given).__call__ if callable(given) else None):
        if inspect.iscoroutinefunction(called) or inspect.isasyncgenfunction(called):
            return False
    if not callable(given):
        return False
    try:
        signature = inspect.signature(given)
    except (ValueError, TypeError):  # some builtins don't say
        return True
    try:
        signature.bind([])
    except TypeError:
        return False
    return True


_A_BLOCK_HAS_NO_ITEMS: Final = (
    "collect",
    UNSET,
    "makes a value of the items of a decorated generator, and a block has none",
)
_COLLECTOR = "a plain function from an iterable of what a generator yields to a value"
_NAME = "a string, or nothing to take the function's own name"
_TRUTH = "True, False, or None for what `configure` says"
