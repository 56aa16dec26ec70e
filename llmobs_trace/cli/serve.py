"""`llmobs-trace serve`: the endpoint and the viewer on one port, its base URL on stdout; the main thread."""

from __future__ import annotations

import argparse
import errno
from typing import TYPE_CHECKING

from llmobs_trace.cli import DONE, MISUSE, NO, Refusal, units
from llmobs_trace.cli.arguments import add_database, database, examples
from llmobs_trace.cli.screen import Screen
from llmobs_trace.wire import id_problem, is_loopback

if TYPE_CHECKING:
    from llmobs_trace.local.receiver.server import Settings

_MIB = 1 << 20


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_database(parser)
    parser.add_argument("--port", metavar="N", type=_port, default=0, help="default: any that is free")
    parser.add_argument(
        "--host",
        type=_host,
        metavar="ADDRESS",
        default="127.0.0.1",
        help="what to listen on (default: 127.0.0.1); beyond this machine it needs both keys",
    )
    parser.add_argument(
        "--allow-host", metavar="NAME", action="append", default=[], help="a name to be called by; repeatable"
    )
    parser.add_argument(
        "--api-key", metavar="K", type=_key, help="the one DD-API-KEY that passes (default: any)"
    )
    parser.add_argument(
        "--app-key", metavar="K", type=_key, help="the one DD-APPLICATION-KEY that passes (default: any)"
    )
    parser.add_argument(
        "--experiment",
        metavar="ID",
        type=_experiment,
        action="append",
        default=[],
        help="an experiment that there is; repeatable. Posts to any other get 404 (default: all are taken)",
    )
    parser.add_argument(
        "--max-body-bytes",
        metavar="N",
        type=_bytes,
        default=16 * _MIB,
        help="what is larger, once expanded, gets 413 (default: 16 MiB)",
    )
    parser.add_argument(
        "--verbose", action="store_true", help="a line on stderr for each post, and what was wrong"
    )
    group = parser.add_argument_group(
        "rehearsing failures (of posts of events, after their keys were checked)"
    )
    for name, does in (
        ("--rehearse-429", "so many posts get 429 and its rate-limit headers"),
        ("--rehearse-5xx", "so many posts get 500, 502, 503 or 504"),
        ("--rehearse-drop", "so many are closed without an answer, half of them once they were kept"),
    ):
        group.add_argument(name, metavar="PERCENT", type=_percent, default=0.0, help=does)
    group.add_argument(
        "--rehearse-latency",
        metavar="MS[-MS]",
        type=_latency,
        default=(0.0, 0.0),
        help="each answer waits so long, or between so long",
    )
    group.add_argument(
        "--retry-after",
        metavar="S",
        type=_seconds,
        default=1,
        help="what a rehearsed 429 asks for (default: 1)",
    )
    group.add_argument(
        "--rate-limit", metavar="N/S", type=_rate, help="N posts in S seconds; 429 for those beyond"
    )
    group.add_argument("--seed", metavar="N", type=int, help="the same failures again")
    examples(
        parser,
        ("llmobs-trace serve", "the viewer, and the endpoint for programs, on a free port of this machine"),
        (
            "llmobs-trace serve --port 8126 --rehearse-429 20 --rehearse-drop 5 --seed 1",
            "how a program takes a bad day: a fifth of its posts is told to wait, one of 20 gets no answer",
        ),
        (
            "llmobs-trace serve --host 0.0.0.0 --api-key K --app-key L",
            "for other machines; a browser is asked for a password, which is either key",
        ),
    )


def run(arguments: argparse.Namespace, screen: Screen) -> int:
    from llmobs_trace.local.receiver.server import serve

    settings = _settings(arguments)

    def ready(base_url: str) -> None:
        screen.line(base_url)
        screen.flush()
        screen.say(f"the viewer is at {base_url}/, the store at {settings.database}; Ctrl-C ends")

    try:
        totals = serve(settings, ready, screen.say if arguments.verbose else None)
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        raise Refusal(
            f"--port {settings.port} of {settings.host} is in use; name another, or none for any free one",
            NO,
        ) from error
    spans, metrics, requests = (
        units.counted(count, what)
        for count, what in (
            (totals.spans, "span"),
            (totals.metrics, "metric"),
            (totals.requests, "request"),
        )
    )
    screen.say(f"took {spans} and {metrics} in {requests}")
    return DONE


