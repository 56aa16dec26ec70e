"""Delivers queued records to a destination in batches: the one background thread and its decisions.

worker              the thread: wakes, sends, settles; flush and shutdown
waiting             what callers wait for meanwhile
spare_time          what could wait → done while no events come, a slice at a time
predecessors        what ended processes left, beside the queue of this one
drain               the same without a thread, for a command
give_up             what nobody will deliver → the rejected file, when a command is told to
lanes               one source's records → one lane for each experiment, so that none holds others up
lane                when an experiment may be tried next; what failures and recoveries do to that
named_experiments   a run's names → a project, a dataset and an experiment, found or made
run_files           what was found or made for a run → a file, under a lock
real_ids            made-up ids → those, as bytes
header_experiments  what refused experiments hold that trace headers alone name → at most a share
settler             a lane's events → requests, and records settled
poison              a refused body → the event at fault; or that it is nobody's
without_values      a refused event → the same without its values
rejected            what was refused for good → a file, with the server's words
batch               records → request bodies, as bytes
answers             what a destination said → what we do about it, as a table
ledger              the counts that must balance
queue_warnings      what the queue refuses → log lines
notices             troubles → few log lines
fork_gate           keeps forks out of the moments that can't bear them
destination         the seam: send(batch) → answer
http_destination    one side: POST requests to Datadog on one connection
local_destination   the other: the local store
"""

from __future__ import annotations

from llmobs_trace.deliver.answers import Answer, Verdict
from llmobs_trace.deliver.batch import Batch
from llmobs_trace.deliver.destination import Destination
from llmobs_trace.deliver.drain import Drained, drain
from llmobs_trace.deliver.http_destination import DatadogDestination
from llmobs_trace.deliver.local_destination import LocalDestination
from llmobs_trace.deliver.named_experiments import NamedExperiments
from llmobs_trace.deliver.worker import Worker
from llmobs_trace.http_client.backoff import Pace
from llmobs_trace.stats import DeliveryStats

__all__ = [
    "Answer",
    "Batch",
    "DatadogDestination",
    "DeliveryStats",
    "Destination",
    "Drained",
    "LocalDestination",
    "NamedExperiments",
    "Pace",
    "Verdict",
    "Worker",
    "drain",
]
