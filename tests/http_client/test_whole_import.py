"""While the sender imports httpx, what looks it up in `sys.modules` meanwhile finds it whole."""

from __future__ import annotations

import subprocess
import sys

# The audit hook holds the import where httpx's own modules are read, until another thread has looked.
PROGRAM = """
import sys, threading
from llmobs_trace.http_client.whole_import import import_whole

half, looked = threading.Event(), threading.Event()

def hold(event, args):
    if event == "import" and args[0] == "httpx._api" and not half.is_set():
        half.set()
        looked.wait(0.3)  # who looks waits for us, so this is how long it takes

sys.addaudithook(hold)
importing = threading.Thread(target=import_whole, args=("httpx",))
importing.start()
half.wait()
module = sys.modules["httpx"]
assert "Timeout" not in vars(module), "it is whole already"
found = module.Timeout
looked.set()
importing.join()
import httpx
assert found is httpx.Timeout and type(httpx) is type(sys), httpx
assert httpx.__spec__.loader is httpx.__loader__ and "llmobs" not in type(httpx.__loader__).__module__
assert not hasattr(httpx, "nothing of this name")
print("whole")
"""


def test_who_takes_a_class_from_a_module_that_is_being_imported_waits_for_it() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=60)
    assert done.stdout == "whole\n", done.stderr
