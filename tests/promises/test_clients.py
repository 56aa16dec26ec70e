"""Clients that know nothing of us push to `serve`: the documentation's own examples, and its address changed.

The newest Python client is one of the tests' own packages. The others are kept apart (`support.kept_apart`):

    LLMOBS_TESTS_OLD_CLIENT     datadog-api-client 2.58, which has the module that the documentation names
                                (pip install --no-deps --target)
    LLMOBS_TESTS_OLDEST_CLIENT  the same with 2.54, which has no events to read yet, and no status
    LLMOBS_TESTS_NODE           the newest @datadog/datadog-api-client (npm install --prefix)
    LLMOBS_TESTS_DDTRACE        ddtrace (pip install --target), whose experiments run here
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support import kept_apart
from support.machine import Machine
from support.serving import METRIC, SPAN, Serving

from llmobs_trace.store import made_experiments, queries
from llmobs_trace.store.store import Store

_EXPERIMENT = "3fd6b5e0-8910-4b1c-a7d0-5b84de329012"

_STACK = (
    'Traceback (most recent call last):\n  File "main.py", line 10, in <module>\n'
    '    response = model.generate(input)\n  File "model.py", line 45, in generate\n'
    '    raise TimeoutError("Model response timed out")\nTimeoutError: Model response timed out'
)
_ERROR = {"message": "Model response timed out", "stack": _STACK, "type": "TimeoutError"}

_PYTHON = """
import sys
from datadog_api_client import ApiClient, Configuration
from datadog_api_client.v2.api.{module} import {api}
from datadog_api_client.v2.model.llm_obs_event_type import LLMObsEventType
from datadog_api_client.v2.model.llm_obs_experiment_events_data_attributes_request import (
    LLMObsExperimentEventsDataAttributesRequest,
)
from datadog_api_client.v2.model.llm_obs_experiment_events_data_request import (
    LLMObsExperimentEventsDataRequest,
)
from datadog_api_client.v2.model.llm_obs_experiment_events_request import LLMObsExperimentEventsRequest
from datadog_api_client.v2.model.llm_obs_experiment_metric import LLMObsExperimentMetric
from datadog_api_client.v2.model.llm_obs_experiment_metric_error import LLMObsExperimentMetricError
from datadog_api_client.v2.model.llm_obs_experiment_span import LLMObsExperimentSpan
from datadog_api_client.v2.model.llm_obs_experiment_span_error import LLMObsExperimentSpanError
from datadog_api_client.v2.model.llm_obs_experiment_span_meta import LLMObsExperimentSpanMeta
from datadog_api_client.v2.model.llm_obs_experiment_span_status import LLMObsExperimentSpanStatus
from datadog_api_client.v2.model.llm_obs_metric_assessment import LLMObsMetricAssessment
from datadog_api_client.v2.model.llm_obs_metric_score_type import LLMObsMetricScoreType

body = LLMObsExperimentEventsRequest(
    data=LLMObsExperimentEventsDataRequest(
        attributes=LLMObsExperimentEventsDataAttributesRequest(
            metrics=[
                LLMObsExperimentMetric(
                    assessment=LLMObsMetricAssessment.PASS,
                    error=LLMObsExperimentMetricError(),
                    label="faithfulness",
                    metric_type=LLMObsMetricScoreType.SCORE,
                    span_id="span-7a1b2c3d",
                    tags=[],
                    timestamp_ms=1705314600000,
                ),
            ],
            spans=[
                LLMObsExperimentSpan(
                    dataset_id="9f64e5c7-dc5a-45c8-a17c-1b85f0bec97d",
                    duration=1500000000,
                    meta=LLMObsExperimentSpanMeta(
                        error=LLMObsExperimentSpanError(
                            message="Model response timed out",
                            stack={stack!r},
                            type="TimeoutError",
                        ),
                        input=None,
                        output=None,
                    ),
                    name="llm_call",
                    project_id="a33671aa-24fd-4dcd-9b33-a8ec7dde7751",
                    span_id="span-7a1b2c3d",
                    start_ns=1705314600000000000,
                    status=LLMObsExperimentSpanStatus.OK,
                    tags=[],
                    trace_id="abc123def456",
                ),
            ],
        ),
        type=LLMObsEventType.EVENTS,
    ),
)

