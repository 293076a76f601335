"""Uploads that ask git what changed, and fall back to a full comparison where git can't know."""

from __future__ import annotations

import asyncio
import json
import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule
from testbed.properties import limit_examples, seeded
from testbed.repository import Repository, tree, write

from flow_core.errors import ConfigError
from flow_core.upload.folder_upload import upload
from flow_core.upload.local_folder import LocalFolder
from flow_core.upload.report import UploadResult


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    one = Repository(tmp_path / "repository")
    write(one.path, {"a.py": "1", "sub/b.py": "2", "c.py": "3"})
    write_long_ago(one.path / ".gitignore", "*.log\n")
    write_long_ago(one.path / ".git/info/exclude", "")
    one.commit()
    return one


@pytest.fixture
def there(tmp_path: Path) -> Path:
    return tmp_path / "there"


def write_long_ago(file: Path, text: str) -> None:
    """Writes an ignore file with an old mtime; a recent one would cause a full comparison."""
    file.write_text(text)
    os.utime(file, (1e9, 1e9 + len(text)))


async def send(source: Path, there: Path, git_incremental: bool | None = None) -> UploadResult:
    return await upload(source, LocalFolder(there), git_incremental=git_incremental)


def marker(there: Path) -> dict:
    return json.loads((there / ".flow-sync.json").read_text())["marker"]


async def is_trusting(repository: Repository, there: Path) -> bool:
    """Whether the next upload asks git instead of comparing with the destination."""
    victim = there / "c.py"
    kept = victim.stat()
    victim.write_text("changed there")
    believed = (await send(repository.path, there)).files_sent == 0
    victim.write_text("3")
    os.utime(victim, ns=(kept.st_atime_ns, kept.st_mtime_ns))
    return believed


async def test_the_first_upload_compares_everything_and_the_next_asks_git(repository, there):
    assert (await send(repository.path, there)).files_sent == 4
    assert await is_trusting(repository, there)
    write(repository.path, {"a.py": "changed", "new.py": "", "noise.log": ""})
    (repository.path / "sub/b.py").unlink()
    result = await send(repository.path, there)
    assert (result.files_sent, result.files_unchanged, result.files_deleted) == (2, 2, 1)
    assert set(tree(there)) == {"a.py", "c.py", "new.py", ".gitignore"}
    assert (there / "a.py").read_text() == "changed"


async def test_a_full_comparison_can_be_requested(repository, there):
    await send(repository.path, there)
    (there / "c.py").write_text("changed there")
    assert (await send(repository.path, there)).files_sent == 0
    assert (await send(repository.path, there, False)).files_sent == 1


async def test_a_reverted_uncommitted_change_is_sent_again(repository, there):
    write(repository.path, {"a.py": "a try", "untracked": ""})
    await send(repository.path, there)
    repository.git("checkout", "--", "a.py")
    (repository.path / "untracked").unlink()
    result = await send(repository.path, there)
    assert (result.files_sent, result.files_deleted) == (1, 1)
    assert (there / "a.py").read_text() == "1"


async def test_commits_branches_and_amends_between_uploads_are_noticed(repository, there):
    await send(repository.path, there)
    repository.git("checkout", "--quiet", "-b", "other")
    write(repository.path, {"a.py": "other", "more.py": ""})
    repository.commit()
    await send(repository.path, there)
    assert (there / "a.py").read_text() == "other"
    write(repository.path, {"c.py": "amended"})
    repository.git("commit", "--quiet", "--all", "--amend", "--no-edit")
    repository.git("rm", "--quiet", "--cached", "more.py")
    await send(repository.path, there)
    assert (there / "c.py").read_text() == "amended"
    assert (there / "more.py").exists()
    repository.git("checkout", "--quiet", "--force", "main")
    await send(repository.path, there)
    assert tree(there) == {path: text for path, text in tree(repository.path).items() if not path.startswith(".git/")}


async def test_a_commit_that_git_no_longer_has_causes_a_full_comparison(repository, there):
    await send(repository.path, there)
    file = there / ".flow-sync.json"
    file.write_text(file.read_text().replace(marker(there)["commit"], "0" * 40))
    (there / "a.py").write_text("changed there")
    assert (await send(repository.path, there)).files_sent == 1


