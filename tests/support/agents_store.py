"""A store as somebody has after a week of work on an agent, to try the pages on.

Three experiments on one dataset: agents six levels deep, chats of 40 messages, tool calls, answers in
markdown and in several languages, some that failed; and one of another dataset.
"""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

from support.events import START_NS, metric, span

from llmobs_trace.store.store import Store

MS = 1_000_000
DATASET = "tickets-2025"
MINUTE_NS = 60_000 * MS
LANGUAGES = ("en", "de", "fr", "ja", "zh", "ar", "hi")
TOPICS = ("refund", "invoice", "shipping", "password", "upgrade", "cancellation", "warranty", "api limits")
EXPERIMENTS = ("baseline", "retrieval first", "shorter prompt")

_QUESTIONS = {
    "en": "My {topic} has been open since Monday and nobody answers. What can I do now?",
    "de": "Meine Anfrage zu „{topic}“ ist seit Montag offen. Was kann ich jetzt tun?",
    "fr": "Ma demande « {topic} » est ouverte depuis lundi. Que puis-je faire maintenant ?",
    "ja": "「{topic}」の問い合わせが月曜日から未解決です。どうすればよいですか?",
    "zh": "我关于“{topic}”的请求从星期一起一直没有回复。现在该怎么办",
    "ar": "طلبي بخصوص {topic} مفتوح منذ يوم الاثنين ولم يرد أحد. ماذا أفعل الآن؟",
    "hi": "{topic} के बारे में मेरा अनुरोध सोमवार से खुला है। अब मैं क्या करूँ?",
}
_ANSWERS = {
    "en": "Your **{topic}** request is with the second level. You will hear from us within {days} days.",
    "de": "Deine Anfrage zu **{topic}** liegt bei der zweiten Ebene. Du hörst in {days} Tagen von uns.",
    "fr": "Votre demande **{topic}** est au deuxième niveau. Vous aurez une réponse d'ici {days} jours.",
    "ja": "**{topic}** の件は二次対応に回っています。{days} 日以内にご連絡します。",
    "zh": "您关于 **{topic}** 的请求已转交二线处理,{days} 天内会有答复。",
    "ar": "طلبك بخصوص **{topic}** لدى المستوى الثاني. ستصلك إجابة خلال {days} أيام.",
    "hi": "**{topic}** का आपका अनुरोध दूसरे स्तर पर है। {days} दिनों में उत्तर मिलेगा।",
}
_STEPS = """

## What happens next

1. We check the ticket `{ticket}` and everything that was said in it.
2. If *nothing* is missing, it is closed:
   - by mail, to the address of the account
   - in the app, under [Tickets](https://help.example.com/tickets/{ticket})
3. Else we ask **once**, and wait for {days} days.

| step | who | within |
|:-----|-----|-------:|
| check | support | {days} days |
| refund | finance | 5 days |

```python
client.tickets.get("{ticket}", expand=["events", "owner"])
```

> Nothing is charged while a ticket is open.
"""
_STACK = """Traceback (most recent call last):
  File "/srv/agent/tools.py", line 88, in search_tickets
    return self.index.search(query, limit=limit, filters={"state": state})
           ~~~~~~~~~~~~~~~~~^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  File "/srv/agent/index.py", line 41, in search
    raise TimeoutError(f"the index did not answer in {self.timeout_seconds} s")
TimeoutError: the index did not answer in 5 s"""


def fill(database: Path, rows: int = 300) -> None:
    """The experiments `baseline`, `retrieval-first` and `shorter-prompt`, and `elsewhere`."""
    with Store(database) as store:
        for place, name in enumerate(EXPERIMENTS):
            for first in range(0, rows, 50):
                run = _Run(place, name)
                spans, metrics = run.rows(range(first, min(rows, first + 50)))
                store.add(name.replace(" ", "-"), spans, metrics, name=f"support agent, {name}")
        spans, metrics = _Run(3, "elsewhere").rows(range(rows, rows + 12))
        store.add("elsewhere", spans, metrics, name="support agent, other tickets")


class _Run:
    """One experiment's rows; what is drawn depends on the row and the experiment alone."""

    def __init__(self, place: int, name: str) -> None:
        self.place = place
        self.prefix = f"{place}{name[:1]}"
        self.start_ns = START_NS + place * 90 * MINUTE_NS

    def rows(self, numbers: range) -> tuple[list[bytes], list[bytes]]:
        spans: list[bytes] = []
        metrics: list[bytes] = []
        for number in numbers:
            _Row(self, number).record(spans, metrics)
        return spans, metrics


