"""DD_API_KEY=… DD_APP_KEY=… llmobs-trace run support_bot.py --baseline main --fail-if-worse"""

import json
from pathlib import Path

from anthropic import AsyncAnthropic

from llmobs_trace import Dataset, Experiment, Score, at_least, at_most, evaluator, experiment_span
from llmobs_trace.evaluators import json_schema, judge

client = AsyncAnthropic(max_retries=0)  # the runner waits, and says so


async def complete(prompt: str, model: str = "claude-haiku-4-5") -> str:
    with experiment_span("model", kind="llm", input=prompt, tags={"model": model}) as span:
        messages = [{"role": "user", "content": prompt}]
        reply = await client.messages.create(model=model, max_tokens=600, messages=messages)
        span.set_output(text := reply.content[0].text)
    return text


async def triage(input: dict, config: dict) -> dict:
    prompt = config["prompt"].format(ticket=input["ticket"])
    return json.loads(await complete(prompt, config["model"]))


SCHEMA = {
    "type": "object",
    "required": ["queue", "reply"],
    "properties": {"queue": {"enum": ["billing", "bug", "other"]}},
}


def queue(output: dict, expected_output: dict) -> Score:
    right = output["queue"] == expected_output["queue"]
    why = f"{output['queue']} for {expected_output['queue']}"
    return Score(right, assessment="pass" if right else "fail", reasoning=why)


@evaluator(label="refused_gracefully")
def on_error(error: Exception | None) -> bool | None:
    return None if error is None else isinstance(error, ValueError)


helpful = judge(
    complete,
    "Ticket: {input}\nReply: {output}\nIs the reply helpful? A: it solves it. B: partly. C: no.",
    choices={"A": 1.0, "B": 0.5, "C": 0.0},
    label="helpful",
    votes=3,
)


def routed(rows) -> dict[str, Score]:
    by_queue: dict[str, list[bool]] = {}
    for row in rows:  # failed rows are here, too: they count as not routed
        score = row.scores.get("queue")
        by_queue.setdefault(row.expected_output["queue"], []).append(bool(score and score.value))
    return {name: Score(sum(hits) / len(hits)) for name, hits in by_queue.items()}


experiment = Experiment(
    "support-triage",
    project="support-bot",
    dataset=Dataset.from_datadog("tickets-2026-q3", version=4),
    task=triage,
    config={"model": "claude-haiku-4-5", "prompt": Path("triage.txt").read_text()},
    evaluators=[json_schema(SCHEMA), queue, on_error, helpful],
    summary_evaluators=[routed],
    repeats=3,
)

if __name__ == "__main__":
    result = experiment.run(jobs=24, timeout=90, max_failures=0.2)
    raise SystemExit(result.gate({"queue": at_least(0.85), "row errors": at_most(0.02)}).exit_code)
