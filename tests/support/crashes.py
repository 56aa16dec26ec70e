"""What a kill would leave on disk, after each single operation on files and maps, and in the middle of one.

The page cache outlives a process, so the files as they can be read just after an operation are what a kill
at that moment leaves; only the locks are gone. Of the operation on its way any part may be stored.
"""

from __future__ import annotations

import itertools
import mmap
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

Tree = dict[str, "bytes | None"]

_CALLS = ("open", "write", "pwrite", "rename", "unlink", "mkdir", "rmdir", "ftruncate")


@contextmanager
def interception(after: Callable[[str], None]) -> Iterator[None]:
    """Within the block, `after` is called with the name of each operation that may change a file."""

    def intercepted(name: str, really: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            result = really(*arguments, **options)
            after(name)
            return result

        return call

    class Map(mmap.mmap):
        def write(self, data: Any) -> int:
            written = super().write(data)
            after("store")
            return written

        def __setitem__(self, key: Any, value: Any) -> None:
            super().__setitem__(key, value)
            after("store")

    with (
        mock.patch.multiple(os, **{name: intercepted(name, getattr(os, name)) for name in _CALLS}),
        mock.patch.object(mmap, "mmap", Map),
    ):
        yield


def read_tree(root: Path) -> Tree:
    """All files under a directory with their content; directories have none."""
    tree: Tree = {}
    for directory, _, names in os.walk(root):
        tree[os.path.relpath(directory, root)] = None
        for name in names:
            path = os.path.join(directory, name)
            with open(path, "rb") as file:
                tree[os.path.relpath(path, root)] = file.read()
    return tree


def write_tree(tree: Tree, root: Path) -> None:
    """Make a directory of that; parents come before what is in them."""
    for name, content in sorted(tree.items()):
        if content is None:
            os.makedirs(root / name, mode=0o700, exist_ok=True)
        else:
            (root / name).write_bytes(content)


def torn(before: Tree, after: Tree) -> Iterator[tuple[str, Tree]]:
    """Ways in which the one operation between two states may have been cut in the middle."""
    for name, new in after.items():
        old = before.get(name)
        if new is None or old is None or new == old:
            continue
        changed = [at for at, (a, b) in enumerate(itertools.zip_longest(old, new)) if a != b]
        begin, end = changed[0], changed[-1] + 1
        # A single byte is stored or isn't; and so is the count of what was dropped, 16 bytes in one store.
        if end - begin < 2 or (name.endswith("tally") and end <= 32):
            continue
        room = bytes(len(new) - len(old)) if len(new) > len(old) else b""
        old, middle = old + room, (begin + end) // 2
        half = new[:middle]
        ways = {
            "its first half": half + old[middle:],
            "its second half": old[:middle] + new[middle:],
            "all but its last byte": new[: end - 1] + old[end - 1 :],
            "every other byte": bytes(
                b if at % 2 else a for at, (a, b) in enumerate(zip(old, new, strict=False))
            ),
            "half, and garbage beyond": half + b"\xa5\n\x00x\n{}\n\x00" + old[middle + 9 :],
        }
        if not name.endswith("tally"):
            ways["half, and garbage without a zero beyond"] = (
                half + b"\xa5\n\n}\nx\n{}\n" + old[middle + 10 :]
            )
        for way, content in ways.items():
            yield way, {**after, name: content[: max(len(old), len(new))]}
