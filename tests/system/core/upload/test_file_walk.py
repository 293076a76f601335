"""Which files an upload sends, compared with what git itself ignores."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from testbed.properties import limit_examples
from testbed.repository import Repository, selected, selection, write

from flow_core.upload.file_walk import is_ignored
from flow_core.upload.git_work_tree import find_work_tree

NAMES = ("a", "b", "ab", "a.b", "a b", "#a", "!b", "[a]", "\u00e9", "B", "a\\b", " a", "-a", "\u00e0", "1", "a\t", "]")
FOLDERS = ("", "a/", "b/", "a/b/", "ab/a/", "a.b/b/a/")
SEGMENTS = (
    "a",
    "b",
    "ab",
    "*",
    "**",
    "?",
    "a*",
    "*.b",
    "*b",
    "[ab]",
    "[!a]",
    "[^b]*",
    "\\#a",
    "\\!b",
    "a\\ ",
    "[a-z].?",
    "[[:digit:]]",
    "[[:alpha:]]*",
    "[]a]",
    "[a-]",
    "[[]*",
    "[z-a]",
    "\u00e0",
    "a\t",
)
PATHS = st.builds(str.__add__, st.sampled_from(FOLDERS), st.sampled_from(NAMES))


@st.composite
def ignore_lines(draw):
    body = "/".join(draw(st.lists(st.sampled_from(SEGMENTS), min_size=1, max_size=3)))
    # A git of 2.39 takes " **/a" for "**/a" by a slip of its own, so that one is not asked for.
    before = draw(st.sampled_from(("", "", "!", "/", "!/", "" if body.startswith("**") else " ")))
    return before + body + draw(st.sampled_from(("", "", "/", " ", "/ ", "\r")))


IGNORE_FILES = st.lists(ignore_lines(), max_size=5).map("\n".join)
TREES = st.lists(PATHS, min_size=1, max_size=14, unique=True)


def make(top: Path, paths: list[str]) -> None:
    for path in paths:
        try:
            write(top, {path: "x"})
        except (FileExistsError, NotADirectoryError, IsADirectoryError):
            continue  # the random tree has a file where this one wants a folder


def files_below(top: Path) -> set[str]:
    return {str(path.relative_to(top)) for path in top.rglob("*") if path.is_file() and ".git" not in path.parts}


def ignored(repository: Repository) -> set[str]:
    """The files that `git check-ignore` names."""
    found = subprocess.run(
        ["git", "check-ignore", "-z", "--stdin", "--no-index"],
        cwd=repository.path,
        input=b"\0".join(os.fsencode(path) for path in files_below(repository.path)),
        stdout=subprocess.PIPE,
        check=False,  # it exits with 1 where nothing is ignored
    ).stdout
    return {os.fsdecode(path) for path in found.split(b"\0") if path}


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Repository(tmp_path_factory.mktemp("template")).path / ".git"


@limit_examples(20)
@given(TREES, IGNORE_FILES, st.dictionaries(st.sampled_from(FOLDERS[1:]), IGNORE_FILES, max_size=2), IGNORE_FILES)
@example(["a/b/a", "a/a"], "a/**\n!a/b", {}, "")
@example(["a/b/a", "ab"], "*\n!*/\n!ab", {"a/": "!b"}, "ab")
def test_the_walk_finds_the_files_that_git_does_not_ignore(template, paths, rules, nested, exclude):
    with tempfile.TemporaryDirectory() as folder:
        top = Path(folder).resolve()
        shutil.copytree(template, top / ".git")
        make(top, paths)
        write(top / ".git", {"info/exclude": exclude})
        write(top, {".gitignore": rules})
        for below, text in nested.items():
            if (top / below).is_dir():
                write(top, {f"{below}.gitignore": text})
        repository = Repository(top)
        sent = set(selected(top))
        assert sent == repository.listed()
        assert files_below(top) - sent == ignored(repository)
        if (top / "a").is_dir() and not is_ignored(find_work_tree(top / "a")):
            assert set(selected(top / "a")) == repository.listed("a")


@limit_examples(10)
@given(TREES, IGNORE_FILES, IGNORE_FILES)
@example(["a/b/a", "ab"], "*", "!a/\n!b/\n!a")
def test_a_flowignore_is_applied_after_the_gitignore_of_its_folder(template, paths, git_rules, flow_rules):
    with tempfile.TemporaryDirectory() as folder:
        top = Path(folder).resolve()
        shutil.copytree(template, top / ".git")
        make(top, paths)
        write(top, {".gitignore": git_rules, ".flowignore": flow_rules})
        sent = set(selected(top))
        write(top, {".gitignore": f"{git_rules}\n{flow_rules}"})
        assert sent == Repository(top).listed()


@pytest.mark.parametrize(
    ("pattern", "ignored_names"),
    [
        ("[z-a]", []),  # an empty range matches nothing
        ("\u00e0", ["\u00e0"]),  # its last byte is a space in Latin-1
        ("a\t", ["a\t"]),
        ("[[:digit:]]", ["1"]),
        ("[[]*", ["[a]"]),
    ],
)
def test_unusual_patterns_mean_what_they_mean_to_git(tmp_path, recwarn, pattern, ignored_names):
    write(tmp_path, dict.fromkeys(NAMES, "x"))
    write(tmp_path, {".gitignore": pattern})
    repository = Repository(tmp_path)
    assert sorted(set(NAMES) - set(selected(tmp_path))) == ignored_names == sorted(ignored(repository))
    assert list(recwarn) == []


def test_the_rules_of_the_work_tree_above_apply(tmp_path):
    repository = Repository(tmp_path / "repository")
    write(
        repository.path,
        {".gitignore": "*.log\n/code/a/", "x/.gitignore": "*", "code/a/x": "", "code/b": "", "code/c.log": ""},
    )
    assert set(selected(repository.path / "code")) == repository.listed("code") == {"b"}


def test_a_folder_that_the_work_tree_above_ignores_is_sent(tmp_path):
    repository = Repository(tmp_path / "repository")
    write(repository.path, {".gitignore": "build/\n*.o", "build/made.o": "", "code/b": ""})
    assert is_ignored(find_work_tree(repository.path / "build"))
    assert not is_ignored(find_work_tree(repository.path / "code"))
    assert not is_ignored(find_work_tree(repository.path))


def test_a_linked_work_tree_has_the_excludes_of_its_repository(tmp_path):
    repository = Repository(tmp_path / "main")
    write(repository.path, {"a": "", ".git/info/exclude": "secret\n"})
    repository.commit()
    repository.git("worktree", "add", "--quiet", "--detach", str(tmp_path / "linked"))
    write(tmp_path / "linked", {"secret": "", "open": ""})
    assert selected(tmp_path / "linked") == ["a", "open"]


def test_pipes_and_sockets_are_reported(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    os.mkfifo("pipe")
    with socket.socket(socket.AF_UNIX) as open_socket:
        open_socket.bind("sock")
    walk = selection(tmp_path)
    assert list(walk.folders()) == [[]]
    assert walk.skipped.lines() == ("'pipe': a pipe is not sent", "'sock': a socket is not sent")
