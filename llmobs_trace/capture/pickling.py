"""Sends a decorated callable to another process as the callable itself would go. Any thread.

pickle sends a function by its name. cloudpickle (joblib, Dask, Ray and PySpark send their jobs by it) and
dill send a function by value where a name would lead nowhere: of `__main__`, of a notebook, a closure, a
lambda. A proxy goes the same way: by name, or what it stands in for goes by value and the proxy is made again
where it arrives.
"""

from __future__ import annotations

import sys
import weakref
from collections.abc import Callable
from types import FrameType
from typing import Any

import wrapt

# What of cloudpickle's picklers asks for an object's class, and what takes a function apart. Libraries bring
# copies of cloudpickle along under names of their own, so that no list of modules would do.
ASKS_FOR_THE_CLASS, _TAKES_APART = "reducer_override", "_dynamic_function_reduce"
_mended: weakref.WeakSet[type] = weakref.WeakSet()


def mend(asking: FrameType, proxies: type) -> None:
    """A pickler of cloudpickle's, whose frame this is, asks a proxy for its class, is told that it is a
    function, and would take it apart by itself, without a look at its `__reduce_ex__`: from here on it sends
    proxies as what they are.
    """
    for kind in type(asking.f_locals.get("self")).__mro__:
        if _TAKES_APART in vars(kind) and kind not in _mended:
            _mended.add(kind)
            wrapt.wrap_function_wrapper(kind, _TAKES_APART, _sending_whole(proxies))


def _sending_whole(proxies: Any) -> Callable[..., Any]:
    def send(wrapped: Callable[..., Any], pickler: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if args and issubclass(type(args[0]), proxies):
            return type(args[0])._by_value(args[0])
        return wrapped(*args, **kwargs)

    return send


def name_of(proxy: Any, asking: FrameType) -> str | None:
    """The name under which the unpickling process finds a proxy; None where it has to go by value."""
    name, module = getattr(proxy, "__qualname__", None), getattr(proxy, "__module__", None)
    if not isinstance(name, str) or _found(module, name) is not proxy:
        return None
    return None if module == "__main__" and _is_dills(asking) else name


def _found(module: object, qualname: str) -> Any:
    """What a qualified name leads to; None where to nothing."""
    found: Any = sys.modules.get(module) if isinstance(module, str) else None
    for part in qualname.split("."):
        found = getattr(found, part, None)
    return found


def _is_dills(frame: FrameType) -> bool:
    """Whether a pickler of dill's asks. It knows functions by their exact class, and asks a proxy; it sends
    those of `__main__` by value.
    """
    dill = sys.modules.get("dill")
    return dill is not None and isinstance(frame.f_locals.get("self"), dill.Pickler)
