"""`python -m tests.agents [NAME …]`: one agent program, written against each client and framework, is run and
its tree printed; 1 is the exit code where one leaves another than they all must.

Each has an environment of its own, made at the first run and kept in the user's cache directory for a month.
"""

from __future__ import annotations

import argparse
import sys
import traceback
from collections.abc import Sequence

from agents.programs import PROGRAMS, Program, lines
from agents.run import run
from support.machine import ROOT

sys.path.insert(0, str(ROOT))

from benchmarks.environments import RUN_TIME, NotInstalled, environment


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.agents", description=__doc__)
    names = ", ".join(program.name for program in PROGRAMS)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"some of: {names} (default: all)")
    wanted = parser.parse_args(words).names
    if unknown := set(wanted) - {program.name for program in PROGRAMS}:
        parser.error(f"not known: {', '.join(sorted(unknown))}; there are: {names}")
    verdicts = [_tell(program) for program in PROGRAMS if not wanted or program.name in wanted]
    return 0 if all(verdicts) else 1


def _tell(program: Program) -> bool:
    """Run one and say what came of it; whether it is what must."""
    try:
        python = environment(program.name, (*program.requirements, *RUN_TIME))
        tree = run(program, str(python))
    except NotInstalled as problem:
        print(f"{program.name}: {problem}", flush=True)
        return False
    except Exception:
        print(f"{program.name}: failed\n{traceback.format_exc()}", flush=True)
        return False
    is_same = tree == program.story()
    print(f"{program.name}: {'the same tree' if is_same else 'ANOTHER TREE'}\n{lines(tree)}\n", flush=True)
    return is_same
