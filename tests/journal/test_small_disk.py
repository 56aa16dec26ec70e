"""A disk that is full, small, read-only, or has its files removed, under a program that records: it lives.

Each program runs on a real small filesystem. A store into a page that the disk can't back would end it by
SIGBUS, and writing past a limit by SIGXFSZ; it is to end well, and to know what went to memory.
"""

from __future__ import annotations

from pathlib import Path

from support.small_disks import run_on_small_disk


def test_on_a_full_disk_what_finds_no_room_goes_to_memory_and_nothing_is_lost(tmp_path: Path) -> None:
    told = run_on_small_disk(
        """
queue = opened()
record(queue, *range(3000))
told["storage"], told["reason"] = queue.storage, queue.reason
told["in_memory"], told["counts"] = queue.in_memory(), queue.counts()
told["read"] = numbers(everything(queue)) == list(range(3000))
told["reports"] = [(report.counts, report.in_memory) for report in survey(root)]
""",
        tmp_path,
    )

    assert told["storage"] == "mapped"
    assert told["reason"] == "the journal's disk refuses: No space left on device"
    assert told["read"]
    assert told["counts"] == [0, 3000, 0, 0, 3_000_000]
    assert 1900 < told["in_memory"] < 2300
    [[counts, in_memory]] = told["reports"]
    assert counts[1] == 3000
    assert in_memory == told["in_memory"]


def test_a_program_killed_on_a_full_disk_leaves_a_ledger_that_says_what_memory_held(tmp_path: Path) -> None:
    told = run_on_small_disk(
        """
child = os.fork()
if not child:
    queue = opened()
    record(queue, *range(1500))
    queue.acknowledge(everything(queue)[:100])
    queue.acknowledge(everything(queue)[-100:])
    queue.prepare()
    os._exit(0)
os.waitpid(child, 0)
[report] = survey(root)
[adopted] = adoptable(root)
told["kept"] = numbers(everything(adopted))
told["reports"] = [report.counts, adopted.counts()]
told["in_memory"] = report.in_memory
adopted.acknowledge(everything(adopted))
adopted.close(keep=True)
told["after"] = survey(root)[0].counts
""",
        tmp_path,
    )

    before, adopted = told["reports"]
    assert before == adopted
    delivered, pending, rejected, dropped, _ = before
    assert told["kept"] == list(range(100, 100 + pending))
    assert (delivered, rejected) == (200, 0)
    assert dropped == told["in_memory"] > 300
    assert delivered + pending + dropped == 1500
    assert told["after"] == [200 + pending, 0, 0, dropped, 0]


def test_a_kill_between_the_sender_s_turns_takes_nothing_uncounted_even_where_no_byte_may_be_written(
    tmp_path: Path,
) -> None:
    told = run_on_small_disk(
        """
import threading
def append(start):
    for number in range(start, start + 200):
        queue.append(line(number, 1000))
child = os.fork()
if not child:
    queue = opened()
    record(queue, *range(50))
    queue.acknowledge(everything(queue)[:10])
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
    threads = [threading.Thread(target=append, args=(start,)) for start in (50, 250, 450)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    os.kill(os.getpid(), signal.SIGKILL)
os.waitpid(child, 0)
[report] = survey(root)
[adopted] = adoptable(root)
told["reports"] = [report.counts, adopted.counts()]
told["in_memory"] = report.in_memory
""",
        tmp_path,
    )

    before, adopted = told["reports"]
    assert before == adopted
    delivered, pending, rejected, dropped, _ = before
    assert (delivered, rejected) == (10, 0)
    assert dropped == told["in_memory"] > 500
    assert delivered + pending + dropped == 650


def test_once_there_is_room_again_records_go_to_the_disk(tmp_path: Path) -> None:
    told = run_on_small_disk(
        """
queue = opened()
record(queue, *range(1500))
told["in_memory"] = queue.in_memory()
queue.acknowledge(everything(queue))
queue.prepare()
record(queue, *range(2000, 2400))
told["later"] = queue.in_memory()
queue.close(keep=True)
[adopted] = adoptable(root)
told["kept"] = sorted(numbers(everything(adopted))) == list(range(2000, 2400))
told["counts"] = adopted.counts()
""",
        tmp_path,
    )

    assert told["in_memory"] > 500
    assert told["later"] <= 64  # what was left of the segment in memory
    assert told["kept"]
    assert told["counts"] == [1500, 400, 0, 0, 400_000]


