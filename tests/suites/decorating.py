"""Decorates every function of the modules that are named, while they are imported.

A suite of somebody else's then says whether a decorated function is still the function it was. The decorator
goes below a function's own ones: what those return (a property, a context manager) is no function of ours.
"""

from __future__ import annotations

import ast
import builtins
import importlib.machinery
import inspect
import sys
from collections.abc import Callable, Sequence
from types import CodeType, ModuleType
from typing import Any

_NAME = "__decorate_for_suites__"
# Python makes these static or class methods by their names, and only where they are plain functions: no
# decorator at all may stand on them without the word for it.
_BY_NAME = frozenset({"__new__", "__init_subclass__", "__class_getitem__"})


class Decorating(ast.NodeTransformer):
    """Puts one more decorator on each function, closest to it."""

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        self._decorate(node)
        return self.generic_visit(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:
        self._decorate(node)
        return self.generic_visit(node)

    def _decorate(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        if node.name not in _BY_NAME:
            name = ast.copy_location(ast.Name(_NAME, ast.Load()), node)
            node.decorator_list.append(name)


class _Loader(importlib.machinery.SourceFileLoader):
    def get_code(self, fullname: str) -> CodeType:
        path = self.get_filename(fullname)
        tree = Decorating().visit(ast.parse(self.get_data(path), path))
        return compile(ast.fix_missing_locations(tree), path, "exec", dont_inherit=True)


class Finder:
    """Finds modules as Python does, and has those of the given names decorated."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names = tuple(names)

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if not any(name == each or name.startswith(f"{each}.") for each in self._names):
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path, target)
        if spec is not None and isinstance(spec.loader, importlib.machinery.SourceFileLoader):
            spec.loader = _Loader(name, spec.loader.path)
        return spec


def plain(function: Any) -> Any:
    """No decorator."""
    return function


def around() -> Callable[[Any], Any]:
    """The least that is around a call, a coroutine and a generator from beginning to end, made with wrapt.

    What differs with it is the price of being decorated, and no difference of ours.
    """
    import wrapt

    @wrapt.decorator
    def call(wrapped: Any, instance: Any, args: Any, kwargs: Any) -> Any:
        return wrapped(*args, **kwargs)

    @wrapt.decorator
    async def coroutine(wrapped: Any, instance: Any, args: Any, kwargs: Any) -> Any:
        return await wrapped(*args, **kwargs)

    @wrapt.decorator
    def generator(wrapped: Any, instance: Any, args: Any, kwargs: Any) -> Any:
        return (yield from wrapped(*args, **kwargs))

    @wrapt.decorator
    async def stream(wrapped: Any, instance: Any, args: Any, kwargs: Any) -> Any:
        async for item in wrapped(*args, **kwargs):
            yield item

    def decorate(function: Any) -> Any:
        if inspect.isasyncgenfunction(function):
            return stream(function)
        if inspect.iscoroutinefunction(function):
            return coroutine(function)
        return generator(function) if inspect.isgeneratorfunction(function) else call(function)

    return decorate


def ours() -> Callable[[Any], Any]:
    """`@experiment_span`, set up as a program would: a store of its own, everything recorded."""
    import tempfile

    import llmobs_trace

    directory = tempfile.mkdtemp(prefix="suites-")
    llmobs_trace.configure(database=f"{directory}/experiments.db", journal=f"{directory}/journal")
    return llmobs_trace.experiment_span


WITH: dict[str, Callable[[], Callable[[Any], Any]]] = {
    "plain": lambda: plain,
    "least": around,
    "ours": ours,
}


def install(names: Sequence[str], how: str) -> None:
    if how != "plain":
        # Among the builtins: a suite may look at all that its modules hold.
        setattr(builtins, _NAME, WITH[how]())
        sys.meta_path.insert(0, Finder(names))