class _Row:
    def __init__(self, run: _Run, number: int) -> None:
        self.run = run
        self.number = number
        self.random = random.Random(f"{run.place} {number}")
        self.same = random.Random(number)  # of every experiment
        self.language = self.same.choice(LANGUAGES)
        self.topic = self.same.choice(TOPICS)
        self.ticket = f"T-{10_000 + 37 * number}"
        self.trace = f"{run.prefix}{number:06x}{'0' * 24}"
        self.at_ns = run.start_ns + number * 700 * MS
        self.fails = self.random.random() < (0.05, 0.02, 0.07)[run.place % 3]
        self.right = self.random.random() < (0.72, 0.84, 0.66)[run.place % 3]
        self.days = 3 if self.right else self.random.choice((5, 10, 14))
        self.answer = _ANSWERS[self.language].format(topic=self.topic, days=self.days)
        if number % 3 != 1:
            self.answer += _STEPS.format(ticket=self.ticket, days=self.days)
        self.count = 0

    def record(self, spans: list[bytes], metrics: list[bytes]) -> None:
        root = self.span_id()
        question = _QUESTIONS[self.language].format(topic=self.topic)
        took = int(self.random.lognormvariate(8.2 - 0.1 * self.run.place, 0.4)) * MS
        given, made = self.random.randrange(2_000, 9_000), self.random.randrange(120, 900)
        error = {"type": "TimeoutError", "message": "the index did not answer in 5 s", "stack": _STACK}
        sums = {"model_calls": 4, "input_tokens": given, "output_tokens": made}
        sums["cost_usd"] = round(given * 4e-7 + made * 1.6e-6, 8)  # type: ignore[assignment]
        values: dict[str, Any] = {} if self.fails else {"output": self.answer}
        spans.append(
            span(
                root,
                trace_id=self.trace,
                kind="experiment",
                row=f"ticket-{self.number:04}",
                name="answer_ticket",
                start_ns=self.at_ns,
                duration_ns=took,
                error=error if self.fails else None,
                input={"question": question, "language": self.language, "ticket": self.ticket},
                expected_output={"value": _ANSWERS[self.language].format(topic=self.topic, days=3)},
                say={**sums, "language": self.language, "topic": self.topic, "team": "support"},
                dataset_id=DATASET,
                **values,
            )
        )
        parent = root
        for depth, (kind, name) in enumerate(
            (("agent", "triage"), ("workflow", "resolve"), ("agent", "researcher"), ("task", "gather"))
        ):
            parent = self.child(spans, parent, kind, name, depth + 1, took, input=question, output=name)
        self.tool(spans, parent, took)
        self.call(spans, parent, took, question)
        if not self.fails:
            self.measure(root, metrics)

    def span_id(self) -> str:
        self.count += 1
        return f"{self.run.prefix}{self.number:010x}{self.count:04x}"

    def child(
        self, spans: list[bytes], parent: str, kind: str, name: str, depth: int, took: int, **values: Any
    ) -> str:
        span_id = self.span_id()
        spans.append(
            span(
                span_id,
                trace_id=self.trace,
                parent=parent,
                kind=kind,
                name=name,
                start_ns=self.at_ns + depth * took // 20,
                duration_ns=took - depth * took // 10,
                dataset_id=DATASET,
                **values,
            )
        )
        return span_id

    def tool(self, spans: list[bytes], parent: str, took: int) -> None:
        found = [
            {"id": f"{self.ticket}-{n}", "title": f"{self.topic}: case {n}", "score": round(0.9 - n / 10, 2)}
            for n in range(4)
        ]
        error = {"type": "TimeoutError", "message": "the index did not answer in 5 s", "stack": _STACK}
        given = {
            "query": f"{self.topic} open since Monday",
            "limit": 4,
            "filters": {"state": ["open", "waiting"]},
        }
        outcome: dict[str, Any] = (
            {"error": error} if self.fails or self.number % 17 == 0 else {"output": found}
        )
        self.child(spans, parent, "tool", "search_tickets", 5, took, input=given, **outcome)
        vector = [round(self.random.uniform(-1, 1), 6) for _ in range(256)]
        self.child(spans, parent, "embedding", "embed", 6, took, input=self.topic, output=vector)

    def call(self, spans: list[bytes], parent: str, took: int, question: str) -> None:
        messages: list[dict[str, Any]] = [
            {"role": "system", "content": "You answer tickets.\n\n- Be **brief**.\n- Say what happens next."}
        ]
        for turn in range(13 if self.number % 4 == 0 else 1):
            call = {
                "id": f"call_{turn}",
                "name": "search_tickets",
                "arguments": {"query": self.topic, "page": turn},
            }
            page = json.dumps(
                {"page": turn, "tickets": [{"id": self.ticket, "state": "open", "days": 3 + turn}] * 3}
            )
            messages += [
                {"role": "user", "content": question if turn == 0 else f"And what of page {turn}?"},
                {
                    "role": "assistant",
                    "content": "",
                    "thinking": "The state is needed first.",
                    "tool_calls": [call],
                },
                {"role": "tool", "tool_call_id": f"call_{turn}", "content": page},
            ]
        say = {"model_name": "gpt-4.1-mini-2025-04-14", "model_provider": "openai", "finish_reason": "stop"}
        self.child(
            spans,
            parent,
            "llm",
            "chat gpt-4.1-mini",
            6,
            took,
            input={"messages": messages, "temperature": 0.2, "tools": [{"name": "search_tickets"}]},
            output={"role": "assistant", "content": self.answer},
            say={**say, "input_tokens": 1800, "output_tokens": 140, "cost_usd": 0.00094},
        )

    def measure(self, root: str, metrics: list[bytes]) -> None:
        right = self.right
        reason = (
            f"It says {self.days} days; the policy says 3." if not right else "It agrees with the policy."
        )
        metrics += [
            metric(root, "correct", right, assessment="pass" if right else "fail", reasoning=reason),
            metric(root, "helpfulness", round(min(1, self.random.betavariate(6, 2 if right else 4)), 3)),
            metric(root, "toxicity", round(self.random.betavariate(1, 30), 4), tags=["lower_is_better:true"]),
            metric(root, "tone", self.random.choice(("warm", "plain", "plain", "curt"))),
            metric(root, "words", len(self.answer.split())),
            metric(root, "judge", {"verdict": right, "criteria": {"tone": 4, "facts": 5 if right else 2}}),
        ]
        if self.number % 23 == 5:
            metrics.append(metric(root, "grounded", error={"message": "the judge is down"}))
        elif self.number % 11:
            metrics.append(
                metric(root, "grounded", round(self.random.betavariate(8, 2), 3), reasoning=reason)
            )
