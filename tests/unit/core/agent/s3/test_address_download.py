"""The files that the objects of S3 become."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from flow_core.agent.s3.address_download import create_file, make_file_path
from flow_core.agent.s3.errors import UnsupportedKey


@given(st.text())
def test_no_key_leads_outside_of_the_folder(key):
    try:
        path = make_file_path(key)
    except UnsupportedKey:
        return
    assert Path("/top", path).resolve().is_relative_to("/top")
    assert Path("/top", path) != Path("/top")
    assert str(Path(path)) == path.removesuffix("/")


@given(st.lists(st.text("ab/-", min_size=1), unique=True))
def test_objects_that_cannot_all_be_files_are_refused_in_any_order(keys):
    paths = [key for key in keys if is_file_path(key)]
    blocked = any(other.startswith(one + "/") for one in paths if not one.endswith("/") for other in paths)
    with tempfile.TemporaryDirectory() as folder:
        try:
            for path in paths:
                create_file(Path(folder), path)
        except UnsupportedKey:
            assert blocked
        else:
            assert not blocked


def is_file_path(key):
    try:
        return make_file_path(key) == key
    except UnsupportedKey:
        return False
