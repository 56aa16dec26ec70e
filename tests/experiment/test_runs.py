"""Runs: rows through a task and evaluators, in a program of its own with the local store."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest
from support.machine import Machine

# Each call is a line in a file, so that it counts whatever becomes of the process.
PROGRAM = """
import asyncio, json, os, signal, sys, time
from llmobs_trace import *
from llmobs_trace.evaluators import exact_match
def called(what):
    with open("calls", "a") as file: file.write(what + "\\n")
"""


def calls(machine: Machine) -> Counter[str]:
    file = machine.home / "calls"
    return Counter(file.read_text().splitlines() if file.exists() else [])


def rows_of(machine: Machine) -> dict[tuple[str, str], Any]:
    """The store's rows by row id and repeat."""
    found: dict[tuple[str, str], Any] = {}
    for span in machine.stored_spans():
        tags = dict(tag.split(":", 1) for tag in span["tags"])
        if "parent_id" not in tags and tags["span_kind"] == "experiment":
            unit = tags["dataset_record_id"], tags["run_iteration"]
            assert unit not in found
            found[unit] = span
    return found


def tags_of(span: Any) -> dict[str, str]:
    return dict(tag.split(":", 1) for tag in span["tags"])


def told(machine: Machine, body: str, *, code: int = 0) -> Any:
    """The last line of JSON that a program prints."""
    return machine.run(PROGRAM + body, code=code).told[-1]


CAPITALS = """
def answer(question):
    called(question)
    if question == "Nowhere": raise KeyError(question)
    with experiment_span("model", kind="llm"): pass
    return {"France": "Paris", "Italy": "Rome", "Spain": "Madrid!"}[question]
def short(output): return len(output) < 6
def half(output): return None if output == "Rome" else 0.5
def total(rows): return sum(len(row.output or "") for row in rows)
rows = [("France", "Paris"), ("Italy", "Rome"), ("Spain", "Madrid"), ("Nowhere", "x")]
experiment = Experiment("capitals", dataset=Dataset(rows), task=answer,
                        evaluators=[exact_match, short, half], summary_evaluators=[total], repeats=2)
"""


def test_every_row_and_repeat_is_a_root_with_its_children_and_metrics(machine: Machine) -> None:
    result = told(
        machine,
        CAPITALS
        + """
result = experiment.run(jobs=3, progress=False)
print(json.dumps({
    "status": result.status, "failed": result.failed, "summary": result.summary,
    "scores": {label: [s.scored, s.failed, s.missing, s.not_applicable, s.mean, s.worst, s.best]
               for label, s in result.scores.items()},
    "rows": [[row.input, row.run_iteration, row.output, row.error and row.error.type] for row in result.rows],
}))
""",
    )
    assert result["status"] == "completed"
    assert result["failed"] == 2
    assert result["summary"] == {"total": 2 * len("ParisRomeMadrid!")}
    assert result["scores"] == {
        "exact_match": [6, 0, 2, 0, pytest.approx(2 / 3), 0.5, 0.75],
        "short": [6, 0, 2, 0, pytest.approx(2 / 3), 0.5, 0.75],
        "half": [4, 0, 2, 2, 0.5, None, None],
    }
    assert [row[:3] for row in result["rows"][:3]] == [
        ["France", 1, "Paris"],
        ["France", 2, "Paris"],
        ["Italy", 1, "Rome"],
    ]
    assert result["rows"][-1] == ["Nowhere", 2, None, "KeyError"]
    rows = rows_of(machine)
    assert len(rows) == 8
    spans = machine.stored_spans()
    parents = {span["span_id"]: span for span in spans}
    models = [span for span in spans if span["name"] == "model"]
    assert len(models) == 6
    for span in models:
        row = parents[tags_of(span)["parent_id"]]
        assert row["trace_id"] == span["trace_id"]
        assert tags_of(span)["attempt"] == "1"
    for span in rows.values():
        assert tags_of(span)["experiment_name"] == "capitals"
    labels = Counter(metric["label"] for metric in machine.stored_metrics())
    assert labels == {"exact_match": 6, "short": 6, "half": 6, "total": 1}
    # As the endpoint's documentation has it: a score without a value, whose error says nothing.
    without = [metric for metric in machine.stored_metrics() if "error" in metric]
    assert {(each["label"], each["metric_type"], *each["tags"]) for each in without} == {
        ("half", "score", "not_applicable:true")
    }
    assert [each["error"] for each in without] == [{}, {}]
    assert not [each for each in without if "score_value" in each]


