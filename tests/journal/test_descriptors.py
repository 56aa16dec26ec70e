"""A program closes descriptors that it did not open, or has none of its streams: no file is mixed up."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from llmobs_trace.journal import files

ROOT = Path(__file__).parents[2]

# What every program begins with. `told` is what it says at its end.
PRELUDE = """
import json, os, sys
from pathlib import Path
from support.journals import everything, line, numbers
from llmobs_trace.journal import adoptable, filesystem, open_journal, survey, this_process

root, kind = Path(sys.argv[1], "journals"), sys.argv[2]
filesystem.of = lambda directory: kind
told = {}

def opened():
    return open_journal(root, owner=this_process("https://api.example.test"), segment_bytes=4096)

def record(queue, *which):
    for number in which:
        queue.append(line(number, 100))

def the_program_s_own_files():
    # More than were closed, so that they have all numbers that were ours.
    files = {}
    for number in range(40):
        path = Path(sys.argv[1], f"data-{number}")
        path.write_bytes(b"the program's own data\\n" * 8)
        file = os.open(path, os.O_RDWR)
        files[file] = path
    return files

def are_untouched(files):
    return all(
        os.path.samestat(os.fstat(file), os.stat(path)) and set(path.read_bytes().splitlines()) == {
            b"the program's own data"
        }
        for file, path in files.items()
    )
"""


def run(program: str, directory: Path, kind: str, *, shell: str = 'exec "$@"') -> dict[str, Any]:
    """Run a program to its end, which has to be a good one; what it told."""
    tell = "\nPath(sys.argv[1], 'told').write_text(json.dumps(told))"
    command = [sys.executable, "-c", PRELUDE + program + tell, str(directory), kind]
    environment = {"PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}", "PATH": "/usr/bin:/bin"}
    done = subprocess.run(
        ["sh", "-c", shell, "sh", *command], capture_output=True, text=True, env=environment, timeout=60
    )
    assert done.returncode == 0, f"exit code {done.returncode}:\n{done.stdout}\n{done.stderr}"
    told: dict[str, Any] = json.loads((directory / "told").read_text())
    return told


kinds = pytest.mark.parametrize("kind", ["ext4", "overlay", "btrfs"])


@kinds
def test_where_a_program_closes_all_descriptors_nothing_is_written_to_its_own_files_or_closed(
    tmp_path: Path, kind: str
) -> None:
    told = run(
        """
queue = opened()
record(queue, *range(200))
queue.prepare()
queue.acknowledge(everything(queue)[:50])
os.closerange(3, 1024)
files = the_program_s_own_files()
record(queue, *range(200, 400))
queue.prepare()
told["read"] = numbers(everything(queue)) == list(range(50, 400))
queue.acknowledge(everything(queue)[:300])
queue.prepare()
told["counts"] = queue.counts()
[report] = survey(root)
told["held"], told["ledger"] = report.is_held, report.counts
record(queue, *range(400, 410))
queue.close(keep=True)
told["ended"] = survey(root)[0].counts
told["untouched"] = are_untouched(files)
""",
        tmp_path,
        kind,
    )
    adopting = run(
        """
[adopted] = adoptable(root, "https://api.example.test")
os.closerange(3, 1024)
files = the_program_s_own_files()
told["left"] = numbers(everything(adopted)) == list(range(350, 410))
adopted.acknowledge(everything(adopted))
adopted.close(keep=True)
told["delivered"] = survey(root)[0].counts
told["untouched"] = are_untouched(files)
""",
        tmp_path,
        kind,
    )

    assert told["read"]
    assert told["held"]
    assert told["counts"] == told["ledger"] == [350, 50, 0, 0, 5000]
    assert told["ended"] == [350, 60, 0, 0, 6000]
    assert told["untouched"]
    assert adopting == {"left": True, "delivered": [410, 0, 0, 0, 0], "untouched": True}


@kinds
def test_a_daemon_that_forks_and_closes_what_it_inherited_starts_anew_and_touches_nothing(
    tmp_path: Path, kind: str
) -> None:
    told = run(
        """
