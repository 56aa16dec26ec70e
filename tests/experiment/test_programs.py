"""The three programs that the runner was made for, against servers that speak the providers' protocols and a
cluster whose workers die.
"""

from __future__ import annotations

import json
import os
import signal
import sqlite3
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from experiment.test_runs import calls, rows_of, tags_of
from support.machine import Machine
from support.model_server import Answer, ModelServer, Received, anthropic, of_json, openai

PROGRAMS = Path(__file__).with_name("programs")
CAPITALS = {"France": "Paris", "Italy": "Rome", "Spain": "Madrid", "Peru": "Lima", "Chad": "N'Djamena"}


@pytest.fixture
def server() -> Iterator[ModelServer]:
    with ModelServer() as opened:
        yield opened


def with_programs(machine: Machine, **changed: str) -> None:
    """Put the programs into the machine's working directory, some texts of them replaced."""
    for file in PROGRAMS.glob("*.py"):
        text = file.read_text()
        for old, new in changed.items():
            text = text.replace(old, new)
        (machine.home / file.name).write_text(text)


def test_a_csv_a_plain_function_and_a_client_killed_on_the_way_and_changed_later(
    machine: Machine, server: ModelServer
) -> None:
    with_programs(machine)
    countries = [*CAPITALS, *(f"Country {n}" for n in range(20))]
    lines = [f"What is the capital of {name}?,{CAPITALS.get(name, name)}" for name in countries]
    (machine.home / "capitals.csv").write_text("\n".join(["question,capital", *lines]) + "\n")
    machine.environ |= {"OPENAI_API_KEY": "k", "OPENAI_BASE_URL": f"{server.url}/v1"}
    program = None

    def reply(asked: Received) -> Answer:
        if program is not None and len(server.received) == 12:
            program.send_signal(signal.SIGKILL)
        name = asked.body["input"].removeprefix("What is the capital of ").partition("?")[0]
        text = {"type": "output_text", "text": f"{CAPITALS.get(name, name)}.", "annotations": []}
        item = {"type": "message", "id": "m", "role": "assistant", "status": "completed", "content": [text]}
        return of_json(openai.response([item]))

    server.answers_by(reply)
    program = machine.start_python("capitals.py")
    assert program.wait(240) == -signal.SIGKILL
    assert machine.command("runs").out.rstrip().endswith("interrupted")
    again = machine.start_python("capitals.py")
    _, said = again.communicate(timeout=240)
    assert again.returncode == 0, said
    assert "continuing" in said
    assert "exact_match  scored 25 · mean 1" in said
    # Those that were running when it died are asked again, and no other.
    # Of what died in the middle of a request, that is no whole one.
    whole = [received.body for received in server.received if isinstance(received.body, dict)]
    asked = Counter(body["input"] for body in whole)
    assert asked.keys() == {
        f"What is the capital of {name}? Answer with the name only." for name in countries
    }
    assert 0 <= sum(asked.values()) - 25 <= 8
    rows = {span["span_id"] for span in rows_of(machine).values()}
    assert len(rows) == 25
    models = [span for span in machine.stored_spans() if span["name"] == "ask"]
    assert {tags_of(span)["parent_id"] for span in models} >= rows
    labels = Counter(metric["label"] for metric in machine.stored_metrics())
    assert labels == {"exact_match": 25, "contains": 25, "short": 25}

    file = machine.home / "capitals.py"
    file.write_text(file.read_text().replace('.strip(" .")', ".upper()"))
    changed = machine.start_python("capitals.py")
    assert "exact_match  scored 25 · mean 0" in changed.communicate(timeout=240)[1]
    compared = machine.command("compare", "latest~1", "latest")
    assert "25 rows in both" in compared.out
    assert compared.out.rstrip().endswith("verdict: worse")


TICKETS = [(f"ticket {n}", ("billing", "bug", "other")[n % 3]) for n in range(9)]


