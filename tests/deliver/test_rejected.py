"""The file of rejected events: private, bounded, readable line by line, shared by processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from support.users import TwoUsers

from llmobs_trace.deliver import Answer
from llmobs_trace.deliver.rejected import MAX_MEMORY_BYTES, Rejected, Rejection, file_under


def rejection(number: int = 0, filling: str = "", event: bytes | None = None) -> Rejection:
    whole = json.dumps({"span_id": str(number), "filling": filling}).encode()
    return Rejection(
        destination="https://there",
        experiment_id="e",
        is_span=True,
        event=whole if event is None else event,
        answer=Answer(status=400, detail="not so"),
        sent=True,
    )


def lines_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines() if line]


def test_a_line_says_what_was_refused_and_why(tmp_path: Path) -> None:
    place = Rejected(tmp_path).keep(rejection(5))
    [line] = lines_of(Path(place))
    assert line.pop("rejected_at").endswith("+00:00")
    assert line == {
        "destination": "https://there",
        "experiment": "e",
        "status": 400,
        "words": "not so",
        "sent": "without its values",
        "span": {"span_id": "5", "filling": ""},
    }


def test_directory_and_file_are_their_owners_alone(tmp_path: Path) -> None:
    place = Path(Rejected(tmp_path / "not" / "there").keep(rejection()))
    assert place.stat().st_mode & 0o777 == 0o600
    assert place.parent.stat().st_mode & 0o777 == 0o700


def test_both_files_together_keep_their_bound_and_the_newest(tmp_path: Path) -> None:
    rejected = Rejected(tmp_path, max_file_bytes=4096)
    for number in range(200):
        rejected.keep(rejection(number))
    directory = tmp_path / "rejected"
    assert sorted(os.listdir(directory)) == ["rejected.before.jsonl", "rejected.jsonl"]
    sizes = [(directory / name).stat().st_size for name in os.listdir(directory)]
    assert max(sizes) <= 4096
    kept = lines_of(directory / "rejected.before.jsonl") + lines_of(directory / "rejected.jsonl")
    numbers = [int(line["span"]["span_id"]) for line in kept]
    assert numbers == list(range(200 - len(numbers), 200))
    assert len(numbers) > 10


def test_an_event_too_large_for_the_file_is_named_with_its_size(tmp_path: Path) -> None:
    large = rejection(filling="x" * 5000)
    [line] = lines_of(Path(Rejected(tmp_path, max_file_bytes=4096).keep(large)))
    assert line["event_bytes"] == len(large.event)
    assert line["words"] == "not so"


def test_a_link_that_was_planted_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "rejected").mkdir()
    (tmp_path / "victim").write_text("untouched")
    (tmp_path / "rejected" / "rejected.jsonl").symlink_to(tmp_path / "victim")
    linked = Rejected(tmp_path)
    assert "memory" in linked.keep(rejection())
    (tmp_path / "other").symlink_to(tmp_path / "rejected")
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "rejected").symlink_to(tmp_path)
    beside = Path(Rejected(tmp_path / "root").keep(rejection()))
    assert beside == tmp_path / "root" / f"rejected-{os.geteuid()}" / "rejected.jsonl"
    beside.parent.rename(tmp_path / "moved")
    beside.parent.symlink_to(tmp_path)
    assert "memory" in Rejected(tmp_path / "root").keep(rejection())
    assert not (tmp_path / "rejected.jsonl").exists()
    assert (tmp_path / "victim").read_text() == "untouched"
    assert len(linked.remembered()) == 1


def test_of_two_users_on_one_directory_each_has_a_file_where_the_line_says(two_users: TwoUsers) -> None:
    first, second = Rejected(two_users.shared), Rejected(two_users.shared)
    theirs = Path(first.keep(rejection(1)))
    theirs.parent.chmod(0o755)  # whether or not the second can look into it
    theirs.chmod(0o644)
    with two_users.the_second():
        ours = [Path(second.keep(rejection(number))) for number in (2, 3)]
        assert second.where() == f"kept in {ours[0].parent}"
        assert file_under(two_users.shared) == ours[0]
        assert [line["span"]["span_id"] for line in lines_of(ours[0])] == ["2", "3"]

    assert first.where() == f"kept in {theirs.parent}"
    assert file_under(two_users.shared) == theirs
    assert ours[0] == ours[1] == two_users.shared / f"rejected-{two_users.number}" / "rejected.jsonl"
    assert [line["span"]["span_id"] for line in lines_of(theirs)] == ["1"]


def test_where_nothing_can_be_written_the_line_says_that_it_is_not_kept(tmp_path: Path) -> None:
    (tmp_path / "rejected").touch()
    (tmp_path / f"rejected-{os.geteuid()}").touch()
    rejected = Rejected(tmp_path)
    assert "memory" in rejected.keep(rejection())
    assert rejected.where() == "not kept, since no file could be written"
    assert file_under(tmp_path) is None


def test_a_destination_whose_path_is_no_text_is_written_down_all_the_same(tmp_path: Path) -> None:
    about = {"is_span": True, "event": b"{}", "sent": False, "answer": Answer(detail="no \udcff here")}
    place = Rejected(tmp_path).keep(Rejection(destination="/m\udcfcller/x.db", experiment_id="e", **about))
    [line] = lines_of(Path(place))
    assert (line["destination"], line["words"]) == (r"/m\udcfcller/x.db", r"no \udcff here")


def test_a_line_cut_short_spoils_no_other(tmp_path: Path) -> None:
    place = Path(Rejected(tmp_path).keep(rejection(1)))
    place.write_text(place.read_text() + '{"rejected_at":"20')
    Rejected(tmp_path).keep(rejection(2))
    first, torn, second = place.read_text().splitlines()
    assert [json.loads(line)["span"]["span_id"] for line in (first, second)] == ["1", "2"]
    assert torn == '{"rejected_at":"20'


def test_what_is_no_json_is_kept_as_text(tmp_path: Path) -> None:
    [line] = lines_of(Path(Rejected(tmp_path).keep(rejection(event=b'{"a":\xff\n}'))))
    assert line["span"] == '{"a":\ufffd\n}'


def test_without_a_directory_the_newest_are_in_memory() -> None:
    rejected = Rejected()
    for number in range(100):
        assert "memory" in rejected.keep(rejection(number, filling="x" * 100_000))
    kept = rejected.remembered()
    assert sum(map(len, kept)) <= MAX_MEMORY_BYTES
    assert json.loads(kept[-1])["span"]["span_id"] == "99"


def test_processes_share_the_file_line_by_line(tmp_path: Path) -> None:
    program = """
import sys
from pathlib import Path
from llmobs_trace.deliver import Answer
from llmobs_trace.deliver.rejected import Rejected, Rejection
rejected = Rejected(Path(sys.argv[1]))
for number in range(300):
    event = b'{"span_id":"%s %d","filling":"%s"}' % (sys.argv[2].encode(), number, b"x" * number)
    about = {"destination": "", "experiment_id": "e", "answer": Answer(), "sent": False}
    rejected.keep(Rejection(is_span=True, event=event, **about))
"""
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    processes = [
        subprocess.Popen([sys.executable, "-c", program, str(tmp_path), name], env=environ) for name in "abc"
    ]
    assert [process.wait(60) for process in processes] == [0, 0, 0]
    found = {line["span"]["span_id"] for line in lines_of(tmp_path / "rejected" / "rejected.jsonl")}
    assert found == {f"{name} {number}" for name in "abc" for number in range(300)}
