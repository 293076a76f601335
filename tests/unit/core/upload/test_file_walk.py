"""Which files an upload sends, by the rules of the folder alone."""

from __future__ import annotations

import pytest
from testbed.repository import selected, selection, write

from flow_core.errors import ConfigError
from flow_core.upload.file_walk import resolve_source


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


@pytest.mark.parametrize(
    ("source", "why"), [("missing", "does not exist"), ("file", "is not a folder"), ("loop", "loop")]
)
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
