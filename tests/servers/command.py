"""`python -m tests.servers [NAME …]`: real servers and pools run traced programs; what each recorded and what
of it arrived is printed, and 1 is the exit code where it is not the same.

Each has an environment of its own, made at the first run and kept in the user's cache directory for a month.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import traceback
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from servers.cases import CASES, Case, arrived, told
from support.machine import ROOT, Machine
from support.receiver import Receiver

sys.path.insert(0, str(ROOT))

from benchmarks.environments import RUN_TIME, NotInstalled, environment


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.servers", description=__doc__)
    names = ", ".join(case.name for case in CASES)
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"those that begin so (default: all): {names}"
    )
    wanted = tuple(parser.parse_args(words).names)
    cases = [case for case in CASES if not wanted or case.name.startswith(wanted)]
    if not cases:
        parser.error(f"none is named {', '.join(wanted)}; there are: {names}")
    verdicts = [_told(case) for case in cases]
    return 0 if all(verdicts) else 1


def _told(case: Case) -> bool:
    """Run one and say what came of it; whether all that was recorded arrived."""
    try:
        python = environment(case.requirements[0], (*case.requirements, *RUN_TIME))
    except NotInstalled as problem:
        print(f"{case.name:24} {problem}", flush=True)
        return False
    with tempfile.TemporaryDirectory() as home, Receiver() as receiver:
        machine = Machine(Path(home), python=str(python))
        try:
            recorded, came = carry_out(case, machine, receiver)
        except Exception:
            print(f"{case.name:24} failed\n{traceback.format_exc()}", flush=True)
            return False
        finally:
            machine.stop()
    verdict = "all of it" if came == recorded else "NOT ALL OF IT"
    print(f"{case.name:24} recorded {_shown(recorded)}; arrived {_shown(came)}: {verdict}", flush=True)
    return came == recorded


def carry_out(case: Case, machine: Machine, receiver: Receiver) -> tuple[Counter[str], Counter[str]]:
    """Run one to its end: what it recorded, and what had arrived by then."""
    machine.sends_to(receiver.url)
    case.drive(machine, receiver)
    recorded = told(machine)
    assert recorded >= Counter(case.spans), f"only {recorded} was recorded"
    return recorded, arrived(receiver)


def _shown(names: Counter[str]) -> str:
    return ", ".join(f"{count} {name}" for name, count in sorted(names.items())) or "nothing"
