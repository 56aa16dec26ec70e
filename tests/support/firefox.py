"""A headless Firefox, driven by WebDriver BiDi as far as a smoke test needs: one page, and its errors."""

from __future__ import annotations

import itertools
import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

_NAMES = ("firefox-esr", "firefox")
_LISTENING = re.compile(r"WebDriver BiDi listening on (ws://\S+)")
_SECONDS = 60


class Page:
    """The one page of a browser; `errors` is what it logged as one."""

    def __init__(self, socket: Any) -> None:
        self._socket = socket
        self._numbers = itertools.count(1)
        self.errors: list[str] = []
        self._call("session.new", capabilities={})
        self._call("session.subscribe", events=["log.entryAdded"])
        self._context = self._call("browsingContext.getTree")["contexts"][0]["context"]

    def go(self, url: str) -> None:
        """Load a page; ends when it is loaded."""
        self._call("browsingContext.navigate", context=self._context, url=url, wait="complete")

    def value(self, script: str) -> Any:
        """What an expression of JavaScript comes to, once its promise is kept."""
        target = {"context": self._context}
        found = self._call("script.evaluate", expression=script, target=target, awaitPromise=True)
        assert found["type"] == "success", found["exceptionDetails"]["text"]
        return found["result"].get("value")

    def close(self) -> None:
        """End the browser."""
        self._call("browser.close")

    def _call(self, method: str, **parameters: Any) -> Any:
        number = next(self._numbers)
        self._socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while True:
            said = json.loads(self._socket.recv(timeout=_SECONDS))
            if said.get("method") == "log.entryAdded" and said["params"]["level"] == "error":
                self.errors.append(said["params"]["text"])
            if said.get("id") == number:
                assert said["type"] == "success", said
                return said["result"]


@contextmanager
def firefox(profile: Path) -> Iterator[Page]:
    """A browser with a profile of its own; ended at the end of the block."""
    path = os.environ.get("FIREFOX") or next(filter(None, map(shutil.which, _NAMES)), None)
    if path is None:
        pytest.skip("there is no Firefox: apt-get install firefox-esr, or name one in FIREFOX")
    client = pytest.importorskip("websockets.sync.client", reason="WebDriver BiDi is spoken over websockets")
    words = [path, "--headless", "--no-remote", "--profile", str(profile), "--remote-debugging-port", "0"]
    with subprocess.Popen(words, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as process:
        try:
            assert process.stderr is not None
            listening = next(filter(None, map(_LISTENING.search, process.stderr)), None)
            assert listening is not None, "Firefox ended before it listened"
            with client.connect(f"{listening[1]}/session", max_size=None, proxy=None) as socket:
                page = Page(socket)
                yield page
                page.close()
        finally:
            process.kill()
