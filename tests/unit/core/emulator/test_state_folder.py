"""The folder of an emulator: what is refused, and what stays when the emulator ends."""

from __future__ import annotations

from pathlib import Path

import pytest

from flow_core.emulator.state_folder import EmulatorFolder, FolderRefused


def test_a_folder_that_is_not_empty_is_refused_and_left_unchanged(tmp_path: Path) -> None:
    (tmp_path / "machines").mkdir()
    (tmp_path / "machines/chapter").write_text("words")
    folder = EmulatorFolder(tmp_path, delete_all=True)
    with pytest.raises(FolderRefused, match="is not empty"):
        folder.claim()
    folder.release()
    assert (tmp_path / "machines/chapter").read_text() == "words"


def test_a_file_in_place_of_the_folder_is_refused_and_left_unchanged(tmp_path: Path) -> None:
    file = tmp_path / "thesis"
    file.write_text("words")
    folder = EmulatorFolder(file)
    with pytest.raises(FolderRefused) as refused:
        folder.claim()
    assert str(refused.value) == f"{file} can't be used: Not a directory"
    folder.release()
    assert file.read_text() == "words"


def test_a_folder_that_did_not_exist_is_private_and_gone_at_the_end(tmp_path: Path) -> None:
    folder = EmulatorFolder(tmp_path / "new")
    folder.claim()
    (folder.files / "key").write_text("secret")
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o700
    assert folder.files.stat().st_mode & 0o777 == 0o700
    folder.release()
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("is_new", [True, False])
def test_files_that_others_put_into_the_folder_stay(tmp_path: Path, is_new: bool) -> None:
    path = tmp_path / "given"
    if not is_new:
        path.mkdir()
    folder = EmulatorFolder(path)
    folder.claim()
    (path / "mine").write_text("words")
    folder.release()
    assert [one.name for one in path.iterdir()] == ["mine"]


def test_a_folder_that_was_there_before_stays(tmp_path: Path) -> None:
    folder = EmulatorFolder(tmp_path)
    folder.claim()
    folder.release()
    assert list(tmp_path.iterdir()) == []


def test_with_delete_all_the_whole_folder_is_deleted(tmp_path: Path) -> None:
    path = tmp_path / "given"
    path.mkdir()
    folder = EmulatorFolder(path, delete_all=True)
    folder.claim()
    (path / "mine").write_text("words")
    folder.release()
    assert not path.exists()
