"""The commit that is checked out, read from git's files, is the one that git says."""

from __future__ import annotations

import subprocess
from pathlib import Path

from llmobs_trace.experiment import git

WHO = ("-c", "user.name=a", "-c", "user.email=a@example.com")


def said(directory: Path, *words: str) -> str:
    done = subprocess.run(["git", *WHO, *words], cwd=directory, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_a_branch_a_detached_head_packed_refs_a_worktree_and_no_commit_yet(tmp_path: Path) -> None:
    checkout, worktree = tmp_path / "checkout", tmp_path / "worktree"
    checkout.mkdir()
    assert git.commit(checkout) is None
    said(checkout, "init", "-q", "-b", "main")
    assert git.commit(checkout) is None
    said(checkout, "commit", "-q", "--allow-empty", "-m", "first")
    first = said(checkout, "rev-parse", "HEAD")
    (checkout / "within").mkdir()
    assert git.commit(checkout / "within") == first
    said(checkout, "worktree", "add", "-q", "-b", "other", str(worktree))
    assert git.commit(worktree) == first
    said(worktree, "commit", "-q", "--allow-empty", "-m", "second")
    assert git.commit(worktree) == said(worktree, "rev-parse", "HEAD") != first
    said(checkout, "pack-refs", "--all")
    assert git.commit(checkout) == first
    assert git.commit(worktree) == said(worktree, "rev-parse", "HEAD")
    said(worktree, "checkout", "-q", "--detach", first)
    assert git.commit(worktree) == first
