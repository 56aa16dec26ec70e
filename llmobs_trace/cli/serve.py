"""Runs `llmobs-trace serve`: the endpoint and the viewer on one port; on the main thread."""

from __future__ import annotations

import argparse
import errno
import os
import threading
from collections.abc import Callable
from contextlib import suppress

from llmobs_trace.cli.command_line.arguments import add_database, examples
from llmobs_trace.cli.command_line.exits import DONE, MISUSE, NO, Refusal
from llmobs_trace.cli.command_line.stores import database, say_where
from llmobs_trace.cli.terminal import units
from llmobs_trace.cli.terminal.screen import Screen
from llmobs_trace.receiver.access import Access
from llmobs_trace.receiver.limits import Limits
from llmobs_trace.receiver.rehearsal import Script
from llmobs_trace.receiver.server import ServerSettings, serve
from llmobs_trace.settings.options import SERVE_API_KEY, SERVE_APP_KEY
from llmobs_trace.wire import id_problem, is_loopback

_MIB = 1 << 20


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_database(parser)
    parser.add_argument(
        "--port",
        metavar="N",
        type=_whole("a port", 0, 65535),
        default=0,
        help="the port to listen on (default: any free one)",
    )
    parser.add_argument(
        "--host",
        type=_host,
        metavar="ADDRESS",
        default="127.0.0.1",
        help="the address to listen on (default: 127.0.0.1); one beyond this machine needs both keys",
    )
    parser.add_argument("--open", action="store_true", help="open the viewer in a browser")
    parser.add_argument(
        "--allow-host",
        metavar="NAME",
        action="append",
        default=[],
        help="answer to this name, too; repeatable",
    )
    for name, header, variable in (
        ("--api-key", "DD-API-KEY", SERVE_API_KEY),
        ("--app-key", "DD-APPLICATION-KEY", SERVE_APP_KEY),
    ):
        parser.add_argument(
            name,
            metavar="K",
            type=_key,
            help=f"accept only this {header} (default: {variable}, or else any key); other users of the"
            " machine can read a command line, but not a variable",
        )
    parser.add_argument(
        "--experiment",
        metavar="ID",
        type=_experiment,
        action="append",
        default=[],
        help="accept only this experiment; repeatable. Posts to others get 404 (default: accept all)",
    )
    parser.add_argument(
        "--max-body-bytes",
        metavar="N",
        type=_whole("a number of bytes", 1024, 1 << 30),
        default=16 * _MIB,
        help="answer bodies that are larger, once expanded, with 413 (default: 16 MiB)",
    )
    parser.add_argument(
        "--verbose", action="store_true", help="print a line on stderr for each post, and what was wrong"
    )
    group = parser.add_argument_group(
        "rehearsing failures (of posts of events, after their keys were checked)"
    )
    for name, does in (
        ("--rehearse-429", "this share of posts gets 429 and rate-limit headers"),
        ("--rehearse-5xx", "this share of posts gets 500, 502, 503 or 504"),
        (
            "--rehearse-drop",
            "this share gets no answer, and the connection closes; half of them are kept first",
        ),
    ):
        group.add_argument(name, metavar="PERCENT", type=_percent, default=0.0, help=does)
    group.add_argument(
        "--rehearse-latency",
        metavar="MS[-MS]",
        type=_latency,
        default=(0.0, 0.0),
        help="delay each answer by so many milliseconds, or by a random number from a range",
    )
    group.add_argument(
        "--retry-after",
        metavar="S",
        type=_whole("seconds", 0, 86_400),
        default=1,
        help="the seconds that a rehearsed 429 asks to wait (default: 1)",
    )
    group.add_argument(
        "--rate-limit", metavar="N/S", type=_rate, help="allow N posts in S seconds, and answer more with 429"
    )
    group.add_argument("--seed", metavar="N", type=int, help="repeat the same failures with the same N")
    examples(
        parser,
        ("llmobs-trace serve --open", "the viewer in a browser"),
        ("llmobs-trace serve", "the viewer, and the endpoint for programs, on a free port of this machine"),
        (
            "llmobs-trace serve --port 8126 --rehearse-429 20 --rehearse-drop 5 --seed 1",
            "how a program takes a bad day: a fifth of its posts is told to wait, one of 20 gets no answer",
        ),
        (
            f"{SERVE_API_KEY}=K {SERVE_APP_KEY}=L llmobs-trace serve --host 0.0.0.0",
            "for other machines; a browser is asked for a password, which is either key",
        ),
    )