def test_a_disk_that_others_fill_stops_no_store_into_what_is_mapped(tmp_path: Path) -> None:
    told = run_on_small_disk(
        """
queue = opened()
record(queue, *range(60))
queue.prepare()
fill()
record(queue, *range(60, 1000))
told["in_memory"] = queue.in_memory()
told["read"] = numbers(everything(queue)) == list(range(1000))
queue.acknowledge(everything(queue))
queue.prepare()
told["counts"] = queue.counts()
queue.close(keep=True)
told["after"] = survey(root)[0].counts
""",
        tmp_path,
    )

    assert told["read"]
    assert told["in_memory"] > 800
    assert told["counts"] == told["after"] == [1000, 0, 0, 0, 0]


def test_what_is_in_memory_at_the_end_is_put_on_the_disk_or_counted_as_dropped(tmp_path: Path) -> None:
    told = run_on_small_disk(
        """
queue = opened()
record(queue, *range(1500))
told["in_memory"] = queue.in_memory()
queue.acknowledge(everything(queue)[:300])
queue.close(keep=True)
told["counts"] = queue.counts()
told["reports"] = [report.counts for report in survey(root)]
""",
        tmp_path,
    )

    delivered, pending, _, dropped, _ = told["counts"]
    assert told["reports"] == [told["counts"]]
    assert delivered == 300
    assert 0 < dropped < told["in_memory"]
    assert delivered + pending + dropped == 1500


def test_where_a_copying_journal_cannot_copy_any_more_the_rest_is_kept_in_memory_and_counted(
    tmp_path: Path,
) -> None:
    told = run_on_small_disk(
        """
from llmobs_trace.journal import filesystem
filesystem.of = lambda directory: "btrfs"
queue = opened()
told["storage"] = queue.storage
record(queue, *range(200))
fill()
record(queue, *range(200, 400))
queue.prepare()
records = everything(queue)
told["read"] = numbers(records) == list(range(400))
queue.acknowledge(records[:10] + records[390:])
told["again"] = len(everything(queue))
told["reason"] = queue.reason
queue.close(keep=True)
told["counts"] = queue.counts()
[report] = survey(root)
told["after"] = report.counts
""",
        tmp_path,
    )

    assert told["storage"] == "mirrored"
    assert told["read"]
    assert told["again"] == 380
    assert "No space left" in told["reason"]
    delivered, pending, _, dropped, _ = told["after"]
    assert delivered == 20
    assert 180 <= pending < 380
    assert delivered + pending + dropped == 400
    assert told["counts"][0] + told["counts"][1] + told["counts"][3] == 400


def test_where_not_a_byte_can_be_written_all_is_in_memory_and_an_empty_file_says_so(tmp_path: Path) -> None:
    told = run_on_small_disk(
        """
fill()
queue = opened()
record(queue, *range(100))
told["storage"], told["reason"] = queue.storage, queue.reason
told["read"] = numbers(everything(queue)) == list(range(100))
told["left"] = [path.stat().st_size for path in root.iterdir()]
told["word"] = [word.pid == os.getpid() and word.is_held and word.reason for word in unkept(root)]
""",
        tmp_path,
    )

    assert told["storage"] == "memory"
    assert "No space left on device" in told["reason"]
    assert told["read"]
    assert told["left"] == [0]
    assert told["word"] == ["No space left on device"]


def test_where_a_ledger_finds_room_and_no_segment_does_a_kill_is_counted(tmp_path: Path) -> None:
    told = run_on_small_disk(
        """
fill()
os.truncate(disk / "filler", (disk / "filler").stat().st_size - (16 << 10))
child = os.fork()
if not child:
    queue = opened()
    record(queue, *range(100))
    assert (queue.storage, queue.in_memory()) == ("mapped", 100)
    queue.acknowledge(everything(queue)[:30])
    queue.prepare()
    record(queue, *range(100, 110))
    os.kill(os.getpid(), signal.SIGKILL)
os.waitpid(child, 0)
told["reports"] = [report.counts for report in survey(root)]
told["words"] = unkept(root)
""",
        tmp_path,
    )

    assert told["reports"] == [[30, 0, 0, 80, 0]]
    assert told["words"] == []


