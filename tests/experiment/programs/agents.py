"""agents.py: python agents.py run | python agents.py judge"""

import sys

from agents_under_test import solve  # an importable module: workers import it
from dask.distributed import Client
from judges import careful_judge

from llmobs_trace import Dataset, Experiment
from llmobs_trace.evaluators import close_to, exact_match

experiment = Experiment(
    "agents-nightly",
    dataset=Dataset.from_sqlite(
        "bench.db", "SELECT id, task AS input, answer AS expected_output, level FROM tasks"
    ),
    task=solve,
    evaluators=[exact_match, close_to(rel=0.01)],
    repeats=2,
    version="tools-7",  # what the code's fingerprint can't see
)

if sys.argv[1] == "run":
    with Client("tcp://scheduler:8786") as cluster, cluster.get_executor(pure=False) as executor:
        print(experiment.plan())
        result = experiment.run(executor=executor, jobs=64, timeout=1800)
    print(result.scores["exact_match"])
else:
    again = experiment.rerun_evaluators(of="latest", evaluators=[careful_judge])
    failed = experiment.rerun_failed(of="latest", jobs=8)
    print(again.experiment_id, failed.experiment_id)