configuration = Configuration(host=sys.argv[1], return_http_data_only=False)
configuration.unstable_operations["create_llm_obs_experiment_events"] = True
with ApiClient(configuration) as api_client:
    api_instance = {api}(api_client)
    answer = api_instance.create_llm_obs_experiment_events(experiment_id=sys.argv[2], body=body)
    print(answer[1])
"""

# The same client makes all that events belong to, and reads them back.
_CATALOG = """
import sys, warnings
warnings.simplefilter("ignore")
from datadog_api_client import ApiClient, Configuration
from datadog_api_client.v2 import models as m
from datadog_api_client.v2.api.{module} import {api}

def body(name, type, attributes, **more):
    given = getattr(m, name.replace("Request", "DataAttributesRequest"))(**attributes)
    data = getattr(m, name.replace("Request", "DataRequest"))(type=type, attributes=given, **more)
    return getattr(m, name)(data=data)

configuration = Configuration(host=sys.argv[1])
configuration.unstable_operations.values.update(dict.fromkeys(configuration.unstable_operations.values, True))
with ApiClient(configuration) as client:
    api = {api}(client)
    project_id = api.create_llm_obs_project(
        body("LLMObsProjectRequest", m.LLMObsProjectType.PROJECTS, dict(name="bot"))).data.id
    assert [each.id for each in api.list_llm_obs_projects(filter_name="bot").data] == [project_id]
    dataset = api.create_llm_obs_dataset(
        project_id, body("LLMObsDatasetRequest", m.LLMObsDatasetType.DATASETS, dict(name="tickets")))
    dataset_id = dataset.data.id
    items = [m.LLMObsDatasetRecordItem(input={{"q": n}}, expected_output={{"a": str(n)}}) for n in range(3)]
    api.create_llm_obs_dataset_records(project_id, dataset_id,
        body("LLMObsDatasetRecordsRequest", m.LLMObsRecordType.RECORDS, dict(records=items)))
    listed = api.list_llm_obs_dataset_records(project_id, dataset_id).data
    assert sorted(each.input["q"] for each in listed) == [0, 1, 2], listed
    change = m.LLMObsDatasetRecordUpdateItem(id=listed[0].id, expected_output={{"a": "x"}})
    api.update_llm_obs_dataset_records(project_id, dataset_id,
        body("LLMObsDatasetRecordsUpdateRequest", m.LLMObsRecordType.RECORDS, dict(records=[change])))
    [found] = api.list_llm_obs_datasets(project_id, filter_name="tickets").data
    assert found.attributes.current_version == 2
    experiment = api.create_llm_obs_experiment(body("LLMObsExperimentRequest",
        m.LLMObsExperimentType.EXPERIMENTS, dict(name="e", project_id=project_id, dataset_id=dataset_id)))
    has_status = hasattr(m, "LLMObsExperimentStatus")  # since 2.55
    change = dict(status=m.LLMObsExperimentStatus.COMPLETED) if has_status else dict(description="completed")
    api.update_llm_obs_experiment(experiment.data.id,
        body("LLMObsExperimentUpdateRequest", m.LLMObsExperimentType.EXPERIMENTS, change))
    [seen] = api.list_llm_obs_experiments(filter_project_id=project_id).data
    said = seen.attributes.to_dict()
    print(said["status"] if has_status else said["description"], int(said["dataset_version"]))
"""

_OF_DDTRACE = """
import os, sys
os.environ.update(DD_LLMOBS_OVERRIDE_ORIGIN=sys.argv[1], DD_INSTRUMENTATION_TELEMETRY_ENABLED="0",
    DD_REMOTE_CONFIGURATION_ENABLED="0", DD_TRACE_AGENT_URL="http://127.0.0.1:9", DD_TRACE_ENABLED="0")
