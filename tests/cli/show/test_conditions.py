from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.commands import RunCommand
from support.events import START_NS, metric, span

from llmobs_trace.store.store import Store


@pytest.fixture
def answers(tmp_path: Path) -> Path:
    """Four rows of which one failed, in two languages, with a score; and a root that is no row."""
    path = tmp_path / "answers.db"
    spans, metrics = [span("o", trace_id="to", kind="tool", start_ns=START_NS + 99)], []
    for number, language in enumerate(("en", "zh", "zh", "en")):
        root = f"r{number}"
        error = {"type": "Timeout", "message": "no answer"} if number == 2 else None
        given = {"trace_id": f"t{number}", "start_ns": START_NS + number, "duration_ns": 10**9 * (4 - number)}
        spans.append(span(root, row=f"row-{number}", say={"language": language}, error=error, **given))
        metrics.append(metric(root, "toxicity", number / 4))
    with Store(path) as store:
        store.add("e", spans, metrics)
    return path


def shown(run: RunCommand, path: Path, *words: str) -> list[str]:
    found = run("show", "e", *words, "--format", "json", on=path)
    assert (found.code, found.err) == (0, "")
    return [row["row_id"] for row in json.loads(found.out)["rows"]]


@pytest.mark.parametrize(
    ("words", "rows"),
    [
        (["--where", "tag.language=zh", "--where", "toxicity>0.3"], ["row-2"]),
        (["--where", "error!=any", "--sort", "-latency"], ["row-0", "row-1", "row-3"]),
        (["--sort", "latency", "--limit", "2"], ["row-3", "row-2"]),
        (["--where", "latency>=2s", "--sort=-toxicity", "--limit", "all"], ["row-2", "row-1", "row-0"]),
        (["--where", "row_id=nobody's"], []),
    ],
)
def test_rows_are_those_that_meet_all_conditions_in_the_order_asked_for(
    run: RunCommand, answers: Path, words: list[str], rows: list[str]
) -> None:
    assert shown(run, answers, *words) == rows


def test_scores_are_of_the_rows_that_meet_the_conditions_and_it_says_what_is_left(
    run: RunCommand, answers: Path
) -> None:
    words = ["show", "e", "--where", "tag.language=en", "--limit", "1"]
    metrics = json.loads(run(*words, "--format", "json", on=answers).out)["metrics"]
    assert [(each["scored"], each["mean"]) for each in metrics] == [(2, 0.375)]
    out = run(*words, on=answers).out
    assert (
        "2 of 4 rows meet the conditions; 1 shown, 1 more with --limit all; the scores are of these 2" in out
    )
    assert "row-3" not in out
    assert "in no row" not in out
    assert "2 of 4 rows meet the conditions; the scores are of these 2" in run(*words[:-2], on=answers).out


def test_an_order_alone_leaves_nothing_out(run: RunCommand, answers: Path) -> None:
    out = run("show", "e", "--sort", "-toxicity", on=answers).out
    assert out.index("row-3") < out.index("row-2") < out.index("row-0") < out.index("not a row")
    assert "in no row: 1 span" in out
    found = json.loads(run("show", "e", "--sort", "-toxicity", "--format", "json", on=answers).out)
    assert (len(found["experiment"]["other_spans"]), found["metrics"][0]["scored"]) == (1, 4)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--where", "toxicity=0", "--where", "toxicity>"], "condition 'toxicity>': it has no value"),
        (["--where", "latency>quick"], "condition 'latency>quick': latency is compared with a time"),
        (["--sort", "text"], "sort by 'text': give a field"),
        (["--row", "row-1", "--sort", "latency"], "--row names one row"),
    ],
)
def test_a_wrong_condition_is_2_and_named(
    run: RunCommand, answers: Path, words: list[str], says: str
) -> None:
    code, out, err = run("show", "e", *words, on=answers)
    assert (code, out) == (2, "")
    assert says in err


def test_a_label_that_no_row_has_is_said_with_those_that_are_there(run: RunCommand, answers: Path) -> None:
    code, _, err = run("show", "e", "--where", "toxicty>0.3", "--where", "tag.lang=zh", on=answers)
    assert code == 0
    assert "no row has toxicty (did you mean toxicity?); labels that are there: toxicity\n" in err
    assert "no row has tag.lang (did you mean language?); tags that are there: language\n" in err