def test_what_evaluators_record_stands_below_the_row_and_is_no_row(machine: Machine) -> None:
    told(
        machine,
        """
def judged(output):
    with experiment_span("ask", kind="llm") as span: span.set_output("A")
    return True
Experiment("e", dataset=[("a", "b")], task=lambda question: question, evaluators=[judged]).run(progress=False)
print("{}")
""",
    )
    spans = {span["name"]: span for span in machine.stored_spans()}
    assert spans.keys() == {"<lambda>", "evaluate judged", "ask"}
    row, evaluation, ask = spans["<lambda>"], spans["evaluate judged"], spans["ask"]
    assert tags_of(evaluation)["parent_id"] == row["span_id"]
    assert tags_of(ask)["parent_id"] == evaluation["span_id"]
    assert len({span["trace_id"] for span in spans.values()}) == 1


@pytest.mark.parametrize("is_async", [False, True])
def test_what_passes_is_tried_again_and_earlier_attempts_stand_below_the_row(
    machine: Machine, is_async: bool
) -> None:
    define, wait = ("async def", "await asyncio.sleep(0)") if is_async else ("def", "pass")
    result = told(
        machine,
        f"""
import llmobs_trace.experiment.limits as limits
limits._SHORTEST_SECONDS = 0.001
class Busy(Exception): status_code = 503
{define} answer(question):
    called(question)
    {wait}
    if open("calls").read().count(question) < 3: raise Busy("later")
    return question
result = Experiment("e", dataset=["a", "b"] and [("a", "a"), ("b", "b")], task=answer,
                    evaluators=[exact_match]).run(progress=False)
print(json.dumps([row.output for row in result.rows]))
""",
    )
    assert result == ["a", "b"]
    assert calls(machine) == {"a": 3, "b": 3}
    rows = rows_of(machine)
    assert len(rows) == 2
    for row in rows.values():
        assert (tags_of(row)["retries"], row["status"]) == ("2", "ok")
        below = [s for s in machine.stored_spans() if tags_of(s).get("parent_id") == row["span_id"]]
        assert sorted(s["name"] for s in below) == ["attempt 1", "attempt 2"]
        assert {(s["status"], s["meta"]["error"]["type"]) for s in below} == {("error", "Busy")}
        assert {s["trace_id"] for s in below} == {row["trace_id"]}


def test_sync_and_async_functions_run_beside_each_other_and_never_in_the_other_s_place(
    machine: Machine,
) -> None:
    result = told(
        machine,
        """
import threading
async def task(question):
    await asyncio.sleep(0.001)
    return asyncio.current_task() is not None
async def slow(output):
    await asyncio.sleep(0)
    return output
def sync(output):
    try: asyncio.get_running_loop()
    except RuntimeError: return True
    return False
experiment = Experiment("e", dataset=[(n, True) for n in range(20)], task=task, evaluators=[slow, sync])
async def main(): return await experiment.run_async(progress=False, resume=False)
results = [experiment.run(progress=False), asyncio.run(main())]
async def blocking(): return experiment.run(progress=False, resume=False)
results.append(asyncio.run(blocking()))
print(json.dumps([[r.scores[label].mean for label in ("slow", "sync")] for r in results]))
""",
    )
    assert result == [[1.0, 1.0]] * 3


def test_summary_evaluators_may_be_coroutine_functions_also_within_a_running_loop(machine: Machine) -> None:
    result = told(
        machine,
        """
async def total(rows):
    await asyncio.sleep(0)
    return sum(row.output for row in rows)
def count(rows): return len(list(rows))
experiment = Experiment("e", dataset=[(1, 1), (2, 2)], task=lambda n: n, summary_evaluators=[total, count])
async def within(): return experiment.run(progress=False).summary
print(json.dumps([experiment.run(progress=False).summary, asyncio.run(within())]))
""",
    )
    assert result == [{"total": 3, "count": 2}] * 2


def test_a_timeout_is_the_row_s_error_and_the_run_goes_on(machine: Machine) -> None:
    result = told(
        machine,
        """
async def waits(question):
    if question == 1: await asyncio.sleep(60)
    return question
def blocks(question):
    if question == 1: time.sleep(60)
    return question
out = []
for task in (waits, blocks):
    experiment = Experiment(task.__name__, dataset=[(n, n) for n in range(4)], task=task)
    result = experiment.run(timeout=0.2, progress=False)
    out.append([result.status, result.failed, [row.error and row.error.type for row in result.rows]])
print(json.dumps(out), flush=True)
os._exit(0)
""",
    )
    assert result == [["completed", 1, [None, "AttemptTimeout", None, None]]] * 2


