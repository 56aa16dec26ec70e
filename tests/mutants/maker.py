"""Draws a seeded sample of mutants, with cosmic-ray's operators, and writes it as JSON.

It runs in an environment that has cosmic-ray, and changes no file:

python maker.py '{"modules": ["deliver/answers.py"], "package": "…/llmobs_trace", "sample": 100, "seed": 1}'
"""

from __future__ import annotations

import ast
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import cosmic_ray.plugins
import parso
from cosmic_ray.ast import ast_nodes
from cosmic_ray.mutating import mutate_code


class RemoveCall:
    """One operator more: a call that stands alone, for what it does, is not made."""

    def mutation_positions(self, node: Any) -> Iterator[tuple[Any, Any]]:
        is_call = node.type in ("atom_expr", "power") and node.children[-1].type == "trailer"
        if is_call and node.parent.type == "simple_stmt" and node.children[-1].children[0].value == "(":
            yield node.start_pos, node.end_pos

    def mutate(self, node: Any, index: int) -> Any:
        return parso.parse(node.get_first_leaf().prefix + "pass").children[0]


def operators() -> dict[str, Any]:
    """By name, those that need nothing said to them."""
    found: dict[str, Any] = {"RemoveCall": RemoveCall()}
    for name in sorted(cosmic_ray.plugins.operator_names()):
        operator = cosmic_ray.plugins.get_operator(name)
        if not operator.arguments():
            found[name.removeprefix("core/")] = operator()
    return found


def _is_one_object(value: object) -> bool:
    """Whether CPython has only one object that equals a constant; all that is compared with one is of its
    kind.
    """
    return (
        value is None
        or (type(value) is int and 0 <= value <= 256)
        or (type(value) is bytes and len(value) <= 1)
    )


class _WhatRuns(ast.NodeTransformer):
    """Leaves out what no mutant can be told by: annotations that nobody reads, and whether what there is
    but once is looked for by ``==`` or by ``is``.
    """

    def _without(self, node: Any) -> Any:
        node.returns = None
        return self.generic_visit(node)

    visit_FunctionDef = visit_AsyncFunctionDef = _without

    def visit_arg(self, node: ast.arg) -> ast.arg:
        node.annotation = None
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> Any:
        node.annotation = ast.Constant(None)
        return self.generic_visit(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> Any:
        # msgspec reads the annotations of a Struct.
        if any(isinstance(base, ast.Name) and base.id == "Struct" for base in node.bases):
            return node
        return self.generic_visit(node)

    def visit_Compare(self, node: ast.Compare) -> Any:
        compared = node.comparators[0]
        if isinstance(compared, ast.Constant) and _is_one_object(compared.value):
            same: dict[type, ast.cmpop] = {ast.Eq: ast.Is(), ast.NotEq: ast.IsNot()}
            node.ops[0] = same.get(type(node.ops[0]), node.ops[0])
        return self.generic_visit(node)


def what_runs(source: str) -> str:
    return ast.dump(_WhatRuns().visit(ast.parse(source)))


def mutants(package: Path, modules: list[str], sample: int, seed: int) -> Iterator[dict[str, str]]:
    """So many of all that there are, each as likely as another; fewer where there are no more."""
    known = operators()
    places = []
    sources = {module: (package / module).read_text() for module in modules}
    for module, source in sources.items():
        nodes = list(ast_nodes(parso.parse(source)))
        for name, operator in known.items():
            count = sum(len(list(operator.mutation_positions(node))) for node in nodes)
            places += [(module, name, occurrence) for occurrence in range(count)]
    Random(seed).shuffle(places)
    plain = {module: what_runs(source) for module, source in sources.items()}
    for module, name, occurrence in places:
        if not sample:
            return
        try:
            mutated = mutate_code(sources[module], known[name], occurrence)
            if mutated is None or what_runs(mutated) == plain[module]:
                continue
        except (AttributeError, SyntaxError):  # some operators stop at ``except json.JSONDecodeError``
            continue
        sample -= 1
        yield {"module": module, "operator": name, "plain": sources[module], "source": mutated}


def main() -> None:
    asked = json.loads(sys.argv[1])
    found = mutants(Path(asked["package"]), asked["modules"], asked["sample"], asked["seed"])
    json.dump(list(found), sys.stdout)


if __name__ == "__main__":
    main()
