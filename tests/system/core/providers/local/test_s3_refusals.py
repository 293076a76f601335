"""Requests for data from S3 that are refused without a network."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

import flow_core
from flow_core.agent.s3.download import _PROGRAM
from flow_core.agent.s3.progress import UnsupportedKey
from flow_core.agent.s3.transfer import create_file, file_path
from flow_core.errors import ConfigError, Unsupported

_SUBMIT = """
from flow_core import Flow, Unsupported
with Flow() as flow:
    try:
        flow.submit("true", mounts={"/x": "s3://bucket/x"})
    except Unsupported as error:
        print(error)
    print(flow.list_tasks())
"""


@pytest.mark.parametrize(
    "source",
    [
        *("s3://", "s3:///x", "s3://ab", "s3://Upper/x", "s3://a..b", "s3://under_score", "s3://1.2.3.4/x"),
        *("s3://-ab", "s3://bucket/\n", "s3://bucket/" + "k" * 1025, "s3://bucket/a\tb"),
    ],
)
async def test_an_invalid_address_is_refused_with_its_field(machine, source):
    with pytest.raises(ConfigError) as caught:
        await machine.submit("true", data_mounts=[{"source": source, "target": "/data"}])
    assert caught.value.field in ("data_mounts", "data_mounts.0.source")
    assert await machine.provider.list_tasks() == ()


@pytest.mark.parametrize("options", [{"read_only": False}, {"read_only": "no"}, {"writable": True}, {"upload": "end"}])
async def test_writing_back_is_refused(machine, options):
    with pytest.raises(Unsupported, match="copies, writing back isn't done; upload in the command instead"):
        await machine.submit("true", data_mounts=[{"source": "s3://bucket/x", "target": "/x", "options": options}])
    assert await machine.provider.list_tasks() == ()


def test_without_boto3_submit_says_what_to_install_and_creates_nothing(tmp_path):
    site = tmp_path / "site"
    site.mkdir()
    for entry in Path(pydantic.__file__).parents[1].iterdir():
        if not entry.name.startswith(("boto3", "botocore")):
            (site / entry.name).symlink_to(entry)
    path = os.pathsep.join([str(site), str(Path(flow_core.__file__).parents[1])])
    command = [sys.executable, "-S", "-c", _SUBMIT]
    run = subprocess.run(command, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, check=True)
    assert run.stdout.splitlines() == [
        "data_mounts: 's3://bucket/x' needs boto3; install it with: pip install 'flow-tui[s3]'",
        "[]",
    ]


def test_the_download_program_reports_a_missing_boto3(tmp_path):
    root = str(Path(flow_core.__file__).parents[1])
    (tmp_path / "mounts.json").write_text('{"version": 1, "mounts": [{"s3": "s3://bucket/x"}]}')
    command = [sys.executable, "-S", "-c", _PROGRAM, root, str(tmp_path)]
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env) as run:
        assert run.stdout is not None
        assert run.stdout.readline().startswith(f"failed s3://bucket/x can't be fetched: {sys.executable} has no")


@given(st.text())
def test_no_key_leads_outside_of_the_folder(key):
    try:
        path = file_path(key)
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
        return file_path(key) == key
    except UnsupportedKey:
        return False
