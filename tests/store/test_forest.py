from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from llmobs_trace.store.forest import Tree, trees
from llmobs_trace.store.queries import StoredSpan


def stored(
    span_id: str, parent_id: str | None = None, start_ns: int = 0, kind: str | None = None
) -> StoredSpan:
    return StoredSpan(
        span_id=span_id,
        trace_id="t",
        parent_id=parent_id,
        kind=kind,
        row_id=None,
        name=span_id,
        start_ns=start_ns,
        duration_ns=1,
        status="ok",
        error_type=None,
        error_message=None,
    )


def drawn(tree: Tree) -> list[str]:
    return [f"{'.' * branch.depth}{branch.span.span_id}" for branch in tree.branches]


def test_parents_come_before_children_and_siblings_by_their_start() -> None:
    (tree,) = trees([stored("c", "a", 3), stored("d", "b", 4), stored("b", "a", 2), stored("a", None, 1)])
    assert drawn(tree) == ["a", ".b", "..d", ".c"]
    assert [branch.last for branch in tree.branches] == [True, False, True, True]
    assert [branch.has_children for branch in tree.branches] == [True, True, False, False]


def test_a_span_whose_parent_is_not_there_begins_a_tree_that_is_no_row() -> None:
    orphan, root = trees([stored("b", "elsewhere", 1), stored("a", None, 2)])
    assert (drawn(orphan), orphan.is_row) == (["b"], False)
    assert (drawn(root), root.is_row) == (["a"], True)


def test_a_root_is_a_row_unless_it_is_of_another_kind() -> None:
    kinds = [None, "experiment", "task"]
    assert [trees([stored("a", kind=kind)])[0].is_row for kind in kinds] == [True, True, False]


def test_parents_in_a_circle_are_cut_open_at_the_earliest() -> None:
    (tree,) = trees([stored("a", "b", 2), stored("b", "c", 1), stored("c", "a", 3)])
    assert drawn(tree) == ["b", ".a", "..c"]
    (own,) = trees([stored("a", "a")])
    assert drawn(own) == ["a"]


def test_a_tree_may_be_deeper_than_the_stack() -> None:
    chain = [stored("0"), *(stored(str(number), str(number - 1), number) for number in range(1, 20_000))]
    (tree,) = trees(reversed(chain))
    assert tree.branches[-1].depth == 19_999


@given(
    st.dictionaries(
        st.integers(0, 12), st.tuples(st.none() | st.integers(0, 14), st.integers(0, 3)), max_size=12
    ).map(
        lambda found: [
            stored(str(own), None if up is None else str(up), at) for own, (up, at) in found.items()
        ]
    )
)
def test_every_span_comes_once_below_its_parent(spans: list[StoredSpan]) -> None:
    grown = trees(spans)
    everywhere = [branch.span.span_id for tree in grown for branch in tree.branches]
    assert sorted(everywhere) == sorted(span.span_id for span in spans)
    for tree in grown:
        path: list[str] = []
        for branch in tree.branches:
            del path[branch.depth :]
            assert branch.depth == len(path)
            if path:
                assert branch.span.parent_id == path[-1]
            path.append(branch.span.span_id)