@pytest.mark.parametrize("text", ["--output=/dev/null", "HEAD", "", "x" * 40])
async def test_a_text_that_is_not_a_commit_never_reaches_git(repository, there, text):
    await send(repository.path, there)
    file = there / ".flow-sync.json"
    file.write_text(file.read_text().replace(marker(there)["commit"], text))
    (there / "a.py").write_text("changed there")
    assert (await send(repository.path, there)).files_sent == 1


@pytest.mark.parametrize("rules", [".gitignore", ".flowignore", "sub/.gitignore", ".git/info/exclude"])
async def test_a_changed_ignore_file_causes_a_full_comparison(repository, there, rules):
    write(repository.path, {"noise.log": ""})
    await send(repository.path, there)
    assert await is_trusting(repository, there)
    write_long_ago(repository.path / rules, "# nothing is left out\n")
    (there / "c.py").write_text("changed there")
    await send(repository.path, there)
    assert (there / "c.py").read_text() == "3"
    assert await is_trusting(repository, there)
    assert (there / "noise.log").exists() is (rules == ".gitignore")


async def test_a_flowignore_with_a_negation_causes_a_full_comparison(repository, there):
    write(repository.path, {".flowignore": "!keep.log", "keep.log": "1"})
    await send(repository.path, there)
    write(repository.path, {"keep.log": "22"})
    assert (await send(repository.path, there, True)).files_sent == 1
    assert (there / "keep.log").read_text() == "22"


async def test_tracked_but_ignored_files_are_sent_and_updated(repository, there):
    write(repository.path, {"kept.log": "1", "other.log": ""})
    repository.git("add", "--force", "kept.log")
    repository.commit()
    await send(repository.path, there)
    assert (there / "kept.log").exists()
    assert not (there / "other.log").exists()
    write(repository.path, {"kept.log": "22"})
    assert (await send(repository.path, there, True)).files_sent == 1


async def test_changes_in_a_nested_repository_are_found(repository, there):
    inner = Repository(repository.path / "inner")
    write(inner.path, {"x": "1", "y": ""})
    await send(repository.path, there)
    write(inner.path, {"x": "22"})
    (inner.path / "y").unlink()
    inner.commit()
    result = await send(repository.path, there)
    assert (result.files_sent, result.files_deleted) == (1, 1)
    assert (there / "inner/x").read_text() == "22"
    assert not (there / "inner/.git").exists()


async def test_changes_in_a_submodule_are_found_although_git_hides_them(repository, there, tmp_path):
    other = Repository(tmp_path / "other")
    write(other.path, {"x": "1"})
    other.commit()
    allow = ("-c", "protocol.file.allow=always")
    repository.git(*allow, "submodule", "--quiet", "add", str(other.path), "module")
    repository.git("config", "submodule.module.ignore", "all")
    repository.commit()
    await send(repository.path, there)
    write(repository.path, {"module/x": "22", "module/new": ""})
    assert (await send(repository.path, there, True)).files_sent == 2
    repository.git("-C", "module", "checkout", "--quiet", "--", ".")
    assert (await send(repository.path, there, True)).files_sent == 1
    assert tree(there / "module") == {"x": "1", "new": ""}


async def test_a_subfolder_of_a_work_tree_can_be_uploaded_alone(repository, there):
    await send(repository.path / "sub", there)
    assert set(tree(there)) == {"b.py"}
    write(repository.path, {"a.py": "outside", "sub/d.log": "", "sub/e": "", "sub/b.py": "inside"})
    result = await send(repository.path / "sub", there, True)
    assert (result.files_sent, result.files_deleted) == (2, 0)
    assert tree(there) == {"b.py": "inside", "e": ""}


async def test_unusual_file_names_are_sent_unchanged(repository, there):
    names = ["-f", "--help", " ", "a\nb", 'q"uote', "back\\slash", ":(top)x", "*", "\u00e9", os.fsdecode(b"\xff\xfe")]
    await send(repository.path, there)
    write(repository.path, dict.fromkeys(names, "odd"))
    assert (await send(repository.path, there, True)).files_sent == len(names)
    repository.commit()
    for name in names:
        (repository.path / name).unlink()
    assert (await send(repository.path, there, True)).files_deleted == len(names)


