"""weave as its documentation sets it up: `init`, `op`; it batches by itself. Links on the console are off."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from benchmarks.peers.worker import Tracer


def set_up(url: str, messages: Any, reply: Any) -> Tracer:
    os.environ.update(
        WANDB_BASE_URL=url,
        WF_TRACE_SERVER_URL=url,
        WANDB_API_KEY="k" * 40,
        WEAVE_PRINT_CALL_LINK="false",
        # Its reports about itself, to a server that isn't the sink.
        WANDB_ERROR_REPORTING="false",
    )
    import weave

    client = weave.init("entity/benchmark")

    @weave.op(name="answered")
    def call(messages: Any) -> Any:
        return reply

    @contextmanager
    def root() -> Iterator[None]:
        entered = client.create_call("root", {})
        yield
        client.finish_call(entered)

    return Tracer(call=lambda: call(messages), root=root, flush=client.flush, distribution="weave")
