"""Which functions of the package a program enters, and a fault in any one of them.

A function is made to fail by exchanging its code, so that every name it goes by fails with it: imported elsewhere, bound in a table, a
property, a default argument. It fails where the package itself calls it; what the user calls is the border that must hold.
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

import llmobs_trace
from support.stories import PACKAGE

# Bodies that the user's own steps drive: they are entered from outside, and made by the package.
DRIVERS = {"_run_coroutine", "run_generator", "run_async_generator"}
# Calls of the user's, also where a wrapper makes them: one function decorated twice.
BORDERS = {"_call_function", "_call_coroutine", "_call_generator", "_call_async_generator", "_get"}


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
        if code.co_name in BORDERS | {"<module>", "__del__"} or not code.co_flags & 2:  # an import, a class's body
            del found[code]
    return found


def name_of(code):
    where = code.co_filename.removeprefix(PACKAGE).removesuffix(".py")
    return f"{where}:{getattr(code, 'co_qualname', code.co_name)}:{code.co_firstlineno}"


# --- a function's code, exchanged ---------------------------------------------------------------------------


def functions_of(code):
    """The function objects that run a code, closures included."""
    return [
        found
        for found in gc.get_referrers(code)
        if isinstance(found, types.FunctionType) and found.__code__ is code
    ]


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
    """A code that fails with `error` at its calls from within the package: at every one, or at one of them alone."""

    def __init__(self, code, error=Fault, only=None):
        self.code = code
        self.error = error
        self.only = only
        self.calls = 0
        self.raised = 0
        self._exchanged = []

    def __enter__(self):
        functions = functions_of(self.code)
        if functions:
            for function in functions:
                self._exchange(function, _failing(self.code, 0))
                self._original = function
        else:
            self._exchange_within_its_maker()
        builtins._fault_injected = self._called
        return self

    def _exchange(self, function, code):
        self._exchanged.append((function, function.__code__))
        function.__code__ = code

    def _exchange_within_its_maker(self):
        """A closure or a comprehension is made at each call of another function, from its constants."""
        self._original = None
        replacement, inner = _failing(self.code, 0), self.code
        while True:
            maker = next(
                found
                for found in all_codes()
                if any(const is inner for const in found.co_consts)
            )
            consts = tuple(replacement if const is inner else const for const in maker.co_consts)
            replacement, inner = maker.replace(co_consts=consts), maker
            functions = functions_of(maker)
            if functions:
                for function in functions:
                    self._exchange(function, replacement)
                return

    def _called(self, number, args, kwargs):
        caller = sys._getframe(2)
        internal = is_ours(caller.f_code) or self.code.co_name in DRIVERS
        if internal:
            self.calls += 1
        if internal and self.only in (None, self.calls):
            self.raised += 1
            raise self.error("injected")
        if self._original is None:
            # What a maker made anew can't be run here: its variables are not at hand. It fails every time.
            self.raised += 1
            raise self.error("injected")
        real = self._original
        code = next(code for function, code in self._exchanged if function is real)
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


def all_codes():
    """Every code in the package's modules that are loaded, nested ones included."""
    pending = [
        found.__code__
        for found in gc.get_objects()
        if isinstance(found, types.FunctionType) and is_ours(found.__code__)
    ]
    seen = set()
    while pending:
        code = pending.pop()
        if id(code) in seen:
            continue
        seen.add(id(code))
        yield code
        pending += [const for const in code.co_consts if isinstance(const, types.CodeType)]


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