async def test_no_hook_monitor_or_pager_of_the_repository_runs(repository, there, tmp_path, monkeypatch):
    flag = tmp_path / "flag"
    trap = tmp_path / "trap"
    trap.write_text(f"#!/bin/sh\necho ran > {flag}\n")
    trap.chmod(0o755)
    for setting in (
        "core.fsmonitor",
        "core.pager",
        "diff.external",
        "diff.trap.textconv",
        "filter.trap.clean",
        "filter.lap.process",
    ):
        repository.git("config", setting, str(trap))
    hooks = {
        f".git/hooks/{name}": trap.read_bytes() for name in ("post-index-change", "fsmonitor-watchman", "pre-commit")
    }
    write(repository.path, {**hooks, ".gitattributes": "* filter=trap diff=trap\nc.py filter=lap\n"})
    for name in hooks:
        (repository.path / name).chmod(0o755)
    monkeypatch.setenv("GIT_EXTERNAL_DIFF", str(trap))
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere"))
    await send(repository.path, there)
    write(repository.path, {"a.py": "changed"})
    assert (await send(repository.path, there, True)).files_sent == 1
    assert not flag.exists()


async def test_git_changes_nothing_in_the_repository(repository, there):
    os.utime(repository.path / "a.py")
    before = (repository.path / ".git/index").read_bytes()
    await send(repository.path, there)
    await send(repository.path, there)
    assert (repository.path / ".git/index").read_bytes() == before


async def test_a_repository_without_a_commit_can_be_uploaded(tmp_path, there):
    fresh = Repository(tmp_path / "fresh")
    write(fresh.path, {"a": "", "b.log": "", ".gitignore": "*.log"})
    await send(fresh.path, there)
    assert set(tree(there)) == {"a", ".gitignore"}
    assert marker(there) is None
    assert (await send(fresh.path, there, True)).files_sent == 0


async def test_without_git_everything_is_compared_unless_git_was_required(repository, there, monkeypatch, tmp_path):
    await send(repository.path, there)
    (there / "a.py").write_text("changed there")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert (await send(repository.path, there)).files_sent == 1
    with pytest.raises(ConfigError, match="git can't be started") as caught:
        await send(repository.path, there, True)
    assert caught.value.field == "git_incremental"


async def test_requiring_git_outside_of_a_work_tree_is_an_error(tmp_path, there):
    write(tmp_path / "plain", {"a": ""})
    with pytest.raises(ConfigError, match="lies in no git work tree") as caught:
        await send(tmp_path / "plain", there, True)
    assert caught.value.field == "git_incremental"


async def test_the_error_for_a_broken_repository_quotes_git(repository, there):
    (repository.path / ".git/index").write_bytes(b"broken")
    assert (await send(repository.path, there)).files_sent == 4
    with pytest.raises(ConfigError, match="git says"):
        await send(repository.path, there, True)


@seeded
class WhatGitSays(RuleBasedStateMachine):
    """After any changes, an upload that asks git has the same result as a full comparison."""

    names = st.sampled_from(["a", "b", "sub/a", "sub/b.log", "sub/in/c", "d.log"])

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.there = Path(self.folder.name, "there")
        self.repository = Repository(Path(self.folder.name, "repository"))
        write(self.repository.path, {".gitignore": "*.log"})
        self.commits = [self.repository.commit()]
        self.count = 0

    def teardown(self) -> None:
        self.folder.cleanup()

    @rule(name=names)
    def write_one(self, name: str) -> None:
        self.count += 1
        write(self.repository.path, {name: str(self.count)})

    @rule(name=names)
    def delete_one(self, name: str) -> None:
        (self.repository.path / name).unlink(missing_ok=True)

    @rule()
    def commit(self) -> None:
        self.commits.append(self.repository.commit(str(len(self.commits))))

    @rule(which=st.integers(0, 5))
    def check_out(self, which: int) -> None:
        self.repository.git("checkout", "--quiet", "--force", self.commits[which % len(self.commits)])

    @rule()
    def stash(self) -> None:
        self.repository.git("stash", "push", "--quiet", "--include-untracked")

    @rule(text=st.sampled_from(["*.log", "", "sub/", "!*.log"]), file=st.sampled_from([".gitignore", ".flowignore"]))
    def change_rules(self, text: str, file: str) -> None:
        write(self.repository.path, {file: text})

    @rule(wish=st.sampled_from([None, True, False]))
    def send(self, wish: bool | None) -> None:
        asyncio.run(send(self.repository.path, self.there, wish))
        asyncio.run(send(self.repository.path, Path(self.folder.name, "judge"), False))
        there, judge = tree(self.there), tree(Path(self.folder.name, "judge"))
        assert there == judge


WhatGitSays.TestCase.settings = settings(limit_examples(5), stateful_step_count=15)
test_believing_git_leaves_what_comparing_would_leave = WhatGitSays.TestCase