def test_of_two_evaluators_that_give_one_label_neither_counts_also_after_a_kill_between(
    machine: Machine,
) -> None:
    body = """
def first(output): return [Score(1, label="same"), Score(2, label="own")]
def second(output):
    if not os.path.exists("died"):
        open("died", "w"); os.kill(os.getpid(), signal.SIGKILL)
    return Score(2, label="same") if output else True
rows = [(n, n) for n in range(3)]
experiment = Experiment("e", dataset=rows, task=lambda n: n, evaluators=[first, second])
result = experiment.run(jobs=1, progress=False)
print(json.dumps({
    "rows": [[list(row.errors), sorted(row.scores)] for row in result.rows],
    "scores": {label: [s.scored, s.failed, s.missing, s.not_applicable]
               for label, s in result.scores.items()},
}))
"""
    machine.run(PROGRAM + body, code=-9)
    result = told(machine, body)
    assert result["rows"][1:] == [[["same"], ["own"]]] * 2
    assert result["scores"] == {"same": [1, 2, 0, 0], "own": [3, 0, 0, 0], "second": [1, 0, 2, 0]}
    stored = Counter((one["label"], "error" in one) for one in machine.stored_metrics())
    assert stored == {("same", False): 1, ("same", True): 4, ("own", False): 3, ("second", False): 1}


def test_failures_end_a_run_where_that_was_asked_for(machine: Machine) -> None:
    result = told(
        machine,
        """
def bad(n): raise PermissionError("no key")
experiment = Experiment("e", dataset=[(n, n) for n in range(200)], task=bad)
result = experiment.run(max_failures=10, jobs=2, progress=False)
share = experiment.run(max_failures=0.5, jobs=2, progress=False, resume=False)
try: experiment.run(raise_errors=True, progress=False, resume=False)
except PermissionError as error: raised = str(error)
print(json.dumps([[r.status, r.exit_code, r.why] for r in (result, share)] + [raised]))
""",
    )
    for status, code, why in result[:2]:
        assert (status, code) == ("failed", 1)
        assert "rows raised PermissionError" in why
    assert result[2] == "no key"


def test_a_limit_that_does_not_pass_interrupts_and_leaves_rows_that_go_on_later(machine: Machine) -> None:
    body = """
class Limited(Exception):
    status_code = 429
    class response: headers = {"retry-after": "3600"}
def answer(n):
    called(str(n))
    if n >= 3 and not os.path.exists("paid"): raise Limited("slow down")
    return n
experiment = Experiment("e", dataset=[(n, n) for n in range(6)], task=answer, evaluators=[exact_match])
result = experiment.run(jobs=1, progress=False)
print(json.dumps([result.status, result.exit_code, result.why, result.done, result.left, result.failed]))
"""
    status, code, why, done, left, failed = told(machine, body)
    assert (status, code, done, left, failed) == ("interrupted", 3, 3, 3, 0)
    assert "the provider asks to wait until" in why
    (machine.home / "paid").touch()
    status, code, _, done, left, failed = told(machine, body)
    assert (status, code, done, left, failed) == ("completed", 0, 6, 0, 0)
    assert calls(machine) == {"0": 1, "1": 1, "2": 1, "3": 2, "4": 1, "5": 1}
    assert len(rows_of(machine)) == 6


