"""A run killed after any single write to its steps, or in the middle of one, and after any change to its
catalog, ends as if nothing had been.

Every point is a process of its own that really dies there, and another one that runs the same command again.
"""

from __future__ import annotations

import pytest
from support.machine import Machine

# Rows that pass, one that raises, one that passes at its second attempt; two evaluators, one of which asks
# for errors; repeats; a summary. All of it counts its calls in a file.
PROGRAM = """
import contextlib, io, json, os, re, signal, sqlite3, sys
from collections import Counter
from pathlib import Path
from llmobs_trace import *
from llmobs_trace.cli import main
from llmobs_trace.catalog.local_catalog import LocalCatalog
from llmobs_trace.experiment import limits, passing_on, steps
from llmobs_trace.store.store import Store
limits._SHORTEST_SECONDS = 0.0
class Busy(Exception): status_code = 503
UNIT = ("dataset_record_id", "run_iteration")
def called(what):
    with open("calls", "a") as file: file.write(what + "\\n")
def answer(n):
    called(f"task {n}")
    with experiment_span("model", kind="llm"): pass
    if n == 1: raise ValueError("one")
    if n == 2 and not os.path.exists("seen-2"):
        open("seen-2", "w").close()
        raise Busy("later")
    return {"n": n}
def score(output):
    called(f"score {output['n']}")
    return output["n"] / 10
@evaluator(label="graceful")
def on_error(error): return None if error is None else True
def run():
    configure(database="store.db")
    experiment = Experiment("points", dataset=[(n, n) for n in range(3)], task=answer, repeats=REPEATS,
                            evaluators=[score, on_error], summary_evaluators=[lambda rows: len(list(rows))])
    return experiment.run(jobs=1, progress=False)
def shown(result):
    tags = lambda span: dict(tag.split(":", 1) for tag in span["tags"])
    with Store(Path("store.db")) as store: store.derive_rows()
    with sqlite3.connect("store.db") as store:
        made = store.execute("SELECT unique_name, status, error, run_count FROM experiment").fetchall()
        records = store.execute("SELECT id, from_version, until_version FROM record").fetchall()
        spans, metrics = ([json.loads(event) for event, in store.execute(f"SELECT event FROM {table}")]
                          for table in ("span_event", "metric"))
    ids = {span["span_id"] for span in spans}
    # Of an attempt that was cut off, the children are below a span that is not there. Which attempt was the
    # one that failed in passing depends on the kill.
    whole = [span for span in spans if tags(span).get("parent_id", span["span_id"]) in ids]
    late = {span["span_id"] for span in whole if span["name"].startswith("attempt")}
    whole = [span for span in whole if not {span["span_id"], tags(span).get("parent_id")} & late]
    return {
        "made": made, "records": records,
        "spans": sorted(Counter((s["name"], s["status"], *map(tags(s).get, UNIT)) for s in whole).items(),
                        key=str),
        "metrics": sorted(Counter((m["label"], str(m.get("score_value", m.get("boolean_value"))),
                                   str(m.get("tags"))) for m in metrics).items()),
        "scores": {label: str(each) for label, each in result.scores.items()},
        "summary": list(result.summary.values()), "status": result.status, "failed": result.failed,
        "rows": [[row.row_id, row.run_iteration, row.output, row.error and row.error.message,
                  sorted(row.scores)] for row in result.rows],
    }
def in_child(home, work):
    pid = os.fork()
    if pid == 0:
        try:
            os.makedirs(home, exist_ok=True)
            os.chdir(home)
            os.environ["XDG_STATE_HOME"] = os.getcwd()
            work()
            os._exit(0)
        except BaseException:
            import traceback; traceback.print_exc()
            os._exit(1)
    return os.waitpid(pid, 0)[1]
def killed_at(point, is_torn):
    # After so many writes of a step, of another file of the run, and changes to the catalog.
    reached = []
    def counted(work):
        def counting(*given, **named):
            reached.append(work is write)
            is_here = len(reached) == point
            if is_here and is_torn:
                own, lines = given
                write(own, lines[:len(lines) // 2])
                os.kill(os.getpid(), signal.SIGKILL)
            result = work(*given, **named)
            if is_here: os.kill(os.getpid(), signal.SIGKILL)
            return result
        return counting
    write = steps.Steps._write
    steps.Steps._write = counted(write)
    steps.put = passing_on.put = counted(steps.put)
    for verb in ("project", "dataset", "experiment", "status"):
        setattr(LocalCatalog, verb, counted(getattr(LocalCatalog, verb)))
    run()
    with open("points", "w") as file: json.dump(reached, file)
def whole():
    result = run()  # which also delivers what the killed process had left
    print(json.dumps(shown(result)), file=open("shown.json", "w"))
def listed():
    with contextlib.redirect_stderr(io.StringIO()): main(["runs"])
def read_made(home):
    with sqlite3.connect(Path(home, "store.db")) as store:
        return [list(line) for line in
                store.execute("SELECT unique_name, status, error, run_count FROM experiment")]
def read(home): return json.loads(Path(home, "shown.json").read_text())
def calls(home): return Counter(Path(home, "calls").read_text().splitlines())
assert in_child("whole", whole) == 0
assert in_child("counted", lambda: killed_at(0, False)) == 0
points = json.loads(Path("counted/points").read_text())
wrong = []
for point, is_a_step in enumerate(points, start=1):
    for is_torn in (False, True)[:1 + is_a_step]:
        home = f"{point}-{is_torn}"
        status = in_child(home, lambda: killed_at(point, is_torn))
        assert status == signal.SIGKILL, (point, status)
        steps_file = next(Path(home).rglob("steps.jsonl"), None)
        if steps_file is not None and re.search('"finished".*\\n\\0*$', steps_file.read_text()):
            # The run was whole, and its catalog hears of it.
            assert in_child(home, listed) == 0
            if read_made(home) != read("whole")["made"]: wrong.append([point, is_torn, read_made(home)])
            continue
        assert in_child(home, whole) == 0
        more = sum((calls(home) - calls("whole")).values())
        found, expected = read(home), read("whole")
        different = {name: [found[name], expected[name]] for name in found if found[name] != expected[name]}
        if different or more > 2: wrong.append([point, is_torn, more, different])
print(json.dumps([len(points), wrong]))
"""


@pytest.mark.parametrize("repeats", [1, 2])
def test_killed_after_any_write_or_within_it_a_run_ends_as_an_uninterrupted_one(
    repeats: int, machine: Machine
) -> None:
    points, wrong = machine.run(PROGRAM.replace("REPEATS", str(repeats)), timeout=300).told[-1]
    assert points >= 10 + 13 * repeats
    assert wrong == []