def _settings(arguments: argparse.Namespace) -> Settings:
    from llmobs_trace.local.receiver.access import Access
    from llmobs_trace.local.receiver.limits import Limits
    from llmobs_trace.local.receiver.rehearsal import Script
    from llmobs_trace.local.receiver.server import Settings

    everywhere = not is_loopback(arguments.host)
    if everywhere and (arguments.api_key is None or arguments.app_key is None):
        raise Refusal(
            f"--host {arguments.host} lets other machines in: name --api-key and --app-key too", MISUSE
        )
    if arguments.rehearse_429 + arguments.rehearse_5xx + arguments.rehearse_drop > 100:
        raise Refusal(
            "--rehearse-429, --rehearse-5xx and --rehearse-drop come to more than 100 percent", MISUSE
        )
    names = {name.lower() for name in arguments.allow_host}
    if everywhere:
        import socket

        names |= {arguments.host.lower(), socket.gethostname().lower()}
    return Settings(
        database=database(arguments),
        host=arguments.host,
        port=arguments.port,
        access=Access(arguments.api_key, arguments.app_key, frozenset(names), everywhere),
        experiments=frozenset(arguments.experiment),
        limits=Limits(max_body_bytes=arguments.max_body_bytes),
        script=Script(
            too_many_percent=arguments.rehearse_429,
            server_error_percent=arguments.rehearse_5xx,
            drop_percent=arguments.rehearse_drop,
            latency_ms=arguments.rehearse_latency,
            retry_after_seconds=arguments.retry_after,
            rate=arguments.rate_limit,
            seed=arguments.seed,
        ),
    )


# --- What arguments may be ----------------------------------------------------------------------------------


def _host(text: str) -> str:
    try:
        text.encode("idna")
    except UnicodeError:
        raise argparse.ArgumentTypeError(f"expected an address or a host's name, given {text!r}") from None
    return text


def _port(text: str) -> int:
    if not text.isdecimal() or not 0 <= int(text) <= 65535:
        raise argparse.ArgumentTypeError(f"expected a port from 0 to 65535, given {text!r}")
    return int(text)


def _key(text: str) -> str:
    if not text.strip():
        raise argparse.ArgumentTypeError("expected a key, given nothing")
    return text


def _experiment(text: str) -> str:
    unfit = id_problem(text)
    if unfit is not None:
        raise argparse.ArgumentTypeError(f"the experiment's id {unfit}")
    return text


def _bytes(text: str) -> int:
    if not text.isdecimal() or not 1024 <= int(text) <= 1 << 30:
        raise argparse.ArgumentTypeError(f"expected a number of bytes from 1024 to {1 << 30}, given {text!r}")
    return int(text)


def _percent(text: str) -> float:
    try:
        value = float(text.removesuffix("%"))
    except ValueError:
        value = -1.0
    if not 0 <= value <= 100:
        raise argparse.ArgumentTypeError(f"expected a percentage from 0 to 100, given {text!r}")
    return value


def _latency(text: str) -> tuple[float, float]:
    low, dash, high = text.removesuffix("ms").partition("-")
    try:
        found = float(low), float(high if dash else low)
    except ValueError:
        found = -1.0, -1.0
    if not 0 <= found[0] <= found[1] <= 600_000:
        raise argparse.ArgumentTypeError(f"expected milliseconds, as 200 or 50-400, given {text!r}")
    return found


def _seconds(text: str) -> int:
    if not text.isdecimal() or not 0 <= int(text) <= 86_400:
        raise argparse.ArgumentTypeError(f"expected seconds from 0 to 86400, given {text!r}")
    return int(text)


def _rate(text: str) -> tuple[int, int]:
    count, _, period = text.partition("/")
    if not (count.isdecimal() and period.isdecimal() and int(count) and int(period)):
        raise argparse.ArgumentTypeError(f"expected requests/seconds, as 100/60, given {text!r}")
    return int(count), int(period)
