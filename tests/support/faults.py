"""Which functions of the package a program enters, and a fault in any one of them.

A function is made to fail by exchanging its code, so that every name it goes by fails with it: imported
elsewhere, bound in a table, a property, a default argument. It fails where the package itself calls it; what
the user calls is the border that must hold.
"""

from __future__ import annotations

import builtins
import contextlib
import gc
import importlib
import pkgutil
import sys
import threading
import types
from collections import Counter

from support.stories import PACKAGE

import llmobs_trace

# Bodies that the user's own steps drive: they are entered from outside, and made by the package.
DRIVERS = {"_run_coroutine", "run_generator", "run_async_generator"}
# Calls of the user's, also where a wrapper makes them: one function decorated twice.
BORDERS = {"call_function", "call_coroutine", "call_generator", "call_async_generator", "_get"}
# What the collector calls, whoever runs then; it has nobody to tell of an exception.
COLLECTED = {"__del__", "forget"}


class Fault(Exception):
    """A fault of the package's own."""


def is_ours(code):
    return code.co_filename.startswith(PACKAGE)


def entered(program):
    """How often each code of the package is entered from within the package while `program` runs."""
    found = Counter()

    def profile(frame, event, _):
        if event == "call" and is_ours(frame.f_code):
            caller = frame.f_back
            if frame.f_code.co_name in DRIVERS or (caller is not None and is_ours(caller.f_code)):
                found[frame.f_code] += 1

    threading.setprofile(profile)
    sys.setprofile(profile)
    try:
        program()
    finally:
        sys.setprofile(None)
        threading.setprofile(None)
    for code in list(found):
        if (
            code.co_name in BORDERS | COLLECTED | {"<module>"} or not code.co_flags & 2
        ):  # an import, a class's body
            del found[code]
    return found


def name_of(code):
    where = code.co_filename.removeprefix(PACKAGE).removesuffix(".py")
    return f"{where}:{getattr(code, 'co_qualname', code.co_name)}:{code.co_firstlineno}"


# --- a function's code, exchanged ---------------------------------------------------------------------------


def functions_by_code():
    """The function objects that run each code of the package; one look at the heap, since that is slow."""
    found = {}
    gc.unfreeze()  # else those that are there for good would be left out
    for candidate in gc.get_objects():
        if isinstance(candidate, types.FunctionType) and is_ours(candidate.__code__):
            found.setdefault(candidate.__code__, []).append(candidate)
    gc.freeze()
    return found


def makers(functions):
    """For each nested code, the code whose call makes a function of it."""
    found, pending = {}, list(functions)
    while pending:
        code = pending.pop()
        for const in code.co_consts:
            if isinstance(const, types.CodeType) and const not in found:
                found[const] = code
                pending.append(const)
    return found


def _failing(code, number):
    """A code that asks first whether it is to fail, with as many free variables as the real one."""
    free = code.co_freevars
    mentioned = f"({', '.join(free)},)" if free else "()"
    source = f"""
def outer({", ".join(free)}):
    def failing(*args, **kwargs):
        if False:
            {mentioned}
        return _fault_injected({number}, args, kwargs)
"""
    outer = compile(source, "<fault>", "exec").co_consts
    outer = next(const for const in outer if isinstance(const, types.CodeType))
    failing = next(const for const in outer.co_consts if isinstance(const, types.CodeType))
    assert len(failing.co_freevars) == len(free)
    return failing


class Injection:
    """A code that fails with `error` at its calls from within the package: at each, or at one alone.

    `functions` is what `functions_by_code` found, `made_by` what `makers` did.
    """

    def __init__(self, code, functions, made_by, error=Fault, only=None):
        self.code = code
        self.error = error
        self.only = only
        self.calls = 0
        self.raised = 0
        self._functions = functions
        self._made_by = made_by
        self._exchanged = []

    def __enter__(self):
        for number, function in enumerate(self._functions.get(self.code, [])):
            self._exchange(function, _failing(self.code, number))
        if self.code in self._made_by:
            self._exchange_within_its_maker()
        assert self._exchanged, f"{name_of(self.code)} is nobody's"
        builtins._fault_injected = self._called
        return self

    def _exchange(self, function, code):
        self._exchanged.append((function, function.__code__))
        function.__code__ = code

    def _exchange_within_its_maker(self):
        """A closure or a comprehension is made anew by each call of another function, from its constants."""
        replacement, inner = _failing(self.code, -1), self.code
        while inner in self._made_by:
            maker = self._made_by[inner]
            consts = tuple(replacement if const is inner else const for const in maker.co_consts)
            replacement, inner = maker.replace(co_consts=consts), maker
            for function in self._functions.get(maker, []):
                self._exchange(function, replacement)

    def _called(self, number, args, kwargs):
        caller = sys._getframe(2)
        internal = is_ours(caller.f_code) or self.code.co_name in DRIVERS
        self.calls += internal
        # What a maker made anew can't be run from here, its variables not being at hand: it fails each time.
        if number < 0 or (internal and self.only in (None, self.calls)):
            self.raised += 1
            raise self.error("injected")
        real, code = self._exchanged[number]
        again = types.FunctionType(code, real.__globals__, real.__name__, real.__defaults__, real.__closure__)
        again.__kwdefaults__ = real.__kwdefaults__
        return again(*args, **kwargs)

    def __exit__(self, *error):
        for function, code in reversed(self._exchanged):
            function.__code__ = code
        del builtins._fault_injected


def modules():
    """The package's modules, those of the command line left out."""
    for found in pkgutil.walk_packages(llmobs_trace.__path__, "llmobs_trace."):
        if ".cli" not in found.name and "__main__" not in found.name:
            with contextlib.suppress(ImportError):
                yield importlib.import_module(found.name)


# --- what the interpreter and other libraries give us -------------------------------------------------------


def borrowed(rooms):
    """(module, name) of every function written in C that a module of these rooms calls by a global name."""
    for module in modules():
        if not module.__name__.startswith(tuple(f"llmobs_trace.{room}" for room in rooms)):
            continue
        for name, value in list(vars(module).items()):
            if isinstance(value, (types.BuiltinFunctionType, types.MethodWrapperType)) or (
                callable(value) and type(value).__module__ in ("itertools", "msgspec", "_operator")
            ):
                yield module, name
