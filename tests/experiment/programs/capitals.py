"""capitals.py: python capitals.py, then llmobs-trace serve"""

from openai import OpenAI

from llmobs_trace import Dataset, Experiment, experiment_span
from llmobs_trace.evaluators import contains, exact_match

client = OpenAI()


@experiment_span(kind="llm")
def ask(question: str) -> str:
    reply = client.responses.create(model="gpt-4.1-mini", input=f"{question} Answer with the name only.")
    return reply.output_text


def answer(question: str) -> str:
    return ask(question).strip(" .")


def short(output: str) -> bool:
    return len(output.split()) <= 3


if __name__ == "__main__":
    experiment = Experiment(
        "capitals",
        dataset=Dataset.from_csv("capitals.csv", input="question", expected_output="capital"),
        task=answer,
        evaluators=[exact_match, contains, short],
    )
    experiment.run()