def test_an_async_client_under_limits_with_repeats_a_judge_and_a_gate(
    machine: Machine, server: ModelServer
) -> None:
    tickets = [({"ticket": text}, {"queue": queue}) for text, queue in TICKETS]
    dataset = 'from_datadog("tickets-2026-q3", version=4)'
    with_programs(machine, **{dataset: "from_jsonl('tickets.jsonl')"})
    (machine.home / "tickets.jsonl").write_text(
        "\n".join(json.dumps({"input": given, "expected_output": expected}) for given, expected in tickets)
    )
    (machine.home / "triage.txt").write_text("Sort and answer this ticket: {ticket}")
    machine.environ |= {"ANTHROPIC_API_KEY": "k", "ANTHROPIC_BASE_URL": server.url}
    is_right = True

    def reply(asked: Received) -> Answer:
        # Every third one is too much.
        if len(server.received) % 3 == 0:
            return anthropic.error(429, "slow down", "rate_limit_error", retry_after_ms="20")
        prompt = asked.body["messages"][0]["content"]
        if prompt.startswith("Ticket: "):
            return anthropic.whole(anthropic.text("A" if is_right else "C"))
        queue = dict(TICKETS)[prompt.partition(": ")[2]] if is_right else "other"
        return anthropic.whole(anthropic.text(json.dumps({"queue": queue, "reply": "Here you are."})))

    server.answers_by(reply)
    program = machine.start_python("support_bot.py")
    _, said = program.communicate(timeout=240)
    assert program.returncode == 0, said
    for line in ("queue               scored 27 · mean 1", "helpful             scored 27 · mean 1"):
        assert line in said
    assert "  routed.billing      1.0\n" in said
    rows = rows_of(machine)
    assert len(rows) == 27
    assert all(span["status"] == "ok" for span in rows.values())
    limited = sum(tags_of(span).get("retries", "0") != "0" for span in rows.values())
    assert limited, "no attempt was limited"
    models = Counter(span["status"] for span in machine.stored_spans() if span["name"] == "model")
    assert models["ok"] == 27 * 4
    assert models["error"] >= len(server.received) - 27 * 4

    # A prompt that routes everything to one queue is worse than the one before.
    is_right = False
    (machine.home / "triage.txt").write_text("Answer this ticket: {ticket}")
    worse = machine.command("run", "support_bot.py", "--baseline", "latest", "--fail-if-worse", code=1)
    assert "worse" in worse.out


CLUSTER = """
import sys
from distributed import LocalCluster
if __name__ == "__main__":
    with LocalCluster(n_workers=2, threads_per_worker=2, dashboard_address=None) as cluster:
        print(cluster.scheduler_address, flush=True)
        sys.stdin.read()
"""


def test_a_cluster_that_loses_workers_and_then_another_judge(machine: Machine) -> None:
    pytest.importorskip("distributed")
    with sqlite3.connect(machine.home / "bench.db") as bench:
        bench.execute("CREATE TABLE tasks (id TEXT, task TEXT, answer INTEGER, level INTEGER)")
        sums = [(f"sum-{n}", f"{n} + {n}", 2 * n + (n == 9), n % 3) for n in range(30)]
        bench.executemany("INSERT INTO tasks VALUES (?, ?, ?, ?)", sums)
    machine.environ["PYTHONPATH"] += f"{os.pathsep}{machine.home}"
    cluster = machine.start(CLUSTER, name="cluster")
    with_programs(machine, **{"tcp://scheduler:8786": cluster.stdout.readline().strip()})
    ran = machine.start_python("agents.py", "run")
    out, err = ran.communicate(timeout=240)
    cluster.communicate("", timeout=240)
    assert ran.returncode == 0, err
    assert out.splitlines() == [
        "a new run: 30 rows x 2; 0 done, 60 left",
        "scored 58 · missing 2 · mean 0.966 (0.933 to 0.967 whatever those had been)",
    ]
    asked = calls(machine)
    assert asked.keys() == {task for _, task, _, _ in sums}
    assert asked["3 + 3"] >= 3  # two repeats, and the one that died
    rows = rows_of(machine)
    assert len(rows) == 60
    thoughts = [span for span in machine.stored_spans() if span["name"] == "think"]
    # Of what died nothing came home; of what failed, what had ended.
    assert Counter(tags_of(span)["parent_id"] for span in thoughts) == Counter(
        span["span_id"] for span in rows.values()
    )
    assert len({tags_of(span)["pid"] for span in thoughts}) >= 2
    assert machine.command("doctor").out.splitlines()[-1].startswith("nothing lost: ")

    judged = machine.start_python("agents.py", "judge")
    out, err = judged.communicate(timeout=240)
    assert judged.returncode == 0, err
    assert len(set(out.split())) == 2
    assert sum((calls(machine) - asked).values()) == 2  # the rows that had raised, and no other
    assert "careful_judge" in err