queue = opened()
record(queue, *range(100))
queue.prepare()
child = os.fork()
if not child:
    # In this order a hook of the program's comes before ours.
    os.closerange(3, 1024)
    files = the_program_s_own_files()
    queue.after_fork_in_child()
    own = opened()
    record(own, "of the child")
    own.prepare()
    own.close(keep=True)
    os._exit(0 if are_untouched(files) else 1)
told["child"] = os.waitpid(child, 0)[1]
told["parent"] = numbers(everything(queue)) == list(range(100))
[adopted] = adoptable(root)
told["left"] = numbers(everything(adopted))
""",
        tmp_path,
        kind,
    )

    assert told == {"child": 0, "parent": True, "left": ["of the child"]}


def test_as_long_as_a_map_keeps_the_lock_nobody_takes_a_living_journal_whatever_is_closed(
    tmp_path: Path,
) -> None:
    told = run(
        """
queue = opened()
record(queue, 1)
os.closerange(3, 1024)
told["taken"] = len(list(adoptable(root)))
queue.close(keep=True)
told["after"] = len(list(adoptable(root)))
""",
        tmp_path,
        "ext4",
    )

    assert told == {"taken": 0, "after": 1}


@kinds
@pytest.mark.parametrize("shell", ['exec "$@" <&- >&- 2>&-', 'exec "$@" 2>&-', 'exec "$@" <&-'])
def test_started_without_its_streams_a_program_has_none_of_our_files_in_their_place(
    tmp_path: Path, kind: str, shell: str
) -> None:
    told = run(
        """
def ours():
    found = [path for path in root.rglob("*") if path.is_file()]
    identities = {(path.stat().st_dev, path.stat().st_ino) for path in found}
    for number in range(3):
        try:
            there = os.fstat(number)
        except OSError:
            continue
        if (there.st_dev, there.st_ino) in identities:
            yield number

queue = opened()
told["at first"] = list(ours())
record(queue, *range(200))
queue.prepare()
told["later"] = list(ours())
for number in range(3):
    try:
        os.write(number, b"a message of a library in C\\n" * 20)
    except OSError:
        pass
queue.close(keep=True)
[adopted] = adoptable(root, "https://api.example.test")
told["adopting"] = list(ours())
told["left"] = numbers(everything(adopted)) == list(range(200))
""",
        tmp_path,
        kind,
        shell=shell,
    )

    assert told == {"at first": [], "later": [], "adopting": [], "left": True}


@pytest.mark.parametrize("kind", ["overlay", "btrfs"])
def test_where_no_map_keeps_the_lock_the_sender_takes_it_again(tmp_path: Path, kind: str) -> None:
    told = run(
        """
queue = opened()
record(queue, 1)
os.closerange(3, 1024)
queue.prepare()
told["taken"] = len(list(adoptable(root)))
queue.close(keep=True)
told["after"] = len(list(adoptable(root)))
""",
        tmp_path,
        kind,
    )

    assert told == {"taken": 0, "after": 1}


def test_a_file_has_a_number_that_no_file_of_the_program_s_will_have(tmp_path: Path) -> None:
    ours = files.create(tmp_path / "ours")
    theirs = os.open(tmp_path / "theirs", os.O_RDWR | os.O_CREAT)
    assert theirs < 100 < ours
    os.close(theirs)
    os.close(ours)


def test_a_number_that_the_program_took_at_once_stays_its_own(tmp_path: Path) -> None:
    taken = os.open(tmp_path / "ours", os.O_RDWR | os.O_CREAT)
    os.close(taken)
    theirs = os.open(tmp_path / "theirs", os.O_RDWR | os.O_CREAT)
    assert theirs == taken
    with pytest.raises(OSError, match="ours"):
        files.out_of_the_way(taken, tmp_path / "ours")
    assert os.path.samestat(os.fstat(theirs), os.stat(tmp_path / "theirs"))
    os.close(theirs)
