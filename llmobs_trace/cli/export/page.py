"""Writes the viewer's pages of one experiment as one file that stands alone; on the main thread.

The file holds what the server would have answered, as data; its pages ask that instead of a server, and are
otherwise the same. Its Content-Security-Policy allows the one script and the one style that it was made with,
by their hashes, and nothing from anywhere: what was recorded can't run, nor call out, wherever it is opened.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from importlib.resources import files
from typing import Final
from urllib.parse import quote

import msgspec
from msgspec import structs

from llmobs_trace.cli.command_line.exits import CANNOT_TELL, Refusal
from llmobs_trace.cli.export import bundle
from llmobs_trace.store import queries
from llmobs_trace.store.store import Store
from llmobs_trace.viewer import respond, traces

_ROWS: Final = 500  # of an answer


def page(store: Store, experiment_id: str) -> Iterator[bytes]:
    """The file, a piece at a time."""
    directory = files("llmobs_trace.viewer").joinpath("pages")
    pages = {file.name: file.read_text("utf-8") for file in directory.iterdir()}
    index = pages["index.html"]
    styles = "".join(pages[name] for name in _linked(index, "stylesheet"))
    script = bundle.bundle({name: text for name, text in pages.items() if name.endswith(".js")}, "app.js")
    icon = base64.b64encode(pages["icon.svg"].encode()).decode()
    policy = (
        f"default-src 'none'; script-src {_hash(script)}; style-src {_hash(styles)}; img-src data:;"
        " base-uri 'none'; form-action 'none'"
    )
    yield (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n<meta name="referrer" content="no-referrer">\n'
        f'<title>llmobs-trace</title>\n<link rel="icon" href="data:image/svg+xml;base64,{icon}">\n'
        f"<style>{styles}</style>\n</head>\n<body>\n"
        '<div id="app"></div>\n'
        "<noscript>These pages are drawn by a script, which is in this file.</noscript>\n"
        '<script type="application/json" id="embedded">'
    ).encode()
    for piece in _data(store, experiment_id):
        # Only a string of it can hold a "<": none may end the element, nor begin a comment in it.
        yield piece.replace(b"<", b"\\u003c")
    yield f'</script>\n<script type="module">{script}</script>\n</body>\n</html>\n'.encode()


def _data(store: Store, experiment_id: str) -> Iterator[bytes]:
    """`{experiment, rows, traces, spans}`: answers of the viewer's, by what they answer."""
    of = f"/api/experiments/{quote(experiment_id, safe='')}"
    yield b'{"experiment":' + _answer(store, of, {})
    yield b',"rows":['
    offset = 0
    while rows := _rows(_answer(store, f"{of}/rows", {"limit": str(_ROWS), "offset": str(offset)})):
        yield (b"," if offset else b"") + b",".join(rows)
        offset += len(rows)
        if len(rows) < _ROWS:
            break
    yield b'],"traces":{'
    cut: list[str] = []
    for position, trace_id in enumerate(queries.trace_ids(store, experiment_id)):
        yield (b"," if position else b"") + msgspec.json.encode(trace_id) + b":"
        yield from _trace(store, experiment_id, trace_id, cut)
    yield b'},"spans":{'
    for position, span_id in enumerate(cut):
        answer = _answer(store, f"{of}/spans/{quote(span_id, safe='')}", {})
        yield (b"," if position else b"") + msgspec.json.encode(span_id) + b":"
        yield msgspec.json.encode(msgspec.json.decode(answer, type=_Span))
    yield b"}}"


def _trace(store: Store, experiment_id: str, trace_id: str, cut: list[str]) -> Iterator[bytes]:
    """The answer about a whole trace; adds the ids of spans that it holds the beginning of alone to `cut`."""
    for number, page in enumerate(traces.pages(store, experiment_id, trace_id)):
        if not number:
            # `spans` is its last member.
            yield msgspec.json.encode(structs.replace(page, spans=[])).removesuffix(b"]}")
        yield (b"," if number else b"") + msgspec.json.encode(page.spans)[1:-1]
        cut.extend(span.span_id for span in page.spans if span.is_cut)
    yield b"]}"


class _Rows(msgspec.Struct):
    rows: list[msgspec.Raw]


class _Span(msgspec.Struct):
    span: str


def _rows(answer: bytes) -> list[bytes]:
    return [bytes(row) for row in msgspec.json.decode(answer, type=_Rows).rows]


def _answer(store: Store, path: str, query: dict[str, str]) -> bytes:
    answer = respond(store, path, query, {})
    if answer is None or answer.status != 200:
        raise Refusal(f"the viewer has no answer at {path}", CANNOT_TELL)
    return answer.body


def _linked(index: str, kind: str) -> list[str]:
    """The files that the page links to, in its order."""
    lines = [line for line in index.splitlines() if f'rel="{kind}"' in line]
    return [line.partition('href="/assets/')[2].partition('"')[0] for line in lines]


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
