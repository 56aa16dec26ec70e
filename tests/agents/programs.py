"""One agent program as people write it against each client and framework, and the tree that all must leave.

It asks a model, which calls a tool; it runs the tool, and asks again. The second request is refused once, and
the client retries.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, NamedTuple

from support.model_server import Answer, anthropic, gemini, openai


class Step(NamedTuple):
    """One span of the tree, but for its name."""

    kind: str
    depth: int
    said: str  # its output: a text, or the tool that was called
    finish_reason: str | None = None
    input_tokens: str | None = None
    output_tokens: str | None = None
    retries: str | None = None
    model_calls: str | None = None


CALLED = 'weather {"city":"Oslo"}'
STORY = (
    Step("agent", 0, "Take a coat.", None, "24", "14", model_calls="2"),
    Step("llm", 1, CALLED, "tool_calls", "12", "7"),
    Step("tool", 1, "wet in Oslo"),
    Step("llm", 1, "Take a coat.", "stop", "12", "7", retries="1"),
)


@dataclass(frozen=True)
class Program:
    """The program's source, what it needs, and what a model says to it. `tells_retries`: whether its client
    does; what frameworks do within a client is not to be seen from without.
    """

    name: str
    requirements: tuple[str, ...]
    source: str
    answers: tuple[Answer, ...]
    tells_retries: bool = True

    def story(self) -> tuple[Step, ...]:
        return STORY if self.tells_retries else tuple(step._replace(retries=None) for step in STORY)


TOOL = '''
import json, sys
from llmobs_trace import experiment_span, instrument
URL = sys.argv[1]
@experiment_span(kind="tool")
def weather(city: str) -> str:
    """Says the weather."""
    return f"wet in {city}"
'''
ASK = """
print(agent("How is Oslo?"))
"""
SCHEMA = '{"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}'

OPENAI = f"""
import openai
instrument("openai")
client = openai.OpenAI(base_url=URL, api_key="canary")
TOOLS = [{{"type": "function", "function": {{"name": "weather", "parameters": {SCHEMA}}}}}]
@experiment_span(kind="agent")
def agent(question):
    messages = [{{"role": "user", "content": question}}]
    while True:
        answer = client.chat.completions.create(model="gpt-4.1-mini", messages=messages, tools=TOOLS)
        said = answer.choices[0].message
        if not said.tool_calls:
            return said.content
        messages.append(said)
        for call in said.tool_calls:
            result = weather(**json.loads(call.function.arguments))
            messages.append({{"role": "tool", "tool_call_id": call.id, "content": result}})
"""

LITELLM = f"""
import litellm
instrument("litellm")
TOOLS = [{{"type": "function", "function": {{"name": "weather", "parameters": {SCHEMA}}}}}]
@experiment_span(kind="agent")
def agent(question):
    messages = [{{"role": "user", "content": question}}]
    while True:
        answer = litellm.completion(
            model="openai/gpt-4.1-mini", messages=messages, tools=TOOLS, api_base=URL, api_key="canary",
            max_retries=2,
        )
        said = answer.choices[0].message
        if not said.tool_calls:
            return said.content
        messages.append(said.model_dump())
        for call in said.tool_calls:
            result = weather(**json.loads(call.function.arguments))
            messages.append({{"role": "tool", "tool_call_id": call.id, "content": result}})
"""

ANTHROPIC = f"""
import anthropic
instrument("anthropic")
client = anthropic.Anthropic(base_url=URL, api_key="canary")
TOOLS = [{{"name": "weather", "input_schema": {SCHEMA}}}]
@experiment_span(kind="agent")
def agent(question):
    messages = [{{"role": "user", "content": question}}]
    while True:
        said = client.messages.create(model="claude-haiku-4-5", max_tokens=99, messages=messages, tools=TOOLS)
        messages.append({{"role": "assistant", "content": said.content}})
        calls = [block for block in said.content if block.type == "tool_use"]
        if not calls:
            return said.content[0].text
        results = [(call.id, weather(**call.input)) for call in calls]
        messages.append({{
            "role": "user",
            "content": [
                {{"type": "tool_result", "tool_use_id": id, "content": result}} for id, result in results
            ],
        }})
"""

GOOGLE_GENAI = """
from google import genai
from google.genai import types
instrument("google-genai")
retries = types.HttpRetryOptions(attempts=3, initial_delay=0.01, max_delay=0.02)
client = genai.Client(
    api_key="canary", http_options=types.HttpOptions(base_url=URL, retry_options=retries)
)
@experiment_span(kind="agent")
def agent(question):
    config = types.GenerateContentConfig(tools=[weather])
    return client.chats.create(model="gemini-3-flash", config=config).send_message(question).text