def test_on_a_full_copy_on_write_filesystem_the_counts_are_written_in_their_place(tmp_path: Path) -> None:
    """Nothing else can be changed there; and what a kill takes before it is counted is said to be unknown."""
    told = run_on_small_disk(
        """
child = os.fork()
if not child:
    queue = opened()
    record(queue, *range(20))
    queue.prepare()
    fill()
    try:
        (disk / "one more").write_text("x")
    except OSError as error:
        assert error.errno == errno.ENOSPC
    record(queue, *range(20, 320))
    records = everything(queue)
    queue.acknowledge(records[30:40] + records[-30:])
    queue.prepare()
    [report] = survey(root)
    assert report.counts[:4] == queue.counts()[:4] == (40, 280, 0, 0), (report, queue.counts())
    assert report.in_memory == queue.in_memory() == 260
    assert report.problem == ""
    assert queue.storage == "mirrored"
    os.kill(os.getpid(), signal.SIGKILL)
os.waitpid(child, 0)
[report] = survey(root)
told["counts"], told["problem"] = report.counts, report.problem
[adopted] = adoptable(root)
told["adopted"], told["kept"] = adopted.counts(), numbers(everything(adopted)) == list(range(20))
""",
        tmp_path,
        32 << 20,
        kind="btrfs",
    )

    assert told["counts"] == told["adopted"] == [40, 20, 0, 260, 20_000]
    assert told["kept"]
    assert told["problem"] == (
        "its process ended abruptly, and what was not copied to a file by then is counted nowhere"
    )


def test_where_events_are_copied_an_end_in_order_says_that_all_were(tmp_path: Path) -> None:
    told = run_on_small_disk(
        """
from llmobs_trace.journal import filesystem
filesystem.of = lambda directory: "btrfs"
queue = opened()
record(queue, *range(30))
told["living"] = [report.problem for report in survey(root)]
queue.close(keep=True)
told["ended"] = [report.problem for report in survey(root)]
child = os.fork()
if not child:
    record(opened(), *range(30))
    os._exit(0)
os.waitpid(child, 0)
told["both"] = [bool(report.problem) for report in survey(root)]
for adopted in adoptable(root):
    adopted.acknowledge(everything(adopted))
    adopted.close(keep=True)
told["delivered"] = [(report.counts, bool(report.problem)) for report in survey(root)]
""",
        tmp_path,
    )

    assert told["living"] == told["ended"] == [""]
    assert told["both"] == [False, True]
    # Delivering what is there does not tell what else there was.
    assert told["delivered"] == [[[30, 0, 0, 0, 0], False], [[20, 0, 0, 0, 0], True]]


def test_on_a_disk_that_becomes_read_only_recording_goes_on(tmp_path: Path) -> None:
    told = run_on_small_disk(
        """
queue = opened()
record(queue, *range(40))
if is_mounted:
    subprocess.run(["mount", "--bind", disk, disk], check=True)
    subprocess.run(["mount", "-o", "remount,bind,ro", disk], check=True)
    try:
        (disk / "file").touch()
    except OSError as error:
        assert error.errno == errno.EROFS
    else:
        raise AssertionError
    os.chdir(disk)
else:
    def refuse(*arguments, **options):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))
    opens = os.open
    os.unlink = os.rename = os.mkdir = refuse
    os.open = lambda path, flags, *rest, **options: (
        refuse() if flags & (os.O_RDWR | os.O_WRONLY) else opens(path, flags, *rest, **options)
    )
record(queue, *range(40, 500))
records = everything(queue)
told["read"] = numbers(records) == list(range(500))
queue.acknowledge(records[:450])
queue.prepare()
told["left"] = numbers(everything(queue)) == list(range(450, 500))
told["counts"], told["reason"], told["in_memory"] = queue.counts(), queue.reason, queue.in_memory()
told["second"] = opened().storage
""",
        tmp_path,
    )

    assert told["read"]
    assert told["left"]
    assert told["counts"] == [450, 50, 0, 0, 50_000]
    assert told["reason"] == "the journal's disk refuses: Read-only file system"
    assert told["in_memory"] == 50
    assert told["second"] == "memory"