from ddtrace.llmobs import LLMObs
from ddtrace.llmobs.decorators import llm

LLMObs.enable(ml_app="app", agentless_enabled=True, project_name="bot", api_key="k", app_key="a")
pairs = (("France", "Paris"), ("Spain", "Madrid"), ("", ""))
rows = [{"input_data": {"q": q}, "expected_output": a} for q, a in pairs]
dataset = LLMObs.create_dataset(dataset_name="capitals", project_name="bot", records=rows)

@llm(model_name="m", model_provider="p")
def ask(q):
    LLMObs.annotate(input_data=q, output_data="Paris", metrics={"input_tokens": 3, "output_tokens": 4})
    return "Paris"

def task(input_data, config=None):
    return {"answer": ask(input_data["q"])} if input_data["q"] else 1 / 0

def exact(input_data, output_data, expected_output):
    return bool(output_data) and output_data["answer"] == expected_output

def fussy(input_data, output_data, expected_output):
    raise LookupError("no such answer")

def answered(inputs, outputs, expected_outputs, evaluators_results):
    return sum(map(bool, outputs))

experiment = LLMObs.experiment(
    name="quiz", task=task, dataset=dataset, evaluators=[exact, fussy],
    summary_evaluators=[answered], runs=2)
experiment.run(jobs=2)
again = experiment.rerun_evaluators([exact], missing_task_strategy="skip")
LLMObs.flush()
pulled = LLMObs.pull_dataset(dataset_name="capitals", project_name="bot")
read = LLMObs.pull_experiment(experiment._id).result["rows"]
print(experiment._id, again._id, len(read), len(pulled), pulled.version)
"""

_TYPESCRIPT = """
const {{ client, v2 }} = require("@datadog/datadog-api-client");
const configuration = client.createConfiguration({{
  baseServer: new client.BaseServerConfiguration(process.argv[2], {{}}),
}});
configuration.unstableOperations["v2.createLLMObsExperimentEvents"] = true;
const Api = v2.LLMObservabilityApi ?? v2.AgentObservabilityApi;
const apiInstance = new Api(configuration);
const params = {{
  body: {{
    data: {{
      attributes: {{
        metrics: [
          {{
            assessment: "pass",
            error: {{}},
            label: "faithfulness",
            metricType: "score",
            spanId: "span-7a1b2c3d",
            tags: [],
            timestampMs: 1705314600000,
          }},
        ],
        spans: [
          {{
            datasetId: "9f64e5c7-dc5a-45c8-a17c-1b85f0bec97d",
            duration: 1500000000,
            meta: {{
              error: {{
                message: "Model response timed out",
                stack: {stack},
                type: "TimeoutError",
              }},
              input: undefined,
              output: undefined,
            }},
            name: "llm_call",
            projectId: "a33671aa-24fd-4dcd-9b33-a8ec7dde7751",
            spanId: "span-7a1b2c3d",
            startNs: 1705314600000000000,
            status: "ok",
            tags: [],
            traceId: "abc123def456",
          }},
        ],
      }},
      type: "events",
    }},
  }},
  experimentId: process.argv[3],
}};
apiInstance
  .createLLMObsExperimentEvents(params)
  .then((data) => console.log("API called successfully. Returned data: " + JSON.stringify(data)))
  .catch((error) => {{ console.error(error); process.exit(1); }});
"""

# What it makes by name, and reads back.
_TYPESCRIPT_CATALOG = """
const assert = require("node:assert");
const { client, v2 } = require("@datadog/datadog-api-client");
const configuration = client.createConfiguration({
  baseServer: new client.BaseServerConfiguration(process.argv[2], {}),
});
for (const name in configuration.unstableOperations) configuration.unstableOperations[name] = true;
const Api = v2.LLMObservabilityApi ?? v2.AgentObservabilityApi;
const api = new Api(configuration);
const of = (type, attributes, more = {}) => ({ body: { data: { type, attributes, ...more } } });