def run(arguments: argparse.Namespace, screen: Screen) -> int:
    settings = _settings(arguments)

    def ready(base_url: str) -> None:
        screen.line(base_url)
        screen.flush()
        say_where(arguments, settings.database, screen)
        screen.say(f"the viewer is at {base_url}/, the store at {settings.database}; Ctrl-C ends")
        if arguments.open:
            # Some browsers are waited for until their reader leaves them.
            threading.Thread(target=_open, args=(f"{base_url}/", screen), daemon=True).start()

    try:
        totals = serve(settings, ready, screen.say if arguments.verbose else None)
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        raise Refusal(
            f"--port {settings.port} of {settings.host} is in use; name another, or none for any free one",
            NO,
        ) from error
    spans, metrics = units.counted(totals.spans, "span"), units.counted(totals.metrics, "metric")
    screen.say(f"took {spans} and {metrics} in {units.counted(totals.requests, 'request')}")
    return DONE


def _open(address: str, screen: Screen) -> None:
    import webbrowser

    with suppress(webbrowser.Error):
        if webbrowser.open(address):
            return
    screen.say(f"no browser could be opened; the viewer is at {address}")


def _settings(arguments: argparse.Namespace) -> ServerSettings:
    everywhere = not is_loopback(arguments.host)
    api_key = arguments.api_key or _from_environment(SERVE_API_KEY)
    app_key = arguments.app_key or _from_environment(SERVE_APP_KEY)
    if everywhere and (api_key is None or app_key is None):
        raise Refusal(
            f"--host {arguments.host} lets other machines in: name both keys, in {SERVE_API_KEY} and"
            f" {SERVE_APP_KEY}, or by --api-key and --app-key",
            MISUSE,
        )
    if arguments.rehearse_429 + arguments.rehearse_5xx + arguments.rehearse_drop > 100:
        raise Refusal(
            "--rehearse-429, --rehearse-5xx and --rehearse-drop come to more than 100 percent", MISUSE
        )
    names = {name.lower() for name in arguments.allow_host}
    if everywhere:
        import socket

        names |= {arguments.host.lower(), socket.gethostname().lower()}
    return ServerSettings(
        database=database(arguments),
        host=arguments.host,
        port=arguments.port,
        access=Access(api_key, app_key, frozenset(names), everywhere),
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


def _whole(what: str, lowest: int, highest: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        if not text.isdecimal() or not lowest <= int(text) <= highest:
            raise argparse.ArgumentTypeError(f"expected {what} from {lowest} to {highest}, given {text!r}")
        return int(text)

    return read


def _key(text: str) -> str:
    if not text.strip():
        raise argparse.ArgumentTypeError("expected a key, given nothing")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise argparse.ArgumentTypeError("expected a key, given what is no text") from None
    return text


def _from_environment(variable: str) -> str | None:
    text = os.environ.get(variable, "").strip()
    try:
        return _key(text) if text else None
    except argparse.ArgumentTypeError as unfit:
        raise Refusal(f"{variable}: {unfit}", MISUSE) from None


def _experiment(text: str) -> str:
    unfit = id_problem(text)
    if unfit is not None:
        raise argparse.ArgumentTypeError(f"the experiment's id {unfit}")
    return text


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


def _rate(text: str) -> tuple[int, int]:
    count, _, period = text.partition("/")
    if not (count.isdecimal() and period.isdecimal() and int(count) and int(period)):
        raise argparse.ArgumentTypeError(f"expected requests/seconds, as 100/60, given {text!r}")
    return int(count), int(period)