"""

PYDANTIC_AI = """
from pydantic_ai import Agent
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider
instrument("openai")
provider = OpenAIProvider(base_url=URL, api_key="canary")
assistant = Agent(OpenAIChatModel("gpt-4.1-mini", provider=provider), tools=[weather])
@experiment_span(kind="agent")
def agent(question):
    return assistant.run_sync(question).output
"""

LANGCHAIN = """
import sys
from langchain_core.messages import HumanMessage, ToolMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from openinference.instrumentation.langchain import LangChainInstrumentor
from opentelemetry.sdk.trace import TracerProvider
from llmobs_trace import experiment_span
from llmobs_trace.otel import SpanProcessor
provider = TracerProvider()
provider.add_span_processor(SpanProcessor())
LangChainInstrumentor().instrument(tracer_provider=provider)
@tool
def weather(city: str) -> str:
    "Says the weather."
    return f"wet in {city}"
model = ChatOpenAI(model="gpt-4.1-mini", base_url=sys.argv[1], api_key="canary").bind_tools([weather])
@experiment_span(kind="agent")
def agent(question):
    messages = [HumanMessage(question)]
    while True:
        said = model.invoke(messages)
        messages.append(said)
        if not said.tool_calls:
            return said.content
        for call in said.tool_calls:
            messages.append(ToolMessage(weather.invoke(call["args"]), tool_call_id=call["id"]))
"""

USAGE = {"prompt_tokens": 12, "completion_tokens": 7, "total_tokens": 19}
_CALL = {
    "id": "c1",
    "type": "function",
    "function": {"name": "weather", "arguments": json.dumps({"city": "Oslo"})},
}
OF_OPENAI = (
    openai.chat({"content": None, "tool_calls": [_CALL]}, finish="tool_calls", usage=USAGE),
    openai.error(503, "Overloaded.", retry_after_ms="1"),
    openai.chat({"content": "Take a coat."}, usage=USAGE),
)
_OF_ANTHROPIC = {"usage": {"input_tokens": 12, "output_tokens": 7}}
OF_ANTHROPIC = (
    anthropic.whole(anthropic.tool_use("c1", "weather", {"city": "Oslo"}), stop="tool_use", **_OF_ANTHROPIC),
    anthropic.error(529, "Overloaded.", "overloaded_error", retry_after_ms="1"),
    anthropic.whole(anthropic.text("Take a coat."), **_OF_ANTHROPIC),
)
_OF_GEMINI = {"usage": {"promptTokenCount": 12, "candidatesTokenCount": 7, "totalTokenCount": 19}}
OF_GEMINI = (
    gemini.answer(gemini.call("weather", city="Oslo"), **_OF_GEMINI),
    gemini.error(503, "Overloaded.", "UNAVAILABLE"),
    gemini.answer("Take a coat.", **_OF_GEMINI),
)

PROGRAMS = (
    Program("openai", ("openai",), TOOL + OPENAI + ASK, OF_OPENAI),
    Program("anthropic", ("anthropic",), TOOL + ANTHROPIC + ASK, OF_ANTHROPIC),
    Program("google-genai", ("google-genai",), TOOL + GOOGLE_GENAI + ASK, OF_GEMINI),
    Program("litellm", ("litellm",), TOOL + LITELLM + ASK, OF_OPENAI),
    Program("pydantic-ai", ("pydantic-ai-slim[openai]",), TOOL + PYDANTIC_AI + ASK, OF_OPENAI),
    Program(
        "langchain",
        ("langchain-openai", "openinference-instrumentation-langchain", "opentelemetry-sdk"),
        LANGCHAIN + ASK,
        OF_OPENAI,
        tells_retries=False,
    ),
)


def told(spans: list[dict[str, Any]]) -> tuple[Step, ...]:
    """The tree that a program left, in the order that its spans began."""
    tags = {span["span_id"]: dict(tag.split(":", 1) for tag in span["tags"]) for span in spans}
    depth: dict[str, int] = {}
    steps = []
    for span in sorted(spans, key=lambda span: span["start_ns"]):
        its = tags[span["span_id"]]
        depth[span["span_id"]] = 1 + depth.get(its.get("parent_id", ""), -1)
        counted = {name: its.get(name) for name in Step._fields[3:]}
        said = _said(span["meta"].get("output"))
        steps.append(Step(its["span_kind"], depth[span["span_id"]], said, **counted))
    return tuple(steps)


def _said(output: Any) -> str:
    if not isinstance(output, dict):
        return str(output)
    calls = [
        f"{call['name']} {json.dumps(call['arguments'], separators=(',', ':'))}"
        for call in output.get("tool_calls", ())
    ]
    return " ".join([*calls, *([output["content"]] if isinstance(output.get("content"), str) else [])])


def lines(steps: tuple[Step, ...]) -> str:
    """A tree for people."""
    return "\n".join(
        "  " * step.depth + " · ".join(str(each) for each in (step.kind, *step[2:]) if each is not None)
        for step in steps
    )
