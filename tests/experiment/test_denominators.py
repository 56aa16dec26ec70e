"""No denominator shrinks: whatever tasks, evaluators, judges and workers do, scored + failed + missing + does
not apply are all rows x repeats, for every label, wherever it is read.
"""

from __future__ import annotations

from support.examples import examples
from support.machine import Machine

# In one process, whose every example is an experiment: outcomes are drawn for each row, repeat and evaluator.
PROGRAM = """
import json, logging, sys, threading
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from llmobs_trace import Experiment, Score, at_least
from llmobs_trace.compare import compare
from llmobs_trace.evaluators import judge
from llmobs_trace.experiment import limits
from llmobs_trace.store import queries, scores, tabular
from llmobs_trace.store.store import Store
from llmobs_trace.viewer import score_counts

limits._SHORTEST_SECONDS = 0.0001
logging.disable(logging.CRITICAL)


class Busy(Exception):
    status_code = 503


class Losing(ThreadPoolExecutor):
    # Loses the first attempt at the units that it is told.
    lost: set

    def submit(self, work, job):
        unit = (job.place.row_id, job.place.repeat, job.place.attempt)
        if unit in self.lost:
            future = Future()
            future.set_exception(BrokenProcessPool("a worker died"))
            return future
        return super().submit(work, job)


SAYS = {
    "true": lambda: True, "false": lambda: False, "number": lambda: 0.25, "word": lambda: "red",
    "nothing": lambda: None, "no labels": lambda: [], "none of x": lambda: Score(None, label="x"),
    "x": lambda: Score(1.0, label="x"), "x and y": lambda: [Score(True, label="x"), Score(0.5, label="y")],
    "nonsense": lambda: {1, 2}, "partly": lambda: [Score(1.0, label="x"), object()],
    "not finite": lambda: float("nan"), "raises": lambda: 1 / 0,
}
REPLIES = {"A": "A", "B": "B", "garbage": "no idea"}
TASKS = st.sampled_from(["ok", "ok", "ok", "raises", "busy once", "lost once"])
UNIT = st.fixed_dictionaries({
    "task": TASKS, "first": st.sampled_from(sorted(SAYS)), "second": st.sampled_from(sorted(SAYS)),
    "judge": st.sampled_from(sorted(REPLIES)),
})
PLAN = st.tuples(
    st.integers(1, 4), st.integers(1, 3), st.lists(UNIT, min_size=12, max_size=12), st.booleans(),
    st.none() | st.integers(1, 3),
)
ROWS = [{"id": f"r{n}", "input": n} for n in range(4)]
baseline = Experiment("baseline", dataset=ROWS, task=lambda n: n, repeats=2,
                      evaluators=[lambda output: output % 2 == 0]).run(progress=False).experiment_id


@settings(max_examples=int(sys.argv[1]), deadline=None, database=None,
          suppress_health_check=[HealthCheck.too_slow])
@given(PLAN)
def check(plan):
    count, repeats, units, remote, max_failures = plan
    of = {(f"r{n // repeats}", n % repeats + 1): units[n] for n in range(count * repeats)}
    busy = set()
    seen, lock = {}, threading.Lock()

    def task(row):
        with lock:
            # A row's repeats run in their order only one after the other: each attempt takes the next unit.
            waiting = seen.setdefault(row.id, [r for i, r in of if i == row.id])
            repeat = waiting[0]
            unit = of[row.id, repeat]
            if unit["task"] == "busy once" and (row.id, repeat) not in busy:
                busy.add((row.id, repeat))
                raise Busy("later")
            waiting.pop(0)
        if unit["task"] == "raises": raise KeyError(row.id)
        return unit

    def first(output): return SAYS[output["first"]]()
    def second(output):
        # Two evaluators that give one label for one row are errors: here each has labels of its own.
        said = SAYS[output["second"]]()
        if isinstance(said, Score): return Score(said.value, label="second." + said.label)
        if isinstance(said, list):
            return [Score(s.value, label="second." + s.label) if isinstance(s, Score) else s for s in said]
        return said
    def reply(prompt): return REPLIES[json.loads(prompt.split("\\n")[0])]
    asked = judge(reply, "{output}\\n", choices=["A", "B"], label="judged")
    def judged(output): return asked(output=output["judge"])

    lost = {(*unit, 1) for unit, what in of.items() if what["task"] == "lost once"} if remote else set()
    def pool():
        made = Losing(1)
        made.lost = lost
        return made

    experiment = Experiment("denominators", dataset=ROWS[:count],
                            task=task, evaluators=[first, second, judged], repeats=repeats)
    result = experiment.run(jobs=1, progress=False, resume=False, executor=pool if remote else None,
                            max_failures=max_failures)
    units_of_it = count * repeats
    assert result.row_count == units_of_it
    told = {}
    for label, score in result.scores.items():
        told[label] = (score.scored, score.failed, score.missing, score.not_applicable)
        assert sum(told[label]) == units_of_it and min(told[label]) >= 0, (label, told[label])
        if score.worst is not None and score.mean is not None:
            assert score.worst - 1e-9 <= score.mean <= score.best + 1e-9
            if set(map(type, [s.value for r in result.rows if (s := r.scores.get(label))])) == {bool}:
                yes = sum(bool(s.value) for r in result.rows if (s := r.scores.get(label)))
                applies = units_of_it - score.not_applicable
                assert abs(score.worst - yes / applies) < 1e-9
            gate = result.gate({label: at_least(0.5)})
            sure = score.worst >= 0.5 or score.best < 0.5
            assert (gate.outcome != "cannot tell") == sure
    of_rows = {}
    for row in result.rows:
        for label, score in row.scores.items():
            of_rows.setdefault(label, [0, 0])[score is None] += 1
    for label, (scored, not_applicable) in of_rows.items():
        assert (scored, not_applicable) == (told[label][0], told[label][3]), label
    with Store(Path(".llmobs/experiments.db"), read_only=True) as store, store.snapshot():
        [(key, rows)] = store.select("SELECT key, rows FROM experiment WHERE id = ?", (result.experiment_id,))
        assert rows == result.done
        # The store has the rows that ran, and the labels that any of them has something of.
        expected = {label: (s, f, m - result.left, n) for label, (s, f, m, n) in told.items() if s or f or n}
        readers = {
            "show": scores.summary(store, result.experiment_id),
            "viewer": score_counts.scores(store, key, rows),
        }
        for reader, found in readers.items():
            read = {s.label: (s.scored, s.failed, s.missing, s.not_applicable) for s in found}
            assert read == expected, (reader, read, expected)
        view = "SELECT label, scored, failed, missing, not_applicable FROM scores WHERE experiment_id = ?"
        assert {each[0]: each[1:] for each in store.select(view, (result.experiment_id,))} == expected
        table = tabular.rows(store, result.experiment_id)
        lines = [dict(zip(table.columns, line)) for line in table.lines]
        assert len(lines) == rows
        for label, (scored, failed, missing, not_applicable) in expected.items():
            says = [(line[label] is not None, line.get(f"{label}.error") is not None,
                     line.get(f"{label}.not_applicable") is True) for line in lines]
            assert [sum(column) for column in zip(*says)] == [scored, failed, not_applicable], label
        compared = compare(store, baseline, result.experiment_id)
        assert compared.rows.runs_b == rows
        for metric in compared.metrics:
            for side, runs in (("a", compared.rows.runs_a), ("b", compared.rows.runs_b)):
                classes = ("scored", "failed", "missing", "not_applicable")
                assert sum(getattr(metric, f"{each}_{side}") for each in classes) == runs, metric
            in_rows = metric.n + metric.failed + metric.missing + metric.not_applicable
            assert in_rows == compared.rows.paired
            if metric.label in expected:
                # A value of another kind than the label's is none to compare: missing there.
                _, failed, _, not_applicable = expected[metric.label]
                assert (metric.failed_b, metric.not_applicable_b) == (failed, not_applicable), metric


check()
print("{}")
"""


def test_every_label_s_classes_are_all_rows_and_repeats_for_every_reader(machine: Machine) -> None:
    machine.run(PROGRAM, examples(40), timeout=300)