def test_records_whose_file_is_removed_are_saved_from_memory(tmp_path: Path) -> None:
    told = run_on_small_disk(
        """
child = os.fork()
if not child:
    queue = opened()
    record(queue, *range(200, 300))
    queue.acknowledge(everything(queue)[:10])
    for path in root.rglob("*.segment"):
        if path.read_bytes().count(b"\\n") < 60:
            path.unlink()  # the newest and the spare, which are mapped
    queue.prepare()
    record(queue, *range(300, 310))
    queue.prepare()
    assert not queue.in_memory()
    os.kill(os.getpid(), signal.SIGKILL)
os.waitpid(child, 0)
[adopted] = adoptable(root)
told["kept"] = sorted(numbers(everything(adopted))) == list(range(210, 310))
told["counts"] = adopted.counts()
""",
        tmp_path,
    )

    assert told["kept"]
    assert told["counts"] == [10, 100, 0, 0, 100_000]


def test_where_the_directory_is_removed_recording_goes_on_in_memory(tmp_path: Path) -> None:
    told = run_on_small_disk(
        """
queue = opened(max_bytes=500_000)  # so few that no segment stays mapped behind the newest
record(queue, *range(140))
queue.prepare()
shutil.rmtree(root)
record(queue, *range(140, 400))
queue.prepare()
records = everything(queue)
told["read"] = [numbers(records)[0], len(records)]
told["in_memory"], told["reason"], told["dropped"] = queue.in_memory(), queue.reason, queue.dropped()
queue.acknowledge(records)
queue.prepare()
told["counts"] = queue.counts()
queue.close(keep=True)
told["again"] = opened().storage
""",
        tmp_path,
    )

    # Two full segments were unmapped, and existed as files alone.
    first, count = told["read"]
    assert first == told["dropped"] == 130
    assert count == told["in_memory"] == 270
    assert told["reason"] == "the journal's disk refuses: No such file or directory"
    assert told["counts"] == [270, 0, 0, 130, 0]
    assert told["again"] == "mapped"


def test_without_descriptors_to_spare_recording_goes_on_in_memory_and_then_on_disk(tmp_path: Path) -> None:
    told = run_on_small_disk(
        """
queue = opened(max_bytes=500_000)  # so few that no segment stays mapped behind the newest
record(queue, *range(140))
soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
taken = []
resource.setrlimit(resource.RLIMIT_NOFILE, (64, hard))
def take_all():
    try:
        while True:
            taken.append(os.open("/dev/null", os.O_RDONLY))
    except OSError as error:
        assert error.errno == errno.EMFILE
take_all()
record(queue, *range(140, 400))
told["in_memory"], told["reason"] = queue.in_memory(), queue.reason
take_all()
try:
    everything(queue)
except OSError as error:
    told["read"] = error.errno == errno.EMFILE
for file in taken:
    os.close(file)
queue.prepare()
records = everything(queue)
told["kept"] = numbers(records) == list(range(400))
queue.acknowledge(records)
queue.prepare()
record(queue, *range(400, 500))
told["later"], told["counts"] = queue.in_memory(), queue.counts()
""",
        tmp_path,
    )

    assert told["in_memory"] > 50
    assert told["reason"] == "the journal's disk refuses: Too many open files"
    assert told["read"]  # tried again, and nothing is taken for lost
    assert told["kept"]
    assert told["later"] <= 64
    assert told["counts"] == [400, 100, 0, 0, 100_000]