async function main() {
  const project = await api.createLLMObsProject(of("projects", { name: "bot" }));
  const projectId = project.data.id;
  assert.deepEqual((await api.listLLMObsProjects({ filterName: "bot" })).data.map((p) => p.id), [projectId]);
  const dataset = await api.createLLMObsDataset({ projectId, ...of("datasets", { name: "tickets" }) });
  const of_dataset = { projectId, datasetId: dataset.data.id };
  const records = ["a", "b", "c"].map((n) => ({ input: { q: n }, expectedOutput: { a: n } }));
  await api.createLLMObsDatasetRecords({ ...of_dataset, ...of("records", { records }) });
  const listed = (await api.listLLMObsDatasetRecords(of_dataset)).data;
  assert.deepEqual(listed.map((record) => record.input.q).sort(), ["a", "b", "c"]);
  const change = [{ id: listed[0].id, expectedOutput: { a: "x" } }];
  await api.updateLLMObsDatasetRecords({ ...of_dataset, ...of("records", { records: change }) });
  const batch = { insertRecords: [{ id: "own", input: { q: "d" } }], deleteRecords: [listed[1].id] };
  const id = dataset.data.id;
  await api.batchUpdateLLMObsDataset({ ...of_dataset, ...of("datasets", batch, { id }) });
  const now = (await api.listLLMObsDatasetRecords(of_dataset)).data;
  assert.deepEqual(now.map((record) => record.id).sort(), [listed[0].id, listed[2].id, "own"].sort());
  assert.deepEqual(now.find((record) => record.id == listed[0].id).expectedOutput, { a: "x" });
  const [found] = (await api.listLLMObsDatasets({ projectId, filterName: "tickets" })).data;
  assert.equal(found.attributes.currentVersion, 3);
  const wanted = { name: "e", projectId, datasetId: id, config: { model: "m" } };
  const experimentId = (await api.createLLMObsExperiment(of("experiments", wanted))).data.id;
  const span = { name: "row", spanId: "s", traceId: "t", projectId, datasetId: id, startNs: 1, duration: 2 };
  const metric = { label: "exact", metricType: "boolean", booleanValue: true, spanId: "s", timestampMs: 1 };
  const events = of("events", { spans: [{ ...span, status: "ok" }], metrics: [metric] });
  await api.createLLMObsExperimentEvents({ experimentId, ...events });
  await api.updateLLMObsExperiment({ experimentId, ...of("experiments", { status: "completed" }) });
  const [seen] = (await api.listLLMObsExperiments({ filterProjectId: projectId })).data;
  const read = (await api.listLLMObsExperimentEvents({ experimentId })).data.attributes;
  const [score] = read.spans[0].evalMetrics;
  console.log(seen.attributes.status, seen.attributes.datasetVersion, read.spans[0].name, score.label);
}
main().catch((error) => { console.error(error); process.exit(1); });
"""

# As the documentation prints it, its line breaks lost, and one of its addresses left.
_CURL = """
export experiment_id="3fd6b5e0-8910-4b1c-a7d0-5b84de329012"
curl -s -o answer -w '%{http_code}' -X POST "$SERVER/api/v2/llm-obs/v1/experiments/${experiment_id}/events" \\
-H "Accept: application/json" \\
-H "Content-Type: application/json" \\
-H "DD-API-KEY: ${DD_API_KEY}" \\
-H "DD-APPLICATION-KEY: ${DD_APP_KEY}" \\
-d @- << EOF
{ "data": { "attributes": { "metrics": [ { "assessment": "pass", "label": "faithfulness", "metric_type":
"score", "span_id": "span-7a1b2c3d", "timestamp_ms": 1705314600000 } ], "spans": [ { "dataset_id":
"9f64e5c7-dc5a-45c8-a17c-1b85f0bec97d", "duration": 1500000000, "name": "llm_call", "project_id":
"a33671aa-24fd-4dcd-9b33-a8ec7dde7751", "span_id": "span-7a1b2c3d", "start_ns": 1705314600000000000, "status":
"ok", "trace_id": "abc123def456" } ] }, "type": "events" } }
EOF
"""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Serving]:
    with Serving(tmp_path / "experiments.db") as server:
        yield server


def run(*words: str, **environ: str) -> str:
    """What a client's program says; it is to succeed."""
    keys = {"DD_API_KEY": "an api key", "DD_APP_KEY": "an application key"}
    ended = subprocess.run(
        words, capture_output=True, text=True, timeout=60, env={**os.environ, **keys, **environ}
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


def taken(server: Serving) -> tuple[dict[str, Any], dict[str, Any]]:
    """The one span and the one metric that a client pushed: the store's, and the same for the viewer."""
    [span], [metric] = server.stored()
    found = json.loads(server.get("/api/experiments").body)["experiments"]
    assert [(each["id"], each["spans"], each["metrics"]) for each in found] == [(_EXPERIMENT, 1, 1)]
    assert server.get(f"/experiments/{_EXPERIMENT}").status == 200
    shown = json.loads(server.get(f"/api/experiments/{_EXPERIMENT}/spans/{span['span_id']}").body)
    assert (json.loads(shown["span"]), [json.loads(each) for each in shown["metrics"]]) == (span, [metric])
    return span, metric


def python_client(server: Serving, module: str, api: str, **environ: str) -> None:
    program = _PYTHON.format(module=module, api=api, stack=_STACK)
    # Its own output alone: it warns that the operation is unstable.
    assert run(sys.executable, "-c", program, server.url, _EXPERIMENT, **environ).strip() == "202"
    span, metric = taken(server)
    meta = {"error": _ERROR, "input": None, "output": None}
    assert span == {**SPAN, "meta": meta, "tags": []}
    assert metric == {**METRIC, "assessment": "pass", "error": {}, "tags": []}


def test_the_official_python_client_pushes_unchanged(server: Serving) -> None:
    python_client(server, "agent_observability_api", "AgentObservabilityApi")


def test_the_python_client_that_the_documentation_shows_pushes_unchanged(server: Serving) -> None:
    path = os.pathsep.join([kept_apart.folder("OLD_CLIENT"), os.environ.get("PYTHONPATH", "")])
    python_client(server, "llm_observability_api", "LLMObservabilityApi", PYTHONPATH=path)


@pytest.mark.parametrize(
    ("module", "api", "kept"),
    [
        pytest.param("agent_observability_api", "AgentObservabilityApi", None, id="newest"),
        pytest.param("llm_observability_api", "LLMObservabilityApi", "OLD_CLIENT", id="documented"),
        pytest.param("llm_observability_api", "LLMObservabilityApi", "OLDEST_CLIENT", id="oldest"),
    ],
)
def test_the_official_python_client_finds_and_makes_everything_by_name(
    server: Serving, module: str, api: str, kept: str | None
) -> None:
    program = _CATALOG.format(module=module, api=api)
    folders = [] if kept is None else [kept_apart.folder(kept)]
    path = os.pathsep.join([*folders, os.environ.get("PYTHONPATH", "")])
    assert run(sys.executable, "-c", program, server.url, PYTHONPATH=path).strip() == "completed 2"


def test_an_experiment_of_ddtrace_s_sdk_shows_whole(server: Serving) -> None:
    path = kept_apart.folder("DDTRACE")
    said = run(sys.executable, "-c", _OF_DDTRACE, server.url, PYTHONPATH=path, PYTHONNOUSERSITE="1")
    experiment_id, rerun_id, *counted = said.split()[-5:]
    assert counted == ["6", "3", "1"]  # rows that it reads back, records and their version
    with Store(server.database, read_only=True) as store:
        experiment = queries.find_experiment(store, experiment_id)
        spans = list(queries.spans(store, experiment_id))
        metrics = list(queries.metrics(store, experiment_id))
        made = {each.id: each for each in made_experiments.find_experiments(store)}
        rescored = list(queries.metrics(store, rerun_id))
    assert (experiment.name, experiment.rows) == ("quiz", 6)
    assert sorted(span.name for span in spans) == ["ask"] * 4 + ["task"] * 6
    assert sum(span.status == "error" for span in spans) == 2
    rows = {span.span_id for span in spans if span.name == "task"}
    assert {span.parent_id for span in spans if span.name == "ask"} <= rows
    assert (
        sorted(metric.label for metric in metrics if metric.span_id in rows) == ["exact"] * 6 + ["fussy"] * 6
    )
    assert [metric.label for metric in metrics if not metric.span_id] == ["answered"] * 2
    # What failed says so on the pages, and a rerun has the rows that it scored once more.
    assert made[experiment_id].status == "failed"
    shown = json.loads(server.get(f"/api/experiments/{experiment_id}").body)
    assert [each["failed"] for each in shown["scores"] if each["label"] == "fussy"] == [6]
    assert (made[rerun_id].parent_id, made[rerun_id].status) == (experiment_id, "completed")
    assert {metric.label for metric in rescored if metric.span_id} == {"exact"}
    again = json.loads(server.get(f"/api/experiments/{rerun_id}").body)["experiment"]
    assert (again["rows"], again["dataset_ids"]) == (2, ["capitals"])


@pytest.fixture
def node_path() -> str:
    """Where the TypeScript client is."""
    return str(Path(kept_apart.folder("NODE")) / "node_modules")


def test_the_official_typescript_client_finds_and_makes_everything_by_name(
    server: Serving, tmp_path: Path, node_path: str
) -> None:
    program = tmp_path / "catalog.js"
    program.write_text(_TYPESCRIPT_CATALOG)
    said = run("node", str(program), server.url, NODE_PATH=node_path)
    assert said.split() == ["completed", "3", "row", "exact"]


def test_the_official_typescript_client_pushes_unchanged(
    server: Serving, tmp_path: Path, node_path: str
) -> None:
    program = tmp_path / "example.js"
    program.write_text(_TYPESCRIPT.format(stack=json.dumps(_STACK)))
    said = run("node", str(program), server.url, _EXPERIMENT, NODE_PATH=node_path)
    assert said.startswith("API called successfully.")
    span, metric = taken(server)
    assert span == {**SPAN, "meta": {"error": _ERROR}, "tags": []}
    assert metric == {**METRIC, "assessment": "pass", "error": {}, "tags": []}


@pytest.mark.skipif(not shutil.which("curl"), reason="there is no curl")
def test_curl_pushes_the_documentation_s_own_body(server: Serving) -> None:
    assert run("bash", "-c", _CURL, SERVER=server.url) == "202"
    assert taken(server) == (SPAN, {**METRIC, "assessment": "pass"})


def test_the_library_itself_delivers_everything(server: Serving) -> None:
    from llmobs_trace import configure, delivery_stats, experiment_span, flush

    configure(
        api_key="k", app_key="k", base_url=server.url, experiment_id="é /1", project_id="p", dataset_id="d"
    )
    for number in range(500):
        with experiment_span("row", input={"q": number}) as span:
            span.set_output([number, "é\ud800", [1]])
            span.record_metric("score", number / 500)
    assert flush(30)
    stats = delivery_stats()
    assert (stats.delivered, stats.rejected, stats.dropped) == (1000, 0, 0)
    spans, metrics = server.stored()
    assert len({span["span_id"] for span in spans}) == len(spans) == len(metrics) == 500


def test_an_exported_store_posted_line_by_line_is_the_same_store(server: Serving, machine: Machine) -> None:
    machine.command("demo", "--rows", "12")
    exported = machine.command("export", "latest", "--format", "events").out
    for line in exported.splitlines():
        assert server.post(line.encode(), _EXPERIMENT).status == 202
    assert len(exported.splitlines()) > 0
    assert events_of(machine.database) == events_of(server.database)


def events_of(database: Path) -> list[tuple[str, str]]:
    """Every event in a store, as its bytes: a metric is known by them."""
    with Store(database, read_only=True) as store:
        [experiment] = queries.experiments(store)
        spans = [("span", str(span.event)) for span in queries.spans(store, experiment.id)]
        metrics = [("metric", str(metric.event)) for metric in queries.metrics(store, experiment.id)]
        return sorted(spans + metrics)
