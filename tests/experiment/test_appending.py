"""Lines that are appended through a map are in the file, whatever ends the process or fills the disk."""

from __future__ import annotations

import os
import resource
from pathlib import Path

from llmobs_trace.experiment.appending import ROOM_BYTES, Appending


def opened(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND)


def test_what_is_appended_follows_what_was_there_and_nothing_follows_it(tmp_path: Path) -> None:
    path = tmp_path / "lines"
    path.write_bytes(b"before\n")
    expected = b"before\n"
    for length in (10, ROOM_BYTES - 40, 30, 3 * ROOM_BYTES, 1):
        file = opened(path)
        appending = Appending(file)
        for number in range(3):
            line = bytes([97 + number]) * length + b"\n"
            appending.write(line)
            expected += line
        # Before it is closed zeros may follow, as after a kill.
        assert path.read_bytes().rstrip(b"\0") == expected
        appending.close()
        os.close(file)
        assert path.read_bytes() == expected


def test_a_disk_without_room_raises_and_keeps_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "lines"
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    file = opened(path)
    appending = Appending(file)
    pid = os.fork()
    if pid == 0:
        import signal

        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
        try:
            for _ in range(30):
                appending.write(b"x" * 99 + b"\n")
        except OSError:
            appending.close()
            os._exit(7)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7
    os.close(file)
    assert path.read_bytes() == (b"x" * 99 + b"\n") * 10


def test_a_forked_child_leaves_its_parent_s_file_alone(tmp_path: Path) -> None:
    file = opened(tmp_path / "lines")
    appending = Appending(file)
    appending.write(b"one\n")
    pid = os.fork()
    if pid == 0:
        appending.let_go()
        os._exit(0)
    os.waitpid(pid, 0)
    appending.write(b"two\n")
    appending.close()
    assert (tmp_path / "lines").read_bytes() == b"one\ntwo\n"