def test_where_nothing_can_be_mapped_no_append_makes_a_file_and_the_sender_tries_once_a_second(
    tmp_path: Path,
) -> None:
    told = run_on_small_disk(
        """
import time
now, files = 0.0, []
time.monotonic = lambda: now
opens, writes = os.open, os.pwrite
os.open = lambda *arguments, **options: files.append("open") or opens(*arguments, **options)
os.pwrite = lambda *arguments: files.append("write") or writes(*arguments)

queue = opened(segment_bytes=4 << 20)
record(queue, *range(3000))
queue.prepare()
used = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
soft, hard = resource.getrlimit(resource.RLIMIT_AS)
resource.setrlimit(resource.RLIMIT_AS, (used + (1 << 20), hard))
while not queue.reason:
    queue.append(line(0, 1000))
files.clear()
while not queue.dropped():
    queue.append(line(0, 1000))
for number in range(2000):
    queue.append(line(number, 1000))
told["by appends"] = list(files)
for _ in range(10):
    queue.prepare()
told["by the sender at once"] = files.count("open")
now = 1.5
for _ in range(10):
    queue.prepare()
told["by the sender later"] = files.count("open")
told["dropped"], told["reason"] = queue.dropped(), queue.reason
resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
now = 3.0
queue.prepare()
for number in range(100):
    queue.append(line(number, 1000))
told["after"] = [queue.dropped() - told["dropped"], queue.in_memory()]
""",
        tmp_path,
        64 << 20,
    )

    assert told["by appends"] == []
    assert told["by the sender at once"] == 0
    assert told["by the sender later"] == 1
    assert told["dropped"] == 2001
    assert told["reason"] == "the journal's disk refuses: Cannot allocate memory"
    assert told["after"] == [0, 0]


def test_while_memory_takes_what_the_disk_refused_no_append_asks_the_disk_again(tmp_path: Path) -> None:
    told = run_on_small_disk(
        """
asked = []
def noting(ask):
    return lambda *arguments, **options: asked.append(ask) or ask(*arguments, **options)
os.open, os.statvfs = noting(os.open), noting(os.statvfs)
queue = opened(segment_bytes=64 << 10)
while not queue.reason:
    queue.append(line(0, 1000))
asked.clear()
before = queue.in_memory()
for number in range(1000):
    queue.append(line(number, 1000))
told["asked"], told["taken"], told["dropped"] = len(asked), queue.in_memory() - before, queue.dropped()
""",
        tmp_path,
        1 << 20,
    )

    assert told == {"asked": 0, "taken": 1000, "dropped": 0}


def test_a_program_that_begins_where_nothing_can_be_mapped_runs_on_and_what_it_records_is_counted(
    tmp_path: Path,
) -> None:
    told = run_on_small_disk(
        """
soft, hard = resource.getrlimit(resource.RLIMIT_AS)
used = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
resource.setrlimit(resource.RLIMIT_AS, (used + (1 << 20), hard))
for name in (None, root):
    queue = open_journal(name, owner=this_process("d"), segment_bytes=64 << 20, max_bytes=256 << 20)
    record(queue, *range(100))
    told[str(name)] = [queue.counts(), queue.end() == queue.start(), queue.storage]
[report] = survey(root)
told["ledger"] = report.counts
resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
""",
        tmp_path,
        64 << 20,
    )

    assert told["None"] == [[0, 0, 0, 100, 0], True, "memory"]
    assert told[str(tmp_path / "journals")] == [[0, 0, 0, 100, 0], True, "mapped"]
    assert told["ledger"] == [0, 0, 0, 100, 0]


def test_a_limit_on_the_size_of_files_is_kept_to_before_its_signal_kills(tmp_path: Path) -> None:
    told = run_on_small_disk(
        """
signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
from llmobs_trace.journal import filesystem
for kind in ("tmpfs", "btrfs"):
    filesystem.of = lambda directory: kind
    queue = opened()
    record(queue, *range(30))
    queue.prepare()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    record(queue, *range(30, 300))
    queue.acknowledge(everything(queue)[:100])
    queue.prepare()
    told[kind] = [queue.storage, queue.reason, queue.in_memory() > 50]
    told[kind] += [len(everything(queue)), queue.dropped()]
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    queue.close(keep=True)
    told[kind].append([report.counts for report in survey(root)])
    shutil.rmtree(root)
""",
        tmp_path,
        size_bytes=4 << 20,
    )

    reason = "the journal's disk refuses: larger than the limit on the size of files (ulimit -f)"
    counts = [[100, 200, 0, 0, 200_000]]
    assert told["tmpfs"] == ["mapped", reason, True, 200, 0, counts]
    assert told["btrfs"] == ["mirrored", reason, True, 200, 0, counts]
