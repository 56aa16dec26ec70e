"""logfire as its documentation sets it up: `configure` with a token, `instrument` with arguments and return
value. Its console output, meant for development, is off.
"""

from __future__ import annotations

from typing import Any

from benchmarks.peers.worker import Tracer


def set_up(url: str, messages: Any, reply: Any) -> Tracer:
    import logfire

    logfire.configure(token="pylf_v1_us_key", console=False, advanced=logfire.AdvancedOptions(base_url=url))

    @logfire.instrument("answered", extract_args=True, record_return=True)
    def call(messages: Any) -> Any:
        return reply

    return Tracer(
        call=lambda: call(messages),
        root=lambda: logfire.span("root"),
        flush=logfire.force_flush,
        distribution="logfire",
    )
