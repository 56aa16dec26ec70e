"""`@pytest.mark.experiment` in a project of its own: each row a test, recorded, scored, judged at the end."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest
from support.delivery import API_KEY, APP_KEY
from support.machine import ROOT, Machine
from support.scripted_datadog import ScriptedDatadog

pytest_plugins = ["pytester"]

TESTS = """
import asyncio, os, pytest
from llmobs_trace import *
from llmobs_trace.evaluators import contains, exact_match
ROWS = [Row("France", "Paris", id="france"), Row("Italy", "Rome", id="italy"), Row("Peru", "Lima", id="peru")]
def answer(question):
    with experiment_span("model", kind="llm"): pass
    return {"France": "Paris", "Italy": "Milan", "Peru": "Lima"}[question]
GATE = {"exact_match": at_least(LIMIT)}
CAPITALS = Dataset(ROWS, name="capitals")
@pytest.mark.experiment(dataset=CAPITALS, evaluators=[exact_match], gate=GATE, project="tests-of-it")
def test_capitals(row):
    return answer(row.input)
"""


ELSEWHERE = """
def test_elsewhere():
    with experiment_span("elsewhere"): pass
"""


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    for name, value in Machine(pytester.path).environ.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("PYTEST_ADDOPTS", "-p no:hypothesispytest -p no:cacheprovider")
    return pytester


def outcomes(project: pytest.Pytester, tests: str, *words: str) -> tuple[int, dict[str, str], str]:
    project.makepyfile(tests)
    ended = project.runpytest_subprocess("-v", *words)
    lines = ended.outlines
    found = {
        line.split()[0].rpartition("::")[2]: line.split()[1]
        for line in lines
        if "::" in line
        and len(line.split()) > 1
        and line.split()[1] in ("PASSED", "FAILED", "SKIPPED", "ERROR")
    }
    return ended.ret, found, "\n".join(lines)


def experiments(project: pytest.Pytester) -> list[Any]:
    listed = json.loads(Machine(project.path).command("experiments", "--format", "json").out)
    return [each for each in listed if each["spans"]]


def test_each_row_is_a_test_that_is_recorded_and_scored_and_the_gate_is_one_more(
    project: pytest.Pytester,
) -> None:
    code, found, _ = outcomes(project, TESTS.replace("LIMIT", "0.5"))
    rows = {f"test_capitals[{row}]": "PASSED" for row in ("france", "italy", "peru")}
    assert (code, found) == (0, {**rows, "test_capitals[gate]": "PASSED"})
    machine = Machine(project.path)
    spans = machine.stored_spans()
    roots = [span for span in spans if span["name"] == "test_capitals"]
    assert len(roots) == 3
    assert {span["meta"]["output"] for span in roots} == {"Paris", "Milan", "Lima"}
    assert {"dataset_record_id:france", "run_iteration:1"} <= set(roots[0]["tags"]) | set(roots[1]["tags"])
    ids = {span["span_id"] for span in roots}
    parents = {tag.partition(":")[2] for span in spans for tag in span["tags"] if tag.startswith("parent_id")}
    assert parents == ids
    metrics = sorted((metric["label"], metric["boolean_value"]) for metric in machine.stored_metrics())
    assert metrics == [
        ("exact_match", False),
        ("exact_match", True),
        ("exact_match", True),
        *[("passed", True)] * 3,
    ]
    [listed] = experiments(project)
    assert (listed["name"], listed["rows"], listed["left"]) == ("test_capitals", 3, 0)
    assert (listed["project"], listed["dataset"], listed["status"]) == (
        "tests-of-it",
        "capitals",
        "completed",
    )
    assert {"project_name:tests-of-it", "dataset_name:capitals"} <= set(roots[0]["tags"])
    assert not [*project.path.glob("state/llmobs-trace/loops/*")]


def test_a_gate_that_does_not_hold_fails_and_says_why(project: pytest.Pytester) -> None:
    code, found, told = outcomes(project, TESTS.replace("LIMIT", "0.9"))
    assert (code, found["test_capitals[gate]"]) == (1, "FAILED")
    assert "exact_match >= 0.9: fail (scored 3 · mean 0.667)" in told


def test_assertions_are_scores_other_exceptions_errors_of_the_row_and_skips_no_rows(
    project: pytest.Pytester,
) -> None:
    tests = TESTS.replace("LIMIT", "0").replace(
        "    return answer(row.input)",
        """    row.set_output(answer(row.input))
    assert row.output == row.expected_output
    if row.id == "peru": raise KeyError("peru")
    if row.id == "france": pytest.skip("not now")""",
    )
    code, found, _ = outcomes(project, tests)
    assert code == 1
    assert [found[f"test_capitals[{row}]"] for row in ("france", "italy", "peru")] == [
        "SKIPPED",
        "FAILED",
        "FAILED",
    ]
    machine = Machine(project.path)
    by_status = {span["status"]: span for span in machine.stored_spans() if span["name"] == "test_capitals"}
    assert by_status["error"]["meta"]["error"]["type"] == "KeyError"
    passed = [(m["label"], m["boolean_value"]) for m in machine.stored_metrics() if m["label"] == "passed"]
    assert passed == [("passed", False)]


def test_what_was_not_selected_is_not_missing_and_repeats_are_rows(project: pytest.Pytester) -> None:
    code, found, _ = outcomes(
        project, TESTS.replace("LIMIT", "1"), "-k", "france or peru", "--experiment-repeats=2"
    )
    assert code == 0
    assert found.keys() == {
        "test_capitals[france#1]",
        "test_capitals[france#2]",
        "test_capitals[peru#1]",
        "test_capitals[peru#2]",
        "test_capitals[gate]",
    }


def test_it_can_be_switched_off(project: pytest.Pytester) -> None:
    code, found, _ = outcomes(project, TESTS.replace("LIMIT", "1"), "--no-experiment", "-W", "ignore")
    assert code == 0
    assert "test_capitals[gate]" not in found
    assert Machine(project.path).stored_metrics() == []


def test_a_gate_of_an_unknown_name_and_a_wrong_mark_are_errors(project: pytest.Pytester) -> None:
    _, _, told = outcomes(project, TESTS.replace('{"exact_match": at_least(LIMIT)}', "3"))
    assert "gate: given 3; expected names with at_least" in told
    _, _, told = outcomes(project, TESTS.replace('"exact_match": at_least(LIMIT)', "'exact': at_least(1)"))
    assert "there is no score 'exact'" in told


def test_workers_of_xdist_make_one_experiment_and_the_controller_judges_its_gate(
    project: pytest.Pytester,
) -> None:
    pytest.importorskip("xdist")
    code, _, told = outcomes(project, TESTS.replace("LIMIT", "0.9"), "-n", "2", "-p", "xdist")
    assert code == 1
    assert "test_capitals: exact_match >= 0.9: fail (scored 3 · mean 0.667)" in told
    [listed] = experiments(project)
    assert (listed["rows"], listed["left"], listed["status"]) == (3, 0, "completed")


def test_it_is_made_by_name_at_datadog_once_and_knows_which_scores_do_not_apply(
    project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("xdist")
    tests = TESTS.replace("LIMIT", "0").replace("[exact_match]", "[exact_match, sometimes]")
    tests = tests.replace(
        "CAPITALS =",
        "def sometimes(output): return [Score(1, label='long')] if len(output) > 4 else []\nCAPITALS =",
    )
    for name, value in (("DD_API_KEY", API_KEY), ("DD_APP_KEY", APP_KEY)):
        monkeypatch.setenv(name, value)
    with ScriptedDatadog() as datadog:
        monkeypatch.setenv("LLMOBS_TRACE_BASE_URL", datadog.url)
        code, _, _ = outcomes(project, tests + ELSEWHERE, "-n", "2", "-p", "xdist", "--dist", "load")
    assert code == 0
    [made], [dataset] = datadog.experiments, datadog.datasets
    assert (made["name"], made["status"], dataset["name"]) == ("test_capitals", "completed", "capitals")
    assert set(datadog.records()) == {"france", "italy", "peru"}
    roots = [span for span in datadog.spans if span["name"] == "test_capitals"]
    assert {span["experiment"] for span in roots} == {made["id"]}
    assert len({span["span_id"] for span in roots}) == 3
    # What another test records is none of it.
    assert "elsewhere" not in {span["name"] for span in datadog.spans}
    said = Counter((one["label"], "error" in one) for one in datadog.metrics)
    assert said == {
        ("passed", False): 3,
        ("exact_match", False): 3,
        ("long", False): 2,
        ("long", True): 1,
        ("sometimes", True): 3,  # its own name, where it gave nothing and where it gave another
    }


def test_async_tests_are_rows_too(project: pytest.Pytester) -> None:
    tests = TESTS.replace("LIMIT", "0.5").replace("def test_capitals", "async def test_capitals")
    tests = tests.replace("@pytest.mark.experiment", "@pytest.mark.anyio\n@pytest.mark.experiment")
    tests += "\n@pytest.fixture\ndef anyio_backend(): return 'asyncio'\n"
    code, found, _ = outcomes(project, tests, "-p", "anyio")
    assert (code, len(found)) == (0, 4)
    roots = [span for span in Machine(project.path).stored_spans() if span["name"] == "test_capitals"]
    assert {span["meta"]["output"] for span in roots} == {"Paris", "Milan", "Lima"}
