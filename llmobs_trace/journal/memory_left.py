"""Tells how much memory this process can still take, from what the kernel says of its control group. Any
thread.

A file on a tmpfs is memory, charged to whoever wrote it; past the group's limit the kernel kills.
"""

from __future__ import annotations

import re
from pathlib import Path

_ROOT = Path("/")
# By version: the hierarchy's mount point, then the files for the limit, what is used, and the line in
# `memory.stat` for what the kernel can take back at once.
_VERSIONS = {
    "": ("sys/fs/cgroup", "memory.max", "memory.current", "inactive_file"),
    "memory": (
        "sys/fs/cgroup/memory",
        "memory.limit_in_bytes",
        "memory.usage_in_bytes",
        "total_inactive_file",
    ),
}


def free_bytes(root: Path = _ROOT) -> int | None:
    """What is left to the control group and to the machine, whichever is less; None where neither says."""
    found = [*_of_machine(root), *_of_groups(root)]
    return max(0, min(found)) if found else None


def _of_machine(root: Path) -> list[int]:
    match = re.search(r"^MemAvailable:\s+(\d+) kB", _text(root / "proc/meminfo"), re.MULTILINE)
    return [int(match[1]) << 10] if match else []


def _of_groups(root: Path) -> list[int]:
    """What is left in the process's group and in each one around it that has a limit."""
    found = []
    for line in _text(root / "proc/self/cgroup").splitlines():
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        for controller in controllers.split(","):
            if controller in _VERSIONS:
                mount, limit, used, reclaimable = _VERSIONS[controller]
                top = root / mount
                group = top / path.strip("/")
                # A container sees its own group as the top, whatever the path says.
                for directory in [group, *group.parents]:
                    if directory != top and top not in directory.parents:
                        break
                    found += _left(directory, limit, used, reclaimable)
    return found


def _left(group: Path, limit: str, used: str, reclaimable: str) -> list[int]:
    most, now = _text(group / limit).strip(), _text(group / used).strip()
    if not most.isdigit() or not now.isdigit():
        return []  # `max`, or not there
    match = re.search(rf"^{reclaimable} (\d+)$", _text(group / "memory.stat"), re.MULTILINE)
    return [int(most) - int(now) + (int(match[1]) if match else 0)]


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""
