"""`python -m tests.campaign`: how many runs and which seed in, a report out; 1 where a run failed.

Every fifth run is an experiment that is killed and goes on.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import traceback
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from campaign import by_name, experiments
from campaign.check import account, check
from campaign.experiments import ExperimentPlan
from campaign.plan import Plan, draw
from campaign.report import Report, failure
from campaign.run import carry_out

# Set in the second life, in a mount namespace of its own: small disks are mounted there, and go with it.
_HAS_NAMESPACE = "CAMPAIGN_HAS_NAMESPACE"


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.campaign", description=__doc__)
    parser.add_argument("--runs", type=int, default=200, help="how many (default: 200)")
    parser.add_argument("--seed", type=int, default=7, help="the plans of these runs are drawn from it")
    parser.add_argument("--first", type=int, default=0, metavar="K", help="begin with run K")
    parser.add_argument("--run", type=int, metavar="K", help="exactly this run, with its plan")
    parser.add_argument("--jobs", type=int, default=2, help="so many at a time (default: 2)")
    parser.add_argument(
        "--by-name", action="store_true", help="programs that send by name, to a scripted Datadog"
    )
    parser.add_argument("--experiments", action="store_true", help="only experiments that are killed")
    parser.add_argument("--plan", action="store_true", help="only print the plans")
    arguments = parser.parse_args(words)
    numbers = range(arguments.first, arguments.first + arguments.runs)
    if arguments.run is not None:
        numbers = range(arguments.run, arguments.run + 1)
    if arguments.by_name:
        return _by_name(arguments.seed, numbers, arguments.jobs)
    if arguments.experiments and arguments.run is None:
        numbers = range(numbers.start * 5 + 4, numbers.stop * 5, 5)
    plans = [_drawn(arguments.seed, number) for number in numbers]
    if arguments.plan or arguments.run is not None:
        for plan in plans:
            print(plan.as_json().decode(), flush=True)
    if arguments.plan:
        return 0
    _enter_namespace()
    return _campaign(plans, arguments.jobs)


def _by_name(seed: int, numbers: range, jobs: int) -> int:
    failed = 0
    with ThreadPoolExecutor(jobs) as pool:
        for problems in pool.map(lambda number: by_name.carry_out(seed, number), numbers):
            failed += bool(problems)
            for problem in problems:
                print(problem, flush=True)
    print(f"{len(numbers)} runs by name, {failed} failed")
    return 1 if failed else 0


def _drawn(seed: int, number: int) -> Plan | ExperimentPlan:
    return experiments.draw(seed, number) if number % 5 == 4 else draw(seed, number)


def _enter_namespace() -> None:
    """Begin again where a filesystem can be mounted without anybody else seeing it, if that can be."""
    if os.environ.get(_HAS_NAMESPACE):
        return
    os.environ[_HAS_NAMESPACE] = "1"
    for command in (["unshare", "-m"], ["unshare", "-rm"]):
        try:
            if subprocess.run([*command, "true"], capture_output=True, check=False).returncode == 0:
                os.execvp(command[0], [*command, sys.executable, *sys.orig_argv[1:]])
        except OSError:
            return


def _campaign(plans: Sequence[Plan | ExperimentPlan], jobs: int) -> int:
    report = Report()
    with ThreadPoolExecutor(jobs) as pool:
        for plan, (evidence, problems) in zip(plans, pool.map(_run, plans), strict=True):
            if isinstance(plan, ExperimentPlan):
                report.add_experiment(plan, evidence, problems)
            else:
                report.add(plan, evidence, None if evidence is None else account(evidence), problems)
            if problems:
                print(failure(plan, problems), flush=True)
            elif report.counts["runs"] % 20 == 0:
                print(
                    f"{report.counts['runs']} runs, {len(report.failed)} failed", file=sys.stderr, flush=True
                )
    for line in report.lines():
        print(line)
    return 1 if report.failed else 0


def _run(plan: Plan | ExperimentPlan):  # type: ignore[no-untyped-def]
    try:
        if isinstance(plan, ExperimentPlan):
            found = experiments.carry_out(plan)
            return found, experiments.check(plan, found)
        evidence = carry_out(plan)
        return evidence, check(plan, evidence)
    except Exception:
        return None, [traceback.format_exc()]
