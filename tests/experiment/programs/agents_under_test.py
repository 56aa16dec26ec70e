"""What program three tests: it takes sums apart, and its process dies now and then, as spot instances do."""

import os
import signal
import time
from pathlib import Path

from llmobs_trace import experiment_span

DEADLY = ("3 + 3", "11 + 11")  # the first time that they are asked


def solve(task: str) -> int:
    with open("calls", "a") as calls:
        calls.write(f"{task}\n")
    with experiment_span("think", kind="agent", tags={"pid": os.getpid()}):
        time.sleep(0.01)
        marker = Path("seen " + task)
        if task in DEADLY and not marker.exists():
            marker.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        left, _, right = task.partition(" + ")
        if left == "7":
            raise ArithmeticError("seven is too much")
        return int(left) + int(right)
