"""Which files an upload sends, compared with what git itself ignores."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from testbed.repository import Repository, write

from flow_core.errors import ConfigError
from flow_core.upload.file_walk import FileWalk, is_ignored, resolve_source
from flow_core.upload.work_tree import find_work_tree

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


def selection(source: Path, kept: tuple[str, ...] = ()) -> FileWalk:
    return FileWalk(source.resolve(), find_work_tree(source.resolve()), kept)


def selected(source: Path, kept: tuple[str, ...] = ()) -> list[str]:
    return [entry.path for entries in selection(source, kept).folders() for entry in entries]


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


@settings(max_examples=80, deadline=None)
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


@settings(max_examples=40, deadline=None)
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


def test_files_come_once_in_the_order_of_their_names(tmp_path):
    write(tmp_path, dict.fromkeys(("z", "b/2", "b/10", "a/x/y", "a/b", "B", "é"), ""))
    assert selected(tmp_path) == ["B", "z", "\u00e9", "a/b", "a/x/y", "b/10", "b/2"]


def test_a_flowignore_takes_precedence_over_every_gitignore(tmp_path):
    write(
        tmp_path, {".gitignore": "*.bin\n/out/", ".flowignore": "*.md\n!keep.bin\n!/out/", "sub/.flowignore": "!b.md"}
    )
    write(tmp_path, dict.fromkeys(("keep.bin", "other.bin", "a.md", "out/x", "out/y.bin", "sub/b.md", "c.py"), ""))
    assert {path for path in selected(tmp_path) if not path.endswith("ignore")} == {
        "keep.bin",
        "out/x",
        "sub/b.md",
        "c.py",
    }
    assert selection(tmp_path).has_negation is False  # nothing has been read yet


def test_some_names_are_excluded_whatever_the_rules_say(tmp_path):
    write(tmp_path, {".flowignore": "!.git/\n!.venv/\n!__pycache__/", "code.py": ""})
    write(tmp_path, {f"{name}/x": "" for name in (".venv", "__pycache__", "deep/.mypy_cache", "deep/.git", ".hg")})
    write(tmp_path, {".flow-sync.json": "", "deep/.flow-sync.part": "", "deep/.DS_Store": ""})
    assert selected(tmp_path) == [".flowignore", "code.py"]


def test_an_ignored_folder_is_not_entered(tmp_path):
    write(tmp_path, {".gitignore": "data/", "data/x": "", "code.py": ""})
    (tmp_path / "data").chmod(0)
    try:
        assert selected(tmp_path) == [".gitignore", "code.py"]
    finally:
        (tmp_path / "data").chmod(0o700)


def test_tracked_files_are_sent_although_a_rule_matches_them(tmp_path):
    write(
        tmp_path, {".gitignore": "data/\n*.log", "data/keep/.gitkeep": "", "data/other": "", "run.log": "", "b.log": ""}
    )
    assert selected(tmp_path, ("data/keep/.gitkeep", "run.log")) == [".gitignore", "run.log", "data/keep/.gitkeep"]


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


def test_links_inside_the_folder_are_sent_and_others_are_reported(tmp_path):
    source = tmp_path / "source"
    write(source, {"code/real.py": "", ".gitignore": "ignored"})
    write(tmp_path, {"secret": ""})
    links = {
        "code/near": "real.py",
        "code/folder": "../code",
        "dangling": "nothing/there",
        "round": "round",
        "away": "../secret",
        "absolute": str(source / "code"),
        "hidden": "code/../../secret",
        "through": "code/folder/../../../secret",
        "ignored": "../secret",
    }
    for path, target in links.items():
        (source / path).symlink_to(target)
    walk = selection(source)
    found = {entry.path: entry.target for entries in walk.folders() for entry in entries if entry.target is not None}
    assert found == {name: links[name] for name in ("code/near", "code/folder", "dangling", "round")}
    told = walk.skipped.lines()
    assert [line.split(":")[0] for line in told] == ["'absolute'", "'away'", "'hidden'", "'through'"]
    assert told[1] == "'away': a link that leads out of the folder, to '../secret'"


def test_pipes_and_sockets_are_reported(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    os.mkfifo("pipe")
    with socket.socket(socket.AF_UNIX) as open_socket:
        open_socket.bind("sock")
    walk = selection(tmp_path)
    assert list(walk.folders()) == [[]]
    assert walk.skipped.lines() == ("'pipe': a pipe is not sent", "'sock': a socket is not sent")


def test_more_than_a_thousand_skipped_files_are_only_counted(tmp_path):
    for number in range(1005):
        (tmp_path / f"{number:04}").symlink_to("/")
    walk = selection(tmp_path)
    assert list(walk.folders()) == [[]]
    assert len(walk.skipped.lines()) == 1001
    assert walk.skipped.lines()[-1] == "and 5 more"


def test_a_tree_of_400_levels_is_walked(tmp_path):
    depth = 400
    write(tmp_path, {"d/" * depth + "file": ""})
    assert selected(tmp_path) == ["d/" * depth + "file"]


def test_a_walk_over_given_paths_applies_the_same_rules(tmp_path):
    write(tmp_path, {".gitignore": "*.log\nout/", "sub/.gitignore": "!b.log"})
    write(
        tmp_path,
        dict.fromkeys(("a", "a.log", "out/x", "sub/b.log", "sub/c.log", "sub/d/e", "sub2/f", ".git/x"), ""),
    )
    asked = ["a", "a.log", "out/x", "sub/", "sub/d/e", "sub/b.log", "gone", ".git/x", "sub2/f/g"]
    found = [entry.path for entries in selection(tmp_path).at(asked) for entry in entries]
    assert found == ["a", "sub/.gitignore", "sub/b.log", "sub/d/e"]


def test_overlapping_paths_give_each_file_once(tmp_path):
    write(tmp_path, dict.fromkeys(("a/x", "a/y/z", "a-b/c"), ""))
    found = [
        entry.path for entries in selection(tmp_path).at(["a/", "a-b/", "a/x", "a/y/", "a/y/z"]) for entry in entries
    ]
    assert sorted(found) == ["a-b/c", "a/x", "a/y/z"]


def test_an_ignore_file_that_is_a_link_is_not_read(tmp_path):
    write(tmp_path, {"rules": "code.py", "code.py": ""})
    (tmp_path / ".gitignore").symlink_to("rules")
    assert "code.py" in selected(tmp_path)


@pytest.mark.parametrize(("source", "why"), [("missing", "does not exist"), ("file", "is no folder"), ("loop", "loop")])
def test_a_source_that_is_not_a_folder_is_refused(tmp_path, source, why):
    write(tmp_path, {"file": ""})
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(ConfigError, match=why) as caught:
        resolve_source(tmp_path / source)
    assert caught.value.field == "source_dir"


def test_an_ignore_file_over_1_mib_is_refused(tmp_path):
    write(tmp_path, {".flowignore": b"x" * (1 << 20) + b"\n"})
    with pytest.raises(ConfigError, match="larger than 1 MiB"):
        selected(tmp_path)
