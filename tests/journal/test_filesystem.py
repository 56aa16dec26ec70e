"""On which filesystems the journal is mapped, decided from tables of mounts as the kernel prints them."""

from __future__ import annotations

from pathlib import Path

import pytest

from llmobs_trace.journal import filesystem

MOUNTS = r"""
22 27 0:21 / /proc rw,relatime - proc proc rw
27 1 254:0 / / rw,relatime - ext4 /dev/vda rw
28 27 0:25 / /home rw - btrfs /dev/vdb rw,subvol=/home
29 28 0:26 / /home/me/with\040space rw - xfs /dev/vdc rw
30 27 0:30 / /mnt/shared rw shared:7 master:1 - nfs4 server:/export rw
31 27 0:31 / /mnt/user rw - fuse.sshfs me@host: rw
32 27 0:32 / /over rw - tmpfs tmpfs rw
33 27 0:33 / /over rw - zfs tank rw
34 27 0:34 / /layers rw - overlay overlay rw,lowerdir=/a:/b,upperdir=/home/up,workdir=/home/work
35 27 0:35 / /nested rw - overlay overlay rw,lowerdir=/a,upperdir=/layers/up,workdir=/layers/work
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/", "ext4"),
        ("/var/lib", "ext4"),
        ("/home/me", "btrfs"),
        ("/homely", "ext4"),
        ("/home/me/with space/x", "xfs"),
        ("/mnt/shared/journals", "nfs4"),
        ("/mnt/user/journals", "fuse.sshfs"),
        ("/over", "zfs"),
    ],
)
def test_the_kind_is_that_of_the_innermost_latest_mount(path: str, kind: str) -> None:
    assert filesystem.kind_of(path, MOUNTS) == kind


def test_an_overlay_counts_as_what_lies_under_it() -> None:
    assert filesystem.kind_of("/layers/app", MOUNTS, is_visible=lambda path: True) == "btrfs"


def test_an_overlay_whose_upper_directory_cannot_be_seen_is_mappable() -> None:
    kind = filesystem.kind_of("/layers/app", MOUNTS, is_visible=lambda path: False)

    assert kind == "overlay"
    assert filesystem.is_mappable(kind)


def test_an_overlay_on_an_overlay_is_an_overlay() -> None:
    assert filesystem.kind_of("/nested", MOUNTS, is_visible=lambda path: True) == "overlay"


@pytest.mark.parametrize("kind", ["ext4", "xfs", "tmpfs", "overlay"])
def test_a_store_is_safe_where_files_are_written_in_place(kind: str) -> None:
    assert filesystem.is_mappable(kind)


@pytest.mark.parametrize(
    "kind", ["btrfs", "zfs", "apfs", "nfs4", "cifs", "9p", "fuse.sshfs", "virtiofs", "", "new"]
)
def test_a_store_is_not_safe_on_any_other(kind: str) -> None:
    assert not filesystem.is_mappable(kind)


def test_a_lock_answers_for_all_users_of_a_local_filesystem_only() -> None:
    assert filesystem.is_local("btrfs")
    assert not filesystem.is_local("nfs4")
    assert not filesystem.is_local("")


@pytest.mark.parametrize(("kind", "is_so"), [("ext4", True), ("overlay", False), ("nfs4", False)])
def test_a_map_is_of_the_locked_file_on_local_filesystems_without_layers(kind: str, is_so: bool) -> None:
    assert filesystem.maps_what_is_locked(kind) == is_so


def test_a_table_of_nonsense_says_nothing() -> None:
    assert filesystem.kind_of("/x", "nonsense\n - \n1 2 3 - ext4\n") == ""


def test_the_real_table_is_read(tmp_path: Path) -> None:
    assert filesystem.of(tmp_path)


def test_without_a_table_the_kind_is_not_known(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(filesystem, "_MOUNTS", tmp_path / "none")
    assert filesystem.of(tmp_path) == ""
