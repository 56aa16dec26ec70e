"""`python -m tests.markdown_cases`: texts that would do something if they were more than text are drawn as
markdown by a browser, and long ones timed; 1 is the exit code where one made what it should not have.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from markdown_cases.cases import REPEATED, seconds, texts, wrong
from support.browser import chromium, watched
from support.serving import Serving

from llmobs_trace.store.store import Store

SIZES = (125_000, 250_000, 500_000, 1_000_000)


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.markdown_cases", description=__doc__)
    parser.add_argument("--cases", type=int, default=2_000, help="how many (default: 2,000)")
    parser.add_argument("--seed", type=int, default=1, help="which (default: 1)")
    asked = parser.parse_args(words)
    with TemporaryDirectory() as scratch, chromium() as browser:
        database = Path(scratch) / "experiments.db"
        Store(database).close()
        with Serving(database) as serving, watched(browser) as page:
            found = wrong(page, serving.url, texts(asked.cases, asked.seed))
            print(f"{asked.cases} texts, {len(found)} of them wrong", *found[:20], sep="\n", flush=True)
            print(f"\n| all of a text of | {' | '.join(f'{size:,}' for size in SIZES)} characters |")
            print(f"|---|{'--:|' * len(SIZES)}")
            for name in REPEATED:
                took = [seconds(page, name, size) for size in SIZES]
                print(f"| {name} | {' | '.join(f'{each:.2f} s' for each in took)} |", flush=True)
    return 1 if found else 0
