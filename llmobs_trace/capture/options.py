"""What a user says of a span before it begins, checked at once: a decorator's arguments and a block's.
User's thread.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from llmobs_trace.capture import event
from llmobs_trace.capture import recorder as slot
from llmobs_trace.capture.details import details_of
from llmobs_trace.capture.tags import plain_tags
from llmobs_trace.encode import one_of
from llmobs_trace.errors import ConfigurationError
from llmobs_trace.wire import KINDS, Kind, id_problem

if TYPE_CHECKING:
    from llmobs_trace.capture.span import Span


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
        # Nothing for `apply` to do: the common case costs one look.
        self.plain = given_input is UNSET
        self._more = False

    def say_more(
        self,
        expected_output: object = UNSET,
        tags: Mapping[str, object] | None = None,
        row_id: str | None = None,
        experiment_id: str | None = None,
        project_id: str | None = None,
        dataset_id: str | None = None,
        capture_input: bool | None = None,
        capture_output: bool | None = None,
    ) -> None:
        """What is said of few spans."""
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
        self._more = (
            expected_output is not UNSET
            or self.tags is not None
            or row_id is not None
            or self.scope_ids is not None
        )
        self.plain = self.plain and not self._more

    def apply(self, span: Span) -> None:
        """Record on a span that has just begun what was said of it beforehand."""
        recorder = span._recorder
        if self.given_input is not UNSET:
            span._input = event.captured(recorder, "input", self.given_input)
        if not self._more:
            return
        if self.expected_output is not UNSET:
            details_of(span).expected = event.captured(recorder, "expected_output", self.expected_output)
        if self.tags is not None:
            details_of(span).tags = plain_tags(self.tags)
        if self.scope_ids is not None and span.parent_id is not None:
            scope = span.scope
            theirs = (scope.experiment_id, scope.project_id, scope.dataset_id)
            if any(mine not in (None, his) for mine, his in zip(self.scope_ids, theirs, strict=True)):
                # As where the loop over the dataset is a span too: everything within is of its experiment.
                what = "experiment_id, project_id and dataset_id are a root span's: left out within another"
                slot.misuse(what, slot.shown("name", span.name))
        if self.row_id is not None:
            if span.parent_id is None and span.kind == "experiment":
                details_of(span).row_id = self.row_id
            else:
                # As where the function that goes through the dataset is a span too: then all of it is a row.
                where = "within another span" if span.parent_id is not None else f"of kind {span.kind}"
                slot.misuse("row_id names a row, a root span of kind experiment: left out of one", where)

    def _refuse(self, option: str, given: object, expected: str) -> Any:
        """Keep the first problem; the option is as if it had not been given."""
        self.problem = self.problem or (option, given, expected)

    def refusal(self) -> ConfigurationError:
        """The problem as an error."""
        assert self.problem is not None
        option, given, expected = self.problem
        shown = f"a {type(given).__name__}"
        if isinstance(given, (str, int, float, bool)):
            shown = repr(given)[:100]
        return ConfigurationError(f"experiment_span: {option} is {shown}; it takes {expected}")


_NAME = "a string, or nothing to take the function's own name"
_TRUTH = "True, False, or None for what `configure` says"
