"""Runs a case that is written for async generators for plain ones as well: its source without its awaits.

A block belongs to the frame that opens it, and a wrapper would be another frame: so the plain case is the
case's own syntax tree, with `async` and `await` taken away, compiled anew.
"""

from __future__ import annotations

import ast
import asyncio
import gc
import inspect
from contextlib import closing
from typing import TYPE_CHECKING, Any

from support.nesting import decorated, stream

if TYPE_CHECKING:
    from collections.abc import Callable


async def pause() -> None:
    """Lets others of the loop go on; in a plain case there are none."""
    await asyncio.sleep(0)


async def settle() -> None:
    """Collects, and lets the loop do what the collector asked it to do."""
    gc.collect()
    for _ in range(10):
        await asyncio.sleep(0)


# What names and methods mean in a plain case.
NAMES = {
    "aclosing": closing,
    "anext": next,
    "async_decorated": decorated,
    "async_stream": stream,
    "pause": lambda: None,
    "settle": gc.collect,
}
METHODS = {"aclose": "close", "asend": "send", "athrow": "throw"}


class _WithoutAwaits(ast.NodeTransformer):
    def visit(self, node: ast.AST) -> Any:
        self.generic_visit(node)
        if isinstance(node, ast.Await):
            return node.value
        if isinstance(node, (ast.AsyncFunctionDef, ast.AsyncFor, ast.AsyncWith)):
            plain = getattr(ast, type(node).__name__.removeprefix("Async"))
            return ast.copy_location(plain(**dict(ast.iter_fields(node))), node)
        if isinstance(node, ast.comprehension):
            node.is_async = 0
        if isinstance(node, ast.Attribute):
            node.attr = METHODS.get(node.attr, node.attr)
        return node


def plain(case: Callable[..., Any]) -> Callable[..., Any]:
    """A coroutine function at the top of a module as a plain function."""
    tree = ast.parse(inspect.getsource(case))
    ast.increment_lineno(tree, case.__code__.co_firstlineno - 1)
    tree.body[0].decorator_list = []  # type: ignore[attr-defined]
    made: dict[str, Any] = {}
    code = compile(ast.fix_missing_locations(_WithoutAwaits().visit(tree)), inspect.getfile(case), "exec")
    exec(code, {**case.__globals__, **NAMES}, made)
    function: Callable[..., Any] = made[case.__name__]
    return function


def of_both_kinds(case: Callable[..., Any]) -> Callable[..., None]:
    """A test of a coroutine function: in each kind of loop as it is written, and once without its awaits."""

    def test(run_both: Callable[..., None], **fixtures: Any) -> None:
        run_both(case, **fixtures)

    test.__name__ = case.__name__
    runs = inspect.Parameter("run_both", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    fixtures = inspect.signature(case).parameters.values()
    test.__signature__ = inspect.Signature([runs, *fixtures])  # type: ignore[attr-defined]
    return test