def test_a_run_whose_experiment_nobody_makes_is_refused_before_its_first_row(machine: Machine) -> None:
    class Refusing(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_error(403)

        do_POST = do_GET

    with ThreadingHTTPServer(("127.0.0.1", 0), Refusing) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        machine.sends_to(f"http://127.0.0.1:{server.server_port}")
        ended = machine.run(PROGRAM + CAPITALS + "experiment.run()", code=1)
        server.shutdown()
    assert "ExperimentError: nothing was run: " in ended.err
    assert "403" in ended.err
    assert not calls(machine)


def test_switched_off_rows_run_and_are_scored_and_nothing_is_recorded(machine: Machine) -> None:
    machine.set(enabled=0)
    result = told(
        machine,
        CAPITALS
        + """
result = experiment.run(progress=False)
print(json.dumps([result.status, result.scores["short"].scored, [row.output for row in result.rows][:2]]))
""",
    )
    assert result == ["completed", 6, ["Paris", "Paris"]]
    assert machine.stored_spans() == []


# --- Interrupts and kills -----------------------------------------------------------------------------------

LONG = """
def answer(n):
    called(f"task {n}")
    with experiment_span("model", kind="llm"): time.sleep(0.01)
    if n == 7: raise ValueError("seven")
    if str(n) == os.environ.get("DIES_AT"): os.kill(os.getpid(), signal.SIGKILL)
    return n * 2
def score(output):
    called(f"score {output}")
    return output / 100
experiment = Experiment("long", dataset=[(n, n * 2) for n in range(60)], task=answer,
                        evaluators=[exact_match, score], summary_evaluators=[lambda rows: len(list(rows))])
"""
TOLD = """
print(json.dumps({
    "status": result.status, "summary": result.summary, "left": result.left, "failed": result.failed,
    "scores": {label: str(score) for label, score in result.scores.items()},
    "rows": [[row.row_id, row.output, row.error and row.error.message, sorted(row.scores)]
             for row in result.rows],
}))
"""


def comparable(machine: Machine) -> Any:
    """What the store holds of the latest experiment, without times and ids."""
    spans = machine.stored_spans()
    names = {span["span_id"]: span["name"] for span in spans}
    rows = {span["span_id"]: tags_of(span)["dataset_record_id"] for span in rows_of(machine).values()}
    metrics = Counter(
        (
            rows.get(metric["span_id"], "-"),
            metric["label"],
            str(metric.get("score_value", metric.get("boolean_value"))),
        )
        for metric in machine.stored_metrics()
    )
    whole = Counter(
        (span["name"], names.get(tags_of(span).get("parent_id", "")))
        for span in spans
        if in_a_row(span, names)
    )
    return sorted(rows.values()), metrics, whole


def in_a_row(span: Any, names: dict[str, str]) -> bool:
    """Whether a span's parent is there: those of attempts that were cut off are in no row."""
    parent = tags_of(span).get("parent_id")
    return parent is None or parent in names


def test_a_killed_run_goes_on_where_it_was_and_ends_as_if_nothing_had_been(
    machine: Machine, other_machine: Machine
) -> None:
    body = LONG + "result = experiment.run(jobs=4, progress=False)\n" + TOLD
    whole = told(other_machine, body)
    kills = 0
    for share in (0.1, 0.3, 0.5, 0.7, 0.9):
        process = machine.start(PROGRAM + body)
        wanted = round(share * 60)
        while process.poll() is None and sum(calls(machine)[f"task {n}"] > 0 for n in range(60)) < wanted:
            pass
        kills += process.poll() is None
        process.kill()
        process.communicate()
    assert kills >= 3
    result = told(machine, body)
    assert result == whole
    assert comparable(machine) == comparable(other_machine)
    made = calls(machine)
    again = sum(count - 1 for count in made.values())
    assert again <= kills * 4 * 2
    verdict = machine.command("doctor").out.splitlines()[-1]
    assert verdict.startswith("nothing lost:"), verdict


def test_a_copied_directory_goes_on_on_another_machine_of_another_name_and_path(
    machine: Machine, other_machine: Machine
) -> None:
    body = LONG + "result = experiment.run(jobs=4, progress=False)\n" + TOLD
    machine.environ["DIES_AT"] = "30"
    machine.run(PROGRAM + body, code=-9)
    before = calls(machine)
    assert 20 < sum(before[f"task {n}"] for n in range(60)) < 60
    moved = other_machine.home / "state" / "llmobs-trace" / "runs"
    shutil.copytree(machine.home / "state" / "llmobs-trace" / "runs", moved)
    elsewhere = "import socket\nsocket.gethostname = lambda: 'elsewhere'\n"
    result = told(other_machine, elsewhere + body)
    assert (result["status"], result["failed"], result["left"]) == ("completed", 1, 0)
    assert [output for _, output, *_ in result["rows"]] == [n * 2 if n != 7 else None for n in range(60)]
    both = before + calls(other_machine)
    assert both.keys() == {
        *(f"task {n}" for n in range(60)),
        *(f"score {n * 2}" for n in range(60) if n != 7),
    }
    assert sum(both.values()) - len(both) <= 4 * 2
    rows, metrics, whole = comparable(other_machine)
    assert len(rows) == 60  # what had been delivered there is written again into the store that is here
    assert sum(metrics.values()) == 2 * 59 + 1
    # Children of rows that had ended were recorded there, and stay there.
    assert whole["model", "answer"] == sum(calls(other_machine)[f"task {n}"] for n in range(60))


def test_ctrl_c_waits_for_rows_that_run_and_the_same_command_goes_on(machine: Machine) -> None:
    import signal

    body = LONG + "result = experiment.run(jobs=4)\n" + TOLD
    process = machine.start(PROGRAM + body)
    while process.poll() is None and sum(calls(machine).values()) < 20:
        pass
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert out == ""
    assert "rows are running, waiting for them; Ctrl-C again stops now" in err
    assert "the same command continues" in err
    assert "Traceback" not in err
    before = calls(machine)
    result = told(machine, body)
    assert result["status"] == "completed"
    assert max(calls(machine).values()) == 1
    assert sum(before.values()) < sum(calls(machine).values())


def test_a_row_that_kills_the_process_is_found_and_recorded_as_failed(machine: Machine) -> None:
    body = """
def answer(n):
    called(f"task {n}")
    if n == 3: os.kill(os.getpid(), signal.SIGKILL)
    return n
result = Experiment("e", dataset=[(n, n) for n in range(8)], task=answer, evaluators=[exact_match]).run(
    jobs=4, progress=False)
print(json.dumps([[row.output, row.error and row.error.message] for row in result.rows]))
"""
    for _ in range(3):
        assert machine.run(PROGRAM + body, code=None).code == -9
    result = told(machine, body)
    assert result[3] == [None, "the process died 3 times while it ran"]
    assert [row[0] for row in result] == [0, 1, 2, None, 4, 5, 6, 7]
    assert calls(machine)["task 3"] == 3


def test_what_differs_is_said_and_is_a_new_run(machine: Machine) -> None:
    body = """
class Stop(Exception): pass
def answer(n):
    called(str(n))
    if n == 2 and not os.path.exists("go"): os._exit(1)
    return n MORE
experiment = Experiment("e", dataset=[(n, n) for n in range(4)], task=answer, evaluators=[exact_match])
print(json.dumps(str(experiment.plan())), flush=True)
result = experiment.run(jobs=1)
"""
    machine.run(PROGRAM + body.replace("MORE", ""), code=1)
    (machine.home / "go").touch()
    plan = machine.run(PROGRAM + body.replace("MORE", "+ 0"))
    assert "a new run: 4 rows; 0 done, 4 left" in plan.told[0]
    assert "a new run, since task differs from the unfinished" in plan.err
    assert 'resume="' in plan.err


# --- Reruns -------------------------------------------------------------------------------------------------

RERUN = """
def answer(n):
    called(f"task {n}")
    if n == 2 and not os.path.exists("mended"): raise ValueError("two")
    return n * 2
def good(output):
    called(f"good {output}")
    return True
def better(output): return output / 10
experiment = Experiment("r", dataset=[(n, n * 2) for n in range(4)], task=answer,
                        evaluators=[exact_match, good], repeats=2)
"""
SHOWN = """
def shown(result):
    scores = {label: [s.scored, s.missing] for label, s in result.scores.items()}
    return [result.experiment_id, result.failed, scores, [row.output for row in result.rows]]
"""


def test_what_is_left_is_of_the_repeats_and_rows_that_a_run_goes_on_with(machine: Machine) -> None:
    body = """
def task(n):
    called(str(n))
    if len(open("calls").readlines()) == int(os.environ["DIES_AT"]): os.kill(os.getpid(), signal.SIGKILL)
    return n
rows, repeats, resume = json.loads(os.environ["HOW"])
experiment = Experiment("grows", dataset=[(n, n) for n in range(rows)], task=task, repeats=repeats)
experiment.run(jobs=1, progress=False, resume=resume)
"""
    machine.environ |= {"HOW": '[3, 1, "auto"]', "DIES_AT": "2"}
    machine.run(PROGRAM + body, code=-9)

    def listed() -> Any:
        [one] = json.loads(machine.command("experiments", "--format", "json").out)
        return one["rows"], one["left"], one["status"]

    machine.command("resend")
    assert listed() == (1, 2, "interrupted")
    [run] = (machine.home / "state/llmobs-trace/runs").iterdir()
    machine.environ |= {"HOW": f'[4, 3, "{run.name}"]', "DIES_AT": "6"}
    machine.run(PROGRAM + body, code=-9)
    machine.command("resend")
    assert listed() == (4, 8, "interrupted")


def test_other_evaluators_over_the_same_answers_make_a_child_and_call_no_task(machine: Machine) -> None:
    first, again = told(
        machine,
        RERUN
        + SHOWN
        + """
first = experiment.run(progress=False)
again = experiment.rerun_evaluators(evaluators=[better], progress=False)
print(json.dumps([shown(first), shown(again)]))
""",
    )
    assert sum(count for call, count in calls(machine).items() if call.startswith("task")) == 8
    assert again[1:] == [2, {"better": [6, 2]}, first[3]]
    by_id = {span["span_id"]: span for span in machine.stored_spans()}
    kept = [span for span in by_id.values() if "parent_experiment_span_id" in tags_of(span)]
    assert len(kept) == 8
    for span in kept:
        before = by_id[tags_of(span)["parent_experiment_span_id"]]
        assert tags_of(before)["experiment_id"] == first[0]
        assert tags_of(span)["experiment_id"] == again[0]
        assert (span["meta"], span["duration"]) == (before["meta"], before["duration"])
        assert span["trace_id"] != before["trace_id"]


def test_failed_rows_run_again_in_a_child_and_good_ones_are_kept_with_their_scores(machine: Machine) -> None:
    first, again = told(
        machine,
        RERUN
        + SHOWN
        + """
first = experiment.run(progress=False)
open("mended", "w").close()
again = experiment.rerun_failed(progress=False)
print(json.dumps([shown(first), shown(again)]))
""",
    )
    assert first[1] == 2
    assert again[1:] == [0, {"exact_match": [8, 0], "good": [8, 0]}, [0, 0, 2, 2, 4, 4, 6, 6]]
    assert calls(machine) == {
        **{f"task {n}": 2 for n in (0, 1, 3)},
        "task 2": 4,
        **{f"good {2 * n}": 2 for n in range(4)},
    }
    assert Counter(metric["label"] for metric in machine.stored_metrics()) == {"exact_match": 14, "good": 14}


def test_a_rerun_of_nothing_is_refused(machine: Machine) -> None:
    ended = machine.run(PROGRAM + RERUN + "experiment.rerun_evaluators()", code=1)
    assert "there is no finished run of 'r' on this machine" in ended.err


def test_repeats_attempts_and_what_is_left_are_shown_where_there_are_any(machine: Machine) -> None:
    """Killed in its second row, the run is unfinished; gone on with, it is as if nothing had happened, but
    for what the attempt that was cut off had recorded.
    """
    program = (
        PROGRAM
        + """
def answer(question):
    with experiment_span("model", kind="llm"): pass
    if question == "Italy" and not os.path.exists("killed"):
        open("killed", "w").close()
        import llmobs_trace
        llmobs_trace.flush()
        os.kill(os.getpid(), signal.SIGKILL)
    return question
Experiment("capitals", dataset=[{"id": name, "input": name} for name in ("France", "Italy", "Spain")],
           task=answer, repeats=2, evaluators=[lambda output: None]).run(jobs=1, progress=False)
"""
    )
    machine.run(program, code=-9)
    shown, listed = machine.command("show", "latest").out, machine.command("experiments").out
    assert "  running: 4 of 6 rows left\n" in shown
    assert "of rows that still run, or were cut off: 1 span, in no count\n" in shown
    assert "running, 4 left" in listed
    assert "row France #2" in shown
    machine.command("runs")  # which finds that it is dead
    assert "  interrupted: 4 of 6 rows left\n" in machine.command("show", "latest").out
    machine.run(program)
    shown, listed = machine.command("show", "latest").out, machine.command("experiments").out
    assert "6 rows, 12 spans, 0 errors, 6 metrics, 0 failed\n" in shown
    assert "row Italy #1" in shown
    assert "  earlier attempt 1, cut off: 1 span, in no count\n" in shown
    assert not [word for word in ("left", "in no row", "orphan") if word in shown]
    assert "state" not in listed
    said = machine.command("export", "latest", "--format", "csv").out.splitlines()
    assert said[0].startswith("row_id,run_iteration,")
    assert [line.split(",")[:2] for line in said[1:]][:3] == [
        ["France", "1"],
        ["France", "2"],
        ["Italy", "1"],
    ]
