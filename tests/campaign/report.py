"""Many runs in, what was tried and what was lost out: words for a person."""

from __future__ import annotations

from collections import Counter

from campaign.check import Account
from campaign.experiments import ExperimentEvidence, ExperimentPlan
from campaign.plan import Plan
from campaign.run import Evidence


class Report:
    """Adds up."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.disk: Counter[str] = Counter()
        self.endings: Counter[str] = Counter()
        self.recoveries: Counter[str] = Counter()
        self.failed: list[tuple[Plan | ExperimentPlan, list[str]]] = []

    def add(self, plan: Plan, evidence: Evidence | None, found: Account | None, problems: list[str]) -> None:
        """One run."""
        self.counts["runs"] += 1
        if problems:
            self.failed.append((plan, problems))
        self.endings[plan.end.kind] += 1
        self.recoveries[plan.recovery] += 1
        if evidence is None or found is None:
            return
        done = evidence.diary.done
        ends = evidence.diary.ended
        self.counts += Counter(
            {
                "spans": sum(kind == "S" for kind, _ in ends),
                "metrics": sum(kind == "M" for kind, _ in ends),
                "processes": len(evidence.diary.begun_by),
                "kills": evidence.kills + evidence.diary.done_kills + evidence.orphans_killed,
                "forks": done["fork"],
                "requests": len(evidence.requests),
                "server faults": sum(request.status // 100 != 2 for request in evidence.requests)
                + sum(spell.startswith(("refuses connections", "locked")) for spell in plan.spells),
                "forwards": done["clock forwards"],
                "backwards": done["clock backwards"],
                "recovery clocks": int(plan.recovery_clock_seconds != 0),
                "repeats": found.repeats,
                "arrived": len(found.arrived & ends),
                "rejected": len((found.rejected & ends) - found.arrived),
                "missing": len(found.missing),
                "dropped": found.counted["dropped"],
                "abrupt": int(plan.end.kind in ("_exit", "sigterm", "sigterm handled")),
            }
        )
        for name, times in done.items():
            if name.startswith("disk "):
                self.disk[name.removeprefix("disk ").replace("-", " ")] += times
        if plan.disk is not None and plan.disk.kind == "no directory":
            self.disk["no directory"] += 1

    def add_experiment(
        self, plan: ExperimentPlan, evidence: ExperimentEvidence | None, problems: list[str]
    ) -> None:
        """One run that was an experiment's."""
        self.counts["runs"] += 1
        self.counts["experiments"] += 1
        if problems:
            self.failed.append((plan, problems))
        if evidence is not None:
            again = sum((evidence.calls - evidence.twin_calls).values())
            self.counts += Counter(
                {
                    "experiment rows": plan.rows * plan.repeats,
                    "experiment kills": evidence.kills,
                    "experiment stops": evidence.orderly,
                    "calls": sum(evidence.calls.values()),
                    "calls again": again,
                }
            )

    def lines(self) -> list[str]:
        """What a person reads at the end."""
        n = self.counts
        disk = ", ".join(f"{times} {kind}" for kind, times in sorted(self.disk.items()))
        lost = sum(len(problems) for _, problems in self.failed)
        return [
            f"{n['runs']} runs: {n['processes']} processes recorded {n['spans']:,} spans and"
            f" {n['metrics']:,} metrics; {n['requests']:,} requests",
            f"tried: {n['kills']} kills, {n['abrupt']} other abrupt ends, {n['forks']} forks,"
            f" {n['server faults']:,} server faults, {sum(self.disk.values())} disk faults ({disk}),"
            f" {n['forwards']} clock steps forwards and {n['backwards']} backwards",
            f"arrived: {n['arrived']:,} events, and {n['repeats']:,} repeats; rejected with the server's"
            f" words: {n['rejected']:,}; given up to a broken disk: {n['missing']:,} (ledgers count"
            f" {n['dropped']:,}; processes without a journal had said that they have none)",
            f"experiments: {n['experiments']}, of {n['experiment rows']:,} rows; {n['experiment kills']}"
            f" kills and {n['experiment stops']} ends by other signals; of {n['calls']:,} calls"
            f" {n['calls again']} were made again",
            "lost: nothing" if not lost else f"failed: {len(self.failed)} runs",
        ]


def failure(plan: Plan | ExperimentPlan, problems: list[str]) -> str:
    """What a run that failed says: what is wrong, its plan, and how to have it again."""
    return "\n".join(
        [
            f"run {plan.run} of seed {plan.seed} failed:",
            *(f"  - {problem[-4000:]}" for problem in problems),
            f"  plan: {plan.as_json().decode()}",
            f"  again: {plan.command}",
        ]
    )
