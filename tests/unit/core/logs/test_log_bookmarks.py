"""Bookmarks on disk."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from flow_core.errors import FlowError
from flow_core.logs.log_bookmarks import MAX_BOOKMARKS, MAX_NAME, BookmarkStore, LogBookmark


def test_bookmarks_of_a_log_are_listed_in_its_order_and_kept_apart(tmp_path: Path) -> None:
    store = BookmarkStore(tmp_path / "state")
    assert store.load("a") == []
    for offset in (300, 100, 200):
        store.add("a", LogBookmark(offset, f"at {offset}", "text"))
    store.add("b", LogBookmark(100, "", "other"))
    again = BookmarkStore(tmp_path / "state")
    assert [mark.offset for mark in again.load("a")] == [100, 200, 300]
    assert again.load("b") == [LogBookmark(100, "", "other")]


def test_a_line_has_one_bookmark(tmp_path: Path) -> None:
    store = BookmarkStore(tmp_path)
    store.add("a", LogBookmark(7, "old", ""))
    store.add("a", LogBookmark(7, "new", ""))
    assert store.load("a") == [LogBookmark(7, "new", "")]
    assert store.remove("a", 7)
    assert not store.remove("a", 7)
    assert store.load("a") == []


def test_the_file_is_bounded(tmp_path: Path) -> None:
    store = BookmarkStore(tmp_path)
    store.add("first", LogBookmark(0, "x" * 10_000, "y" * 10_000))
    assert store.load("first") == [LogBookmark(0, "x" * MAX_NAME, "y" * MAX_NAME)]
    with store._edit_rows() as rows:
        rows.extend(("full", LogBookmark(n, "", "")) for n in range(MAX_BOOKMARKS - 1))
    store.add("last", LogBookmark(0, "", ""))
    assert store.load("first") == []
    assert len(store.load("full")) == MAX_BOOKMARKS - 1
    assert len(store.load("last")) == 1


def test_dashboards_that_set_bookmarks_at_once_lose_none(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as threads:
        for n in range(40):
            threads.submit(BookmarkStore(tmp_path).add, "a", LogBookmark(n, "", ""))
    assert [mark.offset for mark in BookmarkStore(tmp_path).load("a")] == list(range(40))


def test_what_a_killed_dashboard_left_changes_nothing(tmp_path: Path) -> None:
    store = BookmarkStore(tmp_path)
    store.add("a", LogBookmark(1, "", ""))
    (tmp_path / ".log-bookmarks.json.99").write_text('{"version": 1, "book')
    store.add("a", LogBookmark(2, "", ""))
    assert [mark.offset for mark in store.load("a")] == [1, 2]


def test_a_damaged_file_is_reported_and_kept(tmp_path: Path) -> None:
    file = tmp_path / "log-bookmarks.json"
    for damaged in ("", "{", '{"bookmarks": [[1, 2]]}', "[]", '{"bookmarks": [["a", "b", "c", "d"]]}'):
        file.write_text(damaged)
        with pytest.raises(FlowError, match=r"log-bookmarks\.json is damaged"):
            BookmarkStore(tmp_path).add("a", LogBookmark(1, "", ""))
        assert file.read_text() == damaged
