"""How much memory is left, from what the kernel says in each of its ways."""

from __future__ import annotations

from pathlib import Path

import pytest

from llmobs_trace.journal.memory_left import free_bytes

MIB = 1 << 20


def machine(root: Path, files: dict[str, str]) -> Path:
    """A root with these files of the kernel's."""
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(content)
    return root


def test_of_a_group_and_those_around_it_the_tightest_counts(tmp_path: Path) -> None:
    root = machine(
        tmp_path,
        {
            "proc/meminfo": f"MemTotal: 99 kB\nMemAvailable:  {500 * 1024} kB\n",
            "proc/self/cgroup": "0::/a/b\n",
            "sys/fs/cgroup/a/b/memory.max": "max\n",
            "sys/fs/cgroup/a/b/memory.current": f"{50 * MIB}\n",
            "sys/fs/cgroup/a/memory.max": f"{100 * MIB}\n",
            "sys/fs/cgroup/a/memory.current": f"{70 * MIB}\n",
            "sys/fs/cgroup/a/memory.stat": f"file 5\ninactive_file {10 * MIB}\nactive_file 9\n",
        },
    )
    assert free_bytes(root) == 40 * MIB


def test_a_container_finds_its_own_group_at_the_top(tmp_path: Path) -> None:
    root = machine(
        tmp_path,
        {
            "proc/self/cgroup": "0::/../../kubepods/pod1\n",
            "sys/fs/cgroup/memory.max": f"{64 * MIB}\n",
            "sys/fs/cgroup/memory.current": f"{60 * MIB}\n",
        },
    )
    assert free_bytes(root) == 4 * MIB


def test_the_older_hierarchy_is_read_as_well(tmp_path: Path) -> None:
    root = machine(
        tmp_path,
        {
            "proc/meminfo": f"MemAvailable: {3 * 1024} kB\n",
            "proc/self/cgroup": "9:name=systemd:/\n4:memory,hugetlb:/x\n0::/\n",
            "sys/fs/cgroup/memory/x/memory.limit_in_bytes": f"{8 * MIB}\n",
            "sys/fs/cgroup/memory/x/memory.usage_in_bytes": f"{7 * MIB}\n",
            "sys/fs/cgroup/memory/x/memory.stat": f"inactive_file 0\ntotal_inactive_file {MIB}\n",
            "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
            "sys/fs/cgroup/memory/memory.usage_in_bytes": "5\n",
        },
    )
    assert free_bytes(root) == 2 * MIB


def test_more_used_than_allowed_leaves_nothing(tmp_path: Path) -> None:
    root = machine(
        tmp_path,
        {
            "proc/self/cgroup": "0::/\n",
            "sys/fs/cgroup/memory.max": "5\n",
            "sys/fs/cgroup/memory.current": "6\n",
        },
    )
    assert free_bytes(root) == 0


@pytest.mark.parametrize("content", ["", "nonsense", "0::", "0:memory:", "a:b:c:d\n"])
def test_where_nothing_can_be_known_nothing_is_said(tmp_path: Path, content: str) -> None:
    assert free_bytes(machine(tmp_path, {"proc/self/cgroup": content, "proc/meminfo": content})) is None


def test_this_machine_says_something() -> None:
    left = free_bytes()
    assert left is None or left > 0
