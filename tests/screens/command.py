"""`python -m tests.screens DIRECTORY [NAME …]`: every page of the viewer, at four widths, light and dark, is
put there as a picture, with the store of `support.agents_store`; 1 is the exit code where one has a fault.

With `--manual` in the place of all that: the two pictures of README.md and the manual, of the demo.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from playwright.sync_api import Browser, expect
from support.agents_store import fill
from support.browser import chromium, faults, watched
from support.serving import Serving

from llmobs_trace.store import queries
from llmobs_trace.store.store import Store

ROOT = Path(__file__).parents[2]
WIDTHS = (1440, 1024, 768, 390)
SCHEMES = ("light", "dark")
# In the first experiment, row 8: a chat of 40 messages; row 0: a tool failed.
TRACE = "/experiments/baseline/traces/0b000008000000000000000000000000"
PAIR = "/compare?a=baseline&b=retrieval-first"
PAGES = {
    "experiments": "/experiments",
    "experiment": "/experiments/baseline",
    "trace": TRACE,
    "chat": f"{TRACE}#0b00000000080008",
    "compare": PAIR,
    "reading": f"{PAIR}&read=0b00000000080001",
    "reading-differences": f"{PAIR}&read=0b00000000080001&diff=1",
    "reading-three": f"{PAIR}&c=shorter-prompt&regressions=1&read=0b00000000080001",
    "compare-three": f"{PAIR}&c=shorter-prompt",
    "compare-nothing": "/compare?a=baseline&b=elsewhere",
}


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.screens", description=__doc__)
    parser.add_argument("directory", type=Path, nargs="?", default=ROOT / ".github")
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"some of: {', '.join(PAGES)} (default: all)"
    )
    parser.add_argument("--rows", type=int, default=300, help="of each experiment (default: 300)")
    parser.add_argument(
        "--width", type=int, action="append", choices=WIDTHS, help="only this one; repeatable"
    )
    parser.add_argument("--scheme", action="append", choices=SCHEMES, help="only this one; repeatable")
    parser.add_argument("--markdown", action="store_true", help="values are shown as markdown")
    parser.add_argument("--manual", action="store_true", help="the pictures of README.md and the manual")
    asked = parser.parse_args(words)
    if asked.manual:
        return _of_the_manual(asked.directory)
    asked.directory.mkdir(parents=True, exist_ok=True)
    found = 0
    with TemporaryDirectory() as scratch, chromium() as browser:
        database = Path(scratch) / "experiments.db"
        fill(database, asked.rows)
        with Serving(database) as serving:
            for width in asked.width or WIDTHS:
                for scheme in asked.scheme or SCHEMES:
                    found += _pictures(browser, serving.url, asked, width, scheme)
    return 1 if found else 0


def _pictures(browser: Browser, url: str, asked: argparse.Namespace, width: int, scheme: str) -> int:
    found = 0
    options = {
        "viewport": {"width": width, "height": 900},
        "color_scheme": scheme,
        "reduced_motion": "reduce",
    }
    for name in asked.names or PAGES:
        with watched(browser, **options) as page:
            if asked.markdown:
                page.add_init_script(
                    "for (const part of ['input', 'output', 'expected_output', 'answer'])"
                    " localStorage.setItem(`llmobs-trace-form-${part}`, 'markdown')"
                )
            page.goto(url + PAGES[name])
            expect(page.locator("main h1")).to_be_visible()
            page.evaluate("document.fonts.ready")
            page.screenshot(path=asked.directory / f"{name}-{width}-{scheme}.png")
            for fault in faults(page):
                found += 1
                print(f"{name}, {width}, {scheme}: {fault}", file=sys.stderr, flush=True)
            wide = page.evaluate("document.documentElement.scrollWidth")
            if wide > width:
                found += 1
                print(f"{name}, {width}, {scheme}: {wide} pixels wide", file=sys.stderr, flush=True)
        print(asked.directory / f"{name}-{width}-{scheme}.png", flush=True)
    return found


def _of_the_manual(directory: Path) -> int:
    """The demo's rows, the worst first, and the trace of one that reads well."""
    with TemporaryDirectory() as scratch, chromium() as browser:
        database = Path(scratch) / "experiments.db"
        command = [sys.executable, "-m", "llmobs_trace", "demo", "--database", str(database)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=scratch)
        view = {"viewport": {"width": 1280, "height": 640}, "color_scheme": "light"}
        with Serving(database) as serving, watched(browser, **view) as page:
            with Store(database) as store:
                demo = queries.find_experiment(store, "latest").id
            page.goto(f"{serving.url}/experiments/{demo}?sort=token_f1")
            row = page.get_by_role("link", name="question-08")
            expect(page.get_by_role("link", name="question-03")).to_be_visible()
            page.screenshot(path=directory / "viewer-experiment.png")
            row.first.click()
            page.get_by_role("treeitem", name="model").first.click()
            expect(page.get_by_role("heading", name="Output")).to_be_visible()
            page.screenshot(path=directory / "viewer-trace.png")
    return 0
